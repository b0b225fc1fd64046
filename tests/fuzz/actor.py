"""A worker that does what the call says: the arguments of each call are a plan, a list of deeds.

    actor.py DIALECT        poold, at the socket of POOLD_FD, or msgpack-rpc, on standard input and output

A plan is `[number, deeds]`, each deed a list of a word and its arguments; see DEEDS.  Where no deed
answers the call, the number is the answer.  Some of its lives begin oddly; which ones, the variable
ACTOR_SEED and the worker's number and process draw.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2


class Stage:
    """The worker's end of its channel."""

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self.answered = False
        self.unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape")

    def write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.sink, data) :]
        except OSError:
            os._exit(0)  # nobody listens any more

    def send(self, *message: object) -> None:
        self.write(msgpack.packb(list(message), unicode_errors="surrogateescape"))

    def messages(self) -> Iterator[Any]:
        """What the daemon says, until it hangs up or there is nothing to be understood."""
        while True:
            for message in self.unpacker:
                yield message
            data = os.read(self.source, 1 << 16)
            if not data:
                return
            self.unpacker.feed(data)


Deed = Callable[..., None]
DEEDS: dict[str, Deed] = {}


def deed(function: Deed) -> Deed:
    """Decorator: a plan may have this, by the function's name."""
    DEEDS[function.__name__] = function
    return function


@deed
def respond(stage: Stage, number: int, value: object) -> None:
    stage.send(RESPONSE, number, None, value)
    stage.answered = True


@deed
def error(stage: Stage, number: int, value: object) -> None:
    stage.send(RESPONSE, number, value, None)
    stage.answered = True


@deed
def note(stage: Stage, number: int, name: str, value: object, count: int = 1) -> None:
    """A notification about this call: started, chunk, state, alive, step, or nothing known."""
    for _ in range(count):
        stage.send(NOTIFICATION, name, [number] if value is None else [number, value])


@deed
def big(stage: Stage, number: int, name: str, size: int) -> None:
    """A notification with so many bytes."""
    stage.send(NOTIFICATION, name, [number, bytes(size)])


@deed
def stray(stage: Stage, _: int, message: object) -> None:
    """Any message at all."""
    stage.write(msgpack.packb(message, unicode_errors="surrogateescape"))


@deed
def raw(stage: Stage, _: int, data: bytes) -> None:
    """Any bytes at all."""
    stage.write(data)


@deed
def pieces(stage: Stage, number: int, value: object, size: int) -> None:
    """The answer, in pieces."""
    data = msgpack.packb([RESPONSE, number, None, value])
    for begin in range(0, len(data), size):
        stage.write(data[begin : begin + size])
        time.sleep(0.001)
    stage.answered = True


@deed
def half(stage: Stage, number: int, size: int) -> None:
    """The beginning of an answer, and nothing after it."""
    stage.write(msgpack.packb([RESPONSE, number, None, "x" * size])[: 1 + size // 2])
    os._exit(0)


@deed
def silent(stage: Stage, _: int) -> None:
    stage.answered = True


@deed
def wait(_: Stage, __: int, msec: float) -> None:
    time.sleep(msec / 1000)


@deed
def leave(_: Stage, __: int, status: int) -> None:
    os._exit(status)


@deed
def die(_: Stage, __: int, number: int) -> None:
    os.kill(os.getpid(), number)


@deed
def hang_up(stage: Stage, _: int) -> None:
    os.close(stage.sink)
    time.sleep(0.05)
    os._exit(0)


@deed
def say(_: Stage, __: int, data: bytes) -> None:
    """Something on standard error."""
    os.write(2, data)


def plan_of(params: Any) -> Any:
    """The plan among a call's params: how deep it is there, the dialect and the form of the call say."""
    for _ in range(3):
        if isinstance(params, list) and len(params) == 2 and isinstance(params[0], int) and isinstance(params[1], list):
            return params
        params = params[0] if isinstance(params, list) and params else None
    return None


def play(stage: Stage, number: int, params: Any) -> None:
    """Does what a call says; what is no plan is answered with itself."""
    stage.answered = False
    mark, deeds = plan_of(params) or (params, [])
    try:
        for word, *arguments in deeds:
            DEEDS[word](stage, number, *arguments)
    except (TypeError, ValueError, KeyError):
        pass  # the plan itself was changed on its way
    if not stage.answered:
        stage.send(RESPONSE, number, None, mark)


def begin(stage: Stage, draw: random.Random) -> None:
    """Says that it is ready, mostly."""
    ready = {"pid": os.getpid(), "concurrency": draw.choice((1, 1, 1, 3)), "credit": draw.random() < 0.5,
             "batch": draw.random() < 0.1}
    odd = draw.random()
    if odd < 0.02:
        os._exit(draw.choice((0, 1)))
    elif odd < 0.04:
        stage.write(draw.randbytes(draw.randrange(1, 50)))
    elif odd < 0.06:
        stage.send(RESPONSE, 1, None, None)
    elif odd < 0.2:
        for _ in range(draw.randrange(12)):
            stage.send(NOTIFICATION, "step", [draw.choice(("import", "x" * 300, ""))])
    elif odd < 0.22:
        stage.send(NOTIFICATION, "ready", [ready])
    stage.send(NOTIFICATION, "ready", [ready] if draw.random() < 0.9 else [])


def main() -> None:
    """Serves until it is told to end."""
    if sys.argv[1] == "poold":
        channel = int(os.environ["POOLD_FD"])
        stage = Stage(channel, channel)
        seed = f"{os.environ.get('ACTOR_SEED')} {os.environ['POOLD_WORKER']} {os.getpid()}"
        begin(stage, random.Random(seed))
    else:
        stage = Stage(0, 1)
    for message in stage.messages():
        if message[0] == NOTIFICATION and message[1] == "shutdown":
            return
        if message[0] == REQUEST and message[2] == "ping" and not message[3]:
            stage.send(RESPONSE, message[1], None, "pong")
        elif message[0] == REQUEST:
            play(stage, message[1], message[3])


if __name__ == "__main__":
    main()
