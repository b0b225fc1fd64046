"""A server that answers as no daemon should: wrong, twice, late, torn, slowly, never, too much."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable

from support import Peer, pack

Behaviour = Callable[["Hostile", Peer, int], None]

# Error elements of a response.
ODD_ERRORS: tuple[object, ...] = (
    False,
    0,
    [],
    {},
    b"\xff\xfe",
    "\udcff: \udcfe",
    [0, "\udcff"],
    [1, 2, 3],
    "unknown_pool: why",
    {"code": "rejected", "category": "no such category"},
    {"code": ["rejected"], "category": {"a": 1}, "severity": 7, "message": [b"\xff"]},
    {"code": 5, "executed": "perhaps", "retryable": "yes", "retry_after_ms": -1.5},
    {"code": "exception", "detail": {"message": {}, "traceback": 5}, "attempts": 1, "attempt": ""},
    {"code": "shed", "message": "x" * (3 << 20), "retry_after_ms": 1 << 63},
    {1: 2, "code": "internal", None: [None]},
)

# Messages in MessagePack that no library packs: (bytes before the id, bytes after it).
ODD_BYTES = (
    (b"\x94\x01", b"\xc0\x81\x91\x01\x02"),  # a result with a list as the key of a map
    (b"\x94\x01", b"\x82\xa4code\xa8rejected\x91\x01\x02\xc0"),  # such an error
    (b"\x94\x01", b"\xc0" + b"\x91" * 5000 + b"\xc0"),  # a result nested deeply
    (b"\x94\x01", b"\x91" * 5000 + b"\xc0" + b"\xc0"),  # such an error
    (b"\x94\x01", b"\xc0\xd6\xff\xff\xff\xff\xff"),  # a time
    (b"\x94\x01", b"\xc0\xc7\x03\xff\x00\x00\x00"),  # no time
    (b"\x94\x01", b"\xc0\xdd\xff\xff\xff\xff"),  # an endless list
    (b"\x94\x01", b"\xc1\xc1"),
    (b"\x95\x01", b"\xc0\xc0\xc0"),
    (b"\x93\x01", b"\xc0"),
    (b"\x94\x03", b"\xc0\xc0"),
    (b"\x94\x00", b"\xa1m\x90"),  # a request
)

NOISE = [
    [1, 0xFFFFFFFF, None, "nobody asked"],
    [2, "poold.event", [{"kind": "health"}]],
    [2, "poold.event", [7]],
    [2, "poold.news", []],
    [2, "poold.chunk", []],
    [2, "poold.restart", ["x"]],
]


class Hostile:
    """A script for FakeServer.  Once it is `calm`, it answers as it should."""

    def __init__(self, seed: int) -> None:
        self.calm = threading.Event()
        self._draw = random.Random(seed)
        self._late: list[int] = []

    def __call__(self, peer: Peer) -> None:
        while True:
            message = peer.read()
            if message[0] != 0:
                continue
            if self.calm.is_set() or message[2] == "poold.hello":
                peer.send([1, message[1], None, "right"])
            else:
                self._draw.choice(BEHAVIOURS)(self, peer, message[1])

    def right(self, peer: Peer, number: int) -> None:
        peer.send([1, number, None, "right"])

    def twice(self, peer: Peer, number: int) -> None:
        peer.send([1, number, None, "right"], [1, number, None, "again"], [1, number, "no", None])

    def wrong(self, peer: Peer, number: int) -> None:
        peer.send([1, number ^ 0x1000, None, "another's"])

    def late(self, peer: Peer, number: int) -> None:
        peer.send(*([1, each, None, "late"] for each in self._late))
        self._late = [*self._late[-20:], number]

    def silent(self, peer: Peer, number: int) -> None:
        pass

    def odd_error(self, peer: Peer, number: int) -> None:
        peer.send([1, number, self._draw.choice(ODD_ERRORS), None])

    def odd_bytes(self, peer: Peer, number: int) -> None:
        head, tail = self._draw.choice(ODD_BYTES)
        peer.send_bytes(head + pack(number) + tail)

    def noise(self, peer: Peer, number: int) -> None:
        chunks = [[2, "poold.chunk", [number, index]] for index in range(20)]
        peer.send(*NOISE, *chunks, *NOISE, [1, number, None, "right"])

    def torn(self, peer: Peer, number: int) -> None:
        whole = pack([1, number, None, "right"])
        peer.send_bytes(whole[: self._draw.randrange(len(whole))])
        peer.channel.shutdown(socket.SHUT_RDWR)
        raise EOFError

    def slow(self, peer: Peer, number: int) -> None:
        for byte in pack([1, number, None, "slow"]):
            peer.send_bytes(bytes((byte,)))

    def unfinished(self, peer: Peer, number: int) -> None:
        peer.send_bytes(b"\x94\x01" + pack(number) + b"\xc0\xc6\x00\x10\x00\x00")

    def huge(self, peer: Peer, number: int) -> None:
        peer.send([1, number, None, b"x" * (1 << 20)])

    def garbage(self, peer: Peer, number: int) -> None:
        peer.send_bytes(self._draw.randbytes(self._draw.randrange(1, 300)))


BEHAVIOURS: tuple[Behaviour, ...] = (
    Hostile.right,
    Hostile.twice,
    Hostile.wrong,
    Hostile.late,
    Hostile.silent,
    Hostile.odd_error,
    Hostile.odd_error,
    Hostile.odd_bytes,
    Hostile.odd_bytes,
    Hostile.noise,
    Hostile.torn,
    Hostile.slow,
    Hostile.unfinished,
    Hostile.huge,
    Hostile.garbage,
)


class Flood:
    """A script: from the first request on, sends without end what `messages` makes of its id."""

    def __init__(self, *messages: Callable[[int], list]) -> None:
        self._messages = messages

    def __call__(self, peer: Peer) -> None:
        message = peer.read()
        while message[0] != 0:  # it gives up one that another connection had
            message = peer.read()
        number = message[1]
        block = b"".join(pack(message(number)) for message in self._messages) * 500
        while True:
            peer.send_bytes(block)


FLOODS = (
    Flood(lambda number: [2, "poold.event", [{}]], lambda number: [2, "poold.news", [number]]),
    Flood(lambda number: [1, number + 1, None, None]),
    Flood(lambda number: [2, "poold.chunk", [number, "more"]]),
)
