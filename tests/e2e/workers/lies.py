"""Values that say something else of themselves than they have, and trees of them for a worker or a
client to send.  Every text in a tree is its tag, so whoever gets it sees where it is from.
"""

from __future__ import annotations

import collections
import random

import msgpack


class Fewer(dict):
    """Hides a pair from items(), as caches with expiry do; len() counts it."""

    def items(self):
        return list(super().items())[:-1]


class More(dict):
    def items(self):
        return [*super().items(), ("more", 1), ("and more", 2)]


class Longer(dict):
    def __len__(self):
        return super().__len__() + 3


class ShortList(list):
    def __iter__(self):
        return iter(list.copy(self)[1:])


class LongList(list):
    def __iter__(self):
        yield from list.copy(self)
        yield 1

    def __len__(self):
        return 10**9


class OddTuple(tuple):
    def __iter__(self):
        return iter((1, 2, 3, 4, 5, 6, 7))

    def __len__(self):
        return 1


class OddText(str):
    def __len__(self):
        return 1000

    def encode(self, *_):
        return b"a lie"

    def __str__(self):
        return "a lie"


class OddBytes(bytes):
    def __len__(self):
        return 1000

    def __bytes__(self):
        return b"a lie"


class OddArray(bytearray):
    def __len__(self):
        return 0


class OddNumber(int):
    def __gt__(self, other):
        return False

    def __index__(self):
        return 7


class OddExt(msgpack.ExtType):
    pass


class Raising(dict):
    def items(self):
        raise LookupError("its items are gone")


class Speechless(ValueError):
    def __str__(self):
        raise KeyError("no text")


class Silent(dict):
    def items(self):
        raise Speechless


class Leaving(dict):
    def items(self):
        raise SystemExit(3)


class Shrinking(dict):
    """Takes something out of the list that it is in, while that is packed."""

    def __init__(self, around):
        super().__init__()
        self.around = around

    def items(self):
        self.around.pop()
        return []


def shrinking(tag):
    around = [tag, tag, tag]
    around.insert(0, Shrinking(around))
    return around


def growing(tag):
    class Growing(list):
        def __iter__(self):
            around.append(tag)
            return iter([])

    around = [Growing(), tag]
    return around


Pair = collections.namedtuple("Pair", "first second")

LEAVES = [
    lambda tag: {tag},
    lambda tag: tag,
    lambda tag: 5,
    lambda tag: None,
    lambda tag: tag.encode(),
    lambda tag: OddText(tag),
    lambda tag: OddBytes(tag.encode()),
    lambda tag: OddArray(tag.encode()),
    lambda tag: OddNumber(3),
    lambda tag: OddExt(5, tag.encode()),
    lambda tag: msgpack.ExtType(6, tag.encode()),
    lambda tag: memoryview(tag.encode()),
    lambda tag: 1.5,
]
TROUBLES = [
    lambda tag: {object()},
    lambda tag: object(),
    lambda tag: 1 << 70,
    lambda tag: "\ud800",
    lambda tag: (each for each in [tag]),
    lambda tag: Raising(a=tag),
    lambda tag: Leaving(a=tag),
]
# What changes while it is packed.
CHANGING = [shrinking, growing]
MAPS = [dict, Fewer, More, Longer, collections.OrderedDict, collections.Counter]
LISTS = [list, tuple, ShortList, LongList, OddTuple]


def tree(draw: random.Random, tag: str, depth: int = 3) -> object:
    """A random value; about every tenth cannot be sent at all."""
    kind = draw.randrange(8 if depth else 3)
    if kind < 3:
        return draw.choice(LEAVES)(tag)
    if kind == 3 and draw.random() < 0.3:
        return draw.choice(TROUBLES + CHANGING)(tag)
    count = draw.randrange(4)
    if kind < 6:
        keys = [f"k{number}" for number in range(count)]
        return draw.choice(MAPS)({key: tree(draw, tag, depth - 1) for key in keys})
    items = [tree(draw, tag, depth - 1) for _ in range(count)]
    return Pair(tag, items) if draw.random() < 0.1 else draw.choice(LISTS)(items)


def strangers(tag: str, value: object) -> list:
    """What there is in an answer that is not from this tag."""
    if isinstance(value, dict):
        return [each for item in value.values() for each in strangers(tag, item)]
    if isinstance(value, (list, tuple, set)) and not isinstance(value, msgpack.ExtType):
        return [each for item in value for each in strangers(tag, item)]
    if isinstance(value, msgpack.ExtType):
        value = value.data
    if isinstance(value, bytes):
        value = value.decode()
    return [value] if isinstance(value, str) and value != tag else []
