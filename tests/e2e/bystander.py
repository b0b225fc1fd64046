"""A client of another pool that must not notice what a test does to its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clock import eventually, measure_scenario
from harness import UNRULY, Daemon, DaemonTest, pool
from raw import Raw


class Bystander:
    """A client with a pool of its own that goes on calling while something bad happens elsewhere.

    Use it as a context: leaving it raises what went wrong, and an error if nothing went on.

    Attributes:
        count: its calls so far.
        latencies: the seconds that each of them took.
    """

    # Seconds of thought between two calls.
    PAUSE = 0.002

    # So many calls may be slow, each for so many seconds at most: any process may have to wait for a
    # moment that no measurement sees, and then one call does.
    STRAYS, STRAY = 3, 1.0

    def __init__(self, daemon: Daemon, method: str = "well.echo") -> None:
        self._client = Raw(daemon.path)
        self._method = method
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fault: BaseException | None = None
        self.count = 0
        self.latencies: list[float] = []

    def check_served(self, most: float) -> None:
        """Its calls took no longer than so many seconds on an idle machine."""
        factor = measure_scenario()
        slow = sorted(each for each in self.latencies if each >= most * factor)
        assert len(slow) <= self.STRAYS and max(slow, default=0.0) < self.STRAY * factor, (
            f"of {self.count} calls these took longer than {most} s: {slow}"
        )

    def nearly_worst(self) -> float:
        """Of a thousand calls one is slower, and in any case one."""
        return sorted(self.latencies)[-2 - self.count // 1000]

    def _run(self) -> None:
        try:
            while not self._leaving.wait(self.PAUSE):
                begin = time.monotonic()
                assert self._client.call(self._method, self.count) == [self.count]
                self.latencies.append(time.monotonic() - begin)
                self.count += 1
        except BaseException as fault:
            self._fault = fault

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            eventually(lambda: self.count or self._fault, "the bystander is served")
        self._leaving.set()
        self._thread.join()
        self._client.close()
        if self._fault is not None:
            raise AssertionError(f"the bystander was harmed: {self._fault!r}") from self._fault


class BystanderTest(DaemonTest):
    """A daemon with the pool that a test is about, and a bystander with a pool of its own."""

    @contextmanager
    def beside_bystander(self, *pools: str, **options: object) -> Iterator[Daemon]:
        daemon = self.start(*pools, pool("well", UNRULY), **options)
        with Bystander(daemon):
            yield daemon
