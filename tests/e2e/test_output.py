"""What workers write to standard output and error: in the log, in errors, within limits."""

from __future__ import annotations

import os
import re
import shlex
import sys

from clock import Timed, eventually
from harness import TOOLBOX, DaemonTest, pool

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


class Lines(DaemonTest):
    """A line of a worker is a line of the log."""

    def test_a_line_says_where_it_comes_from(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET))
        client = daemon.connect()
        client.call_pool("noisy", "write", [1, b"on standard output\n"])
        client.call_pool("noisy", "write", [2, b"on standard error\n"])
        (pid,) = daemon.worker_pids("noisy")
        fields = rf"pool=noisy worker=1 pid={pid} stream=%s request=\d+$"
        daemon.log.wait_for(r"Z info on standard output " + fields % "stdout")
        daemon.log.wait_for(r"Z notice on standard error " + fields % "stderr")

    def test_a_line_may_begin_with_its_level(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET), log_level="debug")
        daemon.announced.append("pool=noisy")
        client = daemon.connect()
        client.call_pool("noisy", "write", [2, b"<0>grave\n<4>dubious\n<7>fine\n<8>odd\n<4\n"])
        client.call_pool("noisy", "write", [1, b"<5>a notice\n"])
        for line in ("error grave", "warning dubious", "debug fine", "notice <8>odd", "notice <4",
                     "notice a notice"):
            daemon.log.wait_for(rf"Z {line} pool=noisy")

    def test_what_is_logged_has_level_and_request(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.announced.append("pool=noisy")
        daemon.connect().call_pool("noisy", "log", ["WARNING", "stock is low"])
        daemon.log.wait_for(r"Z warning unquiet: stock is low pool=noisy worker=1 request=(\d+) "
                            r"pool=noisy worker=1 pid=\d+ stream=stderr request=\1$")

    def test_an_idle_worker_serves_no_request(self) -> None:
        command = shlex.join(["sh", "-c", f"echo begun; exec {UNQUIET}"])
        daemon = self.start(pool("noisy", command))
        daemon.log.wait_for(r"info begun pool=noisy worker=1 pid=\d+ stream=stdout$")

    def test_a_long_line_comes_in_parts(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET, output_line_max="100"))
        daemon.connect().call_pool("noisy", "write", [2, b"a" * 250 + b"\n"])
        daemon.log.wait_for(r" a{50} .*part=3$")
        daemon.log.wait_for(r" a{100} .*part=1$")
        daemon.log.wait_for(r" a{100} .*part=2$")

    def test_binary_is_escaped(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.connect().call_pool("noisy", "write", [1, b"a\0\x1b[31m\xff\xe2\x82\xac\n"])
        daemon.log.wait_for(r"info a\\x00\\x1b\[31m\\xff\u20ac pool=noisy")

    def test_what_is_not_a_line_comes_when_the_worker_ends(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.announced.append("pool=noisy")
        client = daemon.connect(map_errors=True)
        self.assert_code(client.answer_pool("noisy", "last_words", ["no newline", 3]), "worker_exited")
        daemon.log.wait_for(r"notice no newline pool=noisy")

    def test_output_can_be_discarded(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET, output="discard"))
        client = daemon.connect()
        client.call_pool("noisy", "write", [2, b"not to be seen\n"])
        (pid,) = daemon.worker_pids("noisy")
        self.assertEqual({os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}, {"/dev/null"})

    def test_output_can_be_inherited(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET, output="inherit"))
        daemon.announced.append("^as it is$")
        daemon.connect().call_pool("noisy", "write", [2, b"as it is\n"])
        daemon.log.wait_for(r"^as it is$")


