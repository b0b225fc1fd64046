"""What clients that behave badly cost an honest one beside them: little time, and nothing else."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from bystander import Bystander
from clock import Timed, eventually, measure_scenario
from harness import HERE, LOAD, UNRULY, Daemon, DaemonTest, pool
from unfriendly import HABITS

# Measures latencies.
ALONE = True

TELLER = shlex.join([sys.executable, "-m", "poold.worker", "teller"])

# Beside whomever, an honest call takes so many times as long as alone, at most.
TIMES = 3

# What "alone" is at least, in seconds: on few processors a call may wait a moment for one of them.
FLOOR = 0.01

# Seconds of the watchdog, which is fed after half of that, and by which the daemon may be late.
WATCHDOG = 0.5
BEATS = 2 * LOAD

# Calls of the honest client, at least, in each measurement.
CALLS = 20

# What else runs on the machine makes a call late, never early: one of so many measurements must do.
TRIES = 3

NOBODY = 65534

LIMITS = {
    "memory_max": "64M",
    "message_max": "16M",
    "response_max": "16M",
    "output_max": "32M",
    "connections_max": 128,
    "socket_mode": "0666",
}


class Unfriendly(DaemonTest):
    """The honest client calls the same pool as those beside it."""

    def start_watched(self) -> Daemon:
        with mock.patch.dict(os.environ, WATCHDOG_USEC=str(int(WATCHDOG * 1e6))):
            daemon = self.start(pool("well", UNRULY, workers=2), pool("tell", TELLER, workers=2), **LIMITS)
        daemon.directory.chmod(0o711)
        daemon.growth_max = 96 << 20  # what is given back in the end is tidied up a moment later
        daemon.announced += ["memory is short", "pool=tell"]
        return daemon

    @contextmanager
    def beside(self, daemon: Daemon, habit: str) -> Iterator[None]:
        uid = NOBODY if os.geteuid() == 0 else os.geteuid()
        command = [sys.executable, str(HERE / "unfriendly.py"), daemon.path, habit, str(uid)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            self.assertEqual(process.stdout.readline(), b"begun\n")
            try:
                yield
                self.assertIsNone(process.poll(), "it goes on to the end")
            finally:
                process.kill()

    def measure(self, daemon: Daemon) -> float:
        """The latency of the honest client, in seconds; meanwhile the watchdog is fed in time."""
        with Bystander(daemon) as honest:
            daemon.notices.wait_next("WATCHDOG=1")
            for _ in range(BEATS):
                with Timed() as timed:
                    daemon.notices.wait_next("WATCHDOG=1")
                self.assertLess(timed.seconds, WATCHDOG / 2 + WATCHDOG * measure_scenario())
            eventually(lambda: honest.count >= CALLS, "the honest client is served")
        return honest.nearly_worst()

    def check_latency(self, daemon: Daemon, limit: float) -> None:
        """The machine is judged with each measurement: it may have become busy since the last."""
        measured: list[float] = []
        while len(measured) < TRIES and (not measured or min(measured) >= limit):
            latency = self.measure(daemon)
            measured.append(latency / measure_scenario())
        self.assertLess(min(measured), limit, measured)

    def test_honest_calls_beside_each_habit(self) -> None:
        daemon = self.start_watched()
        before = sorted(daemon.worker_pids())
        alone = max(self.measure(daemon), FLOOR)
        for habit in HABITS:
            with self.subTest(habit=habit), self.beside(daemon, habit):
                self.check_latency(daemon, TIMES * alone)
        self.assertEqual(sorted(daemon.worker_pids()), before)
        # Of those that guess names, which are nobody's.
        self.assertLessEqual(set(daemon.counters("well")["errors"]), {"session_not_found"})


if __name__ == "__main__":
    unittest.main()
