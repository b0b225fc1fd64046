"""Load that does not wait for answers: requests at a steady rate, as many clients send them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from clock import eventually, stretch
from raw import Raw, pack, request, unpack

# Seconds between two writes of what has become due.
PAUSE = 0.002


@dataclass(frozen=True)
class Outcome:
    """How a request ended: `code` is None for a result, which the pool `served_by` gave."""

    sent: float
    answered: float
    code: str | None
    served_by: str | None

    @property
    def seconds(self) -> float:
        return self.answered - self.sent


class Flow:
    """Sends the same request at a rate, from entering to leaving.

    Leaving waits for the last answer, and raises what went wrong: an answer to nothing that was
    asked, a second one, or one that is missing.

    Args:
        path: the daemon's socket.
        rate: requests per second.
        call: pool, method, arguments and options, as of poold.call; `meta` is added.
    """

    def __init__(
        self, path: str, rate: int, pool: str, method: str, args: object, **options: object
    ) -> None:
        self._client = Raw(path, map_errors=True)
        self._rate = rate
        self._params = pack([pool, method, args, {**options, "meta": True}])
        self._first = self._client.number + 1
        self._sent: list[float] = []
        self._outcomes: dict[int, Outcome] = {}
        self._leaving = threading.Event()
        self._fault: BaseException | None = None
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True)
                         for work in (self._write, self._read)]

    def __enter__(self) -> Flow:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._leaving.set()
        for thread in self._threads:
            thread.join()
        try:
            if self._fault is not None and kind is None:
                raise AssertionError("the load failed") from self._fault
            if kind is None:
                self._client.check_quiet()
        finally:
            self._client.close()

    def _run(self, work: Any) -> None:
        try:
            work()
        except BaseException as fault:
            self._fault = fault

    def _write(self) -> None:
        begin = time.monotonic()
        while not self._leaving.wait(PAUSE):
            now = time.monotonic()
            missing = int((now - begin) * self._rate) - len(self._sent)
            numbers = range(self._first + len(self._sent), self._first + len(self._sent) + missing)
            self._sent += [now] * missing
            self._client.send(
                b"".join(request(number, "poold.call", self._params) for number in numbers)
            )
        # Its answer wakes the reader, which then knows how many there are in all.
        self._client.send(request(self._first + len(self._sent), "poold.version", b"\x90"))

    def _read(self) -> None:
        awaited = None  # the number of the last request, once it is known
        while awaited is None or len(self._outcomes) < len(self._sent):
            _, number, error, result = unpack(self._client.read_message())
            place = number - self._first
            if error is None and "server" in result:
                awaited = number
                continue
            assert 0 <= place < len(self._sent), f"an answer to nothing that was asked: {number}"
            assert number not in self._outcomes, f"a second answer to {number}"
            self._outcomes[number] = Outcome(
                self._sent[place],
                time.monotonic(),
                error["code"] if error else None,
                None if error else result["meta"]["served_by"],
            )

    def outcomes(self, begin: float = 0.0, end: float = float("inf")) -> list[Outcome]:
        """Those of the requests that were sent then, by the clock of time.monotonic()."""
        found = list(self._outcomes.values())
        return [outcome for outcome in found if begin <= outcome.sent < end]

    def goodput(self, begin: float, end: float) -> float:
        """Which part of what was sent then has a result by now."""
        sent = sum(begin <= at < end for at in list(self._sent))
        good = sum(outcome.code is None for outcome in self.outcomes(begin, end))
        return good / sent if sent else 0.0

    def wait_for_goodput(self, least: float, seconds: float, span: float = 0.5) -> float:
        """Waits until of what was sent in a time of `span` so much has a result; how long that took
        up to the beginning of that time."""
        start = time.monotonic()
        span = stretch(span)
        lag = stretch(0.1)  # what was sent just now cannot have its answer yet

        def found() -> float:
            begin = time.monotonic() - span - lag
            return begin if begin >= start and self.goodput(begin, begin + span) >= least else 0.0

        begin = eventually(found, lambda: f"goodput {least}: {self.codes(start)}", seconds)
        return begin - start

    def codes(self, begin: float = 0.0) -> Counter[str]:
        """How the requests ended that were sent since."""
        return Counter(each.code or each.served_by for each in self.outcomes(begin))


def quantile(outcomes: list[Outcome], part: float) -> float:
    """Milliseconds within which that part of the requests was answered."""
    spans = sorted(outcome.seconds for outcome in outcomes)
    return 1000 * spans[min(len(spans) - 1, int(part * len(spans)))]
