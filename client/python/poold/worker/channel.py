"""The socket to the daemon that this process inherited, and the messages before it begins to
serve.
"""

from __future__ import annotations

import os
import signal
import socket

from poold import wire

SOCKET_VARIABLE = "POOLD_FD"
PREFORK_VARIABLE = "POOLD_PREFORK_FD"


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
        SetupError: POOLD_FD is not set or names no socket.
    """
    global _given, _is_control
    given = _open()
    if _is_control:
        from poold.worker.prefork import next_worker

        ignore_interrupts()
        given = next_worker(given)
        _is_control = False
        _keep(given)
    return given


def tell_step(name: str) -> None:
    """Reports to the daemon, for people, which step of its start this process is in."""
    try:
        _open().sendall(wire.pack([wire.NOTIFICATION, "step", [name]]))
    except (SetupError, OSError):
        pass  # open_channel will say it, if it is asked


def ignore_interrupts() -> None:
    """Ignores Ctrl-C at the daemon's terminal, which the daemon handles: it lets workers finish.

    Uses a handler that does nothing instead of SIG_IGN, which children of user code would inherit.
    """
    signal.signal(signal.SIGINT, lambda *_: None)


def _open() -> socket.socket:
    global _is_control
    if _given is None:
        _is_control = PREFORK_VARIABLE in os.environ
        _keep(_inherited_socket(PREFORK_VARIABLE if _is_control else SOCKET_VARIABLE))
    return _given


def _keep(given: socket.socket) -> None:
    global _given
    _given = given
    # A forked child that continues to run Python must not use this socket.
    os.register_at_fork(after_in_child=given.close)


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
