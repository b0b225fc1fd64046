"""Processes that functions fork, under a daemon: pools of processes never hang, terminate() ends them,
and no worker is reached by that.

A thousand pools in each kind of worker with POOLD_CHAOS=1.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

from harness import LOAD, DaemonTest, pool

import poold

POOLS = int(os.environ.get("POOLD_POOLS") or (100 * LOAD if LOAD > 1 else 24))
# So many of them in one call.
EACH = 8
MODULES = str(Path(__file__).parents[1] / "python")


class Forks(DaemonTest):
    def check(self, target: str, prefork: bool) -> None:
        command = shlex.join([sys.executable, "-m", "poold.worker", target])
        path = f"{Path(poold.__file__).parents[1]}:{MODULES}"
        settings = {"prefork": prefork, "env.PYTHONPATH": path, "attempt_timeout": "5min"}
        daemon = self.start(pool("p", command, **settings))
        with poold.Client(daemon.path) as client:
            pid = client.call("p", "pid")
            for _ in range(0, POOLS, EACH):
                self.assertEqual(client.call("p", "pool", "fork", EACH), EACH)
                status, _ = client.call("p", "terminate", "fork", "persist", False)
                self.assertEqual(status, -signal.SIGTERM)
            self.assertEqual(client.call("p", "pid"), pid)

    def test_plain(self) -> None:
        self.check("odd.forking", False)

    def test_plain_with_prefork(self) -> None:
        self.check("odd.forking", True)

    def test_asynchronous(self) -> None:
        self.check("odd.aforking:functions", False)

    def test_asynchronous_with_prefork(self) -> None:
        self.check("odd.aforking:functions", True)
