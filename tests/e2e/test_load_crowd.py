"""Hundreds of workers start and stop, and nobody else waits for that."""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median
from typing import Any

from clients import ClientTest
from clock import eventually, measure_scenario, ms, stretch
from flow import Flow, quantile
from harness import LOAD, Daemon, breaker, pool, program
from procs import run_delay_ms
from raw import Raw

ECHO = program("workers/echo")

# Runs without company: it measures how late answers are.
ALONE = True

CROWD = 500

# Requests a second to the other pool on an idle machine.
RATE = 200

# Milliseconds that the other pool's requests have, and that a request to a worker which takes longer
# has; an answer is late when it comes more than a tick after them by the daemon's own clock.
TIMEOUT = 250
SHORT = 100
TICK = 10


class Overruns:
    """Asks, one after the other, for what takes longer than it may, and notes how late each answer
    was by the daemon's clock, and its code: the pool's workers may be on their way back from the
    overruns before.  What the daemon waited for a processor in the meantime is not its fault: the
    kernel counts it, and it is taken off.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._client = daemon.connect(map_errors=True)
        self._pid = daemon.pid
        self.late_ms: list[float] = []
        self.waited_ms: list[float] = []
        self.codes: Counter[str | None] = Counter()

    def ask(self) -> None:
        before = run_delay_ms(self._pid)
        answer = self._client.answer_pool("slow", "sleep_ms", [10 * SHORT], timeout_ms=SHORT)
        assert answer.code in ("deadline_exceeded", "queue_timeout", "queue_full"), answer
        self.codes[answer.code] += 1
        self.late_ms.append(answer.error["elapsed_ms"] - SHORT)
        self.waited_ms.append(run_delay_ms(self._pid) - before)


class CrowdTest(ClientTest):
    def test_other_pools_keep_their_time(self) -> None:
        daemon = self.launch(
            pool("steady", ECHO, workers=2),
            pool("slow", ECHO, workers=2),
            breaker("slow", mode="off"),
            pool("crowd", ECHO, workers=CROWD),
            start_timeout=ms(60_000),
            workers_max=2 * CROWD + 100,
        )
        daemon.announced += ["pool=slow", "start_timeout is over", "pool=crowd"]
        daemon.wait_listening()
        overruns = Overruns(daemon)
        with Raw(daemon.path) as control:
            with self.steady_flow(daemon) as flow:
                self.wait_crowd(control, overruns, CROWD)
                for size in (1, CROWD, 1) * LOAD:
                    control.call("poold.resize", "crowd", size, size)
                    self.wait_crowd(control, overruns, size)
        daemon.wait_workers("slow", 2)
        daemon.take_measure()
        codes = flow.codes()
        self.assertEqual(set(codes), {"steady"}, codes)
        self.assertGreater(overruns.codes["deadline_exceeded"], 0)
        self.check_lateness(overruns)
        print(
            f"\n{self.id()}: requests {codes.total()}, p99_ms {quantile(flow.outcomes(), 0.99):.1f}, "
            f"slowest_ms {quantile(flow.outcomes(), 1.0):.1f}, overruns {len(overruns.late_ms)}, "
            f"latest_ms {max(overruns.late_ms):.1f}, waited_ms {max(overruns.waited_ms):.1f}",
            file=sys.stderr,
        )

    @staticmethod
    def steady_flow(daemon: Daemon) -> Flow:
        rate, timeout = round(RATE / stretch(1)), round(stretch(TIMEOUT))
        return Flow(daemon.path, rate, "steady", "echo", ["x"], timeout_ms=timeout)

    def check_lateness(self, overruns: Overruns) -> None:
        """No answer was later than a tick by the daemon's own doing, and most were not at all."""
        self.assertLessEqual(median(overruns.late_ms), TICK * measure_scenario())
        own = (late - waited for late, waited in zip(overruns.late_ms, overruns.waited_ms))
        self.assertLessEqual(max(own), TICK * measure_scenario())

    @staticmethod
    def wait_crowd(control: Raw, overruns: Overruns, count: int) -> None:
        """Waits until so many of the crowd are there, and asks for overruns all the while."""

        def is_there() -> bool:
            overruns.ask()
            pools: list[dict[str, Any]] = control.call("poold.pools")
            workers = next(entry for entry in pools if entry["name"] == "crowd")["workers"]
            moving = workers["initializing"] + workers["terminating"]
            return workers["ready"] == count and moving == 0

        eventually(is_there, f"{count} workers in the crowd", 60)
