"""The daemon's own life: options, start, readiness, stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import procs
from clock import HANGS, Timed, eventually, stretch
from harness import (
    BUILD,
    MARK,
    START_TIMEOUT,
    TOOLBOX,
    UNRULY,
    Daemon,
    DaemonTest,
    pool,
    section,
    worker,
)
from raw import Raw


def run_poold(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BUILD / "poold"), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


class Options(unittest.TestCase):
    """poold's command line; nothing is started."""

    def check(self, text: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "poold.conf"
            path.write_text(text)
            return run_poold("-t", "-c", str(path))

    def test_a_good_configuration(self) -> None:
        done = self.check(section("daemon", {"socket": "/tmp/x.sock"}) + pool("tools", "true"))
        self.assertEqual(done.returncode, 0, done)

    def test_a_bad_configuration_names_file_line_and_key(self) -> None:
        cases = {
            "an unknown key": ("[daemon]\nsockett = /tmp/x\n", ":2:", "sockett"),
            "a wrong number": ("[pool a]\ncommand = true\nworkers = many\n", ":3:", "workers"),
            "a wrong duration": ("[pool a]\ncommand = true\ntimeout = 5 moons\n", ":3:", "timeout"),
            "a pool without a command": ("[pool a]\nworkers = 2\n", "command", "a"),
            "a name that is taken": ("[pool poold]\ncommand = true\n", ":1:", "poold"),
            "a wrong name": ("[pool A B]\ncommand = true\n", ":1:", "A B"),
            "an unknown section": ("[pol a]\n", ":1:", "pol"),
            "a range upside down": ("[pool a]\ncommand = true\nworkers = 5..2\n", ":3:", "workers"),
        }
        for name, (text, line, key) in cases.items():
            with self.subTest(name):
                done = self.check(text)
                self.assertEqual(done.returncode, 78, done)
                said = done.stderr + done.stdout
                self.assertIn("poold.conf", said)
                self.assertIn(line, said)
                self.assertIn(key, said)

    def test_a_configuration_that_is_not_there(self) -> None:
        done = run_poold("-t", "-c", "/nonexistent/poold.conf")
        self.assertEqual(done.returncode, 78, done)
        self.assertIn("/nonexistent/poold.conf", done.stderr)

    def test_a_bad_configuration_does_not_start(self) -> None:
        done = run_poold("-c", "/nonexistent/poold.conf")
        self.assertEqual(done.returncode, 78, done)

    def test_version_and_help(self) -> None:
        self.assertRegex(run_poold("--version").stdout, r"\d+\.\d+\.\d+")
        self.assertIn("-c", run_poold("--help").stdout)

    def test_wrong_usage(self) -> None:
        for words in (("--nonsense",), ("word",), ("-c",)):
            with self.subTest(words=words):
                done = run_poold(*words)
                self.assertEqual(done.returncode, 64, done)
                self.assertNotEqual(done.stderr, "")


class Start(DaemonTest):
    """From the start to readiness."""

    def test_ready_means_that_every_pool_can_work(self) -> None:
        daemon = self.start(pool("one", TOOLBOX, workers=2), pool("two", UNRULY, workers=3))
        health = daemon.ask("poold.health")
        self.assertEqual((health["status"], health["ready"]), ("ok", True))
        self.assertEqual(len(daemon.worker_pids("one")), 2)
        self.assertEqual(len(daemon.worker_pids("two")), 3)
        self.assertEqual(daemon.notices.heard.count("READY=1"), 1)

    def test_a_pool_that_never_gets_ready_does_not_hold_up_the_others_for_ever(self) -> None:
        daemon = self.launch(
            pool("good", UNRULY), pool("late", worker("rude", "never_ready")), start_timeout="300ms"
        )
        daemon.announced += ["pool=late", START_TIMEOUT]
        with Timed() as timed:
            daemon.wait_ready()
        self.assertGreaterEqual(timed.seconds, 0.1)
        self.assertEqual(daemon.connect().call("good.echo", 1), [1])

    def test_calls_before_the_pool_is_ready_wait_for_it(self) -> None:
        daemon = self.launch(pool("tools", TOOLBOX))
        daemon.wait_listening()
        self.assertEqual(daemon.connect().call("tools.echo", "first"), "first")

    def test_a_socket_file_left_behind_is_taken_over(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        daemon.signal(signal.SIGKILL)
        self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)
        self.assertTrue(os.path.exists(daemon.path))
        daemon.relaunch()
        daemon.wait_ready()
        self.assertEqual(daemon.connect().call("raw.echo", 1), [1])

    def test_a_second_daemon_does_not_take_the_socket(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        done = run_poold("-c", str(daemon.config))
        self.assertNotIn(done.returncode, (0, -signal.SIGSEGV))
        self.assertIn(daemon.path, done.stderr)
        self.assertEqual(daemon.connect().call("raw.echo", 1), [1])

    def test_a_socket_folder_that_is_missing(self) -> None:
        daemon = self.launch(pool("raw", UNRULY), socket="/nonexistent/folder/poold.sock")
        daemon.announced.append("/nonexistent/folder")
        self.assertNotEqual(daemon.wait_ended(), 0)
        self.assertIn("/nonexistent/folder", str(daemon.log))

    def test_readiness_is_notified_to_a_service_manager_that_listens_late(self) -> None:
        """Each worker that gets ready is notified too, until the socket has no room for more."""
        daemon = self.launch(pool("raw", UNRULY, workers=16))
        daemon.log.wait_for("notice ready: listening")
        daemon.notices.wait_for("READY=1", daemon.pidfd, seconds=5)
        daemon.notices.wait_for("STATUS=ok: ready", daemon.pidfd, seconds=5)
        daemon.take_measure()


@unittest.skipUnless(shutil.which("systemd-socket-activate"), "systemd is not installed")
class Watchdog(DaemonTest):
    def test_it_is_fed_again_and_again(self) -> None:
        with mock.patch.dict(os.environ, WATCHDOG_USEC=str(int(stretch(0.2) * 1e6))):
            daemon = self.start(pool("raw", UNRULY))
        for _ in range(3):
            daemon.notices.wait_next("WATCHDOG=1", 5.0)


class Activation(DaemonTest):
    """A socket that the service manager holds."""

    def test_the_passed_socket_is_used(self) -> None:
        daemon = Activated((pool("raw", UNRULY),), {})
        daemon.announced += ["^Listening on ", "^Communication attempt ", "^Execing "]
        self.addCleanup(daemon.finish)
        daemon.log.wait_for("^Listening on ")
        with Raw(daemon.path) as first:
            number = first.ask("raw.echo", 1)
            daemon.wait_ready()
            self.assertEqual(first.read_of(number).result, [1])
        self.assertEqual(daemon.connect().call("raw.echo", 2), [2])


class Activated(Daemon):
    """A daemon that systemd-socket-activate starts at the first connection."""

    def command(self) -> list[str]:
        activate = ["systemd-socket-activate", "-l", self.path, "--fdname=poold.socket"]
        names = ("NOTIFY_SOCKET", "PYTHONPATH", MARK, "PATH", "HOME", "ASAN_OPTIONS")
        keep = [word for name in names if name in os.environ or name in self.environment()
                for word in ("-E", name)]
        return [*activate, *keep, *super().command()]

    def _check_nothing_left(self) -> None:
        """The socket file is the service manager's: it stays."""
        self._check_no_process_left()


class WithoutStandardFiles(DaemonTest):
    """Whoever starts the daemon has closed some of the standard files: what it opens next must not get their
    numbers."""

    def check(self, closed: str) -> None:
        class Closed(Daemon):
            def command(self) -> list[str]:
                return ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *super().command()]

        daemon = Closed((pool("tools", TOOLBOX), pool("raw", UNRULY)), {})
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        client = daemon.connect()
        self.assertEqual(client.call_pool("tools", "echo", ["a"]), "a")
        self.assertEqual(client.call_pool("raw", "echo", ["a"]), ["a"])

    def test_input(self) -> None:
        self.check("<&-")

    def test_output(self) -> None:
        self.check(">&-")

    def test_error(self) -> None:
        self.check("2>&-")

    def test_all(self) -> None:
        self.check("<&- >&- 2>&-")


class Stop(DaemonTest):
    """SIGTERM: what was taken on is finished, nothing new is."""

    def test_requests_in_flight_are_answered(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, prefetch=0))
        client = daemon.connect()
        busy = daemon.occupy(client)
        waiting = client.ask("tools.echo", "waited")
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 1, "one waits")
        daemon.signal(signal.SIGTERM)
        daemon.notices.wait_for("STOPPING=1", daemon.pidfd)
        late = client.ask("tools.echo", "late")
        daemon.release()
        answers = {answer.id: answer for answer in (client.read(), client.read(), client.read())}
        self.assertEqual(answers[busy].error, None)
        self.assertEqual(answers[waiting].result, "waited")
        self.assert_code(answers[late], "shutting_down")
        self.assertEqual(client.read_to_end(), b"")
        self.assertEqual(daemon.wait_ended(), 0)

    def test_draining_is_shown(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        busy = daemon.occupy(client)
        daemon.signal(signal.SIGTERM)
        daemon.notices.wait_for("STOPPING=1", daemon.pidfd)
        self.assertTrue(client.call("poold.health")["draining"])
        daemon.release()
        self.assertIsNone(client.read_of(busy).error)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_draining_has_an_end(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), drain_timeout="200ms")
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        busy = daemon.occupy(client)
        with Timed() as timed:
            daemon.signal(signal.SIGTERM)
            self.assert_code(client.read_of(busy), "shutting_down")
            self.assertEqual(daemon.wait_ended(), 0)
        self.assertGreaterEqual(timed.seconds, 0.199)

    def test_who_takes_no_answer_is_not_waited_for(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        client = daemon.connect()
        client.ask("raw.echo", b"x" * (8 << 20))
        eventually(lambda: daemon.counters("raw")["succeeded"] == 1, "it is answered")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_a_second_signal_stops_at_once(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), drain_timeout="60s")
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        busy = daemon.occupy(client)
        daemon.signal(signal.SIGTERM)
        daemon.notices.wait_for("STOPPING=1", daemon.pidfd)
        daemon.signal(signal.SIGTERM)
        self.assert_code(client.read_of(busy), "shutting_down")
        self.assertEqual(daemon.wait_ended(), 0)

    def test_interrupt_is_the_same(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_an_idle_client_is_let_go(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        client.call("poold.version")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(client.read_to_end(), b"")
        self.assertEqual(daemon.wait_ended(), 0)

    def test_workers_that_do_not_want_to_end_are_ended(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, kill_grace="100ms"), drain_timeout="100ms")
        daemon.announced.append("pool=tools")
        daemon.connect().ask("tools.busy_hang")
        eventually(lambda: daemon.pool("tools")["workers"]["busy"] == 1, "it hangs")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_stop_while_workers_start(self) -> None:
        daemon = self.launch(pool("late", worker("rude", "never_ready"), workers=3))
        daemon.wait_listening()
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_grandchildren_go_with_the_daemon(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        children = [client.call("tools.spawn_child"), client.call("tools.spawn_daemon")]
        self.assertTrue(all(procs.is_alive(pid) for pid in children))
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertEqual(procs.wait_gone(children, 1.0), [])