class Flood(DaemonTest):
    """A worker that writes too much slows itself down, and nobody else."""

    def test_a_fork_server_that_floods(self) -> None:
        command = shlex.join([sys.executable, "-m", "poold.worker", "talker"])
        daemon = self.start(pool("noisy", command, prefork=True, output_rate=10, output_burst=20))
        daemon.announced.append("writes too much")
        daemon.log.wait_for(r"warning fork server writes too much: \d+ lines over output_rate")
        self.assertEqual(daemon.connect().call_pool("noisy", "echo", [1]), 1)

    def test_a_flood_is_counted(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET, output_rate=50, output_burst=100))
        daemon.announced.append("writes too much")
        client = daemon.connect()
        client.call_pool("noisy", "flood", [2, 5000])
        daemon.log.wait_for(r"warning worker writes too much: \d+ lines over output_rate")
        counted = lambda: sum(self.counters(daemon)) == 5000
        eventually(counted, lambda: f"every line is counted: {self.counters(daemon)}")
        logged, dropped = self.counters(daemon)
        self.assertLess(logged, 1000)
        flood = [line for line in daemon.log.lines if " flood " in line]
        self.assertEqual(len(flood), logged)
        said = re.findall(r"too much: (\d+) lines", str(daemon.log))
        self.assertEqual(sum(map(int, said)), dropped)
        metrics = client.call("poold.metrics")
        self.assertIn(f"poold_output_dropped_total {dropped}\n", metrics)
        (entry,) = daemon.workers("noisy")
        self.assertEqual(entry["output_dropped"], dropped)

    def counters(self, daemon) -> tuple[int, int]:
        stats = daemon.ask("poold.stats")["daemon"]
        return stats["output_lines"], stats["output_dropped"]

    def test_others_do_not_notice(self) -> None:
        daemon = self.start(
            pool("noisy", UNQUIET, workers=3, output_rate=10, output_burst=10),
            pool("tools", TOOLBOX),
        )
        daemon.announced.append("writes too much")
        client, other = daemon.connect(), daemon.connect()
        for _ in range(3):
            client.ask_pool("noisy", "flood", [2, 2_000_000])
        for step in range(200):
            with Timed() as timed:
                self.assertEqual(other.call_pool("tools", "echo", step), step)
            self.assert_in_time(timed, 0)
        for _ in range(3):
            self.assertIsNone(client.read(60).error)
        stored = daemon.ask("poold.status")["memory"]["buffers"]
        self.assertLess(stored, 1 << 20)


class LastWords(DaemonTest):
    """What a worker said on standard error before it died is in the error."""

    def death(self, method: str, *arguments: object) -> tuple[dict, dict]:
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.announced.append("pool=noisy")
        client = daemon.connect(map_errors=True)
        error = client.answer_pool("noisy", method, list(arguments)).error
        daemon.wait_workers("noisy", 1)
        (entry,) = daemon.workers("noisy")
        return error, entry

    def test_of_an_exit(self) -> None:
        error, entry = self.death("last_words", "Traceback\n  line 3\nValueError: \x1b\n", 3)
        self.assertEqual(error["detail"]["stderr"], "Traceback\n  line 3\nValueError: \\x1b")
        self.assertEqual(entry["last_stderr"], error["detail"]["stderr"])

    def test_of_a_kill(self) -> None:
        error, _ = self.death("kill", 9)
        self.assertEqual(error["code"], "worker_killed")
        self.assertEqual(error["detail"]["stderr"], "about to be killed")

    def test_the_last_two_kibibytes(self) -> None:
        error, _ = self.death("last_words", "x" * 5000 + "the end\n", 3)
        text = error["detail"]["stderr"]
        self.assertLessEqual(len(text), 2048)
        self.assertTrue(text.endswith("xthe end"), text)

    def test_nothing_was_said(self) -> None:
        error, entry = self.death("last_words", "", 3)
        self.assertNotIn("stderr", error["detail"])
        self.assertIsNone(entry["last_stderr"])

    def test_of_a_start(self) -> None:
        command = shlex.join(["sh", "-c", "echo no such module >&2; exit 3"])
        daemon = self.launch(pool("noisy", command, restart_delay="10s", restart_delay_max="10s"))
        daemon.announced.append("pool=noisy|start_timeout|pool is")
        daemon.wait_listening()
        line = daemon.log.wait_for("incident: .*exit status 3")
        self.assertIn("no such module", line)
