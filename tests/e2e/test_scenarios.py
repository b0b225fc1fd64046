"""Five ways in which a system fails.  Of each: which error the caller gets, what the daemon does
about it, and that all is well in the end."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

import poold

import procs
from clients import ClientTest
from clock import Timed, eventually, ms, stretch
from harness import (
    C_TOOLS,
    UNRULY,
    Daemon,
    breaker,
    pool,
    retry,
    socket_pool,
    static_pool,
)
from raw import Raw, pack
from servers import Server

MOCK = static_pool("mock", answer='"mock"')
BACK_SOON = {"return_dwell": "50ms", "return_step": "10ms"}
AT_ONCE = retry("tools", backoff="none")


class ScenarioTest(ClientTest):
    """A daemon that is well before and after."""

    def start_well(self, *sections: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(*sections, **options)
        daemon.announced.append("pool=(tools|remote|raw)|request failed: |incident: ")
        return daemon, self.connect_client(daemon)

    def check_well(self, daemon: Daemon, client: poold.Client) -> None:
        """Nothing is left of what happened but what was counted."""
        eventually(lambda: client.health()["status"] == "ok", lambda: f"well: {client.health()}")
        self.assertEqual(client.recoveries()["active"], [])
        self.assertEqual({each["state"] for each in client.breakers()}, {"closed"})
        for name, counters in client.stats()["pools"].items():
            self.assertEqual((counters["queued"], counters["running"]), (0, 0), name)
            answered = counters["succeeded"] + counters["failed"] + counters["cancelled"]
            if name != "mock":
                missing = counters["requests"] - answered - counters["failed_over"]
                self.assertEqual(missing, 0, (name, counters))

    def start_trial(
        self, daemon: Daemon, client: poold.Client, **options: object
    ) -> tuple[poold.Call, Path, Path]:
        """A request that is at work, what notes each of its runs, and the gate it waits at."""
        notes, gate = daemon.directory / "notes", daemon.directory / "gate"
        arguments = [str(notes), 0, "exit", None, str(gate)]
        call = client.start("tools", "trial", *arguments, meta=True, **options)
        eventually(lambda: notes.exists() and notes.read_text(), "it is at work")
        return call, notes, gate

    @staticmethod
    def busy_pid(daemon: Daemon) -> int:
        (pid,) = [each["pid"] for each in daemon.workers("tools") if each["state"] == "busy"]
        return pid


class CrashInMidOperation(ScenarioTest):
    """The worker dies while it has a request."""

    def test_one_that_may_run_again(self) -> None:
        daemon, client = self.start_well(pool("tools", C_TOOLS, workers=2), AT_ONCE)
        heard = self.listen(daemon, "recovery", "worker")
        call, notes, gate = self.start_trial(daemon, client, idempotent=True)
        victim = self.busy_pid(daemon)
        procs.kill(victim)
        eventually(lambda: len(notes.read_text().split()) == 2, "it runs again")
        started = heard.wait_for(kind="recovery", result="started")
        self.assertEqual((started["pool"], started["cause"]), ("tools", "worker_killed"))
        gate.touch()
        reply = call.result()
        self.assertEqual((reply.meta["attempts"], len(reply.result)), (2, 2))
        ended = heard.wait_for(kind="recovery", result="succeeded")
        self.assertEqual(ended["id"], started["id"])
        heard.wait_for(kind="worker", what="ended", pid=victim)
        daemon.wait_workers("tools", 2, apart_from=(victim,))
        self.assertEqual(daemon.counters("tools")["worker_crashes"], 1)
        self.assertEqual(client.errors(), [])
        self.check_well(daemon, client)

    def test_one_that_may_not(self) -> None:
        daemon, client = self.start_well(pool("tools", C_TOOLS, workers=2), AT_ONCE)
        call, notes, _ = self.start_trial(daemon, client)
        victim = self.busy_pid(daemon)
        procs.kill(victim)
        with self.assertRaises(poold.PoolConnectionError) as raised:
            call.result()
        error = raised.exception
        self.assertEqual((error.code, error.executed), ("worker_killed", "maybe"))
        self.assertEqual(error.pid, victim)
        self.assertEqual((error.strategy, error.severity), ("backoff_retry", "major"))
        self.assertEqual(error.detail["end"], "signal 9 (Killed)")
        self.assertEqual(len(notes.read_text().split()), 1)
        self.assertEqual(client.recoveries()["counters"]["initiated"], 0)
        daemon.wait_workers("tools", 2, apart_from=(victim,))
        self.assertEqual(client.errors(1)[0]["request"], error.request)
        self.check_well(daemon, client)


class TimeoutWhileQueued(ScenarioTest):
    """No worker is free before the deadline."""

    def test_it_is_told_in_time_and_never_run(self) -> None:
        daemon, client = self.start_well(pool("tools", C_TOOLS, prefetch=0))
        first, _, gate = self.start_trial(daemon, client)
        late = daemon.directory / "late"
        with Timed() as timed:
            error = self.failure(
                "queue_timeout", client, "tools", "note", str(late), "x", timeout=0.1
            )
        self.assert_in_time(timed, 0.1)
        self.assertEqual((error.executed, error.attempt, error.strategy), ("no", 0, "abandon"))
        self.assertIn("no worker of pool tools was free", error.message)
        gate.touch()
        first.result()
        self.assertEqual(client.call("tools", "echo", 1), 1)
        self.assertFalse(late.exists())
        self.assertEqual(daemon.counters("tools")["errors"], {"queue_timeout": 1})
        self.assertEqual(daemon.counters("tools")["worker_kills"], 0)
        self.check_well(daemon, client)

    def canned(self, client: poold.Client) -> tuple[poold.Reply, float]:
        """An answer of `mock`, and after how many seconds it came.  It is sent for 10 ms before the
        deadline, which a daemon that is not run then misses: it is asked again."""
        for _ in range(20):
            reply = None
            with Timed() as timed:
                try:
                    reply = client.call("tools", "echo", 1, timeout=0.1, meta=True)
                except poold.PoolTimeoutError as late:
                    self.assertEqual(late.code, "queue_timeout")
            self.assert_in_time(timed, 0.1)
            if reply is not None:
                return reply, timed.seconds
        self.fail("no canned answer comes in time")

    def test_a_canned_answer_comes_instead(self) -> None:
        daemon, client = self.start_well(pool("tools", C_TOOLS, prefetch=0, fallback="mock"), MOCK)
        first, _, gate = self.start_trial(daemon, client)
        reply, waited = self.canned(client)
        self.assertGreaterEqual(waited, 0.089, "it waits for as long as it can")
        self.assertEqual((reply.result, reply.meta["degraded"]), ("mock", True))
        gate.touch()
        self.assertEqual(first.result().meta["served_by"], "tools")
        self.assertEqual(client.call("tools", "echo", 1, meta=True).meta["served_by"], "tools")
        self.check_well(daemon, client)


class UnresponsiveWorker(ScenarioTest):
    """A worker stands still (SIGSTOP)."""

    def test_while_it_has_a_request(self) -> None:
        daemon, client = self.start_well(
            pool("tools", C_TOOLS, workers=2, idempotent=True, attempt_timeout=ms(500)), AT_ONCE
        )
        heard = self.listen(daemon, "recovery")
        call, notes, gate = self.start_trial(daemon, client)
        victim = self.busy_pid(daemon)
        procs.stop(victim)
        gate.touch()
        with Timed() as timed:
            reply = call.result()
        self.assert_in_time(timed, stretch(0.5))
        self.assertEqual((reply.meta["attempts"], len(reply.result)), (2, 2))
        started = heard.wait_for(result="started")
        self.assertEqual(started["cause"], "attempt_timeout")
        heard.wait_for(result="succeeded", id=started["id"])
        daemon.wait_workers("tools", 2, apart_from=(victim,))
        self.assertEqual(procs.wait_gone([victim], 2.0), [])
        self.assertEqual(daemon.counters("tools")["worker_kills"], 1)
        self.check_well(daemon, client)

    def test_while_it_is_idle(self) -> None:
        daemon, client = self.start_well(
            pool("tools", C_TOOLS, workers=2, ping_interval="30ms", ping_timeout=ms(60))
        )
        victim, other = daemon.worker_pids("tools")
        procs.stop(victim)
        eventually(lambda: daemon.pool("tools")["status"] == "degraded", "that is seen")
        for n in range(20):
            found = client.call("tools", "echo", n, timeout=stretch(20), idempotent=True)
            self.assertEqual(found, n)
        daemon.wait_workers("tools", 2, apart_from=(victim,))
        self.assertEqual(procs.wait_gone([victim], 2.0), [])
        incidents = [each for each in client.errors() if each["pid"] == victim]
        self.assertEqual([each["code"] for each in incidents], ["health_check_timeout"] * 3)
        self.check_well(daemon, client)


class ResourceExhaustion(ScenarioTest):
    """There is no more of something."""

    def test_places_in_the_queue(self) -> None:
        daemon, client = self.start_well(pool("tools", C_TOOLS, prefetch=0, queue_max=3))
        first, _, gate = self.start_trial(daemon, client)
        waiting = [client.start("tools", "echo", n) for n in range(3)]
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 3, "three wait")
        with Timed() as timed:
            error = self.failure("queue_full", client, "tools", "echo", "x", timeout=stretch(20))
        self.assert_in_time(timed, 0)
        self.assertEqual(
            (error.severity, error.executed, error.queue_depth), ("critical", "no", 3)
        )
        self.assertGreater(error.retry_after, 0)
        self.assertEqual(client.health()["pools"]["tools"]["status"], "degraded")
        gate.touch()
        first.result()
        self.assertEqual([call.result() for call in waiting], [0, 1, 2])
        self.assertEqual(client.call("tools", "echo", "again"), "again")
        self.check_well(daemon, client)

    def test_processes(self) -> None:
        """The command of the workers cannot be started any more, and later can."""
        directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        command, hidden = directory / "worker", directory / "hidden"
        command.write_text(f"#!/bin/sh\nexec {C_TOOLS}\n")
        command.chmod(0o755)
        daemon, client = self.start_well(
            pool("tools", shlex.quote(str(command)), fallback="mock", **BACK_SOON), MOCK
        )
        heard = self.listen(daemon, "failover")
        command.rename(hidden)
        (victim,) = daemon.worker_pids("tools")
        procs.kill(victim)
        event = heard.wait_for(from_level=0, to_level=1)
        self.assertEqual(event["reason"], "pool_unavailable")
        self.assertEqual(client.call("tools", "echo", 1), "mock")
        error = self.failure("pool_unavailable", client, "tools", "echo", 1, fallback=False)
        self.assertEqual((error.executed, error.severity), ("no", "critical"))
        self.assertGreater(error.retry_after, 0)
        (incident, *_) = [each for each in client.errors() if each["kind"] == "incident"]
        self.assertEqual((incident["code"], incident["pool"]), ("spawn_failed", "tools"))
        self.assertIn("No such file", incident["message"])
        hidden.rename(command)
        heard.wait_for(to_level=0)
        self.assertEqual(client.call("tools", "echo", 1), 1)
        self.check_well(daemon, client)

    def test_memory(self) -> None:
        """What does not fit is refused, and no worker pays for it."""
        limits = {
            "message_max": "1M",
            "response_max": "1M",
            "output_pause": "1M",
            "output_max": "2M",
            "memory_max": "8M",
        }
        daemon, client = self.start_well(
            pool("raw", UNRULY, workers=2, queue_bytes_max="2M"), **limits
        )
        before = daemon.worker_pids("raw")
        daemon.announced.append("memory is short")
        begun = pack([0, 9, "raw.echo", [bytes(900_000)]])[:-1]
        crowd = [self.enterContext(Raw(daemon.path)) for _ in range(12)]
        for each in crowd:
            each.send(begun)
        self.assertGreater(client.stats()["daemon"]["requests_unfinished"], 0)
        self.assertEqual(client.call("raw", "echo", "served on"), ["served on"])
        for each in crowd:
            each.close()
        eventually(lambda: client.status()["memory"]["buffers"] < 1 << 20, "it is given back")
        self.assertEqual(client.call("raw", "echo", [1]), [[1]])
        self.assertEqual(set(daemon.worker_pids("raw")), set(before))
        self.check_well(daemon, client)


class BrokenTransport(ScenarioTest):
    """The server behind a socket is killed, cuts connections, or is slow."""

    def start_remote(self) -> tuple[Daemon, poold.Client]:
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.server = self.enterContext(Server(f"{directory}/server.sock"))
        return self.start_well(
            socket_pool("remote", self.server.address, workers=2, fallback="mock",
                        attempt_timeout=ms(500), **BACK_SOON),
            breaker("remote", failure_threshold=3, open_timeout="200ms"),
            retry("remote", backoff="none"),
            MOCK,
        )

    def check_back(self, daemon: Daemon, client: poold.Client) -> None:
        """The server answers again, and nobody else."""

        def is_back() -> bool:
            served = client.call("remote", "pid", meta=True).meta["served_by"]
            return served == "remote" and client.health()["status"] == "ok"

        eventually(is_back, lambda: f"it answers again: {client.breakers()}")
        self.assertEqual(client.call("remote", "pid"), self.server.pid)
        self.check_well(daemon, client)

    def test_it_is_killed(self) -> None:
        daemon, client = self.start_remote()
        heard = self.listen(daemon, "failover")
        begun = daemon.directory / "begun"
        call = client.start("remote", "wait", str(begun), "never", meta=True, timeout=stretch(20))
        eventually(begun.exists, "it is at work")
        self.server.kill()
        self.assertEqual(call.result().meta["served_by"], "mock")
        heard.wait_for(to_level=1)
        for _ in range(20):
            self.assertEqual(client.call("remote", "pid"), "mock")
        error = self.failure("connect_failed", client, "remote", "pid", fallback=False)
        self.assertEqual(error.executed, "no")
        self.server.start()
        heard.wait_for(to_level=0)
        self.check_back(daemon, client)

    def test_it_cuts_connections(self) -> None:
        daemon, client = self.start_remote()
        error = self.failure("peer_closed", client, "remote", "half", fallback=False)
        self.assertEqual((error.executed, error.adapter), ("maybe", "socket"))
        heard = self.listen(daemon, "breaker")
        served = {client.call("remote", "half", meta=True).meta["served_by"] for _ in range(10)}
        self.assertEqual(served, {"mock"})
        heard.wait_for(to="open")
        self.check_back(daemon, client)

    def test_it_is_slow(self) -> None:
        daemon, client = self.start_remote()
        with Timed() as timed:
            error = self.failure("attempt_timeout", client, "remote", "slow", stretch(2), 1,
                                 fallback=False, timeout=stretch(20))
        self.assert_in_time(timed, stretch(0.5))
        self.assertEqual((error.executed, error.attempt), ("maybe", 1))
        heard = self.listen(daemon, "breaker")
        for _ in range(2):
            reply = client.call("remote", "slow", stretch(2), 1, meta=True, timeout=stretch(20),
                                idempotent=True)
            self.assertEqual((reply.result, reply.meta["degraded"]), ("mock", True))
        heard.wait_for(to="open")
        with Timed() as timed:
            # It may be asked again by now, whether it is well.
            self.assertEqual(client.call("remote", "slow", stretch(2), 1, idempotent=True), "mock")
        self.assert_in_time(timed, 0)
        self.check_back(daemon, client)
