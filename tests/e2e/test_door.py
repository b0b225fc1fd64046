"""Who comes in and how: the socket's file and its lock, accepting, readiness, the last moments."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

import msgpack
import procs
from clock import Timed, eventually, stretch
from harness import C_TOOLS, UNRULY, Daemon, DaemonTest, pool, static_pool, worker
from raw import Raw, pack, unpack

# Seconds within which a file that was swept away is back.
BACK = 2.0


def exists(path: str) -> bool:
    return os.path.lexists(path)


class File(DaemonTest):
    """The socket's file and the lock beside it."""

    def again(self, daemon: Daemon) -> subprocess.CompletedProcess[str]:
        """What a second daemon with the same configuration says, which must end."""
        return subprocess.run(
            daemon.command(), capture_output=True, text=True, timeout=stretch(20), check=False
        )

    def refused(self, path: str, words: str) -> None:
        """A daemon at this path does not start, and says why."""
        config = self.directory() / "refused.conf"
        config.write_text(f"[daemon]\nsocket = {path}\nlog_target = stderr\n"
                          "[pool s]\nadapter = static\nanswer = 1\n")
        ended = subprocess.run(
            [str(self.build() / "poold"), "-c", str(config)],
            capture_output=True, text=True, timeout=stretch(20), check=False,
        )
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn(words, ended.stderr)
        self.assertNotIn("another daemon", ended.stderr)

    def directory(self) -> Path:
        return self.daemon.directory

    def build(self) -> Path:
        return Path(self.daemon.command()[0]).parent

    def setUp(self) -> None:
        self.daemon = self.start(static_pool("s", answer="1"))

    def test_a_second_daemon_says_who_is_there(self) -> None:
        ended = self.again(self.daemon)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"the process {self.daemon.pid} of the user {os.geteuid()}", ended.stderr)
        self.assertEqual(self.daemon.connect().call("s.x"), 1)

    def test_both_files_go_with_it(self) -> None:
        self.assertTrue(exists(self.daemon.path + ".lock"))
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait_ended(), 0)
        self.assertEqual(sorted(os.listdir(self.directory())), ["notify", "poold.conf"])

    def test_what_a_killed_daemon_left_is_no_obstacle(self) -> None:
        self.daemon.signal(signal.SIGKILL)
        self.daemon.wait_ended()
        self.assertTrue(exists(self.daemon.path) and exists(self.daemon.path + ".lock"))
        Path(self.daemon.path + ".new").touch()
        self.daemon.relaunch()
        self.daemon.wait_ready()
        self.assertEqual(self.daemon.connect().call("s.x"), 1)

    def test_a_file_that_is_swept_away_is_made_anew(self) -> None:
        self.daemon.announced.append("made anew")
        kept = self.daemon.connect()
        kept.call("poold.version")
        mode = os.stat(self.daemon.path).st_mode
        with Timed() as timed:
            os.unlink(self.daemon.path)
            # A second daemon does not take the place meanwhile.
            ended = self.again(self.daemon)
            eventually(lambda: exists(self.daemon.path), "it is back")
        self.assertIn(f"the process {self.daemon.pid} ", ended.stderr)
        self.assert_in_time(timed, BACK)
        self.assertEqual(os.stat(self.daemon.path).st_mode, mode)
        self.assertEqual(self.daemon.connect().call("s.x"), 1)
        self.assertEqual(kept.call("s.x"), 1)

    def test_a_lock_that_is_swept_away_too(self) -> None:
        self.daemon.announced.append("made anew")
        os.unlink(self.daemon.path + ".lock")
        os.unlink(self.daemon.path)
        eventually(lambda: exists(self.daemon.path), "it is back")
        self.assertIn(f"the process {self.daemon.pid} ", self.again(self.daemon).stderr)

    def test_who_waits_in_the_queue_when_it_is_swept_away(self) -> None:
        """The daemon stands still, somebody connects, and then the file goes."""
        self.daemon.announced += ["made anew", "the daemon stood still"]
        procs.stop(self.daemon.pid)
        waiting = Raw(self.daemon.path)
        number = waiting.ask("s.x")
        os.unlink(self.daemon.path)
        self.daemon.signal(signal.SIGCONT)
        self.assertEqual(waiting.read_of(number).result, 1)
        eventually(lambda: exists(self.daemon.path), "it is back")
        waiting.close()

    def test_the_file_of_somebody_else(self) -> None:
        """It is left to its owner while it lives, and the path taken back after it."""
        self.daemon.announced += ["cannot be made anew", "made anew"]
        os.unlink(self.daemon.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.daemon.path)
            other.listen()
            inode = os.stat(self.daemon.path).st_ino
            self.daemon.log.wait_for(f"the process {os.getpid()} of the user")
            self.assertEqual(os.stat(self.daemon.path).st_ino, inode)
            os.unlink(self.daemon.path)
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait_ended(), 0)

    def test_a_stop_leaves_the_file_of_somebody_else(self) -> None:
        self.daemon.announced.append("anew")
        self.daemon.signal(signal.SIGSTOP)
        os.unlink(self.daemon.path)
        Path(self.daemon.path).write_text("mine")
        self.daemon.announced.append("the daemon stood still")
        self.daemon.signal(signal.SIGCONT)
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait_ended()
        self.assertEqual(Path(self.daemon.path).read_text(), "mine")
        os.unlink(self.daemon.path)

    def test_words(self) -> None:
        folder = self.directory()
        self.refused(f"{folder}/none/s", f"there is no folder {folder}/none")
        self.refused(f"{folder}/poold.conf/s", f"{folder}/poold.conf is no folder")
        self.refused(f"{folder}/poold.conf", "no socket")
        self.refused("/proc/s", "/proc")

    def test_the_longest_path(self) -> None:
        name = "n" * (107 - len(str(self.directory())) - 1)
        path = self.directory() / name
        config = self.directory() / "long.conf"
        config.write_text(f"[daemon]\nsocket = {path}\nlog_target = stderr\n"
                          "[pool s]\nadapter = static\nanswer = 1\n")
        with subprocess.Popen(
            [self.daemon.command()[0], "-c", str(config)], stderr=subprocess.DEVNULL
        ) as process:
            eventually(path.exists, "it listens")
            with Raw(str(path)) as client:
                self.assertEqual(client.call("s.x"), 1)
            process.terminate()
        self.assertEqual(process.returncode, 0)
        hidden = [each for each in os.listdir(self.directory()) if each.startswith(".")]
        self.assertEqual(hidden, [])

    def test_twenty_at_once(self) -> None:
        path = self.directory() / "twenty"
        config = self.directory() / "twenty.conf"
        config.write_text(f"[daemon]\nsocket = {path}\nlog_target = stderr\n"
                          "[pool s]\nadapter = static\nanswer = 1\n")
        crowd = [
            subprocess.Popen([self.daemon.command()[0], "-c", str(config)],
                             stderr=subprocess.PIPE, text=True)
            for _ in range(20)
        ]
        eventually(lambda: sum(each.poll() is None for each in crowd) == 1, "one is left")
        (one,) = (each for each in crowd if each.returncode is None)
        with Raw(str(path)) as client:
            self.assertEqual(client.call("poold.version")["pid"], one.pid)
        one.terminate()
        for each in crowd:
            _, said = each.communicate(timeout=stretch(20))
            if each is not one:
                self.assertEqual(each.returncode, 1)
                self.assertIn(f"the process {one.pid} of the user", said)
        self.assertEqual(one.returncode, 0)


