"""Functions that keep something for sessions: `python3 -m poold.worker keeper`."""

from __future__ import annotations

import os
import signal
import time

import poold

# How often this process has served each session, until it is told that the session ended here.
_served: dict[str, int] = {}
# The ends of sessions that this process was told of.
_ended: list[list[str]] = []


def on_session_end(session: str, reason: str) -> None:
    _served.pop(session, None)
    _ended.append([session, reason])


def ended() -> list[list[str]]:
    """The ends that this process was told of."""
    return _ended


def pid() -> int:
    """The process that serves."""
    return os.getpid()


def touch() -> int:
    """Keeps something here that is never handed back: how often this process has served the
    session."""
    name = poold.context().session
    _served[name] = _served.get(name, 0) + 1
    return _served[name]


def _counter() -> int:
    return int(poold.context().state or b"0")


def count() -> int:
    """Adds one to the session's counter, which is its state."""
    counter = _counter() + 1
    poold.context().set_state(b"%d" % counter)
    return counter


def append(text: str) -> list[str]:
    """Adds a text to those that are the session's state, and gives them all."""
    context = poold.context()
    state = (context.state or b"") + text.encode() + b"\n"
    context.set_state(state)
    return state.decode().split()


def read() -> bytes | None:
    """The session's state."""
    return poold.context().state


def fill(size: int) -> int:
    """Hands back a state of so many bytes."""
    poold.context().set_state(b"x" * size)
    return size


def forget() -> None:
    """Clears the state."""
    poold.context().set_state(None)


def count_then(how: str) -> int:
    """Counts, then fails by an exception ("raise"), by dying ("kill") or by taking forever."""
    count()
    if how == "raise":
        raise ValueError("counted in vain")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1000)
    return 0


def count_but_die_once(path: str) -> int:
    """Counts; the first time, which is noted in a file, the process dies then."""
    counter = count()
    if not os.path.exists(path):
        with open(path, "x", encoding="ascii"):
            os.kill(os.getpid(), signal.SIGKILL)
    return counter


def wait(path: str, begun: str | None = None) -> int:
    """Waits until this file is there; the process that serves.  Says by the file `begun` that it
    has begun."""
    if begun:
        with open(begun, "x", encoding="ascii"):
            pass
    while not os.path.exists(path):
        time.sleep(0.001)
    return os.getpid()
