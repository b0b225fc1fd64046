"""What the worker under test serves."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from os.path import basename  # imported: not served

import poold

_echoes = 0


def echo(value: object = None) -> object:
    return value


def describe(a: int, b: int = 2, *, c: int = 3) -> list:
    return [a, b, c]


def positional(a: int, /, b: int = 2) -> list:
    return [a, b]


def several(*args: object, **kwargs: object) -> list:
    return [list(args), kwargs]


def need_c(*, c: int) -> int:
    return c


def ping(value: int) -> list:
    return ["own ping", value]


@functools.lru_cache
def cached(value: int) -> int:
    return value * 2


def _private() -> None:
    raise AssertionError("served though private")


def raise_value_error(text: str) -> None:
    raise ValueError(text)


def raise_type_error() -> None:
    describe()


def raise_decode_error() -> None:
    import json

    json.loads("{")


def raise_rejected() -> None:
    raise poold.Rejected("no such thing")


def raise_retryable(after: float | None = None, severity: str | None = None) -> None:
    raise poold.Retryable("busy", after=after, severity=severity)


def raise_severe_rejected(severity: str) -> None:
    raise poold.Rejected("no such thing", severity=severity)


def raise_fatal(severity: str | None = None) -> None:
    raise poold.Fatal("broken", severity=severity)


def raise_exit() -> None:
    sys.exit(3)


def raise_unprintable() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    raise Unprintable


def raise_surrogate() -> None:
    raise ValueError("half \ud800 a pair")


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + recurse_again(depth)


def recurse_again(depth: int) -> int:
    return recurse(depth)


def generate(*values: object) -> object:
    yield from values
    return "the end"


def generate_object() -> object:
    yield 1
    yield object()


def generate_and_raise(how_many: int) -> object:
    yield from range(how_many)
    raise ValueError("in mid-stream")


def generate_after(path: str, trace: str) -> object:
    """One value at once, and others for ever when something was written to the FIFO.  Leaves a
    trace of its own end."""
    try:
        yield "first"
        block(path)
        while True:
            yield "more"
    finally:
        note(trace)


def generate_stubbornly(path: str) -> object:
    try:
        yield "first"
        block(path)
        yield "second"
    finally:
        raise RuntimeError("would not end")


def generate_state() -> object:
    poold.context().set_state(b"before")
    yield poold.context().session
    poold.context().set_state(b"after")


def make_object() -> dict:
    return {"inner": object()}


def make_huge_number() -> int:
    return 1 << 80


def make_half_pair() -> str:
    return "\ud800"


def context() -> dict:
    here = poold.context()
    return {
        "request": here.request,
        "attempt": here.attempt,
        "priority": here.priority,
        "trace": here.trace,
        "tracestate": here.tracestate,
        "session": here.session,
        "state": here.state,
        "stream": here.stream,
        "remaining": here.remaining(),
    }


def set_states(*states: object) -> object:
    here = poold.context()
    for state in states:
        here.set_state(state)
    return here.state


def set_state_and_raise(state: bytes) -> None:
    poold.context().set_state(state)
    raise ValueError("after all")


def set_bytearray() -> None:
    data = bytearray(b"now")
    poold.context().set_state(data)
    data[:] = b"then"


_kept: list[poold.Context] = []


def keep_context() -> None:
    _kept.append(poold.context())


def use_kept_context() -> str:
    try:
        _kept.pop().set_state(b"late")
    except LookupError as error:
        return str(error)
    return "taken"


_ended: list[list] = []


def on_session_end(session: str, reason: str) -> None:
    if session == "bad":
        raise ValueError("what could not be dropped")
    if session == "worse":
        sys.exit(4)
    if session == "forked":
        child = os.fork()
        if child == 0:
            raise ValueError("of the child")
        reason = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if session.startswith("/"):
        note(session)
    _ended.append([session, reason])


def ended() -> list:
    return _ended


def say(text: str) -> None:
    print(text)
    print(text, file=sys.stderr)
    print(sys.stdin.read(), end="")


def environment() -> list:
    """Whether POOLD_FD is known here, and the sockets that a child process inherits."""
    listing = subprocess.run(
        ["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False, check=True
    )
    return ["POOLD_FD" in os.environ, listing.stdout.count("socket:")]


def variables(*names: str) -> list:
    return [os.environ.get(name) for name in names]


def fork_and_return() -> list:
    """Returns in two processes."""
    child = os.fork()
    return ["child" if child == 0 else "parent", child]


def wait_for_child(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def block(path: str) -> str:
    """Returns once something was written to the FIFO, and two milliseconds later."""
    with open(path, encoding="utf-8") as fifo:
        text = fifo.read()
    end = time.monotonic() + 0.002
    while time.monotonic() < end:
        pass
    return text


def note(path: str) -> None:
    """Leaves a trace that it ran."""
    with open(path, "w", encoding="utf-8"):
        pass
