"""libpoold and poolctl against the server that misbehaves (tests/python/hostile.py)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from hostile import FLOODS, Hostile  # noqa: E402
from support import PATIENCE, FakeServer, Peer, at_once  # noqa: E402

from clock import Timed, stretch  # noqa: E402
from harness import BUILD  # noqa: E402

# Milliseconds, of each call of libpoold; and seconds that a call may be late on a busy machine.
TIMEOUT, GRACE = 100, 50
SLACK = 2.0

# The length of a long error text.
LONG = 200_000

# The exit statuses that poolctl documents.
STATUSES = {0, 1, 2, 65, 69, 71, 75, 76}


def silent(peer: Peer) -> None:
    while True:
        peer.read()


def chatty(peer: Peer) -> None:
    while True:
        _, number, method, _ = peer.read()
        error = {"code": "shed", "message": "x" * LONG}
        peer.send([1, number, None, {}] if method == "poold.hello" else [1, number, error, None])


def early(peer: Peer) -> None:
    """A daemon of which poolctl top learns how it is, and nothing else."""
    known = {
        "poold.hello": {}, "poold.version": {"pid": 1}, "poold.stats": {"pools": {}}, "poold.breakers": [],
        "poold.errors": [],
        "poold.status": {"status": "ok", "pid": 1, "uptime_ms": 5, "guard": True,
                         "pools": [{"name": "old", "status": "ok"}]},
    }
    while True:
        _, number, method, _ = peer.read()
        error = None if method in known else {"code": "unknown_method", "message": "no such method"}
        peer.send([1, number, error, known.get(method)])


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=PATIENCE,
    )


class Libpoold(unittest.TestCase):
    def calls(self, path: str, count: int, threads: int = 1) -> list[str]:
        """The outcomes of so many calls of each thread; each call ends in time."""
        found = run(BUILD / "workers" / "caller", path, count, TIMEOUT, GRACE, threads)
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        outcomes = [line.split() for line in found.stdout.splitlines()]
        self.assertEqual(len(outcomes), count * threads)
        for _, milliseconds in outcomes:
            self.assertLess(int(milliseconds), TIMEOUT + GRACE + 1000 * stretch(SLACK))
        return [outcome for outcome, _ in outcomes]

    def test_whatever_it_answers(self) -> None:
        def check(seed: int) -> None:
            with FakeServer(Hostile(seed), greeted=False) as server:
                self.calls(server.path, 30)

        at_once(check, range(8))

    def test_a_flood(self) -> None:
        for flood in FLOODS:
            with FakeServer(flood) as server:
                self.assertNotIn("result", self.calls(server.path, 2))

    def test_silence(self) -> None:
        with FakeServer(silent, greeted=False) as server:
            self.assertEqual(self.calls(server.path, 4), ["deadline_exceeded"] * 4)
            self.assertEqual(server.connections, 2)  # the first was left as dead

    def test_from_several_threads(self) -> None:
        """Clients of their own, and one that they use in turns: `make check-tsan` looks for races."""
        with FakeServer(Hostile(7), greeted=False) as server:
            self.assertIn("result", self.calls(server.path, 40, threads=4))

    def test_a_flood_at_several_threads(self) -> None:
        for flood in FLOODS:
            with FakeServer(flood) as server:
                self.calls(server.path, 2, threads=4)


class Poolctl(unittest.TestCase):
    def ask(self, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        with Timed() as timed:
            found = run(BUILD / "poolctl", "--socket", path, "--wait", "100ms", *arguments)
        self.assertIn(found.returncode, STATUSES, found.stderr)
        self.assertNotIn("Sanitizer", found.stderr)
        self.assertLess(timed.seconds, 1.2 + stretch(SLACK))
        return found

    def test_whatever_it_answers(self) -> None:
        def check(seed: int) -> None:
            with FakeServer(Hostile(seed), greeted=False) as server:
                for _ in range(3):
                    self.ask(server.path, "call", "--timeout", "100ms", "p", "m")
                    self.ask(server.path, "call", "--stream", "--timeout", "100ms", "p", "m")
                    for report in ("health", "status", "workers", "errors", "doctor"):
                        self.ask(server.path, report)
                    self.ask(server.path, "--json", "top", "--once")

        at_once(check, range(5, 9))

    def test_what_an_early_daemon_does_not_know(self) -> None:
        with FakeServer(early, greeted=False) as server:
            found = self.ask(server.path, "top", "--once")
            self.assertEqual(found.returncode, 0, found)
            self.assertRegex(found.stdout, r"^poold is ok; 1 pool; up ")
            found = self.ask(server.path, "status")
            self.assertRegex(found.stdout, r"(?m)^old +ok +- +- ")

    def test_an_error_is_json_whatever_it_says(self) -> None:
        def check(seed: int) -> None:
            with FakeServer(Hostile(seed), greeted=False) as server:
                for _ in range(5):
                    found = self.ask(server.path, "--json", "call", "--timeout", "100ms", "p", "m")
                    self.assertIsNotNone(json.loads(found.stdout))

        at_once(check, range(6, 10))

    def test_silence(self) -> None:
        with FakeServer(silent, greeted=False) as server:
            self.assertEqual(self.ask(server.path, "health").returncode, 75)

    def test_a_long_error_is_not_written_in_bytes(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a write is a packet
        command = [BUILD / "poolctl", "--socket", None, "call", "p", "m"]
        with ours, FakeServer(chatty, greeted=False) as server:
            command[2] = server.path
            with theirs, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=theirs) as process:
                theirs.close()
                packets = list(iter(lambda: ours.recv(1 << 20), b""))
            self.assertEqual(process.returncode, 1)
        self.assertEqual(b"".join(packets).count(b"x"), LONG)
        self.assertLess(len(packets), LONG // 1000)


if __name__ == "__main__":
    unittest.main()
