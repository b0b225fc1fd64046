"""Workers are recycled under load: no request is lost, and neither they nor the daemon grow."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import procs
from clients import ClientTest
from clock import HANGS
from harness import BUILD, LOAD, SANITIZED, TOOLBOX, Daemon, pool, program

MIB = 1 << 20

ECHO = program("workers/echo")


class Leak(ClientTest):
    """A worker that keeps a MiB of each request."""

    LIMIT = 64  # MiB that a worker may take
    REQUESTS = 300 * LOAD

    def test_a_leaking_worker_is_recycled_at_its_limit(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX, workers=2, max_memory=f"{self.LIMIT}M", idempotent=False)
        )
        client = self.connect_client(daemon)
        served = [client.call("tools", "leak", MIB) for _ in range(self.REQUESTS)]
        counters = daemon.counters("tools")
        self.assertEqual(counters["succeeded"], self.REQUESTS)
        self.assertEqual(counters["attempts"], self.REQUESTS)
        self.assertEqual(counters["worker_crashes"] + counters["worker_kills"], 0)
        # Each life serves about as many requests as it has MiB left when it begins; and a few more where the machine is busy,
        # as the daemon looks at its memory now and then.
        self.assertLess(max(served), 2 * self.LIMIT)
        self.assertGreater(counters["worker_starts"], self.REQUESTS // max(served))


class Million(ClientTest):
    """The load client in C asks as fast as it can, and each worker serves a thousand requests."""

    REQUESTS = 100_000 * LOAD
    EACH = 1000

    def load(self, daemon: Daemon) -> dict[str, Any]:
        """What it counted in some seconds."""
        words = ["--socket", daemon.path, "--framing", "rpc", "--pool", "echo", "--idempotent", "no"]
        load = ["--connections", "16", "--depth", "4", "--seconds", "1", "--warmup", "0", "--json"]
        done = subprocess.run(
            [str(BUILD / "bench/load"), *words, *load],
            stdout=subprocess.PIPE, check=True, timeout=HANGS,
        )
        return json.loads(done.stdout)

    def test_none_of_a_million_is_lost(self) -> None:
        daemon = self.start(pool("echo", ECHO, workers=4, max_requests=self.EACH))
        asked, resident = 0, 0
        while asked < self.REQUESTS:
            counts = self.load(daemon)
            self.assertEqual(counts["failed"] + counts["unanswered"], 0, counts)
            asked += counts["succeeded"]
            resident = resident or procs.resident_bytes(daemon.pid)
        counters = daemon.counters("echo")
        self.assertEqual(counters["requests"], asked)
        self.assertEqual(counters["succeeded"], asked)
        self.assertEqual(counters["worker_crashes"] + counters["worker_kills"], 0)
        self.assertGreater(counters["worker_starts"], asked // self.EACH // 2)
        grown = procs.resident_bytes(daemon.pid) - resident
        if not SANITIZED:
            self.assertLess(grown, MIB)
        print(
            f"\n{self.id()}: requests {asked}, worker_starts {counters['worker_starts']}, "
            f"grown_bytes {grown}",
            file=sys.stderr,
        )
