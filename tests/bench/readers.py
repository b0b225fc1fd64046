"""Shows of readers that are slower than what they asked for, and of those beside them."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator

import msgpack

from offered import Figure, Load, Offer, Pools, at_least, at_most, changes, offer, pool, told
from servers import BenchError, Place

MIB = 1 << 20
PART = MIB
PARTS_PER_SECOND = 20

DEAF = 10
DEAF_PARTS = 200

ANSWERS = 60
ANSWER = 4 * MIB
PAUSE = 2.0

# Seconds in which whatever was asked must have come.
PATIENCE = 120.0

# How much slower the calls of others may be, and seconds in which they are measured alone.
BYSTANDER_FACTOR = 1.5
ALONE = 4.0


class Reader:
    """A connection that reads only when it is told to, and keeps what has come by id.

    Attributes:
        parts: of each stream, the numbers of its parts in the order in which they came.
        results: the answers, an exception where it is an error.
        doubled: how many second answers came.
    """

    def __init__(self, daemon: Pools) -> None:
        self.peer = daemon.connect()
        self.unpacker = msgpack.Unpacker(max_buffer_size=2**31)
        self.parts: dict[int, list[int]] = {}
        self.results: dict[int, object] = {}
        self.doubled = 0
        self.asked = 0

    def ask(self, method: str, args: list[int], **options: object) -> int:
        """Sends a call and returns its id."""
        self.asked += 1
        self.parts[self.asked] = []
        options = {"timeout_ms": round(PATIENCE * 1000), **options}
        params = ["work", method, args, options]
        self.peer.sendall(msgpack.packb([0, self.asked, "poold.call", params]))
        return self.asked

    def take(self, message: list) -> None:
        """Keeps a message."""
        if message[0] == 2:
            number, part = message[2]
            right = len(part) == PART
            self.parts[number].append(int.from_bytes(part[:4], "little") if right else -1)
            return
        _, number, error, result = message
        self.doubled += number in self.results
        self.results[number] = BenchError(str(error)) if error is not None else result

    def read(self) -> bool:
        """Reads once and keeps what is whole.  Returns False when the daemon has closed."""
        try:
            data = self.peer.recv(MIB)
        except OSError:
            return False
        if not data:
            return False
        self.unpacker.feed(data)
        for message in self.unpacker:
            self.take(message)
        return True

    def await_answer(self, number: int) -> bool:
        """Reads until this call is answered; False: it never is."""
        while number not in self.results:
            if not self.read():
                return False
        return True

    def in_order(self, number: int) -> int:
        """How many parts of a stream came in order, each once, from the first on."""
        came = self.parts[number]
        return next((at for at, part in enumerate(came) if part != at), len(came))


def pools(place: Place, workers: str, count: int) -> tuple[str, str]:
    """The pool of the readers, and the one of those beside them."""
    return pool(place, "work", workers, count), pool(place, "others", workers, 2)


def bystander(end: float) -> Offer:
    """The calls of others."""
    return Offer("others", end, 10, timeout=5000, keys={"pool": "others", "arrivals": "uniform"})


def judge_others(run: str, alone: dict, beside: dict) -> Iterator[Figure]:
    """Those beside the reader notice nothing."""
    yield at_least(run, "others' calls answered", 100 * beside["good"] / beside["sent"], 100, "%")
    factor = beside["p99_ms"] / alone["p99_ms"]
    yield at_most(run, "others' p99, of that without", factor, BYSTANDER_FACTOR, "x")


def judge_pool(run: str, daemon: Pools, before: dict) -> Iterator[Figure]:
    """No worker is at fault for what a client did not read."""
    grown = changes(before, daemon.counters("work"))
    yield at_most(run, "workers killed", grown["worker_kills"] + grown["worker_crashes"], 0)
    yield at_most(run, "breaker openings", grown["opened"], 0)
    yield told(run, "the daemon's memory at its peak", daemon.memory("VmHWM") / MIB, "MiB")


def read_steadily(reader: Reader, stream: int, parts: int) -> list[int]:
    """Takes 20 parts a second to the end of the stream, and asks something else once a second.
    Returns the ids of those calls."""
    start = time.monotonic()
    others: list[int] = []
    for wanted in range(1, parts + 1):
        if wanted % PARTS_PER_SECOND == 0:
            others.append(reader.ask("nap", [1]))
        while len(reader.parts[stream]) < wanted and stream not in reader.results:
            if not reader.read():
                return others
        time.sleep(max(0.0, start + wanted / PARTS_PER_SECOND - time.monotonic()))
    for number in (stream, *others):
        reader.await_answer(number)
    return others


def slow_reader(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """7: a stream of 1 MiB parts at 20 parts a second; 400 parts in 20 s."""
    parts = round(seconds * PARTS_PER_SECOND)
    run = f"{workers}, {parts} parts at 20/s"
    with Pools(place, *pools(place, workers, 4)) as daemon:
        daemon.await_workers("work", 4)
        daemon.await_workers("others", 2)
        alone = offer(daemon, bystander(ALONE))["others"]
        before = daemon.counters("work")
        with Load(daemon, bystander(seconds)) as load:
            reader = Reader(daemon)
            stream = reader.ask("parts", [parts, PART], stream=True)
            others = read_steadily(reader, stream, parts)
            reader.peer.close()
            beside = load.figures()["classes"]["others"]
        yield at_least(run, "parts that came in order, once", reader.in_order(stream), parts)
        yield at_least(run, "the stream's result", reader.results.get(stream) == parts, 1)
        answered = sum(isinstance(reader.results.get(number), int) for number in others)
        wanted = parts // PARTS_PER_SECOND
        yield at_least(run, "other calls of the connection answered", answered, wanted)
        yield from judge_others(run, alone, beside)
        yield from judge_pool(run, daemon, before)


def read_all(readers: list[Reader]) -> None:
    """Reads on all connections until each call on them is answered, or they are closed."""
    end = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.peer, selectors.EVENT_READ, reader)
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(1.0):
                reader = key.data
                if not reader.read() or len(reader.results) == reader.asked:
                    selector.unregister(reader.peer)


def deaf_streams(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """7: ten streams of 200 MiB that nobody reads for half of `seconds`, and then all at once."""
    run = f"{workers}, ten deaf streams"
    with Pools(place, *pools(place, workers, DEAF + 2)) as daemon:
        daemon.await_workers("work", DEAF + 2)
        daemon.await_workers("others", 2)
        alone = offer(daemon, bystander(ALONE))["others"]
        before = daemon.counters("work")
        readers = [Reader(daemon) for _ in range(DEAF)]
        for reader in readers:
            reader.ask("parts", [DEAF_PARTS, PART], stream=True)
        beside = offer(daemon, bystander(seconds / 2))["others"]
        read_all(readers)
        for reader in readers:
            reader.peer.close()
        came = sum(reader.in_order(1) for reader in readers)
        yield at_least(run, "parts that came in order, once", came, DEAF * DEAF_PARTS)
        ended = sum(reader.results.get(1) == DEAF_PARTS for reader in readers)
        yield at_least(run, "streams that ended with their result", ended, DEAF)
        yield from judge_others(run, alone, beside)
        yield from judge_pool(run, daemon, before)


def pausing_client(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """7: 60 answers of 4 MiB to a connection that reads nothing for 2 s."""
    del seconds
    run = f"{workers}, 60 answers of 4 MiB"
    with Pools(place, *pools(place, workers, 4)) as daemon:
        daemon.await_workers("work", 4)
        daemon.await_workers("others", 2)
        alone = offer(daemon, bystander(ALONE))["others"]
        before = daemon.counters("work")
        reader = Reader(daemon)
        for _ in range(ANSWERS):
            reader.ask("blob", [ANSWER])
        beside = offer(daemon, bystander(PAUSE))["others"]
        read_all([reader])
        reader.peer.close()
        results = reader.results.values()
        right = sum(isinstance(each, bytes) and len(each) == ANSWER for each in results)
        yield at_least(run, "answers that came whole", right, ANSWERS)
        yield at_most(run, "answers that came twice", reader.doubled, 0)
        yield from judge_others(run, alone, beside)
        yield from judge_pool(run, daemon, before)
