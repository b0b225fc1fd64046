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


# The channel gets the highest number below this that the limit of files permits: whoever closes all
# files that he knows of rarely goes as far, and no other file gets this number by chance.
NUMBER_MAX = 1024


class SetupError(Exception):
    """This process was not started as a worker, or has nothing to serve."""


# The socket that this process inherited: the channel of a worker, or the control socket of a fork
# server.
_given: socket.socket | None = None
_is_control = False


def open_channel() -> socket.socket:
    """Returns the socket to the daemon, which children of this process do not inherit.

    If the daemon wants a fork server, this process becomes one, and the workers that it forks
    return from here.

    Raises:
        SetupError: POOLD_FD is not set or names no socket, or the worker's code has closed that.
    """
    global _is_control
    given = _open()
    number = given.fileno()
    if not _is_socket(number):
        raise SetupError(
            f"the worker's own code has closed descriptor {number}, its channel to the daemon"
        )
    if _is_control:
        from poold.worker.prefork import next_worker

        ignore_interrupts()
        given = _keep(next_worker(given))
        _is_control = False
    return given


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
    global _is_control
    if _given is None:
        _is_control = PREFORK_VARIABLE in os.environ
        return _keep(_inherited_socket(PREFORK_VARIABLE if _is_control else SOCKET_VARIABLE))
    return _given


def _keep(given: socket.socket) -> socket.socket:
    """Moves the socket to a high number, and keeps it from children that run on in Python."""
    global _given
    highest = min(os.sysconf("SC_OPEN_MAX"), NUMBER_MAX) - 1
    try:
        moved = fcntl.fcntl(given.fileno(), fcntl.F_DUPFD_CLOEXEC, highest)
    except OSError:
        _given = given  # it stays where it is
    else:
        _given = socket.socket(fileno=moved)
        given.close()
    forks.in_child(_given.close)
    return _given


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def _inherited_socket(variable: str) -> socket.socket:
    text = os.environ.get(variable)
    if text is None:
        raise SetupError(f"{variable} is not set: a worker is started by poold")
    try:
        number = int(text)
        os.set_inheritable(number, False)
        inherited = socket.socket(fileno=number)
    except (ValueError, OverflowError, OSError) as error:
        raise SetupError(f"{variable}={text} names no socket: {error}") from None
    del os.environ[variable]
    return inherited
