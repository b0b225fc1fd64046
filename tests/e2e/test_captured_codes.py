"""Each code of protocol/errcode.def, provoked: it is in exactly one counter by code, in poold.errors,
in an event, in the span of the request, and in the log; and the counters are what the clients have counted, exactly."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import threading
import unittest
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from clock import eventually, ms, stretch
from harness import C_TOOLS, START_TIMEOUT, Daemon, breaker, error_row, pool, retry, socket_pool, worker
from raw import Answer, Raw, pack, unpack
from servers import TOOLS
from test_captured import CapturedTest, Counts, metric
from test_rights import ANNE, IS_ROOT, become
from test_session import KEEPER

ROOT = Path(__file__).resolve().parents[2]
CODES = re.findall(r"^CODE\((\w+),", (ROOT / "protocol" / "errcode.def").read_text(), re.M)

# These cannot be provoked here: this version never sends the first, and root has no limit of
# processes.
NOT_PROVOKED = {"internal", "process_limit"}

REQUEST, INCIDENT, REFUSAL = "request", "incident", "refusal"


class Counting(Raw):
    """A connection that counts the codes of the errors that it gets; its calls have a trace."""

    def ask_pool(self, pool: str, method: str, args: object = None, **options: object) -> int:
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        return super().ask_pool(pool, method, args, trace=trace, **options)

    def read(self, *args: Any, **named: Any) -> Answer:
        answer = super().read(*args, **named)
        self.__dict__.setdefault("codes", Counter())
        if answer.code is not None:
            self.codes[answer.code] += 1
        return answer

    codes: Counts


class Scene(NamedTuple):
    """How a code comes about.

    Args:
        kind: what it is an error of.
        pools: the sections of the configuration.
        act: brings it about by what the client asks.
        options: of the daemon.
        starts: whether the pool has a worker.
    """

    kind: str
    pools: tuple[str, ...]
    act: Callable[[Daemon, Counting], object] = lambda daemon, client: None
    options: dict[str, object] = {}
    starts: bool = True


def call(method: str, *args: object, name: str = "tools", **options: object) -> Callable[[Daemon, Counting], object]:
    """One call."""
    return lambda daemon, client: client.answer_pool(name, method, list(args), **options)


def crowd(*more: dict[str, object], **options: object) -> Callable[[Daemon, Counting], object]:
    """The only worker is occupied, then these calls come, until one of them fails."""

    def act(daemon: Daemon, client: Counting) -> None:
        numbers = [daemon.occupy(client)]
        numbers += [client.ask_pool("tools", "echo", [1], **each) for each in more or (options,)]
        while not client.codes:
            numbers.remove(client.read().id)
        daemon.release()
        for _ in numbers:
            client.read()

    return act


def cancel(daemon: Daemon, client: Counting) -> None:
    client.cancel(daemon.occupy(client))
    client.read()
    daemon.release()


def open_breaker(daemon: Daemon, client: Counting) -> None:
    client.call("poold.breaker_open", "tools")
    client.answer_pool("tools", "echo", [1])


def spend_budget(daemon: Daemon, client: Counting) -> None:
    for _ in range(3):
        client.answer_pool("tools", "divide", [1, 0])


def lose_session(daemon: Daemon, client: Counting) -> None:
    kept = client.call_pool("keep", "pid", [], session="s")
    os.kill(kept, signal.SIGKILL)
    daemon.wait_workers("keep", 1, (kept,))
    client.answer_pool("keep", "pid", [], session="s")


def expire_session(daemon: Daemon, client: Counting) -> None:
    client.call_pool("keep", "count", [], session="s")
    eventually(lambda: daemon.ask("poold.sessions")["tombstones"] == 1, "it expires")
    client.answer_pool("keep", "count", [], session="s")


def use_up_keys(daemon: Daemon, client: Counting) -> None:
    begun = daemon.directory / "begun"
    number = client.ask_pool("tools", "occupy", [str(begun)], key="one")
    eventually(begun.exists, "it is at work")
    client.read_of(client.ask_pool("tools", "echo", [1], key="two"))
    begun.unlink()
    client.read_of(number)


def stop(daemon: Daemon, client: Counting) -> None:
    busy = daemon.occupy(client)
    daemon.signal(signal.SIGTERM)
    eventually(lambda: daemon.ask("poold.status")["draining"], "it drains")
    client.read_of(client.ask_pool("tools", "echo", [1]))
    assert busy > 0


def ask_as_anne(daemon: Daemon, client: Counting) -> None:
    with become(ANNE), Counting(daemon.path, map_errors=True) as anne:
        anne.answer("poold.drain", "tools")
        client.codes += anne.codes


def wait_refused(daemon: Daemon, client: Counting) -> None:
    eventually(lambda: daemon.pool("bad")["status"] == "down", "it is down")
    eventually(lambda: client.answer_pool("bad", "x", [], timeout_ms=5000).error, "it is refused")


def shell(script: str) -> str:
    return shlex.join(["sh", "-c", script])


TOOLS_POOL = pool("tools", C_TOOLS)
ONE_BY_ONE = pool("tools", C_TOOLS, prefetch=0, cancel_grace="10s")
EVERY_RETRY = (pool("tools", C_TOOLS, idempotent=True), breaker("tools", mode="off"),
               retry("tools", backoff="none", budget=1, budget_per_second=0),
               error_row("exception", strategy="immediate_retry", retries=5))
BOTH_FORMS = msgpack.ExtType(112, b"\xa0" + pack([[1], {"b": 2}]))

SCENES = {
    "spawn_failed": Scene(INCIDENT, (pool("bad", "/nonexistent/command"),), starts=False),
    "init_failed": Scene(INCIDENT, (pool("bad", worker("rude", "exit_at_once")),), starts=False),
    "init_timeout": Scene(INCIDENT, (pool("bad", worker("rude", "never_ready"), init_timeout="30ms"),), starts=False),
    "worker_exited": Scene(REQUEST, (TOOLS_POOL,), call("leave", 3)),
    "worker_killed": Scene(REQUEST, (TOOLS_POOL,), call("die", 9)),
    "connect_failed": Scene(REQUEST, (socket_pool("bad", "/nonexistent/socket"),), wait_refused, starts=False),
    "peer_closed": Scene(REQUEST, (pool("rude", worker("rude")),), call("hang_up", name="rude")),
    "encode_error": Scene(REQUEST, (pool("bridge", worker("packet4"), dialect="packet4-json"),),
                          lambda daemon, client: client.answer("poold.call", "bridge", "echo", BOTH_FORMS)),
    "decode_error": Scene(REQUEST, (pool("words", worker("toolserver"), **TOOLS),),
                          call("write", "DEBUG: about to work", name="words")),
    "protocol_violation": Scene(REQUEST, (pool("words", worker("toolserver"), **TOOLS),),
                                call("write", '{"jsonrpc":"2.0","id":99,"result":"whose?"}', name="words")),
    "response_too_large": Scene(REQUEST, (TOOLS_POOL,), call("big", 100_000), {"response_max": "64K"}),
    "attempt_timeout": Scene(REQUEST, (pool("tools", C_TOOLS, attempt_timeout=ms(50)),), call("hang")),
    "queue_timeout": Scene(REQUEST, (ONE_BY_ONE,), crowd(timeout_ms=50)),
    "deadline_exceeded": Scene(REQUEST, (TOOLS_POOL,), call("hang", timeout_ms=round(stretch(0.3) * 1000))),
    "queue_full": Scene(REQUEST, (pool("tools", C_TOOLS, queue_max=1, prefetch=0, cancel_grace="10s"),),
                        crowd({}, {})),
    "pool_unavailable": Scene(REQUEST, (pool("bad", shell("exit 78")),), wait_refused, starts=False),
    "circuit_open": Scene(REQUEST, (TOOLS_POOL,), open_breaker),
    "shed": Scene(REQUEST, (pool("tools", C_TOOLS, queue_max=1, prefetch=0, cancel_grace="10s"),),
                  crowd({"priority": "sheddable"}, {"priority": "critical"})),
    "retry_budget_exhausted": Scene(INCIDENT, EVERY_RETRY, spend_budget),
    "memory_limit": Scene(REQUEST, (TOOLS_POOL,), use_up_keys, {"keys_max": 1}),
    "health_check_failed": Scene(INCIDENT, (pool("bridge", worker("packet4"), dialect="packet4-json",
                                                 ping_interval="10ms", ping_call="fail"),)),
    "health_check_timeout": Scene(INCIDENT, (pool("deaf", worker("rude", "ready_then_deaf"), ping_interval="10ms",
                                                  ping_timeout="20ms"),)),
    "session_not_found": Scene(REQUEST, (TOOLS_POOL,), call("echo", 1, session="s", session_create=False)),
    "session_expired": Scene(REQUEST, (pool("keep", KEEPER),), expire_session, {"session_ttl": ms(1000)}),
    "session_lost": Scene(REQUEST, (pool("keep", KEEPER, affinity="strict", prefetch=0),), lose_session),
    "session_limit": Scene(REQUEST, (pool("keep", KEEPER),), call("fill", 2000, name="keep", session="s"),
                           {"session_state_max": "1K"}),
    "exception": Scene(REQUEST, (TOOLS_POOL,), call("divide", 1, 0)),
    "shutting_down": Scene(REQUEST, (ONE_BY_ONE,), stop),
    "invalid_request": Scene(REFUSAL, (TOOLS_POOL,), call("echo", no_such_option=1)),
    "rejected": Scene(REQUEST, (TOOLS_POOL,), call("fail", "Rejected", "no")),
    "unknown_pool": Scene(REFUSAL, (TOOLS_POOL,), call("echo", 1, name="nothing")),
    "unknown_method": Scene(REQUEST, (TOOLS_POOL,), call("nothing")),
    "payload_too_large": Scene(REFUSAL, (TOOLS_POOL,), call("length", bytes(100_000)), {"message_max": "64K"}),
    "permission_denied": Scene(REFUSAL, (TOOLS_POOL,), ask_as_anne),
    "cancelled": Scene(REQUEST, (ONE_BY_ONE,), cancel),
}

# Who ended the request, and where it was.
OUTCOMES = {
    "worker_exited": "WA", "worker_killed": "WA", "connect_failed": "DQ", "peer_closed": "WA", "encode_error": "DA",
    "decode_error": "WA", "protocol_violation": "WA", "response_too_large": "WP", "attempt_timeout": "TA",
    "queue_timeout": "TQ", "deadline_exceeded": "TA", "queue_full": "DQ", "pool_unavailable": "DQ",
    "circuit_open": "DQ", "shed": "DQ", "memory_limit": "DQ", "session_not_found": "DQ", "session_expired": "DQ",
    "session_lost": "DQ", "session_limit": "DP", "exception": "WA", "shutting_down": "DQ", "invalid_request": "DQ",
    "rejected": "WA", "unknown_pool": "DQ", "unknown_method": "WA", "payload_too_large": "DQ",
    "permission_denied": "DQ", "cancelled": "CA",
}


def counters(daemon: Daemon) -> dict[str, Counts]:
    """All counters by code: what the requests of pools were answered with, incidents, refusals."""
    stats = daemon.ask("poold.stats")
    found: dict[str, Counts] = {REQUEST: Counter(), INCIDENT: Counter(), REFUSAL: Counter(stats["refusals"])}
    for each in stats["pools"].values():
        found[REQUEST] += Counter(each["errors"])
        found[INCIDENT] += Counter(each["incidents"])
    return found


class Codes(CapturedTest):
    """Every code."""

    def test_the_table_is_whole(self) -> None:
        self.assertEqual(set(CODES), SCENES.keys() | NOT_PROVOKED)
        self.assertEqual({code for code, scene in SCENES.items() if scene.kind != INCIDENT}, OUTCOMES.keys())

    def begin(self, scene: Scene) -> Daemon:
        options = {"socket_mode": "0666", **scene.options}
        if not scene.starts:
            options["start_timeout"] = "100ms"
        daemon = (self.start if scene.starts else self.launch)(*scene.pools, **options)
        daemon.announced += ["pool=", "request failed", "^rude: ", START_TIMEOUT]
        daemon.directory.chmod(0o755)
        if not scene.starts:
            daemon.wait_listening()
        return daemon

    def hear(self, listener: Raw, code: str, kind: str) -> dict[str, Any]:
        """The next event of an error of that code: of a request, or an incident."""
        while True:
            event = unpack(listener.read_message())[2][0]
            if event["code"] == code and ("outcome" in event) == (kind != INCIDENT):
                return event

    def check(self, code: str, scene: Scene) -> None:
        daemon = self.begin(scene)
        listener = daemon.connect(map_errors=True)
        listener.call("poold.subscribe", ["error"])
        tracer = daemon.connect(map_errors=True)
        tracer.call("poold.subscribe", ["span"])
        client = self.enterContext(Counting(daemon.path, map_errors=True))
        scene.act(daemon, client)
        self.check_counters(daemon, code, scene.kind, client.codes)
        found = next(each for each in daemon.ask("poold.errors")
                     if (each["kind"], each.get("code")) == (scene.kind, code))
        event = self.hear(listener, code, scene.kind)
        heads = {REQUEST: "request failed", INCIDENT: "incident", REFUSAL: "request refused"}
        line = daemon.log.wait_for(f"{heads[scene.kind]}: code={code} ")
        self.assertEqual(event["pool"], found.get("pool"))
        self.assertEqual((found.get("outcome"), event.get("outcome")), (OUTCOMES.get(code), OUTCOMES.get(code)))
        self.assertIn(f" outcome={OUTCOMES.get(code, 'N/A')} ", line)
        self.assertEqual("peer" in found, scene.kind != INCIDENT)
        if scene.kind == REQUEST and "trace" in found:
            self.check_span(tracer, found)
        daemon.release()
        if code == "shutting_down":
            client.read()
            self.assertEqual(daemon.wait_ended(), 0)

    def check_span(self, tracer: Raw, found: dict[str, Any]) -> None:
        """The request has a span that says the same."""
        while (span := unpack(tracer.read_message())[2][0])["span"] != found["span"]:
            pass
        keys = ("code", "outcome", "message", "request", "trace")
        self.assertEqual([span[key] for key in keys], [found[key] for key in keys])
        if span["attempts"]:
            self.assertEqual(span["attempts"][-1]["span"], found["attempt_span"])
        self.assertEqual(len(span["attempts"]), found.get("attempt", 0))
        self.assertLessEqual(span["start_us"] // 1000, found["at_ms"])

    def check_counters(self, daemon: Daemon, code: str, kind: str, told: Counts) -> None:
        """The code is counted in one place; what the client was told is what the others count."""
        if kind == INCIDENT:
            eventually(lambda: counters(daemon)[INCIDENT][code], f"an incident: {code}")
        found = counters(daemon)
        # A server that cannot be reached is an incident at each try, and the answer to each request.
        apart = {INCIDENT} if code == "connect_failed" else set()
        self.assertEqual({where for where, counts in found.items() if counts[code]} - apart, {kind})
        self.assertEqual(found[REQUEST] + found[REFUSAL], told)
        names = {REQUEST: "poold_errors_total", INCIDENT: "poold_incidents_total", REFUSAL: "poold_refusals_total"}
        shown = {where for where, name in names.items() if metric(daemon, name, "code")[code]}
        self.assertEqual(shown - apart, {kind})

    def test_incidents(self) -> None:
        self.check_kind(INCIDENT)

    def test_refusals(self) -> None:
        self.check_kind(REFUSAL)

    def test_requests(self) -> None:
        self.check_kind(REQUEST)

    def check_kind(self, kind: str) -> None:
        for code, scene in SCENES.items():
            if scene.kind == kind and (code != "permission_denied" or IS_ROOT):
                with self.subTest(code):
                    self.check(code, scene)


class Sums(CapturedTest):
    """The sums over the labels are what the clients have counted."""

    CLIENTS, CALLS = 4, 150

    def asks(self, random_: random.Random) -> tuple[str, list[object]]:
        """One of many calls that end in different ways."""
        return random_.choice([
            ("poold.call", ["tools", "echo", [1]]), ("poold.call", ["tools", "divide", [1, 0]]),
            ("poold.call", ["tools", "fail", ["Rejected", "no"]]), ("poold.call", ["tools", "nothing", []]),
            ("poold.call", ["nothing", "echo", []]), ("poold.call", ["tools", "echo", [], {"timeout_ms": 0}]),
            ("poold.call", ["other", "divide", [1, 0], {"trace": "an id"}]), ("other.echo", [2]), ("nothing", []),
            ("poold.nothing", []), ("poold.errors", ["many"]),
            ("poold.call", ["tools", "echo", [1], {"session": "s", "session_create": False}]),
        ])

    def serve(self, daemon: Daemon, seed: int, told: list[Counts]) -> None:
        random_ = random.Random(seed)
        with Counting(daemon.path, map_errors=True) as client:
            for _ in range(self.CALLS):
                method, params = self.asks(random_)
                client.ask(method, *params)
            for _ in range(self.CALLS):
                client.read()
            told.append(client.codes)

    def test_of_many_clients(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2), pool("other", C_TOOLS), breaker("tools", mode="off"),
                            breaker("other", mode="off"), in_flight_max=100)
        daemon.announced.append("request failed")
        seed, told = self.random(7).getrandbits(32), []
        threads = [threading.Thread(target=self.serve, args=(daemon, seed + number, told))
                   for number in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(told), self.CLIENTS)
        total: Counts = sum(told, Counter())
        self.assertGreater(total["unknown_pool"] * total["exception"] * total["session_not_found"], 0)
        found = metric(daemon, "poold_errors_total", "code") + metric(daemon, "poold_refusals_total", "code")
        self.assertEqual(found, total)
        asked = metric(daemon, "poold_requests_total", "pool").total()
        answered = metric(daemon, "poold_succeeded_total", "pool").total()
        self.assertEqual(asked, answered + metric(daemon, "poold_errors_total", "code").total())


if __name__ == "__main__":
    unittest.main()
