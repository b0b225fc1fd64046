"""The client of the pools of processes that Python programs have: it asks one of them as fast as it
is answered, and writes what it measured.

    pools_client.py executor|multiprocessing|poold IN_FLIGHT SECONDS WARMUP [SOCKET]
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from statistics import quantiles
from typing import Any

from echo_functions import echo
from peers.peer import WORKERS
from proc import descendants, processor_seconds

PAYLOAD = b"x" * 64

# Begins a call, and has the function called with its result, or with the Future of it.
Begin = Callable[[Callable[[Any], None]], object]


@contextmanager
def executor_pool(_: str) -> Iterator[Begin]:
    """concurrent.futures.ProcessPoolExecutor."""
    with ProcessPoolExecutor(WORKERS) as pool:
        yield lambda done: pool.submit(echo, PAYLOAD).add_done_callback(done)


@contextmanager
def multiprocessing_pool(_: str) -> Iterator[Begin]:
    """multiprocessing.Pool."""
    with multiprocessing.Pool(WORKERS) as pool:
        yield lambda done: pool.apply_async(echo, (PAYLOAD,), callback=done)


@contextmanager
def poold_pool(path: str) -> Iterator[Begin]:
    """poold.Executor."""
    from poold import Executor

    with Executor("echo", path=path) as pool:
        yield lambda done: pool.submit("echo", PAYLOAD).add_done_callback(done)


POOLS = {
    "executor": executor_pool,
    "multiprocessing": multiprocessing_pool,
    "poold": poold_pool,
}


def ask(begin: Begin, in_flight: int, seconds: float) -> tuple[list[float], float]:
    """Keeps so many calls in flight for so long; the latency of each, and how long it took."""
    answers: SimpleQueue[tuple[float, Any]] = SimpleQueue()

    def start() -> None:
        now = time.perf_counter()
        begin(lambda result: answers.put((time.perf_counter() - now, result)))

    first = time.perf_counter()
    for _ in range(in_flight):
        start()
    latencies = []
    while (now := time.perf_counter()) - first < seconds:
        latency, result = answers.get(timeout=10)
        latencies.append(latency)
        if (result.result() if isinstance(result, Future) else result) != PAYLOAD:
            raise SystemExit("an answer that differs from what was asked")
        start()
    for _ in range(in_flight):
        answers.get(timeout=10)
    return latencies, now - first


def cpu_seconds() -> float:
    """What this process and those below it have used."""
    return sum(map(processor_seconds, descendants(os.getpid())))


def main() -> None:
    """Measures once."""
    kind, in_flight, seconds, warmup, *path = sys.argv[1:]
    with POOLS[kind](path[0] if path else "") as begin:
        before = cpu_seconds()
        early, _ = ask(begin, int(in_flight), float(warmup))
        latencies, took = ask(begin, int(in_flight), float(seconds))
        used = cpu_seconds() - before
    cuts = quantiles(latencies, n=100)
    figures = {"rate": len(latencies) / took, "p50_us": cuts[49] * 1e6, "p99_us": cuts[98] * 1e6}
    figures |= {"asked": len(early) + len(latencies), "cpu_seconds": used}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
