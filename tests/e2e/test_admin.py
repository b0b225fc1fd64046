"""What the daemon says of itself: the shape of every answer, and that it is true."""

from __future__ import annotations

import os
import re
from typing import Any

import procs
from clock import eventually
from harness import TOOLBOX, UNRULY, DaemonTest, pool, static_pool
from raw import Raw
from shapes import NUMBER, shape_faults

SPREAD = dict.fromkeys(("mean", "p50", "p99", "p999", "max"), NUMBER)

COUNTERS = dict.fromkeys(
    (
        "requests",
        "succeeded",
        "failed",
        "cancelled",
        "attempts",
        "retried",
        "budget_spent",
        "requeued",
        "moved",
        "late_answers",
        "degraded",
        "failed_over",
        "taken_over",
        "ejections",
        "worker_starts",
        "worker_start_failures",
        "worker_crashes",
        "worker_kills",
        "worker_replacements",
    ),
    int,
)

VERSION = {"server": "poold", "version": str, "protocol": 1, "pid": int, "uptime_ms": NUMBER}

QUANTILES = {"count": int, "p50": (float, type(None)), "p99": (float, type(None))}

WINDOW = {
    **dict.fromkeys(
        ("span_ms", "answered", "failed", "refused", "cancelled", "retried", "failed_over"), int
    ),
    "rate": float,
    "ok_percent": (float, type(None)),
    "errors": dict,
    "waits": dict.fromkeys(
        ("workers_busy", "worker_starting", "turn", "retry_delay", "client"),
        {"count": int, "sum_ms": float},
    ),
    **dict.fromkeys(("queue_high", "busy_high", "all_busy_ms"), int),
    "latency_ms": {"queue": QUANTILES, "run": QUANTILES},
}

PROBLEM = {
    "code": str,
    "alert": (str, type(None)),
    "since_ms": (int, type(None)),
    "text": str,
    "advice": str,
    "command": str,
}

STATUS = {
    "status": str,
    "version": str,
    "pid": int,
    "uptime_ms": NUMBER,
    "draining": bool,
    "guard": bool,
    "problems": [],
    "connections": int,
    "connections_max": int,
    "requests": dict.fromkeys(
        ("queued", "running", "total", "succeeded", "failed", "cancelled"), int
    ),
    "memory": {"buffers": int, "max": int},
    "peaks": dict.fromkeys(("10s", "1m", "5m", "15m", "start"), {"connections": int, "buffers": int}),
    "errors_since_ms": int,
    "refusals_since_ms": int,
    "pools": [
        {
            "name": str,
            "status": str,
            "reasons": [str],
            "since_ms": NUMBER,
            "workers": dict.fromkeys(
                ("min", "max", "ready", "busy", "starting", "stopping", "total"), int
            ),
            "queued": int,
            "queue_max": int,
            "running": int,
            "total": int,
            "failed": int,
            "p50_ms": NUMBER,
            "p99_ms": NUMBER,
            "last_minute": WINDOW,
            "restarts": int,
            "level": int,
            "served_by": str,
            "start_fault": (str, type(None)),
            "start_stderr": (str, type(None)),
            "failing": None,
            "advice": [str],
            "problems": [PROBLEM],
        }
    ],
}

POOLS = [
    {
        "name": str,
        "adapter": "process",
        "dialect": "poold",
        "command": str,
        "status": str,
        "reasons": [str],
        "workers": dict.fromkeys(
            (
                "min",
                "max",
                "bound",
                "spares",
                "initializing",
                "ready",
                "busy",
                "degraded",
                "draining",
                "terminating",
                "terminated",
            ),
            int,
        ),
        "queue": {"length": int, "max": int, "bytes": int, "bytes_max": int, "held": int},
        "running": int,
        "drained": bool,
        "roll": None,
        "limits": {
            "timeout_ms": NUMBER,
            "timeout_max_ms": NUMBER,
            "prefetch": int,
            "prefetch_max": int,
            "idempotent": bool,
        },
        "counters": COUNTERS,
        "latency_ms": {"queue": SPREAD, "run": SPREAD, "total": SPREAD},
        "windows": dict.fromkeys(("10s", "1m", "5m", "15m", "start"), WINDOW),
    }
]

WORKERS = [
    {
        "pool": str,
        "worker": int,
        "pid": int,
        "state": str,
        "health": str,
        "since_ms": NUMBER,
        "uptime_ms": NUMBER,
        "heard_ms": NUMBER,
        "in_flight": int,
        "served": int,
        "failed": int,
        "restarts": int,
        "last_exit": (str, type(None)),
        "last_out_of_memory": (bool, type(None)),
        "last_stderr": (str, type(None)),
        "output_dropped": int,
        "rss_bytes": int,
        "steps": [[(str, float, int)]],
        "running": [{"request": int, "method": str, "run_ms": NUMBER}],
    }
]

