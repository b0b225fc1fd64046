"""Hundreds of workers start and stop, and nobody else waits for that."""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median
from typing import Any

from clients import ClientTest
from clock import eventually, measure_scenario, ms, stretch
from flow import Flow, quantile
from harness import LOAD, Daemon, best_of_three, breaker, pool, program
from procs import run_delay_ms
from raw import Raw

ECHO = program("workers/echo")

# Runs without company: it measures how late answers are.
ALONE = True

CROWD = 500

# Requests a second to the other pool on an idle machine.
RATE = 200

# Milliseconds that the other pool's requests have, and within which all but one in a hundred are answered.
TIMEOUT, MOSTLY = 2000, 250

# Milliseconds that a request to a worker which takes longer has; its answer is late when it comes more
# than a tick after that by the daemon's own clock.  So many may be: the host of a virtual machine takes
# its processors away and says nothing.
SHORT = 100
TICK = 10
STRAYS = 3


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
    @best_of_three
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
        mostly = quantile(flow.outcomes(), 0.99)
        print(
            f"\n{self.id()}: requests {codes.total()}, p99_ms {mostly:.1f}, "
            f"slowest_ms {quantile(flow.outcomes(), 1.0):.1f}, overruns {len(overruns.late_ms)}, "
            f"latest_ms {max(overruns.late_ms):.1f}, waited_ms {max(overruns.waited_ms):.1f}",
            file=sys.stderr,
        )
        self.assert_measured(mostly <= stretch(MOSTLY), mostly)
        self.check_lateness(overruns)

    @staticmethod
    def steady_flow(daemon: Daemon) -> Flow:
        rate, timeout = round(RATE / stretch(1)), round(stretch(TIMEOUT))
        return Flow(daemon.path, rate, "steady", "echo", ["x"], timeout_ms=timeout)

    def check_lateness(self, overruns: Overruns) -> None:
        """Hardly an answer was later than a tick by the daemon's own doing, and most were not at all."""
        limit = TICK * measure_scenario()
        self.assert_measured(median(overruns.late_ms) <= limit, overruns.late_ms)
        own = [late - waited for late, waited in zip(overruns.late_ms, overruns.waited_ms)]
        strays = [late for late in own if late > limit]
        self.assert_measured(len(strays) <= STRAYS, strays)

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