# Becomes the daemon, with the descriptor as the socket that a service manager hands over.
HAND_OVER = """
import os, sys
names = sys.argv[2].split(":")
for number in range(3, 3 + len(names)):
    os.dup2(int(sys.argv[1]), number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
os.execv(sys.argv[3], sys.argv[3:])
"""


class HandedDaemon(Daemon):
    """A daemon whose socket is the test's, which keeps it."""

    listener: socket.socket | None = None
    names = "poold.socket"

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(64)
        return listener

    def _socket(self) -> int:
        if self.listener is None:
            self.listener = self._listen()
        return self.listener.fileno()

    def passed_on(self) -> tuple[int, ...]:
        return (self._socket(),)

    def command(self) -> list[str]:
        return [sys.executable, "-c", HAND_OVER, str(self._socket()), self.names, *super().command()]

    def _check_nothing_left(self) -> None:
        self._check_no_process_left()

    def finish(self) -> None:
        """Its file may be gone, and stays the test's: it is stopped before it is looked at."""
        if not self.has_ended():
            self.signal(signal.SIGTERM)
            self.wait_ended()
        if self.listener is not None:
            self.listener.close()
        super().finish()


class AmongOthers(HandedDaemon):
    """Its socket is the second one, behind one that the daemon does not know."""

    names = "other:poold.socket"


class Deaf(HandedDaemon):
    """Nobody can connect to its socket."""

    def _listen(self) -> socket.socket:
        return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


