"""The ledgers of three witnesses, and whether they agree: what the clients asked and were told, what
the workers ran, what the daemon counted."""

from __future__ import annotations

import random
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bookkeeper import ROW, answer_to

# Of so many faults of one kind the first are told.
TOLD_MAX = 5


@dataclass(slots=True)
class Call:
    """One call as its client knows it.

    Attributes:
        checksum: of the bytes that were sent.
        code: of the error; "ok" for a result; "lost" when the connection ended before an answer.
        executed: what the error says of that.
        copies: how often it was sent, by the client or by somebody between.
        sound: whether it has to end well.
    """

    number: int
    pool: str
    checksum: int
    code: str = ""
    executed: str = ""
    copies: int = 1
    sound: bool = False


@dataclass(slots=True)
class Runs:
    """What the workers' book says of one call."""

    begun: int = 0
    ended: int = 0
    checksums: set[int] = field(default_factory=set)


class Ledger:
    """What all clients of a scenario have asked, and the workers' book.

    Args:
        directory: where the book is.
        torn: pools whose bytes somebody changes on their way, numbers too, so that they have a book
            of their own.  Nothing is expected of them but that they harm nobody else.
    """

    def __init__(self, directory: Path, torn: Iterable[str] = ()) -> None:
        self._torn = set(torn)
        self.book = directory / "book"
        self.calls: dict[int, Call] = {}
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def open_call(self, pool: str, draw: random.Random, size: int = 0) -> tuple[Call, bytes]:
        """A new call with bytes of its own: so many, or mostly few, now and then many."""
        size = size or draw.choices((0, draw.randrange(300), draw.randrange(20_000), draw.randrange(400_000)),
                            (1, 60, 20, 1))[0]
        data = draw.randbytes(size)
        with self._lock:
            call = Call(len(self.calls) + 1, pool, zlib.crc32(data))
            self.calls[call.number] = call
        return call, data

    def close_call(self, call: Call, data: bytes, error: Any, result: Any) -> None:
        """Notes the answer, which may come once."""
        if call.code:
            self.fault(f"call {call.number} ({call.pool}) had the answer {call.code} already")
        elif error is not None:
            call.code, call.executed = error["code"], error["executed"]
        else:
            call.code = "ok"
            if result != answer_to(call.number, data) and call.pool not in self._torn:
                self.fault(f"call {call.number} ({call.pool}) has another's bytes: {str(result)[:80]}")

    def fault(self, text: str) -> None:
        with self._lock:
            self.faults.append(text)

    def codes(self, pool: str | None = None) -> Counter[str]:
        """How the calls ended."""
        with self._lock:
            return Counter(call.code for call in self.calls.values() if pool in (None, call.pool))

    def runs(self) -> dict[int, Runs]:
        """The workers' book."""
        runs: defaultdict[int, Runs] = defaultdict(Runs)
        data = self.book.read_bytes() if self.book.exists() else b""
        if len(data) % ROW.size:
            self.fault(f"the book has {len(data)} bytes, which is no number of rows")
        for kind, _, checksum, number in ROW.iter_unpack(data[: len(data) // ROW.size * ROW.size]):
            found = runs[number]
            found.checksums.add(checksum)
            if kind == b"B":
                found.begun += 1
            else:
                found.ended += 1
        return runs

    # --- judging ---------------------------------------------------------------------------------

    def judge(self, once: Iterable[str]) -> None:
        """Holds what the clients know against the workers' book; of some pools no call may run twice."""
        runs, once = self.runs(), set(once)
        for call in self.calls.values():
            if call.pool not in self._torn:
                self._judge_call(call, runs.get(call.number, Runs()), call.pool in once)
        unknown = [number for number in runs if number not in self.calls]
        if unknown:
            self.faults.append(f"ran, but nobody asked: {unknown[:TOLD_MAX]}")

    def _judge_call(self, call: Call, runs: Runs, once: bool) -> None:
        said = f"call {call.number} ({call.pool}) ended as {call.code or 'nothing'}"
        if not call.code:
            self.faults.append(f"{said}: no answer")
        if call.sound and call.code != "ok":
            self.faults.append(f"{said}, though nothing of what it asked was bad")
        if runs.checksums - {call.checksum}:
            self.faults.append(f"{said}: the worker got other bytes")
        if runs.ended > runs.begun:
            self.faults.append(f"{said}: ended {runs.ended} times, begun {runs.begun}")
        if call.code == "ok" and runs.ended == 0:
            self.faults.append(f"{said}: no worker finished it")
        if once and runs.begun > call.copies:
            self.faults.append(f"{said}: ran {runs.begun} times, asked {call.copies}")
        if call.executed == "no" and runs.begun:
            self.faults.append(f"{said}, executed=no: ran {runs.begun} times")
        if call.executed == "yes" and not runs.begun:
            self.faults.append(f"{said}, executed=yes: never ran")

    def judge_counters(self, stats: dict[str, Any], pools: Iterable[str]) -> None:
        """Holds the daemon's counters against the clients' calls.  What was lost with its connection
        may or may not have come that far; what there was no memory for while it came, no pool knows."""
        unread = stats["daemon"]["requests_unfinished"]
        for pool in pools:
            codes, counted = self.codes(pool), stats["pools"][pool]
            lost = codes.pop("lost", 0)
            good = codes.pop("ok", 0)
            failed = {code: count for code, count in counted["errors"].items() if count and code != "cancelled"}
            refused = min(unread, max(0, codes["memory_limit"] - failed.get("memory_limit", 0)))
            codes["memory_limit"] -= refused
            unread -= refused
            ended = counted["succeeded"] + counted["failed"] + counted["cancelled"]
            if counted["requests"] != ended:
                self.faults.append(f"{pool}: {counted['requests']} requests, {ended} ends")
            if not 0 <= counted["requests"] - good - codes.total() <= lost:
                self.faults.append(f"{pool}: the daemon counts {counted['requests']} requests, its clients {good} "
                                   f"results, {dict(codes)} and {lost} lost")
            if not 0 <= counted["succeeded"] - good <= lost:
                self.faults.append(f"{pool}: the daemon counts {counted['succeeded']} results, its clients {good}")
            for code in {*failed, *codes} - {"cancelled"}:  # a vanished client's are under another name
                if not 0 <= failed.get(code, 0) - codes[code] <= lost:
                    self.faults.append(f"{pool}: the daemon counts {failed.get(code, 0)} {code}, "
                                       f"its clients {codes[code]}")
