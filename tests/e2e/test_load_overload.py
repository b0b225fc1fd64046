"""More than can be served, deadlines that can't be kept, and nobody there: what can be done is
done, and no worker is blamed for it.

The shows of `make overload` measure the same for longer, and without the slack that a busy machine
needs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from clock import HANGS, stretch
from harness import BUILD, LOAD, Daemon, DaemonTest, best_of_three, program, section
from procs import wait_gone

# Runs without company but for another that does: it measures what a pool serves, most of the time asleep.
ALONE = True

NAP = program("bench/nap_worker")

WORKERS = 8
# Milliseconds of a run, and that a request has, on an idle machine.
RUN, TIMEOUT = 50, 1000

# Seconds of load, and those of them until answers are counted.
SECONDS, WARM = 2.0 * LOAD, 1.0

# `no_worker_wait` as it is by default: it is not stretched.
NO_WORKER_WAIT = 2.0

# How finely the load client counts over time.
BUCKET_MS = 100


def capacity() -> float:
    """Requests a second that the pool can serve."""
    return WORKERS * 1000 / round(stretch(RUN))


def offer(name: str, rate: float, begin: float, end: float, **keys: object) -> str:
    """A class of calls for the load client; times in seconds as they are."""
    keys = {
        "rate": rate,
        "begin": begin,
        "end": end,
        "ms": round(stretch(RUN)),
        "timeout": round(stretch(TIMEOUT)),
        **keys,
    }
    return f"{name}:" + ",".join(f"{key}={value}" for key, value in keys.items())


class LoadClient:
    """The open-loop load client at work, see tests/bench/open_load.c."""

    def __init__(self, daemon: Daemon, *classes: str) -> None:
        command = [str(BUILD / "bench/open_load"), "--socket", daemon.path]
        command += ["--bucket-ms", str(BUCKET_MS)]
        for each in classes:
            command += ["--class", each]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> LoadClient:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def classes(self) -> dict[str, Any]:
        """What became of each class; raises AssertionError when the client found a fault."""
        out, _ = self.process.communicate(timeout=HANGS)
        assert self.process.returncode == 0, "the load client found a fault"
        classes: dict[str, Any] = json.loads(out)["classes"]
        return classes


def rate_of_good(calls: dict[str, Any], begin: float, end: float) -> float:
    """Answers in time per second, of those between two times."""
    buckets = calls["good_at"][round(begin * 1000 / BUCKET_MS) : round(end * 1000 / BUCKET_MS)]
    return sum(buckets) / (end - begin)


class OverloadTest(DaemonTest):
    def start_work(self) -> Daemon:
        """A daemon with eight workers in the default configuration."""
        daemon = self.start(section("pool work", {"command": NAP, "workers": WORKERS}))
        daemon.announced.append("pool=work")
        return daemon

    def ask(self, daemon: Daemon, *classes: str) -> dict[str, Any]:
        """Offers this load to its end."""
        with LoadClient(daemon, *classes) as client:
            return client.classes()

    def check_well(self, daemon: Daemon, pids: list[int]) -> None:
        """No worker was ended, and no breaker has opened."""
        counters = daemon.counters("work")
        self.assertEqual(counters["worker_kills"], 0)
        self.assertEqual(counters["worker_crashes"], 0)
        self.assertEqual(sorted(daemon.worker_pids("work")), sorted(pids))
        self.assertEqual([each["opened"] for each in daemon.ask("poold.breakers")], [0])

    def tell(self, **figures: float) -> None:
        """Prints what was measured."""
        text = ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items())
        print(f"\n{self.id()}: {text}", file=sys.stderr)


class Standing(OverloadTest):
    """Twice of what can be served, for as long as it lasts."""

    @best_of_three
    def test_goodput_holds(self) -> None:
        daemon = self.start_work()
        pids = daemon.worker_pids("work")
        begin, end = stretch(WARM), stretch(WARM + SECONDS)
        calls = self.ask(daemon, offer("all", 2 * capacity(), 0, end))["all"]
        goodput = rate_of_good(calls, begin, end) / capacity()
        self.tell(goodput=goodput, p99_ms=calls["p99_ms"])
        self.assert_measured(goodput >= 0.8, (goodput, calls["codes"]))
        self.check_well(daemon, pids)
        attempts = daemon.counters("work")["attempts"]
        self.assertLessEqual(attempts, 1.2 * calls["good"])

    @best_of_three
    def test_critical_goes_first(self) -> None:
        daemon = self.start_work()
        pids = daemon.worker_pids("work")
        begin, end = stretch(WARM), stretch(WARM + SECONDS)
        calls = self.ask(
            daemon,
            offer("critical", 0.6 * capacity(), 0, end, priority="critical"),
            offer("rest", 1.4 * capacity(), 0, end),
        )
        critical, rest = calls["critical"], calls["rest"]
        left = capacity() - rate_of_good(critical, begin, end)
        share = rate_of_good(rest, begin, end) / left
        self.tell(critical=critical["good"] / critical["sent"], rest=share)
        self.assert_measured(critical["good"] >= 0.99 * critical["sent"], critical["codes"])
        self.assert_measured(share >= 0.7, (share, rest["codes"]))
        self.check_well(daemon, pids)


class ShortDeadlines(OverloadTest):
    """Requests that have no time for what they ask are nobody's fault but their own."""

    def check_others(self, count: int, rate: float) -> None:
        daemon = self.start_work()
        pids = daemon.worker_pids("work")
        end = stretch(1 + SECONDS)
        calls = self.ask(
            daemon,
            offer("brief", rate, 0, end, count=count, timeout=round(stretch(10))),
            offer("others", 0.5 * capacity(), stretch(1), end),
        )
        others = calls["others"]
        self.tell(others=others["good"] / others["sent"], p99_ms=others["p99_ms"])
        self.assertEqual(calls["brief"]["succeeded"], 0)
        self.assert_measured(others["good"] >= 0.99 * others["sent"], others["codes"])
        self.check_well(daemon, pids)

    @best_of_three
    def test_five(self) -> None:
        self.check_others(5, 50 / stretch(1))

    @best_of_three
    def test_many(self) -> None:
        self.check_others(1000 * LOAD, 500 / stretch(1))


class Nobody(OverloadTest):
    """All workers of a pool are dead and slow to start, and its fallback is idle."""

    # Milliseconds of a start.
    START = 6000

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="poold-e2e-")
        self.addCleanup(folder.cleanup)
        self.slow = Path(folder.name) / "slow"

    def test_the_fallback_serves(self) -> None:
        four = {"command": NAP, "workers": 4}
        slow = {"env.NAP_SLOW": f"{self.slow}:{round(stretch(self.START))}"}
        daemon = self.start(
            section("pool work", {**four, **slow, "fallback": "spare"}),
            section("pool spare", four),
        )
        daemon.announced.append("pool=work")
        self.slow.touch()
        dead = daemon.worker_pids("work")
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        wait_gone(dead, 10)
        limit = round(stretch(8000))
        calls = self.ask(
            daemon, offer("all", 20 / stretch(1), 0, stretch(4), timeout=limit, idempotent="yes")
        )["all"]
        self.tell(slowest_ms=calls["max_ms"], spare=calls["served_by"].get("spare", 0))
        self.assertEqual(calls["good"], calls["sent"], calls["codes"])
        self.assertGreater(calls["served_by"].get("spare", 0), 0.8 * calls["sent"])
        self.assertLessEqual(calls["max_ms"] / 1000, NO_WORKER_WAIT + stretch(1.5))
