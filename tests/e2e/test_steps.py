"""The steps of a worker's start: with their times, and where a start hangs."""

from __future__ import annotations

import shlex
import sys

from clock import eventually
from harness import Daemon, DaemonTest, pool, worker

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


class Steps(DaemonTest):
    """What poold.workers says of them."""

    def steps(self, daemon: Daemon) -> list[str]:
        """The names of the steps so far of the only worker."""
        return [name for name, _ in daemon.workers("slow")[0]["steps"]]

    def test_of_a_worker_that_is_ready(self) -> None:
        daemon = self.start(pool("slow", UNQUIET))
        steps = daemon.workers("slow")[0]["steps"]
        names = [name for name, _ in steps]
        self.assertEqual(names, ["fork", "exec", "python", "import unquiet"])
        self.assertGreater(steps[0][1], 0)
        # The daemon may hear of two steps at once; Python alone takes longer than that to start.
        self.assertGreater(sum(milliseconds for _, milliseconds in steps), 1)
        self.assertEqual(daemon.workers("slow")[0]["steps"], steps)

    def test_a_worker_names_its_own(self) -> None:
        command = worker("stepper", "say begun", "step import", "step load", "ready")
        daemon = self.start(pool("slow", command))
        self.assertEqual(self.steps(daemon)[-2:], ["import", "load"])

    def test_one_that_hangs_says_where(self) -> None:
        daemon = self.launch(pool("slow", worker("stepper", "step connect db")))
        daemon.announced.append("pool=slow|start_timeout|pool is")
        daemon.wait_listening()
        here = lambda: self.steps(daemon)[-1:] == ["connect db"]
        eventually(here, lambda: f"it is there: {daemon.workers('slow')}")
        first = daemon.workers("slow")[0]["steps"][-1][1]
        longer = lambda: daemon.workers("slow")[0]["steps"][-1][1] > first + 20
        eventually(longer, "its time goes on")

    def test_the_error_says_where_it_hung(self) -> None:
        options = {"init_timeout": "300ms", "restart_delay": "10s", "restart_delay_max": "10s"}
        daemon = self.launch(pool("slow", worker("stepper", "step warm up"), **options))
        daemon.announced.append("pool=slow|start_timeout|pool is")
        daemon.wait_listening()
        daemon.log.wait_for(r"init_timeout.*, in step warm up for \d")

    def test_a_step_that_is_none_breaks_the_protocol(self) -> None:
        options = {"restart_delay": "10s", "restart_delay_max": "10s"}
        daemon = self.launch(pool("slow", worker("stepper", "raw 9302a4737465709107"), **options))
        daemon.announced.append("pool=slow|start_timeout|pool is")
        daemon.wait_listening()
        daemon.log.wait_for("its step notification is not valid")
