"""Whoever sends very much at once waits for the others: what it costs an honest client, and the watchdog."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from bystander import Bystander
from clock import Timed, eventually, measure_scenario
from harness import HERE, UNRULY, Daemon, DaemonTest, pool, worker
from raw import Raw, pack, unpack

# Measures latencies.
ALONE = True

# Seconds that a call of an honest client takes at most while others flood the daemon.
HONEST = 0.15

# Seconds of the watchdog, which is fed after half of that; all of it may pass, but no more.
WATCHDOG = 1.0


class Floods(DaemonTest):
    """One client is honest, with a pool of its own."""

    def start_watched(self, *pools: str, **options: object) -> Daemon:
        with mock.patch.dict(os.environ, WATCHDOG_USEC=str(int(WATCHDOG * 1e6))):
            return self.start(*pools, pool("well", UNRULY), **options)

    @contextmanager
    def beside_honest(self, daemon: Daemon) -> Iterator[Bystander]:
        with Bystander(daemon) as honest:
            yield honest
        honest.check_served(HONEST)

    def check_watchdog(self, daemon: Daemon, beats: int) -> None:
        daemon.notices.wait_next("WATCHDOG=1")
        for _ in range(beats):
            with Timed() as timed:
                daemon.notices.wait_next("WATCHDOG=1")
            self.assertLess(timed.seconds, WATCHDOG * measure_scenario())

    @contextmanager
    def flood(self, daemon: Daemon, connections: int, method: str) -> Iterator[None]:
        command = [sys.executable, str(HERE / "flood.py"), daemon.path, str(connections), "2000"]
        with subprocess.Popen([*command, method], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield
            finally:
                process.kill()

    def test_forty_ask_for_two_thousand_reports_each(self) -> None:
        daemon = self.start_watched(output_pause="1M")
        with self.beside_honest(daemon), self.flood(daemon, 40, "poold.metrics"):
            self.check_watchdog(daemon, 3)
            # Who comes now is served too.
            with Timed() as timed, Raw(daemon.path) as client:
                client.call("poold.version")
            self.assert_in_time(timed, 0)

    def test_all_is_answered_in_order(self) -> None:
        daemon = self.start_watched()
        client = daemon.connect()
        client.send(b"".join(pack([0, step, "poold.stats", []]) for step in range(3000)))
        for step in range(3000):
            self.assertEqual(unpack(client.read_message())[1], step)
        client.check_quiet()

    def test_a_worker_with_a_million_signs_of_life(self) -> None:
        daemon = self.start_watched(pool("rude", worker("rude"), attempt_timeout="60s"))
        with self.beside_honest(daemon):
            self.assertEqual(daemon.connect().call_pool("rude", "flood_alive"), "alive")

    def test_a_worker_that_ends_behind_a_flood(self) -> None:
        daemon = self.start_watched(pool("rude", worker("rude"), workers=2))
        daemon.announced.append("pool=rude")
        with self.beside_honest(daemon):
            answer = daemon.connect(map_errors=True).answer_pool("rude", "flood_and_exit")
            self.assertEqual(answer.code, "worker_exited")
            eventually(lambda: daemon.pool("rude")["workers"]["ready"] == 2, "another is ready")
