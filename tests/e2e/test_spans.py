"""Spans: the event of each traced request that is sampled or has failed, and who gets it."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
import unittest
from typing import Any

from clients import ClientTest, poolctl
from clock import eventually
from harness import C_TOOLS, TOOLBOX, Daemon, DaemonTest, pool, static_pool
from raw import Raw, unpack
from test_rights import ANNE, BERT, IS_ROOT, RightsTest

Span = dict[str, Any]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])

# Events of this kind in a second, at most.
PER_SECOND = 1000

# So many requests wait at a time.
BATCH = 500


def listen(daemon: Daemon, *kinds: str, **options: object) -> Raw:
    listener = daemon.connect(map_errors=True)
    listener.call("poold.subscribe", list(kinds), options)
    return listener


def read_span(listener: Raw) -> Span:
    """The next message, which must be a span."""
    kind, name, (event,) = unpack(listener.read_message())
    assert (kind, name, event["kind"]) == (2, "poold.event", "span"), (kind, name, event)
    return event


def now_us() -> int:
    return time.time_ns() // 1000


class Spans(DaemonTest):
    def check_times(self, span: Span, began: int) -> None:
        """Each attempt lies in the request, and that in the time since then, by the clock of the wall."""
        self.assertLessEqual(began, span["start_us"] + 1)
        self.assertLessEqual(span["end_us"], now_us())
        self.assertAlmostEqual(span["elapsed_ms"] * 1000, span["end_us"] - span["start_us"], delta=1)
        before = span["start_us"]
        for attempt in span["attempts"]:
            self.assertLessEqual(before, attempt["start_us"])
            self.assertLessEqual(attempt["start_us"], attempt["end_us"])
            before = attempt["end_us"]
        self.assertLessEqual(before, span["end_us"])

    def test_a_success(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        listener, client = listen(daemon, "span"), daemon.connect(map_errors=True)
        began = now_us()
        found = client.call_pool("tools", "attempt", [], trace=SAMPLED, tracestate="a=1")
        span = read_span(listener)
        self.check_times(span, began)
        self.assertEqual(
            {"name": "tools.attempt", "pool": "tools", "method": "attempt", "trace": TRACE, "parent": PARENT,
             "sampled": True, "tracestate": "a=1", "outcome": "-A", "code": None, "message": None,
             "served_by": "tools", "attempt": 1, "left_out": 0},
            {key: span[key] for key in ("name", "pool", "method", "trace", "parent", "sampled", "tracestate",
                                        "outcome", "code", "message", "served_by", "attempt",
                                        "left_out")})
        (attempt,) = span["attempts"]
        self.assertEqual(found["trace"], f"00-{TRACE}-{attempt['span']}-01")
        self.assertEqual((attempt["pool"], attempt["worker"], attempt["code"], attempt["message"]),
                         ("tools", 1, None, None))
        self.assertEqual(len({PARENT, span["span"], attempt["span"]}), 3)

    def test_a_failure_needs_no_flag(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, idempotent=True, workers=2))
        daemon.announced += ["worker ended", "pool is", "request failed"]
        listener, client = listen(daemon, "span"), daemon.connect(map_errors=True)
        client.call_pool("tools", "echo", [1], trace=UNSAMPLED)
        client.answer_pool("tools", "divide", [1, 0])
        client.answer_pool("tools", "divide", [1, 0], trace="an id of ours")
        began = now_us()
        error = client.answer_pool("tools", "leave", [4], trace=UNSAMPLED, max_attempts=2).error
        span = read_span(listener)
        self.check_times(span, began)
        self.assertEqual((span["code"], span["message"], span["outcome"], span["served_by"], span["sampled"]),
                         ("worker_exited", error["message"], "WR", None, False))
        self.assertEqual((span["span"], span["request"], span["attempt"]), (error["span"], error["request"], 2))
        self.assertEqual([(each["span"], each["worker"], each["code"], each["message"]) for each in span["attempts"]],
                         [(each["span"], each["worker"], each["code"], each["message"]) for each in error["attempts"]])
        # Its only attempt, which is in no history.
        error = client.answer_pool("tools", "divide", [1, 0], trace=UNSAMPLED).error
        span = read_span(listener)
        self.assertEqual([(each["span"], each["worker"], each["code"], each["message"]) for each in span["attempts"]],
                         [(error["attempt_span"], error["worker"], "exception", error["message"])])

    def test_a_success_after_a_failure(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, idempotent=True, workers=2))
        daemon.announced += ["worker ended", "pool is", "request failed"]
        listener, client = listen(daemon, "span"), daemon.connect(map_errors=True)
        client.answer_pool("tools", "leave_once", [str(daemon.directory / "left")], trace=SAMPLED)
        span = read_span(listener)
        self.check_times(span, span["start_us"])
        self.assertEqual([each["code"] for each in span["attempts"]], ["worker_exited", None])
        self.assertEqual((span["code"], span["attempt"]), (None, 2))

    def test_without_an_attempt(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, fallback="fixed", idempotent=True),
                            static_pool("fixed", answer="1"))
        daemon.announced += ["breaker is", "requests start", "pool is", "worker ended"]
        listener, client = listen(daemon, "span"), daemon.connect(map_errors=True)
        client.call_pool("fixed", "any", [], trace=SAMPLED)
        span = read_span(listener)
        self.assertEqual((span["served_by"], span["attempts"], span["code"]), ("fixed", [], None))
        client.answer_pool("nothing", "echo", [], trace=UNSAMPLED, tracestate="b=2")
        span = read_span(listener)
        self.assertEqual((span["name"], span["pool"], span["code"], span["request"], span["attempts"]),
                         ("echo", None, "unknown_pool", 0, []))
        self.assertEqual((span["trace"], span["parent"], span["tracestate"]), (TRACE, PARENT, "b=2"))
        entry = daemon.ask("poold.errors")[0]
        self.assertEqual((entry["kind"], entry["span"]), ("refusal", span["span"]))
        # One attempt, and a fallback that needs none; then none at all.
        client.call_pool("tools", "leave", [3], trace=SAMPLED, max_attempts=1)
        span = read_span(listener)
        self.assertEqual(([each["code"] for each in span["attempts"]], span["pool"], span["served_by"]),
                         (["worker_exited"], "tools", "fixed"))
        client.call("poold.breaker_open", "tools")
        client.call_pool("tools", "echo", [1], trace=SAMPLED)
        self.assertEqual(read_span(listener)["attempts"], [])

    def test_a_client_that_leaves(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        listener = listen(daemon, "span")
        with daemon.connect(map_errors=True) as client:
            client.ask_pool("tools", "occupy", [str(daemon.directory / "busy")], trace=SAMPLED)
            eventually((daemon.directory / "busy").exists, "it runs")
        span = read_span(listener)
        self.assertEqual((span["code"], span["outcome"][0]), ("cancelled", "C"))
        self.assertEqual([(each["worker"], each["code"]) for each in span["attempts"]], [(1, "cancelled")])


class Listeners(DaemonTest):
    def test_only_who_names_it_gets_it(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        daemon.announced += ["request failed"]
        everything, named = listen(daemon), listen(daemon, "span", "error")
        client = daemon.connect(map_errors=True)
        self.assertNotIn("span", client.call("poold.subscribe", [])["kinds"])
        for times in (1, 3):
            for _ in range(times):
                client.call_pool("tools", "echo", [1], trace=SAMPLED)
        client.answer_pool("tools", "divide", [1, 0], trace=SAMPLED)
        kinds = [unpack(named.read_message())[2][0]["kind"] for _ in range(6)]
        self.assertEqual(kinds, ["span"] * 4 + ["error", "span"])
        self.assertEqual(unpack(everything.read_message())[2][0]["kind"], "error")
        everything.check_quiet()

    def test_they_are_kept_apart(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), events_kept=4)
        client = daemon.connect(map_errors=True)
        for number in range(10):
            client.call_pool("tools", "echo", [number], trace=SAMPLED)
        listener = daemon.connect(map_errors=True)
        self.assertEqual(listener.call("poold.subscribe", ["span"], {"since": 0})["lost"], 6)
        requests = [read_span(listener)["request"] for _ in range(4)]
        self.assertEqual(requests, list(range(requests[0], requests[0] + 4)))
        listener.check_quiet()
        # What else is kept is all there.
        self.assertEqual(listener.call("poold.subscribe", None, {"since": 0})["lost"], 0)

    def test_so_many_a_second(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), events_kept=8 * PER_SECOND)
        client = daemon.connect(map_errors=True)
        asked = 4 * PER_SECOND
        for _ in range(asked // BATCH):
            for _ in range(BATCH):
                client.ask_pool("tools", "echo", [1], trace=SAMPLED)
            for _ in range(BATCH):
                client.read()

        def one_more() -> bool:
            nonlocal asked
            asked += 1
            client.call_pool("tools", "echo", [1], trace=SAMPLED)
            self.spans(daemon, events)
            return len(events) + sum(each["left_out"] for each in events) == asked

        events: list[Span] = []
        eventually(one_more, lambda: f"one that is sent: {asked} asked, {len(events)} came, {events[-1]}")
        self.assertGreater(len(events), PER_SECOND)

    def spans(self, daemon: Daemon, events: list[Span]) -> list[Span]:
        """Adds those that have come since the last one of these."""
        with daemon.connect(map_errors=True) as listener:
            since = events[-1]["seq"] if events else 0
            self.assertEqual(listener.call("poold.subscribe", ["span"], {"since": since})["lost"], 0)
            number = listener.ask("poold.version")
            while True:
                message = unpack(listener.read_message())
                if message[:2] == [1, number]:
                    return events
                events.append(message[2][0])


class Followed(ClientTest):
    """One trace id leads from the client's error to everything that is known of a request."""

    def test_from_the_client_to_the_worker(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.announced += ["request failed", "unquiet"]
        listener = listen(daemon, "span", "error")
        error = self.failure("exception", self.connect_client(daemon), "noisy", "log_and_fail", "no tea", trace=SAMPLED)
        self.assertEqual(error.trace, TRACE)
        # The worker's log, the daemon's, and the last errors.
        daemon.log.wait_for(rf"unquiet: no tea pool=noisy worker=1 request={error.request} "
                            rf"trace=00-{TRACE}-{error.attempt_span}-01")
        daemon.log.wait_for(rf"request failed: .* trace={TRACE} span={error.span} attempt_span={error.attempt_span}: ")
        entry = daemon.ask("poold.errors")[0]
        self.assertEqual((entry["trace"], entry["span"], entry["attempt_span"]),
                         (TRACE, error.span, error.attempt_span))
        # The events.
        self.assertEqual(unpack(listener.read_message())[2][0]["trace"], TRACE)
        span = read_span(listener)
        self.assertEqual((span["trace"], span["parent"], span["span"], [each["span"] for each in span["attempts"]]),
                         (TRACE, PARENT, error.span, [error.attempt_span]))
        # The metrics.
        (line,) = re.findall(r"^.*trace_id.*$", daemon.ask("poold.metrics", "openmetrics"), re.MULTILINE)
        self.assertIn(f'poold_request_seconds_bucket{{pool="noisy",le="', line)
        self.assertIn(f'# {{trace_id="{TRACE}"}} {span["elapsed_ms"] / 1000:.6f} ', line)

    def test_by_the_client_in_c(self) -> None:
        daemon = self.start(pool("noisy", UNQUIET))
        daemon.announced += ["request failed", "unquiet"]
        failed = poolctl(daemon, "--json", "call", "noisy", "log_and_fail", '"no tea"', "--trace", SAMPLED)
        error = json.loads(failed.stdout or failed.stderr)["error"]
        self.assertEqual(error["trace"], TRACE, failed)
        daemon.log.wait_for(rf"unquiet: no tea .* trace=00-{TRACE}-{error['attempt_span']}-01")
        (span,) = map(json.loads, poolctl(daemon, "--json", "events", "span").stdout.splitlines())
        self.assertEqual((span["trace"], span["span"], span["request"]), (TRACE, error["span"], error["request"]))
        self.assertRegex(poolctl(daemon, "events", "span", "noisy").stdout,
                         rf"span +noisy\.log_and_fail WA exception in [\d.]+ ms, trace {TRACE}, span {error['span']}: "
                         r"ValueError: no tea\n$")


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Owners(RightsTest):
    def test_only_whose_request_it_was(self) -> None:
        daemon = self.open(pool("tools", C_TOOLS))
        anne, bert, root = self.connect(daemon, ANNE), self.connect(daemon, BERT), daemon.connect(map_errors=True)
        for options in ({}, {"since": 0}):
            for each in (anne, bert, root):
                each.call("poold.subscribe", ["span"], options)
            if not options:
                with self.connect(daemon, ANNE) as client:
                    client.call_pool("tools", "echo", [1], trace=SAMPLED)
            span = read_span(anne)
            self.assertEqual(span["uid"], ANNE)
            self.assertEqual(read_span(root), span)
            bert.check_quiet()


if __name__ == "__main__":
    unittest.main()
