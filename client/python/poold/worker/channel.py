"""The socket to the daemon that this process inherited, and the messages before it begins to
serve.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat

from poold import wire
from poold.worker import forks

SOCKET_VARIABLE = "POOLD_FD"
PREFORK_VARIABLE = "POOLD_PREFORK_FD"
RECALL_VARIABLE = "POOLD_RECALL_FD"


# The channel gets the highest number below this that the limit of files permits, and the recall
# socket the one before it: whoever closes all files that he knows of rarely goes as far, and no
# other file gets this number by chance.
NUMBER_MAX = 1024


class SetupError(Exception):
    """This process was not started as a worker, or has nothing to serve."""


# The socket that this process inherited: the channel of a worker, or the control socket of a fork
# server.
_given: socket.socket | None = None
_is_control = False
# The socket on which the daemon asks for requests back, if there is one.
_recall: socket.socket | None = None


def open_channel() -> socket.socket:
    """Returns the socket to the daemon, which children of this process do not inherit.

    If the daemon wants a fork server, this process becomes one, and the workers that it forks
    return from here.

    Raises:
        SetupError: POOLD_FD is not set or names no socket, or the worker's code has closed that.
    """
    global _is_control, _recall
    given = _open()
    number = given.fileno()
    if not _is_socket(number):
        raise SetupError(
            f"the worker's own code has closed descriptor {number}, its channel to the daemon"
        )
    if _is_control:
        from poold.worker.prefork import next_worker

        ignore_interrupts()
        channel, recall = next_worker(given)
        given = _keep(channel)
        _recall = recall and _move(recall, 1)
        _is_control = False
    return given


def recall_channel() -> socket.socket | None:
    """Returns the socket on which the daemon asks for requests back, which children of this process
    do not inherit; None: it does not.  For after `open_channel`."""
    return _recall


def tell_step(name: str) -> None:
    """Reports to the daemon, for people, which step of its start this process is in."""
    try:
        _open().sendall(wire.pack([wire.NOTIFICATION, "step", [name]]), socket.MSG_NOSIGNAL)
    except (SetupError, OSError):
        pass  # open_channel will say it, if it is asked


def ignore_interrupts() -> None:
    """Ignores Ctrl-C at the daemon's terminal, which the daemon handles: it lets workers finish.

    Uses a handler that does nothing instead of SIG_IGN, which programs that user code executes
    would inherit.
    """
    forks.handles(signal.SIGINT, signal.signal(signal.SIGINT, _do_nothing))


def _do_nothing(*_: object) -> None:
    pass


def _open() -> socket.socket:
    global _is_control, _recall
    if _given is None:
        _is_control = PREFORK_VARIABLE in os.environ
        _recall = _inherited_recall()
        return _keep(_inherited_socket(PREFORK_VARIABLE if _is_control else SOCKET_VARIABLE))
    return _given


def _keep(given: socket.socket) -> socket.socket:
    global _given
    _given = _move(given, 0)
    return _given


def _move(given: socket.socket, before: int) -> socket.socket:
    """Moves the socket to a high number, so many before the highest, and keeps it from children
    that run on in Python."""
    highest = min(os.sysconf("SC_OPEN_MAX"), NUMBER_MAX) - 1
    try:
        number = fcntl.fcntl(given.fileno(), fcntl.F_DUPFD_CLOEXEC, highest - before)
    except OSError:
        moved = given  # it stays where it is
    else:
        moved = socket.socket(fileno=number)
        given.close()
    forks.in_child(moved.close)
    return moved


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def _take(text: str) -> socket.socket:
    """The socket of that number, which programs that are executed do not inherit any more."""
    number = int(text)
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def _inherited_socket(variable: str) -> socket.socket:
    text = os.environ.get(variable)
    if text is None:
        raise SetupError(f"{variable} is not set: a worker is started by poold")
    try:
        inherited = _take(text)
    except (ValueError, OverflowError, OSError) as error:
        raise SetupError(f"{variable}={text} names no socket: {error}") from None
    del os.environ[variable]
    return inherited


def _inherited_recall() -> socket.socket | None:
    """A worker does without it where there is none."""
    try:
        return _move(_take(os.environ.pop(RECALL_VARIABLE, "")), 1)
    except (ValueError, OverflowError, OSError):
        return None
