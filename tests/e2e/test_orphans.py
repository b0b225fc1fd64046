"""Whatever a worker leaves behind goes with it, and nothing of anybody else's."""

from __future__ import annotations

import shlex
import signal
import sys

import procs
from clock import eventually, ms
from harness import Daemon, DaemonTest, pool, worker

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


class OrphanTest(DaemonTest):
    """Its daemon is as it was after whatever its worker did."""

    def begin(self, **options: object) -> Daemon:
        daemon = self.start(pool("wild", UNQUIET, timeout="10s", **options))
        daemon.announced.append("pool=wild")
        return daemon

    def check_clean(self, daemon: Daemon, mark: str, *others: int) -> None:
        """Nothing with the mark of that life is left, no zombie, no descriptor."""
        marked = lambda: procs.marked("POOLD_LIFE", mark)
        eventually(lambda: not marked(), lambda: f"{[procs.describe(p) for p in marked()]} gone")
        left = procs.wait_gone(others, 5.0)
        self.assertEqual(left, [], [procs.describe(pid) for pid in left])
        (pid,) = daemon.wait_workers("wild", 1)
        self.assertNotEqual(procs.variable(pid, "POOLD_LIFE"), mark)
        strange = lambda: [p for p in procs.children(daemon.pid) if procs.is_zombie(p)]
        eventually(lambda: not strange(), lambda: f"no zombie: {strange()}")
        eventually(
            lambda: len(procs.descriptors(daemon.pid)) <= len(daemon.descriptors) + 1,
            lambda: f"descriptors as before: "
            f"{procs.difference(daemon.descriptors, procs.descriptors(daemon.pid))}",
        )

    def leave(self, method: str, *arguments: object, **options: object) -> None:
        """A worker starts processes, and is then killed."""
        daemon = self.begin(**options)
        client = daemon.connect(map_errors=True)
        mark = client.call_pool("wild", "mark")
        answer = client.call_pool("wild", method, list(arguments))
        left = answer if isinstance(answer, list) else [answer]
        for pid in left:
            self.assertTrue(procs.is_alive(pid), procs.describe(pid))
        self.assert_code(client.answer_pool("wild", "kill", [signal.SIGKILL]), "worker_killed")
        self.check_clean(daemon, mark, *left)

    def hang(self, method: str, *codes: str) -> None:
        """A worker does this to itself, and must be ended by the daemon."""
        daemon = self.begin(attempt_timeout=ms(600))
        client = daemon.connect(map_errors=True)
        mark = client.call_pool("wild", "mark")
        answer = client.answer_pool("wild", method)
        self.assertIn(answer.code, codes, answer)
        self.check_clean(daemon, mark)


class Left(OrphanTest):
    """Processes that outlive the worker that started them."""

    def test_children(self) -> None:
        self.leave("children", 5)

    def test_children_that_ignore_sigterm(self) -> None:
        self.leave("deaf_children", 5)

    def test_children_in_sessions_of_their_own(self) -> None:
        self.leave("sessions", 5)

    def test_very_many(self) -> None:
        self.leave("sessions", 200)

    def test_a_daemon(self) -> None:
        self.leave("daemonize")

    def test_a_daemon_without_a_mark(self) -> None:
        self.leave("daemonize", True)

    def test_one_that_starts_others(self) -> None:
        self.leave("breed")

    def test_after_a_clean_exit(self) -> None:
        daemon = self.begin()
        client = daemon.connect(map_errors=True)
        mark = client.call_pool("wild", "mark")
        left = [client.call_pool("wild", "daemonize"), *client.call_pool("wild", "sessions", [2])]
        self.assert_code(client.answer_pool("wild", "last_words", ["", 0]), "worker_exited")
        self.check_clean(daemon, mark, *left)

    def test_a_daemon_that_ends_is_reaped(self) -> None:
        daemon = self.begin()
        client = daemon.connect()
        for _ in range(20):
            client.call_pool("wild", "short_lived_daemon")
        zombies = lambda: [p for p in procs.children(daemon.pid) if procs.is_zombie(p)]
        eventually(lambda: not zombies(), lambda: f"no zombie: {zombies()}")

    def test_what_belongs_to_the_living_is_left_alone(self) -> None:
        daemon = self.start(pool("wild", UNQUIET), pool("calm", UNQUIET))
        daemon.announced.append("pool=wild")
        client = daemon.connect(map_errors=True)
        theirs = [client.call_pool("calm", "daemonize"), *client.call_pool("calm", "sessions", [2])]
        for _ in range(5):
            mark = client.call_pool("wild", "mark")
            mine = client.call_pool("wild", "daemonize")
            client.answer_pool("wild", "kill", [signal.SIGKILL])
            self.check_clean(daemon, mark, mine)
        for pid in theirs:
            self.assertTrue(procs.is_alive(pid), procs.describe(pid))
        daemon.announced.append("pool=calm")
        client.answer_pool("calm", "kill", [signal.SIGKILL])
        self.assertEqual(procs.wait_gone(theirs, 5.0), [])


class Stuck(OrphanTest):
    """Workers that do not end by themselves."""

    def test_ignores_sigterm(self) -> None:
        self.hang("ignore_and_hang", "attempt_timeout")

    def test_stops_itself(self) -> None:
        self.hang("stop", "attempt_timeout")

    def test_closes_its_channel_and_lives(self) -> None:
        """Lives on as far as it knows: one on the SDK would exit by itself."""
        command = worker("stepper", "ready", "close")
        daemon = self.launch(pool("wild", command, restart_delay="10s", restart_delay_max="10s"))
        daemon.announced.append("pool=wild|start_timeout|pool is")
        daemon.wait_listening()
        daemon.log.wait_for("worker gets SIGKILL: .*channel")
        daemon.log.wait_for("worker ended: it closed its channel; it ended with signal 9")
        theirs = lambda: [p for p in daemon.family() if procs.variable(p, "POOLD_LIFE")]
        eventually(lambda: len(theirs()) <= 1, "at most the next one is there")

    def test_becomes_another_program(self) -> None:
        self.hang("become", "peer_closed", "attempt_timeout")

    def test_is_stopped_while_idle(self) -> None:
        daemon = self.begin(ping_interval="50ms", ping_timeout="100ms")
        client = daemon.connect(map_errors=True)
        mark = client.call_pool("wild", "mark")
        (pid,) = daemon.worker_pids("wild")
        procs.stop(pid)
        self.assertEqual(procs.wait_gone([pid], 10.0), [])
        self.check_clean(daemon, mark)
        client.call_pool("wild", "echo")