BREAKERS = [
    {
        "pool": str,
        "method": (str, type(None)),
        "state": "closed",
        "reason": str,
        "since_ms": int,
        "run": 0,
        "calls": int,
        "failures": 0,
        "slow": 0,
        "failure_percent": float,
        "open_left_ms": None,
        "probes": 0,
        "opened": 0,
        "would_open": 0,
        "rejected": 0,
        "late": 0,
        "by": None,
    }
]

RECOVERED = dict.fromkeys(("initiated", "succeeded", "failed", "cancelled"), int)
CATEGORIES = (
    "initialization_error",
    "connection_error",
    "communication_error",
    "timeout_error",
    "resource_error",
    "health_check_error",
    "session_error",
    "application_error",
    "system_error",
    "request_error",
)
STRATEGIES = ("abandon", "immediate_retry", "backoff_retry", "circuit_break", "failover")

RECOVERIES = {
    "active": [],
    "counters": {**RECOVERED, "refused": int, "active": int, "max": 1024},
    "mean_ms": float,
    "p99_ms": float,
    "by_category": dict.fromkeys(CATEGORIES, RECOVERED),
    "by_strategy": dict.fromkeys(STRATEGIES, RECOVERED),
}

SESSIONS = {
    "count": 1,
    "max": 4096,
    "tombstones": 0,
    "sessions": [
        {
            "session": "s",
            "pool": "one",
            "worker": int,
            "age_ms": int,
            "idle_ms": int,
            "expires_ms": int,
            "requests": 1,
            "waiting": 0,
            "state_bytes": 0,
            "state_lost": False,
            "uid": (int, type(None)),
        }
    ],
}


class Shapes(DaemonTest):
    """Exactly the keys and types that are promised."""

    def check_shape(self, method: str, shape: Any) -> Any:
        daemon = self.start(pool("one", TOOLBOX, workers=2), pool("two", UNRULY))
        client = daemon.connect()
        client.call_pool("one", "echo", [1], session="s")
        found = client.call(method)
        self.assertEqual(shape_faults(found, shape), [])
        return found

    def test_version(self) -> None:
        found = self.check_shape("poold.version", VERSION)
        self.assertTrue(procs.is_alive(found["pid"]))

    def test_health(self) -> None:
        one = {"status": "ok", "reasons": []}
        self.check_shape(
            "poold.health",
            {"status": "ok", "ready": True, "draining": False, "guard": True,
             "pools": {"one": one, "two": one}},
        )

    def test_status(self) -> None:
        found = self.check_shape("poold.status", STATUS)
        self.assertEqual([entry["name"] for entry in found["pools"]], ["one", "two"])
        self.assertEqual((found["status"], found["draining"]), ("ok", False))
        self.assertEqual(found["requests"]["succeeded"], 1)
        self.assertEqual(found["connections"], 1)

    def test_pools(self) -> None:
        one, two = self.check_shape("poold.pools", POOLS)
        self.assertEqual((one["name"], two["name"]), ("one", "two"))
        self.assertEqual((one["workers"]["ready"], two["workers"]["ready"]), (2, 1))
        self.assertEqual(one["command"], TOOLBOX)
        self.assertEqual(one["counters"]["succeeded"], 1)
        self.assertEqual(two["counters"]["succeeded"], 0)
        self.assertGreater(one["latency_ms"]["run"]["p50"], 0)

    def test_workers(self) -> None:
        found = self.check_shape("poold.workers", WORKERS)
        self.assertEqual(
            [(entry["pool"], entry["worker"]) for entry in found],
            [("one", 1), ("one", 2), ("two", 1)],
        )
        self.assertEqual(sum(entry["served"] for entry in found), 1)
        for entry in found:
            self.assertEqual((entry["state"], entry["health"]), ("ready", "healthy"))
            self.assertTrue(procs.is_alive(entry["pid"]))
            self.assertGreater(entry["rss_bytes"], 100_000)
            self.assertIsNone(entry["last_exit"])

    def test_breakers(self) -> None:
        found = self.check_shape("poold.breakers", BREAKERS)
        self.assertEqual([(entry["pool"], entry["method"]) for entry in found],
                         [("one", None), ("two", None)])
        self.assertEqual([entry["calls"] for entry in found], [1, 0])

    def test_recoveries(self) -> None:
        found = self.check_shape("poold.recoveries", RECOVERIES)
        self.assertEqual(found["counters"]["initiated"], 0)

    def test_sessions(self) -> None:
        found = self.check_shape("poold.sessions", SESSIONS)
        (session,) = found["sessions"]
        self.assertLessEqual(session["expires_ms"], 300_000)
        self.assertGreater(session["expires_ms"], 299_000 - session["age_ms"])

    def test_errors(self) -> None:
        self.assertEqual(self.check_shape("poold.errors", []), [])

    def test_stats(self) -> None:
        shape = {"refusals": dict, "ends": dict, "daemon": dict, "pools": {"one": dict, "two": dict}}
        found = self.check_shape("poold.stats", shape)
        for counters in (found["daemon"], *found["pools"].values()):
            self.assertTrue(counters)
            self.assertTrue(all(isinstance(name, str) for name in counters))
        self.assertEqual(found["pools"]["one"]["requests"], 1)
        self.assertEqual(found["pools"]["one"]["succeeded"], 1)

    def test_metrics(self) -> None:
        text = self.check_shape("poold.metrics", str)
        self.assertEqual(metrics_faults(text), [])
        self.assertRegex(text, r'(?m)^poold_\w*requests_total\{[^}]*pool="one"[^}]*\} 1$')


