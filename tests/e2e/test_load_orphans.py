"""kill -9 of the daemon at random moments, at its start and under load: nothing it started is left."""

from __future__ import annotations

import random
import shlex
import signal
import sys

import procs
from harness import LOAD, UNRULY, Daemon, DaemonTest, pool
from raw import Raw

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])
ROUNDS = 12 if LOAD == 1 else 10 * LOAD
REQUESTS = 60

# What a worker is asked to do: much of it leaves processes behind, some of it ends the worker.
CHORES: list[tuple[str, list[object]]] = [
    ("echo", ["a"]),
    ("write", [2, b"a line\n" * 100]),
    ("children", [2]),
    ("deaf_children", [1]),
    ("sessions", [2]),
    ("daemonize", []),
    ("short_lived_daemon", []),
    ("kill", [9]),
    ("last_words", ["gone", 3]),
]


class DaemonKilled(DaemonTest):
    """Nobody survives, whenever it happens."""

    def check_nobody_is_left(self, daemon: Daemon) -> None:
        daemon.signal(signal.SIGKILL)
        self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)
        # What was being started when it died may show up a moment after it.
        left = procs.wait_gone(daemon.family(), 5.0)
        self.assertEqual(left, [], [procs.describe(pid) for pid in left])
        left = procs.wait_gone(daemon.family(), 5.0)
        self.assertEqual(left, [], [procs.describe(pid) for pid in left])

    def launch_wild(self) -> Daemon:
        pools = (
            pool("wild", UNQUIET, workers=2, output_rate=10, output_burst=10),
            pool("calm", UNRULY, workers=2),
        )
        daemon = Daemon(pools, {})
        self.addCleanup(lambda: None if daemon.has_ended() else daemon.finish())
        daemon.announced.append("pool=wild|pool=calm|lines of this log")
        return daemon

    def load(self, client: Raw, draw: random.Random) -> None:
        """Asks for many things at once, and reads a random number of answers."""
        for number in range(REQUESTS):
            if draw.random() < 0.5:
                client.ask_pool("calm", "echo", number)
            else:
                method, arguments = draw.choice(CHORES)
                client.ask_pool("wild", method, arguments, timeout_ms=5000)
        for _ in range(draw.randrange(REQUESTS)):
            client.read()

    def test_under_load(self) -> None:
        draw = self.random(3)
        for _ in range(ROUNDS):
            daemon = self.launch_wild()
            daemon.wait_ready()
            with Raw(daemon.path) as client:
                self.load(client, draw)
                self.check_nobody_is_left(daemon)
            daemon.finish()

    def test_at_its_start(self) -> None:
        draw = self.random(4)
        for _ in range(ROUNDS):
            daemon = self.launch_wild()
            daemon.log.wait_for("worker (started|ready)", count=draw.randrange(1, 8))
            self.check_nobody_is_left(daemon)
            daemon.finish()
