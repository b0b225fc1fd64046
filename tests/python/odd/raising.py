"""Exceptions that are hard to describe."""

from __future__ import annotations

import os
from decimal import Decimal

import poold


class Evil:
    """Whatever is done with it raises this."""

    def __init__(self, kind: type) -> None:
        object.__setattr__(self, "_kind", kind)

    def _raise(self, *_: object, **__: object) -> object:
        raise object.__getattribute__(self, "_kind")("no")

    __str__ = __repr__ = __len__ = __iter__ = __float__ = __eq__ = __hash__ = __bool__ = _raise
    __getattribute__ = __format__ = __lt__ = __mul__ = __rmul__ = __int__ = __index__ = _raise


class OddText(str):
    def encode(self, *_: object) -> bytes:
        raise ValueError("cannot be encoded")

    def __getitem__(self, _: object) -> str:
        raise ValueError("cannot be cut")

    def __len__(self) -> int:
        return 3

    def __str__(self) -> str:
        return self


class Meta(type):
    def __getattribute__(cls, name: str) -> object:
        if name in ("__name__", "__qualname__", "__module__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=Meta):
    pass


class NoText(Exception):
    def __str__(self) -> str:
        return 5


class Args(Exception):
    @property
    def args(self) -> tuple:
        raise SystemExit(3)

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class Silent(Exception):
    """Its traceback, its notes and its cause cannot be had."""

    def __getattribute__(self, name: str) -> object:
        raise GeneratorExit(name)


class Notes(Exception):
    __notes__ = [Evil(RuntimeError), "\ud800", "x" * 100_000]


class OwnRejected(poold.Rejected):
    """Calls no constructor of poold."""

    def __init__(self, field: str) -> None:
        self.field = field


class OwnRetryable(poold.Retryable):
    def __init__(self, field: str) -> None:
        self.field = field


class Property(poold.Retryable):
    @property
    def after(self) -> float:
        raise SystemExit(1)

    @after.setter
    def after(self, _: object) -> None:
        pass


def _cause() -> Exception:
    try:
        int("x")
    except ValueError as error:
        return error
    raise AssertionError


THINGS = {
    "exception": _cause,
    "dict": lambda: {"field": "name", "error": "missing"},
    "number": lambda: 404,
    "none": lambda: None,
    "bytes": lambda: b"\xff",
    "surrogate": lambda: "half \ud800 a pair",
    "escape": lambda: "\udcff",
    "huge": lambda: "x" * 5_000_000,
    "text": lambda: OddText("odd"),
    "set": lambda: {1},
    "infinite": lambda: float("inf"),
    "nan": lambda: float("nan"),
    "large": lambda: 10**400,
    "decimal": lambda: Decimal("0.25"),
    "negative": lambda: -1,
    "bool": lambda: True,
    "evil": lambda: Evil(RuntimeError),
    "exit": lambda: Evil(SystemExit),
    "interrupt": lambda: Evil(KeyboardInterrupt),
    "class": lambda: ValueError,
}
KINDS = {
    "rejected": lambda thing: poold.Rejected(thing),
    "retryable": lambda thing: poold.Retryable(thing),
    "after": lambda thing: poold.Retryable("busy", after=thing),
    "severity": lambda thing: poold.Retryable("busy", severity=thing),
    "rejected severity": lambda thing: poold.Rejected("no", severity=thing),
    "code": lambda thing: poold.Rejected("no", code=thing),
    "field": lambda thing: poold.Rejected("no", detail=thing, message_id=thing, args_=thing),
    "error": lambda thing: poold.Error(thing),
    "breaker": lambda thing: poold.CircuitOpen(thing, code=thing),
    "unusable": lambda thing: poold.Unusable(thing),
    "plain": lambda thing: ValueError(thing),
    "key": lambda thing: KeyError(thing),
    "group": lambda thing: ExceptionGroup("several", [ValueError(thing)]),
    "system": lambda thing: OSError(thing, thing),
    "exit": lambda thing: SystemExit(thing),
    "syntax": lambda thing: SyntaxError(thing, (thing, thing, thing, thing)),
}
CLASSES = {
    "nameless": lambda: Nameless("text"),
    "no text": NoText,
    "args": Args,
    "silent": Silent,
    "notes": Notes,
    "own rejected": lambda: OwnRejected("name"),
    "own retryable": lambda: OwnRetryable("name"),
    "property": lambda: Property("busy"),
    "base": lambda: BaseException("base"),
    "generator": lambda: GeneratorExit("left"),
    "stop": lambda: StopIteration(5),
}


def fail(kind: str, thing: str) -> None:
    raise KINDS[kind](THINGS[thing]())


def fail_by(name: str) -> None:
    raise CLASSES[name]()


def fail_from(kind: str, thing: str) -> None:
    try:
        raise KINDS["plain"](THINGS[thing]())
    except ValueError as error:
        raise KINDS[kind]("after it") from error


def parts(kind: str, thing: str) -> object:
    yield 1
    raise KINDS[kind](THINGS[thing]())


def names() -> list:
    return [list(KINDS), list(THINGS), list(CLASSES)]


def pid() -> int:
    return os.getpid()


def _as_async(function: object) -> object:
    async def call(*args: object) -> object:
        return function(*args)

    return call


asynchronous = {
    each.__name__: _as_async(each) for each in (fail, fail_by, fail_from, parts, names, pid)
}
