"""The daemon stood still: workers are not blamed for it, and what had come is delivered."""

from __future__ import annotations

import signal
import time

import procs
from clock import eventually, ms
from harness import TOOLBOX, DaemonTest, pool
from raw import unpack

# For how long the daemon is stopped (seconds): longer than any limit of its own.
STOP = 1.2

LINE = r"warning the daemon stood still for \d\.\d{3} s stalled_ms=\d+"


class Standstill(DaemonTest):
    """SIGSTOP, and SIGCONT after a while."""

    def test_under_load(self) -> None:
        daemon = self.start(
            pool(
                "tools",
                TOOLBOX,
                workers=3,
                prefetch=0,
                attempt_timeout=ms(600),
                ping_interval=ms(200),
                ping_timeout=ms(200),
            )
        )
        daemon.announced.append("the daemon stood still")
        before = set(daemon.worker_pids("tools"))
        listener = daemon.connect()
        listener.call("poold.subscribe", ["stall"])
        client = daemon.connect(map_errors=True)
        # Two answer while the daemon is stopped: one whose deadline passes meanwhile as well.
        gates = [daemon.directory / name for name in ("late", "other")]
        asked = [
            client.ask_pool("tools", "occupy", [str(gate)], timeout_ms=timeout)
            for gate, timeout in zip(gates, (round(STOP * 500), 30_000))
        ]
        eventually(lambda: all(gate.exists() for gate in gates), "both are at work")
        procs.stop(daemon.pid)
        for gate in gates:
            gate.unlink()
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > STOP, "the daemon stood still for long")
        procs.kill(daemon.pid, signal.SIGCONT)
        found = [client.read() for _ in range(2)]
        self.assertEqual({one.id: one.error for one in found}, dict.fromkeys(asked))
        daemon.log.wait_for(LINE)
        _, _, (event,) = unpack(listener.read_message())
        self.assertEqual((event["kind"], event["was_suspended"]), ("stall", False))
        self.assertGreaterEqual(event["stalled_ms"], STOP * 900)
        counters = daemon.ask("poold.stats")["daemon"]
        self.assertGreaterEqual(counters["stalls"], 1)
        self.assertGreaterEqual(counters["stalled_ms"], STOP * 900)
        self.assertEqual(client.call_pool("tools", "echo", "on"), "on")
        self.assertEqual(set(daemon.worker_pids("tools")), before)
        self.assertEqual(daemon.counters("tools")["worker_kills"], 0)