def metrics_faults(text: str) -> list[str]:
    """Where a text breaks the rules of Prometheus' text format, and those that promtool misses."""
    faults = [] if text.endswith("\n") else ["the last line has no end"]
    kinds: dict[str, str] = {}
    seen: set[str] = set()
    sample = re.compile(r"^(?P<name>[a-z_:][a-z0-9_:]*)(?P<labels>\{.*\})? (?P<value>\S+)$")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in kinds:
                faults.append(f"a second type: {line}")
            kinds[name] = kind
        elif line.startswith("#"):
            continue
        elif (found := sample.match(line)) is None:
            faults.append(f"no sample: {line}")
        else:
            series = line.rpartition(" ")[0]
            if series in seen:
                faults.append(f"a second sample: {series}")
            seen.add(series)
            faults += sample_faults(found["name"], found["value"], kinds)
    return faults


def sample_faults(name: str, value: str, kinds: dict[str, str]) -> list[str]:
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    kind = kinds.get(name) or kinds.get(family)
    if not name.startswith("poold_"):
        return [f"not ours: {name}"]
    if kind is None:
        return [f"no type: {name}"]
    if kind == "counter" and (float(value) < 0 or not name.endswith("_total")):
        return [f"no counter: {name} {value}"]
    return []


class Wrong(DaemonTest):
    """Parameters that say what an operator can't mean."""

    def test_workers_and_pools(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2), static_pool("fixed", answer=1))
        client = daemon.connect()
        no_workers = "pool fixed has no workers: its answers stand in the configuration"
        for method, params, code, message in (
            ("restart_workers", [], "invalid_request", "[pool] is wanted"),
            ("restart_workers", ["nobody"], "unknown_pool", "there is no such pool"),
            ("restart_workers", ["fixed"], "invalid_request", no_workers),
            ("drain", [7], "invalid_request", "[pool] is wanted"),
            ("resume", ["tools", 1], "invalid_request", "[pool] is wanted"),
            ("resize", ["tools"], "invalid_request", "[pool, min, max] is wanted"),
            ("resize", ["tools", "one", 2], "invalid_request", "[pool, min, max] is wanted"),
            ("resize", ["tools", 1, 99], "invalid_request", "max must be from 1 to 4"),
            ("resize", ["fixed", 1, 1], "invalid_request", no_workers),
            ("kill_worker", ["tools"], "invalid_request", "[pool, worker] or [pool, worker, signal]"),
            ("kill_worker", ["tools", 1, "HUP"], "invalid_request", "signal is TERM, KILL,"),
            ("kill_worker", ["tools", 1, 9], "invalid_request", "signal is TERM, KILL,"),
            ("kill_worker", ["tools", 99], "invalid_request", "the pool has no such worker"),
            ("stack", ["tools"], "invalid_request", "[pool, worker] is wanted"),
            ("stack", ["tools", "one"], "invalid_request", "[pool, worker] is wanted"),
            ("stack", ["tools", 99], "invalid_request", "the pool has no such worker"),
            ("breaker_open", [], "invalid_request", "is wanted"),
            ("recovery_cancel", ["one"], "invalid_request", "[id] is wanted"),
            ("session_close", [7], "invalid_request", "[session] or [session, uid] is wanted"),
            ("config", [7], "invalid_request", "[] or [pool] is wanted"),
            ("config", ["nobody"], "unknown_pool", "there is no such pool"),
            ("alert_test", [], "invalid_request", "[alert] is wanted"),
        ):
            with self.subTest(method=method, params=params):
                answer = client.answer(f"poold.{method}", *params)
                self.assertEqual(answer.code, code, answer)
                self.assertIn(message, str(answer.error))
        self.assertEqual(client.call_pool("tools", "echo", [1]), 1)


