"""The stack of a worker: on demand, and when a request is slow."""

from __future__ import annotations

import os
import shlex
import signal
import sys

import procs
from clients import PoolctlTest, poolctl
from clock import eventually
from harness import TOOLBOX, UNRULY, Daemon, pool

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


class Stack(PoolctlTest):
    def occupied(self, method: str, *args: object) -> Daemon:
        """A daemon whose worker is at work on that method, for as long as the test goes on."""
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.announced.append("pool=noisy")
        client = daemon.connect()
        client.ask_pool("noisy", method, list(args))
        daemon.log.wait_for(r"info begun pool=noisy")
        return daemon

    def test_of_a_worker_at_work(self) -> None:
        daemon = self.occupied("nap", 30)
        lines = self.succeed(daemon, "stack", "noisy", "1").splitlines()
        self.assertTrue(any("most recent call first" in line for line in lines), lines)
        self.assertTrue(any("unquiet.py" in line and "in nap" in line for line in lines), lines)

    def test_of_a_worker_whose_code_holds_the_interpreter(self) -> None:
        """A regular expression that backtracks for ever lets no other thread run."""
        daemon = self.occupied("spin_in_c")
        lines = self.succeed(daemon, "stack", "noisy", "1").splitlines()
        self.assertTrue(any("in spin_in_c" in line for line in lines), lines)

    def test_the_worker_goes_on(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        (pid,) = daemon.worker_pids("tools")
        # The faulthandler of Python 3.11 may crash in code that is just making a frame.
        eventually(lambda: procs.is_asleep(pid), "the worker is idle")
        found = self.json(daemon, "stack", "tools", "1")
        self.assertEqual((found["pool"], found["worker"], found["pid"]), ("tools", 1, pid))
        self.assertIn("File ", found["text"])
        self.assertEqual(client.call_pool("tools", "pid"), pid)

    def test_a_worker_that_can_not_write_it(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        (pid,) = daemon.worker_pids("tools")
        os.kill(pid, signal.SIGSTOP)
        done = poolctl(daemon, "--wait", "200ms", "stack", "tools", "1")
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(done.returncode, 75, done)
        self.assertIn("the worker did not write its stack traces in time", done.stderr)

    def test_what_can_not_be_asked(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, output="discard"), pool("c", UNRULY))
        for name, number, text in (
            ("tools", "1", "output is not log"),
            ("c", "1", "it has named no signal"),
            ("c", "9", "no such worker"),
            ("other", "1", "there is no pool \"other\""),
        ):
            done = poolctl(daemon, "stack", name, number)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(text, done.stderr)
        self.assertEqual(poolctl(daemon, "stack", "c", "one").returncode, 64)

    def test_a_worker_that_ends_meanwhile(self) -> None:
        daemon = self.occupied("deaf_to_stacks", 30)
        listener = self.listen(daemon, "worker")
        daemon.ask("poold.stack", "noisy", 1)
        daemon.ask("poold.kill_worker", "noisy", 1, "KILL")
        self.assertEqual(listener.wait_for(what="stack")["text"], "it wrote nothing")

    def test_a_slow_request_is_told_with_its_stack(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET, slow_after="200ms"))
        daemon.announced.append("pool=noisy")
        listener = self.listen(daemon, "worker")
        client = daemon.connect()
        client.ask_pool("noisy", "nap", [30])
        slow = listener.wait_for(what="is slow")
        self.assertIn("method nap", slow["text"])
        self.assertIn("in nap", listener.wait_for(what="stack")["text"])
        daemon.log.wait_for(r'notice   File ".*unquiet.py", line \d+ in nap pool=noisy worker=1 .* request=\d+')