class Handed(DaemonTest):
    """A socket that the service manager has made."""

    def begin(self, *pools: str) -> HandedDaemon:
        daemon = HandedDaemon(pools, {})
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        return daemon

    def test_its_file_is_missed(self) -> None:
        daemon = self.begin(static_pool("s", answer="1"))
        daemon.announced.append("is gone or another")
        kept = daemon.connect()
        os.unlink(daemon.path)
        daemon.log.wait_for(f"{daemon.path} is gone")
        self.assertEqual(kept.call("s.x"), 1)
        self.assertFalse(exists(daemon.path + ".lock"))

    def test_its_name_counts(self) -> None:
        daemon = AmongOthers((static_pool("s", answer="1"),), {})
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        self.assertEqual(daemon.ask("s.x"), 1)

    def test_a_socket_of_another_kind(self) -> None:
        daemon = Deaf((static_pool("s", answer="1"),), {})
        self.addCleanup(daemon.finish)
        daemon.announced.append("handed over")
        self.assertEqual(daemon.wait_ended(), 1)
        daemon.log.wait_for("the socket handed over as poold.socket is not a listening Unix stream socket: "
                            "see ListenStream=")

    def test_who_waits_is_left_to_the_next(self) -> None:
        """The daemon stands still after its work is done, and others connect."""
        daemon = self.begin(static_pool("s", answer="1"))
        client = daemon.connect()
        client.call("poold.hello", {"closing": True})
        daemon.signal(signal.SIGTERM)
        closing = unpack(client.read_message())
        self.assertEqual(closing, [2, "poold.closing", [{"grace_ms": 1000}]])
        waiting = Raw(daemon.path)
        number = waiting.ask("s.x")
        client.close()
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertTrue(exists(daemon.path))
        daemon.relaunch()
        daemon.wait_ready()
        self.assertEqual(waiting.read_of(number).result, 1)
        waiting.close()