class Truth(DaemonTest):
    """What is said follows what happens."""

    def test_a_request_at_work_is_shown(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, cancel_grace="10s"))
        client = daemon.connect()
        busy = daemon.occupy(client)
        waiting = client.ask("tools.echo", 1)
        eventually(lambda: daemon.ask("poold.status")["requests"]["queued"] == 1, "one waits")
        (entry,) = daemon.workers()
        self.assertEqual((entry["state"], entry["in_flight"]), ("busy", 1))
        (running,) = entry["running"]
        self.assertEqual(running["method"], "occupy")
        status = daemon.ask("poold.status")
        self.assertEqual((status["requests"]["queued"], status["requests"]["running"]), (1, 1))
        self.assertEqual(status["connections"], 2)
        daemon.release()
        self.assertEqual([client.read().id, client.read().id], [busy, waiting])

    def test_a_dead_worker_is_shown_with_its_end(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.announced.append("pool=tools")
        (before,) = daemon.worker_pids()
        daemon.connect().answer("tools.leave", 9)
        daemon.wait_workers("tools", 1, apart_from=(before,))
        (entry,) = daemon.workers()
        self.assertEqual(entry["restarts"], 1)
        self.assertRegex(entry["last_exit"], r"\b9\b")
        self.assertEqual(daemon.counters("tools")["worker_crashes"], 1)

    def test_a_pool_without_workers_is_down_within_a_second(self) -> None:
        daemon = self.start(
            pool("good", UNRULY),
            pool("bad", TOOLBOX, restart_delay="60s", restart_delay_max="60s"),
        )
        daemon.announced.append("pool=bad")

        def is_down() -> bool:
            for pid in daemon.worker_pids("bad"):
                procs.kill(pid)
            return daemon.ask("poold.health")["pools"]["bad"]["status"] == "down"

        eventually(is_down, lambda: f"down: {daemon.ask('poold.health')}", seconds=5)
        health = daemon.ask("poold.health")
        self.assertTrue(health["pools"]["bad"]["reasons"])
        self.assertEqual(health["pools"]["good"], {"status": "ok", "reasons": []})
        self.assertNotEqual(health["status"], "ok")
        shown = next(e for e in daemon.ask("poold.status")["pools"] if e["name"] == "bad")
        self.assertEqual(shown["status"], "down")
        self.assertTrue(shown["advice"])

    def test_a_pool_below_its_minimum_is_degraded(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX, workers=2, restart_delay="60s", restart_delay_max="60s")
        )
        daemon.announced.append("pool=tools")

        def is_degraded() -> bool:
            if len(pids := daemon.worker_pids("tools")) == 2:
                procs.kill(pids[0])
            return daemon.ask("poold.health")["pools"]["tools"]["status"] == "degraded"

        eventually(is_degraded, "degraded")
        self.assertEqual(daemon.connect().call("tools.echo", 1), 1)

    def test_counters_agree_with_each_other(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        for step in range(20):
            client.call("tools.echo", step)
            client.answer("tools.divide", step, 0)
        stats, status = daemon.ask("poold.stats"), daemon.ask("poold.status")
        pools = daemon.counters("tools")
        self.assertEqual((pools["requests"], pools["succeeded"], pools["failed"]), (40, 20, 20))
        for name in ("requests", "succeeded", "failed", "cancelled"):
            self.assertEqual(stats["pools"]["tools"][name], pools[name])
        self.assertEqual(status["requests"]["total"], 40)
        self.assertEqual(sum(entry["served"] for entry in daemon.workers()), 40)

    def test_the_socket_has_the_mode_it_was_given(self) -> None:
        daemon = self.start(pool("tools", UNRULY), socket_mode="0600")
        self.assertEqual(os.stat(daemon.path).st_mode & 0o777, 0o600)

    def test_asking_does_not_disturb(self) -> None:
        """Two hundred questions of every kind while requests pass."""
        daemon = self.start(pool("raw", UNRULY, workers=2))
        client = daemon.connect()
        asked = {}
        for step in range(200):
            asked[client.ask("raw.echo", step)] = [step]
            with Raw(daemon.path) as other:
                for method in ("health", "status", "pools", "workers", "stats", "metrics"):
                    other.ask(f"poold.{method}")
                for _ in range(6):
                    self.assertIsNone(other.read().error)
        found = {}
        for _ in asked:
            answer = client.read()
            found[answer.id] = answer.result
        self.assertEqual(found, asked)
