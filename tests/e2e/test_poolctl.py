"""poolctl as people and programs use it: what it prints and its exit status."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import unittest

import procs
import public
from clients import PoolctlTest, poolctl
from clock import HANGS, eventually
from harness import BUILD, C_TOOLS, START_TIMEOUT, UNRULY, Daemon, pool, worker


class Poolctl(PoolctlTest):
    """Each command, for people and with --json."""

    def start_tools(self) -> Daemon:
        return self.start(pool("tools", C_TOOLS, workers=2))

    def test_call(self) -> None:
        daemon = self.start_tools()
        self.assertEqual(json.loads(self.succeed(daemon, "call", "tools", "add", "[20, 22]")), 42)
        named = self.succeed(daemon, "call", "tools", "add", '{"left": 1, "right": 2}')
        self.assertEqual(json.loads(named), 3)
        value = {"text": "grüße", "list": [1, 2.5, None, True]}
        found = self.succeed(daemon, "call", "tools", "echo", json.dumps([value]))
        self.assertEqual(json.loads(found), value)
        self.assertEqual(json.loads(self.succeed(daemon, "call", "tools", "echo")), None)

    def test_a_call_that_fails(self) -> None:
        daemon = self.start_tools()
        done = poolctl(daemon, "call", "tools", "divide", "[1, 0]")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("exception", done.stderr)
        self.assertIn("division by zero", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_arguments_from_standard_input(self) -> None:
        daemon = self.start_tools()
        done = subprocess.run(
            [str(BUILD / "poolctl"), "--socket", daemon.path, "call", "tools", "add", "-"],
            input="[20, 22]", capture_output=True, text=True, timeout=HANGS, check=True,
        )
        self.assertEqual(json.loads(done.stdout), 42)

    def test_a_guard_that_is_gone(self) -> None:
        daemon = self.start_tools()
        daemon.announced.append("guard")

        def is_shown(*words: str) -> bool:
            """The first is replaced at once, the next ones later and later."""
            for pid in procs.children(daemon.pid):
                if procs.name(pid) == "pguard":
                    procs.kill(pid, signal.SIGKILL)
            return "its guard does not live" in poolctl(daemon, *words).stdout

        eventually(lambda: is_shown("status"), "status says it")
        eventually(lambda: is_shown("top", "--once"), "top says it")
        eventually(lambda: daemon.ask("poold.health")["guard"], "there is another")

    def test_a_pool_without_workers_has_none_to_replace(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers="0..1"))
        self.assertIn("there is no worker to replace", self.succeed(daemon, "restart", "tools"))

    def test_events_that_are_not_kept_any_more(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), events_kept=4)
        daemon.announced.append("breaker is")
        for action in ("disable", "observe") * 5:
            self.succeed(daemon, "breaker", action, "tools")
        done = poolctl(daemon, "events", "--since", "0")
        self.assertRegex(done.stderr, "up to [0-9]+ older events are not kept any more")
        self.assertRegex(self.succeed(daemon, "history", "--since", "0"), "Up to [0-9]+ older events are not kept any more")

    @unittest.skipUnless(os.geteuid() == 0, "another user is needed")
    def test_a_socket_of_somebody_else(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), socket_mode="0600")
        os.chmod(daemon.directory, 0o755)
        program = public.program("poolctl", public.folder(self))
        done = subprocess.run([str(program), "--socket", daemon.path, "status"], user=65534, group=65534, extra_groups=[],
                              capture_output=True, text=True, timeout=HANGS, check=False)
        self.assertEqual(done.returncode, 69, done)
        self.assertIn(f"ls -l {daemon.path}", done.stderr)

    def test_arguments_that_are_no_json(self) -> None:
        done = poolctl(self.start_tools(), "call", "tools", "echo", "[1,")
        self.assertEqual(done.returncode, 65, done)
        self.assertNotEqual(done.stderr, "")

    def test_health_of_a_good_pool(self) -> None:
        daemon = self.start_tools()
        self.assertIn("ok", self.succeed(daemon, "health"))
        self.assertEqual(self.json(daemon, "health")["pools"]["tools"]["status"], "ok")

    def test_health_of_a_pool_that_is_down(self) -> None:
        daemon = self.launch(pool("late", worker("rude", "never_ready")))
        daemon.wait_listening()
        done = poolctl(daemon, "health")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("late", done.stdout)

    def test_a_call_that_takes_too_long(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, cancel_grace="50ms"))
        daemon.announced.append("pool=tools")
        done = poolctl(daemon, "call", "--timeout", "200ms", "tools", "hang")
        self.assertIn(done.returncode, (1, 75), done)
        self.assertIn("deadline_exceeded", done.stderr)

    def test_health_of_one_pool(self) -> None:
        bad = pool("bad", worker("rude", "never_ready"))
        daemon = self.launch(pool("good", UNRULY), bad)
        daemon.wait_listening()
        eventually(lambda: daemon.pool("good")["status"] == "ok", "the good one is")
        self.assertEqual(poolctl(daemon, "health", "good").returncode, 0)
        self.assertEqual(poolctl(daemon, "health", "bad").returncode, 2)
        self.assertEqual(poolctl(daemon, "health").returncode, 2)

    def test_tables(self) -> None:
        daemon = self.start_tools()
        for command in ("status", "pools", "workers"):
            with self.subTest(command):
                self.assertIn("tools", self.succeed(daemon, command))

    def test_json_is_what_the_daemon_says(self) -> None:
        daemon = self.start_tools()
        self.assertEqual(self.json(daemon, "version")["server"], "poold")
        self.assertEqual(self.json(daemon, "status")["pools"][0]["name"], "tools")
        self.assertEqual(self.json(daemon, "pools")[0]["workers"]["ready"], 2)
        pids = [entry["pid"] for entry in self.json(daemon, "workers")]
        self.assertEqual(pids, daemon.worker_pids())

    def test_metrics(self) -> None:
        self.assertIn("\npoold_", self.succeed(self.start_tools(), "metrics"))

    def test_stats(self) -> None:
        daemon = self.start_tools()
        self.succeed(daemon, "call", "tools", "echo")
        lines = dict(line.split(" ", 1) for line in self.succeed(daemon, "stats").splitlines())
        self.assertEqual(lines["pools.tools.succeeded"], "1")
        said = self.json(daemon, "stats")
        self.assertEqual(lines["pools.tools.attempts"], str(said["pools"]["tools"]["attempts"]))
        self.assertIn("daemon.connections_accepted", lines)

    def test_version(self) -> None:
        daemon = self.start_tools()
        version = self.json(daemon, "version")
        self.assertRegex(self.succeed(daemon, "version"),
                         rf"poolctl \S+\npoold {version['version']} \(process {daemon.pid}, up ")

    def test_options_of_a_call(self) -> None:
        daemon = self.start_tools()
        words = ("--meta", "--key", "k", "--idempotent", "--no-fallback")
        said = json.loads(self.succeed(daemon, "call", *words, "tools", "echo", '["x"]'))
        self.assertEqual(said["result"], "x")
        self.assertEqual(said["meta"]["attempts"], 1)
        # The key has its answer.
        again = self.succeed(daemon, "call", "--key", "k", "tools", "echo", '["y"]')
        self.assertEqual(json.loads(again), "x")
        many = [word for i in range(100) for word in ("--kind", f"kind{i}")]
        self.assertEqual(poolctl(daemon, "events", *many).returncode, 64)

    def test_an_output_that_is_full(self) -> None:
        daemon = self.start_tools()
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(BUILD / "poolctl"), "-s", daemon.path, "status"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 74, done)
        self.assertIn("cannot write the output: No space left", done.stderr)

    def test_standard_files_that_are_closed(self) -> None:
        """Nothing that is printed goes to the daemon."""
        daemon = self.start_tools()
        program = f"exec {BUILD / 'poolctl'} -s {daemon.path}"
        for words, status, said in (
            ("metrics >&-", 74, "cannot write the output: Bad file descriptor"),
            ("call tools nothing 2>&-", 1, ""),
            ("call tools echo '[1]' <&-", 0, "1"),
        ):
            done = subprocess.run(f"{program} {words}", shell=True, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, (words, done))
            self.assertIn(said, done.stdout + done.stderr)
        self.assertEqual(daemon.ask("poold.stats")["daemon"]["messages_malformed"], 0)

    def test_colours_in_a_terminal(self) -> None:
        daemon = self.start_tools()
        for term, colour in (("xterm", "\033[32mok\033[0m"), ("dumb", "ok")):
            ours, theirs = pty.openpty()
            with open(ours, "rb", buffering=0) as ours_file:
                subprocess.run([str(BUILD / "poolctl"), "-s", daemon.path, "health"], stdout=theirs,
                               env={**os.environ, "TERM": term, "NO_COLOR": ""}, check=True)
                said = os.read(ours_file.fileno(), 65536).decode()
            os.close(theirs)
            self.assertIn(colour, said)
            self.assertEqual("\033" in said, term == "xterm")

    def test_usage(self) -> None:
        daemon = self.start_tools()
        wrong = ["", "nonsense", "call", "call tools", "status extra", "--wrong"]
        for words in wrong:
            with self.subTest(words=words):
                done = poolctl(daemon, *words.split())
                self.assertEqual(done.returncode, 64, done)
                self.assertNotEqual(done.stderr, "")
        self.assertIn("poolctl", self.succeed(daemon, "--help"))

    def test_nobody_listens(self) -> None:
        daemon = self.start_tools()
        done = poolctl(daemon, "--socket", "/nonexistent/other.sock", "status")
        self.assertEqual(done.returncode, 69, done)
        self.assertIn("/nonexistent/other.sock", done.stderr)

    def test_no_colour_in_a_pipe(self) -> None:
        daemon = self.start_tools()
        for command in ("status", "health", "pools", "workers"):
            self.assertNotIn("\x1b", self.succeed(daemon, command))

    def test_status_says_what_is_wrong(self) -> None:
        daemon = self.launch(pool("broken", worker("rude", "exit_config")), start_timeout="1s")
        daemon.announced += ["pool=broken", "^rude: ", START_TIMEOUT]
        daemon.wait_listening()
        eventually(lambda: daemon.pool("broken")["status"] == "down", "it is down")
        done = poolctl(daemon, "status")
        self.assertIn("broken", done.stdout)
        self.assertIn("down", done.stdout)

    def test_why_the_daemon_ended_a_worker(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, cancel_grace="50ms", attempt_timeout="200ms"))
        daemon.announced.append("pool=tools")
        self.succeed(daemon, "kill", "tools", "1", "KILL")
        eventually(lambda: "killed by hand: " in self.succeed(daemon, "workers"),
                   lambda: self.succeed(daemon, "workers"))
        poolctl(daemon, "call", "tools", "hang")
        eventually(lambda: "killed for overrunning" in self.succeed(daemon, "workers"),
                   lambda: self.succeed(daemon, "workers"))

    def test_probes(self) -> None:
        bad = pool("bad", worker("rude", "never_ready"))
        daemon = self.launch(pool("good", UNRULY), bad)
        daemon.wait_listening()
        eventually(lambda: daemon.pool("good")["status"] == "ok", "the good one is")
        for words, status in (("--live", 0), ("--ready good", 0), ("--ready bad", 2),
                              ("--ready", 2)):
            with self.subTest(words):
                self.assertEqual(poolctl(daemon, "health", *words.split()).returncode, status)
        self.assertEqual(poolctl(daemon, "-s", "/nowhere.sock", "health", "--live").returncode, 69)

    def test_a_log_of_json(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), log_format="json")
        daemon.announced.append(r'^\{"time":')
        self.succeed(daemon, "kill", "tools", "1", "TERM")
        eventually(lambda: "by hand" in str(daemon.log), "its end is logged")
        lines = [json.loads(line) for line in daemon.log.lines]
        for line in lines:
            self.assertLessEqual({"time", "level", "message"}, set(line), line)
        self.assertTrue(any(line.get("pool") == "tools" and line.get("worker") for line in lines))