class Closing(DaemonTest):
    """The last second: nobody is left in doubt."""

    def test_who_asks_is_told(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        told, other = daemon.connect(map_errors=True), daemon.connect()
        greeted = told.call("poold.hello", {"errors": "map", "closing": True})
        self.assertIn("closing", greeted["features"])
        other.call("poold.version")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(unpack(told.read_message()), [2, "poold.closing", [{"grace_ms": 1000}]])
        late = told.answer("s.x")
        self.assert_code(late, "shutting_down")
        self.assertEqual(told.read_to_end(), b"")
        self.assertEqual(other.read_to_end(), b"")
        self.assertEqual(daemon.wait_ended(), 0)

    def test_a_second_signal_ends_the_last_second(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        told = daemon.connect(map_errors=True)
        told.call("poold.hello", {"errors": "map", "closing": True})
        daemon.signal(signal.SIGTERM)
        self.assertEqual(unpack(told.read_message())[1], "poold.closing")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(told.read_to_end(), b"")
        self.assertEqual(daemon.wait_ended(), 0)

    def test_who_does_not_read_is_not_waited_for(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        stuck = daemon.connect(read_buffer=4096)
        stuck.ask_pool("tools", "big", [4 << 20])
        eventually(lambda: daemon.ask("poold.status")["memory"]["buffers"] > 1 << 20, "its answer waits for it")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_it_waits_for_nobody_who_is_not_there(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        with Timed() as timed:
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait_ended(), 0)
        self.assert_in_time(timed, 0.5)

    def test_nothing_that_was_sent_whole_is_lost(self) -> None:
        """A client asks without a pause until it cannot write any more: each has its answer."""
        daemon = self.start(static_pool("s", answer="1"))
        client = socket.socket(socket.AF_UNIX)
        client.connect(daemon.path)
        client.setblocking(True)
        client.settimeout(stretch(20))
        sent, data = 0, b""
        daemon.signal(signal.SIGTERM)
        try:
            while True:
                client.sendall(pack([0, sent, "s.x", []]))
                sent += 1
                data += client.recv(65536)
        except OSError:
            pass
        while chunk := client.recv(65536):
            data += chunk
        client.close()
        self.assertGreater(sent, 0)
        self.assertEqual(self.answers(data), sent)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_nor_of_what_waits_unread(self) -> None:
        """The daemon stands still when the last requests come, and then its grace is over."""
        daemon = self.start(static_pool("s", answer="1"))
        daemon.announced.append("the daemon stood still")
        client = daemon.connect()
        client.call("poold.hello", {"closing": True})
        daemon.signal(signal.SIGTERM)
        client.read_message()
        procs.stop(daemon.pid)
        numbers = [client.ask("s.x") for _ in range(20)]
        time.sleep(1.2)  # the daemon's grace passes while it stands still
        daemon.signal(signal.SIGCONT)
        for number in numbers:
            self.assert_code(client.read_of(number), "shutting_down")
        self.assertEqual(daemon.wait_ended(), 0)

    def test_nor_of_who_waits_at_the_door(self) -> None:
        """More have come while the daemon stood still than are let in at a time."""
        daemon = self.start(static_pool("s", answer="1"))
        daemon.announced.append("the daemon stood still")
        procs.stop(daemon.pid)
        crowd = [Raw(daemon.path) for _ in range(300)]
        numbers = [client.ask("s.x") for client in crowd]
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        for client, number in zip(crowd, numbers):
            answer = client.read_of(number)
            self.assertIn(answer.code, (None, "shutting_down"))
            client.close()
        self.assertEqual(daemon.wait_ended(), 0)

    @staticmethod
    def answers(data: bytes) -> int:
        unpacker = msgpack.Unpacker()
        unpacker.feed(data)
        return len(list(unpacker))


class Wants(DaemonTest):
    """What passes by itself is no wrong configuration: status 78 would forbid another start."""

    def test_no_descriptors_at_the_start(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        text = daemon.config.read_text().replace(daemon.path, f"{daemon.path}2")
        config = daemon.directory / "poor.conf"
        config.write_text(f"{text}[pool p]\ncommand = /bin/true\nuser = root\n")
        for most in range(3, 10):
            ended = subprocess.run(
                ["prlimit", f"--nofile={most}", daemon.command()[0], "-c", str(config)],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=stretch(20), check=False,
            )
            # 127: the loader had none for the libraries.
            self.assertIn(ended.returncode, (1, 127), f"{most} descriptors: {ended.stderr!r}")


class Accept(DaemonTest):
    """accept(2) fails."""

    def limit(self, daemon: Daemon, descriptors: int) -> None:
        _, most = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (descriptors, most))

    def test_it_is_tried_again_though_nobody_leaves(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        daemon.announced.append("no new connections")
        before, _ = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        self.limit(daemon, 3)
        with Raw(daemon.path) as waiting:
            number = waiting.ask("s.x")
            daemon.log.wait_for("no new connections")
            self.limit(daemon, before)
            self.assertEqual(waiting.read_of(number).result, 1)

    def test_a_crowd_leaves_descriptors_for_workers(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        daemon.announced += ["no new connections", "pool=raw"]
        (old,) = daemon.worker_pids()
        self.limit(daemon, 200)
        crowd = [Raw(daemon.path) for _ in range(220)]
        daemon.log.wait_for("the last descriptors are kept for workers")
        procs.kill(old)
        daemon.log.wait_for("ready", count=3)
        self.assertEqual(crowd[0].call("raw.echo", 1), [1])
        for one in crowd:
            one.close()
        self.assertEqual(daemon.connect().call("raw.echo", 2), [2])


class Ready(DaemonTest):
    """READY=1 comes when each pool has its workers or has been given up."""

    # Seconds that one broken pool may hold the start.
    GIVEN_UP = 5.0

    def give_up(self, *broken: str) -> None:
        with Timed() as timed:
            daemon = self.launch(pool("fine", UNRULY), *broken, start_timeout="60s")
            daemon.announced += ["pool=broken", "start of"]
            daemon.wait_ready()
        self.assert_in_time(timed, self.GIVEN_UP)
        health = daemon.ask("poold.health")
        self.assertTrue(health["ready"])
        self.assertEqual(health["pools"]["broken"]["status"], "down")
        self.assertEqual(daemon.connect().call("fine.echo", 1), [1])
        daemon.log.wait_for("does not wait for the pool")

    def test_a_command_that_is_missing(self) -> None:
        self.give_up(pool("broken", "/nonexistent", restart_delay="1s", restart_delay_max="1s"))

    def test_a_command_that_may_not_be_run(self) -> None:
        self.give_up(pool("broken", "/etc/passwd", restart_delay="1s", restart_delay_max="1s"))

    def test_a_module_that_raises(self) -> None:
        self.give_up(pool("broken", f"{sys.executable} -m poold.worker nonsense", workers=2,
                          restart_delay="1s", restart_delay_max="1s"))

    def test_a_fork_server_that_raises(self) -> None:
        self.give_up(pool("broken", f"{sys.executable} -m poold.worker nonsense", prefork=True,
                          restart_delay="1s", restart_delay_max="1s"))

    def test_a_program_that_ends_at_once_again_and_again(self) -> None:
        self.give_up(pool("broken", "/bin/false", restart_delay="1ms", restart_delay_max="1ms"))

    def test_ready_stays(self) -> None:
        """It says that the daemon has started, not how its pools are now."""
        daemon = self.start(pool("raw", UNRULY, restart_delay="60s", restart_delay_max="60s"))
        daemon.announced.append("pool=raw")
        self.assertTrue(daemon.ask("poold.health")["ready"])
        daemon.workers("raw")
        for pid in daemon.worker_pids():
            procs.kill(pid)
        daemon.log.wait_for("ended")
        self.assertTrue(daemon.ask("poold.health")["ready"])

    def test_a_slow_one_is_waited_for(self) -> None:
        daemon = self.launch(pool("late", worker("rude", "never_ready")), start_timeout="60s")
        daemon.wait_listening()
        self.assertFalse(daemon.ask("poold.health")["ready"])
        self.assertNotIn("READY=1", daemon.notices.heard)


if __name__ == "__main__":
    unittest.main()
