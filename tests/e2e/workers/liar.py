"""A worker whose results lie, and whose code is interrupted anywhere."""

from __future__ import annotations

import random
import signal

import lies


class Late(Exception):
    """A time limit, as decorators have it."""


class Gone(BaseException):
    """Something that nobody catches."""


def arm(draw: random.Random, microseconds: int) -> None:
    """Raises something within that time, wherever the process is then."""
    kind = draw.choice([Late, Gone, TimeoutError, KeyboardInterrupt, SystemExit, BlockingIOError])

    def late(*_: object) -> None:
        raise kind("time is up")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-6, microseconds * 1e-6))


def tell(tag: str, seed: int, alarm: int = 0) -> object:
    draw = random.Random(seed)
    value = lies.tree(draw, tag)
    if alarm:
        arm(draw, alarm)
    return value


def parts(tag: str, seed: int, alarm: int = 0) -> object:
    draw = random.Random(seed)
    values = [lies.tree(draw, tag, 2) for _ in range(draw.randrange(6))]
    if alarm:
        arm(draw, alarm)
    yield from values


def much(tag: str, seed: int, alarm: int = 0) -> object:
    """An answer that is written in many pieces."""
    draw = random.Random(seed)
    value = [tag] * draw.randrange(100_000)
    if alarm:
        arm(draw, alarm)
    return value
