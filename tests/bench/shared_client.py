"""One poold.Client shared by eight threads, against one thread alone: processor time of a call.

Run as a program, with a socket as its argument, this is that client: for each line of its input,
"THREADS CALLS", it makes so many calls of the pool `echo` in each thread, and writes the
microseconds of processor time that its own process spent on each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from statistics import median

from servers import PYTHONPATH, BenchError, Daemon, Place, Shape
from speed import Pace
from table import Row

THREADS = 8

# Calls of one turn by the seconds that a run shall take; turns of each side by its runs.
CALLS_PER_SECOND = 3200
TURNS_PER_RUN = 4


def cost(client: subprocess.Popen, threads: int, calls: int) -> float:
    """Lets the client make so many calls in all, and returns what one cost it."""
    assert client.stdin is not None and client.stdout is not None
    client.stdin.write(f"{threads} {calls // threads}\n")
    client.stdin.flush()
    answer = client.stdout.readline()
    if not answer:
        raise BenchError("the client of several threads has ended")
    return float(answer)


def pairs(place: Place, shape: Shape, pace: Pace) -> list[tuple[float, float]]:
    """What a call cost one thread, and eight, by turns."""
    calls = max(THREADS, round(pace.seconds * CALLS_PER_SECOND))
    with Daemon(place, shape) as poold:
        command = [sys.executable, __file__, poold.socket]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": PYTHONPATH},
        ) as client:
            cost(client, THREADS, 10 * THREADS)  # the first ones load modules, and connect
            return [
                (cost(client, 1, calls), cost(client, THREADS, calls))
                for _ in range(pace.runs * TURNS_PER_RUN)
            ]


def shared_client(place: Place, pace: Pace) -> list[Row]:
    """The rows, for workers in C and in Python."""
    rows = []
    shape = Shape(workers=4, limit=3)
    for words, each in (("C", shape), ("Python", replace(shape, python=True))):
        found = pairs(place, each, pace)
        ratios = sorted(eight / one for one, eight in found)
        one, eight = (median(pair[side] for pair in found) for side in (0, 1))
        rows.append(
            Row(
                f"CPU per call of eight threads that share a Client, against one; {words} workers",
                f"{eight:.1f} to {one:.1f} us ({ratios[0]:.2f}..{ratios[-1]:.2f})",
                median(ratios),
                1.5,
                1.5,
                more_is_better=False,
            )
        )
    return rows


def main() -> None:
    """Serves the lines of standard input."""
    import poold

    with poold.Client(sys.argv[1]) as client:

        def work(calls: int, begin: threading.Barrier, end: threading.Barrier) -> None:
            begin.wait()
            for _ in range(calls):
                client.call("echo", "echo", b"x" * 64)
            end.wait()

        for line in sys.stdin:
            threads, calls = map(int, line.split())
            begin, end = threading.Barrier(threads + 1), threading.Barrier(threads + 1)
            group = [
                threading.Thread(target=work, args=(calls, begin, end)) for _ in range(threads)
            ]
            for each in group:
                each.start()
            # They are there before and after: to start and end them is no part of a call.
            before = time.process_time()
            begin.wait()
            end.wait()
            spent = time.process_time() - before
            for each in group:
                each.join()
            print(spent / (threads * calls) * 1e6, flush=True)


if __name__ == "__main__":
    main()
