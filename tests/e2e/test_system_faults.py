"""The system lets the daemon down: no descriptors, no memory, a log nobody reads, no guard."""

from __future__ import annotations

import itertools
import mmap
import resource
import signal
import struct
import unittest

import procs
from clock import Timed, eventually, stretch
from harness import BUILD, SANITIZED, TOOLBOX, UNRULY, Daemon, DaemonTest, pool
from http_client import HttpTest
from raw import Closed, Raw, pack


def limit_descriptors(daemon: Daemon, spare: int) -> None:
    """Lets a running daemon open so many more descriptors than it has."""
    limit = len(procs.descriptors(daemon.pid)) + spare
    _, most = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, most))


class Descriptors(DaemonTest):
    """None are left."""

    def test_those_who_are_in_are_served_on(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        daemon.announced.append("no new connections")
        client = daemon.connect()
        client.call("poold.version")
        limit_descriptors(daemon, 3)
        crowd = [Raw(daemon.path) for _ in range(10)]
        daemon.log.wait_for("no new connections")
        for step in range(20):
            self.assertEqual(client.call("raw.echo", step), [step])
        for one in crowd:
            one.close()
        eventually(lambda: client.call("poold.status")["connections"] == 1, "they are gone")
        with Raw(daemon.path) as late:
            self.assertEqual(late.call("raw.echo", "late"), ["late"])

    def test_it_does_not_spin(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        daemon.announced.append("no new connections")
        client = daemon.connect()
        client.call("poold.version")
        limit_descriptors(daemon, 0)
        # The daemon may have had one open for a moment when they were counted: the last one waits.
        crowd = [Raw(daemon.path) for _ in range(4)]
        daemon.log.wait_for("no new connections")
        before = procs.cpu_seconds(daemon.pid)
        with Timed() as timed, self.assertRaises(TimeoutError):
            crowd[-1].read_message(seconds=0.5)
        self.assertLessEqual(procs.cpu_seconds(daemon.pid) - before, 0.1 * timed.seconds)
        for one in crowd:
            one.close()

    def test_a_worker_is_started_once_there_are_some_again(self) -> None:
        daemon = self.start(pool("raw", UNRULY, restart_delay="20ms"))
        daemon.announced.append("pool=raw")
        client = daemon.connect(map_errors=True)
        (before,) = daemon.worker_pids()
        limit_descriptors(daemon, -2)
        procs.kill(before)
        daemon.log.wait_for("could not be started")
        limit_descriptors(daemon, 50)
        daemon.wait_workers("raw", 1, apart_from=(before,))
        self.assertEqual(client.call("raw.echo", 1), [1])


class HttpDescriptors(HttpTest):
    """None are left for those who ask by HTTP."""

    def test_they_wait_until_there_are_some(self) -> None:
        daemon = self.start_http(pool("raw", UNRULY))
        _, most = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        limit_descriptors(daemon, -4)
        with self.http() as waiting:
            waiting.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with self.assertRaises(TimeoutError):
                waiting.socket.settimeout(0.5)
                waiting.socket.recv(1)
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (most, most))
            waiting.socket.settimeout(stretch(5.0))
            self.assertIn(b"200 OK", waiting.socket.recv(4096))


class Memory(DaemonTest):
    """memory_max"""

    def test_the_daemon_stays_below_it(self) -> None:
        """Clients begin more than fits, and never finish; what is too much is refused."""
        options = {
            "message_max": "1M",
            "response_max": "1M",
            "output_pause": "1M",
            "output_max": "2M",
            "memory_max": "8M",
        }
        daemon = self.start(pool("raw", UNRULY, queue_bytes_max="2M"), **options)
        daemon.announced.append("memory is short")
        bystander = daemon.connect()
        crowd = [Raw(daemon.path) for _ in range(12)]
        begun = pack([0, 9, "raw.echo", [bytes(900_000)]])[:-1]
        for client in crowd:
            client.send(begun)
            self.assertEqual(bystander.call("raw.echo", "served on"), ["served on"])
        refused = daemon.ask("poold.stats")["daemon"]["requests_unfinished"]
        self.assertGreaterEqual(refused, 12 - 9)
        self.assertLess(procs.peak_bytes(daemon.pid), 64 << 20)
        for client in crowd:
            client.close()
        eventually(
            lambda: daemon.ask("poold.status")["memory"]["buffers"] < 1 << 20,
            "the buffers are given back",
        )


class Forgetful(Daemon):
    """A daemon one of whose allocations finds no memory; a test says which: tests/hostile/hostile_libc.c."""

    FAILS = 1 << 40
    ROW = struct.Struct("@16sQQ")

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "LD_PRELOAD": str(BUILD / "hostile_libc.so"),
            "HOSTILE_COUNTS": str(self.directory / "calls"),
            "HOSTILE_FAULT": f"alloc:{self.FAILS}:ENOMEM",
        }

    def fail_allocation(self, number: int) -> bool:
        """Lets the one with this number fail, counted from now (1: the next; 0: none).  Returns whether the one before
        has failed."""
        with open(self.directory / "calls", "r+b") as file, mmap.mmap(file.fileno(), 0) as rows:
            row = rows.find(b"alloc\0")
            name, _, failed = self.ROW.unpack_from(rows, row)
            self.ROW.pack_into(rows, row, name, self.FAILS - number if number else 0, 0)
            return bool(failed)


