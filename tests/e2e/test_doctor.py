"""poolctl doctor: what stops a pool from working is found, and said."""

from __future__ import annotations

import os
import signal
from typing import Any

import procs
from clients import PoolctlTest, poolctl
from clock import eventually
from harness import C_TOOLS, START_TIMEOUT, UNRULY, Daemon, pool, socket_pool


class Doctor(PoolctlTest):
    def findings(self, daemon: Daemon, name: str) -> dict[str, dict[str, Any]]:
        """What is found of one pool, by what was looked at."""
        found = daemon.ask("poold.doctor")
        return {finding["check"]: finding for finding in found if finding["pool"] == name}

    def ill(self, *pools: str) -> Daemon:
        """A daemon whose pools don't work."""
        daemon = self.launch(*pools, start_timeout="100ms")
        daemon.announced += [START_TIMEOUT, "worker", "pool"]
        daemon.wait_listening()
        return daemon

    def test_all_is_well(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, directory="/tmp"))
        found = self.findings(daemon, "tools")
        self.assertEqual(list(found), ["command", "directory", "start"])
        self.assertEqual({finding["status"] for finding in found.values()}, {"ok"})
        self.assertEqual({finding["advice"] for finding in found.values()}, {None})
        lines = self.succeed(daemon, "doctor", "tools").splitlines()
        self.assertEqual(len(lines), 4, lines)
        self.assertIn("1 of 1 workers are ready", lines[3])

    def test_a_command_that_is_not_there(self) -> None:
        daemon = self.ill(pool("typo", "pyton3 -m x"), pool("file", "/etc/passwd"))
        for name in ("typo", "file"):
            found = self.findings(daemon, name)
            self.assertEqual(found["command"]["status"], "fault", found)
            self.assertEqual(found["start"]["status"], "fault", found)
            self.assertIn("could not be started", found["start"]["text"])
        done = poolctl(daemon, "doctor", "typo")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("pyton3 is not a program that the daemon may run", done.stdout)
        self.assertIn("typo, command: install it, or name it by its full path", done.stdout)
        self.assertNotIn("passwd", done.stdout)

    def test_a_directory_that_is_not_there(self) -> None:
        daemon = self.ill(pool("tools", C_TOOLS, directory="/nowhere"))
        found = self.findings(daemon, "tools")
        self.assertEqual(found["command"]["status"], "ok")
        self.assertEqual(found["directory"]["text"], "/nowhere: No such file or directory")
        self.assertEqual(found["directory"]["status"], "fault")

    def test_a_program_that_ends(self) -> None:
        daemon = self.ill(pool("tools", "/bin/false"))
        def found() -> bool:
            start = self.findings(daemon, "tools")["start"]
            return start["status"] == "fault" and "exit status 1" in start["text"]

        eventually(found, lambda: str(self.findings(daemon, "tools")))

    def test_a_server_that_is_not_there(self) -> None:
        daemon = self.ill(socket_pool("far", "/nowhere.sock"))
        start = self.findings(daemon, "far")["start"]
        self.assertIn("not reached", start["text"])
        self.assertIn("address", start["advice"])

    def test_a_breaker_that_is_open(self) -> None:
        daemon = self.start(pool("tools", UNRULY))
        daemon.announced += ["pool", "breaker"]
        daemon.ask("poold.breaker_open", "tools")
        found = self.findings(daemon, "tools")
        self.assertEqual(found["breaker"]["status"], "fault")
        done = poolctl(daemon, "doctor", "nothing")
        self.assertEqual(done.returncode, 64, done)

    def test_a_queue_that_is_full(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, queue_max=1, prefetch=0))
        daemon.announced += ["pool"]
        path = daemon.directory / "gate"
        client = daemon.connect()
        client.ask_pool("tools", "occupy", [str(path)])
        eventually(path.exists, "the worker has something to do")
        client.ask_pool("tools", "echo", [1])
        eventually(lambda: "queue" in self.findings(daemon, "tools"), "one is queued")
        found = self.findings(daemon, "tools")
        self.assertEqual(found["queue"]["status"], "warning")
        self.assertIn("it is full with 1 requests", found["queue"]["text"])
        path.unlink()
        for _ in range(2):
            self.assertIsNone(client.read().error)

    def test_a_queue_that_is_too_long_for_those_who_ask(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0))
        daemon.announced += ["pool"]
        client = daemon.connect(map_errors=True)
        for _ in range(4):
            client.call_pool("tools", "slow", [0.3])
        asked = [client.ask_pool("tools", "slow", [0.3], timeout_ms=60_000) for _ in range(20)]
        hasty = daemon.connect(map_errors=True)
        self.assertNotEqual(hasty.answer_pool("tools", "slow", [0.3], timeout_ms=400).code, None)
        found = self.findings(daemon, "tools")
        self.assertEqual(found["queue"]["status"], "warning")
        self.assertRegex(found["queue"]["text"], r"^requests that would wait too long are refused: 1 in the last \d+ s")
        for number in asked:
            self.assertIsNone(client.read_of(number).error)

    def test_a_worker_that_does_not_answer_when_it_is_asked(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, ping_interval="50ms", ping_timeout="100ms"))
        daemon.announced += ["pool", "worker"]
        (worker,) = daemon.ask("poold.workers")
        os.kill(worker["pid"], signal.SIGSTOP)

        def found() -> bool:
            return "health" in self.findings(daemon, "tools")

        eventually(found, "it is degraded")

    def test_a_guard_that_is_gone(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        daemon.announced.append("guard")

        def guards() -> list[int]:
            below = procs.children(daemon.pid)
            return [pid for pid in below if procs.name(pid) == "pguard" and procs.is_alive(pid)]

        def finding() -> dict[str, Any]:
            (found,) = [one for one in daemon.ask("poold.doctor") if one["check"] == "guard"]
            return found

        self.assertEqual(finding()["status"], "ok")

        def is_found() -> bool:
            """The first is replaced at once, the next ones later and later."""
            for guard in guards():
                procs.kill(guard, signal.SIGKILL)
            found = finding()
            return found["status"] == "warning" and "journal" in found["advice"]

        eventually(is_found, "it is gone")
        eventually(lambda: finding()["status"] == "ok", "there is another")

    def test_the_last_words_of_a_start_that_failed(self) -> None:
        daemon = self.ill(pool("tools", "/bin/sh -c 'echo first >&2; echo second >&2; exit 3'"))

        def shown() -> bool:
            return all(
                "exit status 3" in text and "  first\n" in text and "  second\n" in text
                for text in (poolctl(daemon, words).stdout for words in ("status", "doctor")))

        eventually(shown, lambda: poolctl(daemon, "status").stdout)

    def test_code_in_a_home_directory_that_cannot_be_read(self) -> None:
        hidden = "/home/nobody-has-this/worker.py"
        pools = {"tools": pool("tools", f"/usr/bin/python3 {hidden}"),
                 "path": pool("path", "/usr/bin/python3 -m nowhere", **{"env.PYTHONPATH": "/home/nobody-has-this"})}
        daemon = self.ill(*pools.values())

        def found(name: str) -> bool:
            start = self.findings(daemon, name)["start"]
            return ("lies in /home" in start["text"] and "ProtectHome=" in start["text"]
                    and "ProtectHome=read-only" in start["advice"])

        for name in pools:
            eventually(lambda: found(name), lambda: str(self.findings(daemon, name)))
