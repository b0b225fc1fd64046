"""Processes that the code of a worker forks are as those of any program.

POOLD_POOLS: how many pools of processes each kind of worker makes; a thousand with POOLD_CHAOS=1.
"""

from __future__ import annotations

import os
import signal
import subprocess
import unittest

from support import WorkerProcess

POOLS = int(os.environ.get("POOLD_POOLS") or (1000 if os.environ.get("POOLD_CHAOS") == "1" else 30))
# Seconds until a process is gone that was terminated, on a machine with other things to do.
SOON = 5.0


class Forks:
    """The tests, for workers of each kind."""

    target = ""

    def setUp(self) -> None:
        self.worker = self.enterContext(WorkerProcess(self.target, stderr=subprocess.PIPE))

    def tearDown(self) -> None:
        """The worker itself has never been reached."""
        self.assertEqual(self.worker.call("pid"), self.worker.process.pid)
        self.assertIsNone(self.worker.process.poll())
        self.assertFalse(self.worker.has_more())

    def test_terminate_ends_them(self) -> None:
        for how in ("fork", "spawn", "forkserver"):
            for what in ("sleep", "persist"):
                for wait in (False, True):
                    with self.subTest(how=how, what=what, wait=wait):
                        status, seconds = self.worker.call("terminate", how, what, wait)
                        self.assertEqual(status, -signal.SIGTERM)
                        self.assertLess(seconds, SOON)

    def test_what_they_have_of_the_worker(self) -> None:
        plain = [True, True, True, -1, []]
        for method, args in (("handlers", ["fork"]), ("handlers", ["spawn"]),
                             ("handlers", ["forkserver"]), ("handlers_of_a_thread", [])):
            with self.subTest(method=method, args=args):
                found = self.worker.call(method, *args)
                self.assertEqual(found[:5], plain)
                if args != ["forkserver"]:  # which has a socket of its own
                    self.assertEqual(found[5], 0 if args == ["spawn"] else self.inherited)

    inherited = 0

    def test_something_before_a_program_is_executed(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            found = self.worker.call("preexec", int(number))
            self.assertIn(found, ([-number], [1]))

    def test_interrupts(self) -> None:
        self.assertEqual(self.worker.call("interrupt"), 5)

    def test_pools_never_hang(self) -> None:
        self.assertEqual(self.worker.call("pool", "fork", POOLS), POOLS)
        few = max(1, POOLS // 30)
        self.assertEqual(self.worker.call("pool", "spawn", few), few)
        self.assertEqual(self.worker.call("pool", "forkserver", few), few)

    def test_a_child_that_comes_back(self) -> None:
        for how, status in (("exit", 7), ("say", 1), ("raise", 1), ("return", 0)):
            with self.subTest(how):
                self.assertEqual(self.worker.call("leave", how), status)
        said = os.read(self.worker.process.stderr.fileno(), 10_000)
        self.assertIn(b"a forked process ended", said)
        self.assertIn(b"the child's last words", said)


class TestPlain(Forks, unittest.TestCase):
    target = "odd.forking"


class TestAsync(Forks, unittest.TestCase):
    target = "odd.aforking:functions"
    inherited = 2  # the event loop wakes itself with a pair of sockets

    def test_a_child_that_leaves_a_callback(self) -> None:
        self.assertEqual(self.worker.call("leave_aside"), 9)


if __name__ == "__main__":
    unittest.main()