@unittest.skipIf(SANITIZED, "a sanitizer has a C library of its own")
class Allocations(DaemonTest):
    """Each one that a request needs fails once."""

    REQUESTS: dict[str, list[object]] = {
        "poold.hello": [{"client": "e2e", "version": "0", "errors": "map"}],
        "raw.echo": [1],
        **{f"poold.{name}": [] for name in ("no_such_method", "version", "health", "status", "stats", "workers", "pools",
                                           "methods", "breakers", "errors", "doctor", "config")},
    }

    def test_each_request_is_answered(self) -> None:
        """Also a hello: a client waits for its answer before it asks anything else."""
        daemon = Forgetful((pool("raw", UNRULY),), {})
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        daemon.announced.append("memory")
        for method, params in self.REQUESTS.items():
            with self.subTest(method):
                codes = self.codes(daemon, method, params)
                self.assertLessEqual(codes, {None, "memory_limit", "closed", "unknown_method"})
                if method == "poold.hello":
                    self.assertIn("memory_limit", codes)

    def codes(self, daemon: Forgetful, method: str, params: list[object]) -> set[str | None]:
        """How the request ends, as its first allocation fails, as its second one does, and so on to the last."""
        found: set[str | None] = set()
        for number in itertools.count(1):
            with Raw(daemon.path) as client:
                client.call("poold.version")
                daemon.fail_allocation(number)
                try:
                    found.add(client.answer(method, *params).code)
                except Closed:
                    found.add("closed")
                if not daemon.fail_allocation(0):
                    break
        return found


class LogPipe(DaemonTest):
    """Nobody reads the log."""

    def test_the_daemon_does_not_wait_for_it(self) -> None:
        broken = pool("broken", "/nonexistent", restart_delay="1ms", restart_delay_max="1ms")
        daemon = self.start(broken, pool("raw", UNRULY), start_timeout="100ms")
        daemon.announced += ["pool=broken", "start_timeout", "lines of this log were lost"]
        client = daemon.connect()
        with daemon.log.held():
            eventually(lambda: self.starts(client) > 300, "more lines than a pipe takes")
            for step in range(20):
                with Timed() as timed:
                    self.assertEqual(client.call("raw.echo", step), [step])
                self.assert_in_time(timed, 0)
        daemon.log.wait_for("lines of this log were lost")
        # A start is always under way, with descriptors of its own.
        daemon.descriptors += ["any"] * 8

    @staticmethod
    def starts(client: Raw) -> int:
        return client.call("poold.stats")["pools"]["broken"]["worker_starts"]


class Guard(DaemonTest):
    """The process that ends what the daemon leaves behind is itself ended."""

    @staticmethod
    def guards(daemon: Daemon) -> list[int]:
        below = procs.children(daemon.pid)
        return [pid for pid in below if procs.name(pid) == "pguard" and procs.is_alive(pid)]

    def test_another_takes_its_place(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.announced.append("guard")
        child = daemon.connect().call("tools.spawn_daemon")
        (guard,) = self.guards(daemon)
        procs.kill(guard)
        eventually(lambda: self.guards(daemon) not in ([], [guard]), "there is another")
        self.assertTrue(procs.is_alive(child))
        family = daemon.family()
        daemon.signal(signal.SIGKILL)
        daemon.wait_ended()
        self.assertEqual(procs.wait_gone([*family, child], 2.0), [])
