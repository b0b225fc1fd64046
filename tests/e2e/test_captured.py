"""Whatever goes wrong is captured: in exactly one counter by code or reason, in poold.errors, as an
event, and in the log."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import unittest
from collections import Counter
from typing import Any

from clock import eventually
from harness import TOOLBOX, Daemon, DaemonTest, pool, static_pool
from http_client import HttpTest
from raw import Raw, pack, request, unpack
from test_rights import ANNE, BERT, IS_ROOT, become

# Places for everybody, and those for control.
PLACES, RESERVE = 4, 2

# A message that is too large, by the option that the daemons here have.
MESSAGE_MAX = 65536

# How often the daemon refused: by code in poold.stats and in the metrics.
Counts = Counter[str]


def metric(daemon: Daemon, name: str, label: str) -> Counts:
    """The samples of a metric, summed up for each value of one of its labels."""
    found: Counts = Counter()
    for line in daemon.ask("poold.metrics").splitlines():
        sample = re.match(rf'{name}\{{(.*)\}} (\d+)$', line)
        if sample:
            found[re.search(rf'\b{label}="([^"]*)"', sample[1])[1]] += int(sample[2])
    return +found


class CapturedTest(DaemonTest):
    """A daemon, and somebody who hears all of its errors."""

    def start_heard(self, *pools: str, **options: object) -> tuple[Daemon, Raw]:
        daemon = self.start(*pools, **{"socket_mode": "0666", "message_max": MESSAGE_MAX, **options})
        daemon.directory.chmod(0o755)
        listener = daemon.connect(map_errors=True)
        listener.call("poold.subscribe", ["error", "connection"])
        return daemon, listener

    def refusals(self, daemon: Daemon) -> Counts:
        """The counters by code, which must be the same wherever they are shown."""
        stats = daemon.ask("poold.stats")
        counts = Counter(stats["refusals"])
        self.assertEqual(counts.total(), stats["daemon"]["requests_refused"])
        self.assertEqual(metric(daemon, "poold_refusals_total", "code"), counts)
        return counts

    def ends(self, daemon: Daemon) -> Counts:
        """The same of connections, by reason."""
        with daemon.connect() as client:
            counts: Counts = Counter()

            def are_all() -> bool:
                nonlocal counts
                stats = client.call("poold.stats")
                counts = Counter(stats["ends"])
                own = stats["daemon"]
                return counts.total() + own["connections"] == own["connections_accepted"]

            # One that has ended has its place until the end of the turn.
            eventually(are_all, lambda: f"each connection is open or has ended: {counts}")
        self.assertLessEqual(+(counts - Counter(metric(daemon, "poold_connections_ended_total", "reason"))), Counter())
        return +counts

    def entry(self, daemon: Daemon, kind: str, **wanted: object) -> dict[str, Any]:
        """The only entry of poold.errors with these values."""
        found = [each for each in daemon.ask("poold.errors")
                 if each["kind"] == kind and each.items() >= wanted.items()]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def event(self, listener: Raw, kind: str) -> dict[str, Any]:
        """The next event, which must be of that kind."""
        message = unpack(listener.read_message())
        self.assertEqual((message[1], message[2][0]["kind"]), ("poold.event", kind))
        return message[2][0]


class Refusals(CapturedTest):
    """Requests that are refused before they reach a pool."""

    def check(self, daemon: Daemon, listener: Raw, before: Counts, code: str, **wanted: object) -> None:
        """The code is found once in each place, with what is wanted in poold.errors."""
        self.assertEqual(self.refusals(daemon) - before, Counter([code]))
        found = self.entry(daemon, "refusal", code=code, **wanted)
        self.assertEqual((found["peer"]["client"], found["peer"]["pid"]), ("e2e", os.getpid()))
        heard = self.event(listener, "error")
        self.assertEqual((heard["code"], heard["message"]), (code, found["message"]))
        self.assertEqual((found["outcome"], heard["outcome"]), ("DQ", "DQ"))
        line = daemon.log.wait_for(rf"(info|notice) request refused: code={code} .*{re.escape(found['message'])}")
        self.assertIn(f" method={found['method']} ", line)
        self.assertRegex(line, r" outcome=DQ arrived_ms=\d+ ")
        self.assertIn(f" uid={found['peer']['uid']} peer_pid={os.getpid()} client=e2e trace=", line)

    def test_each_code(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX), static_pool("fixed", **{"answer.hello": 1}), in_flight_max=1)
        asks: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
            ("unknown_pool", "poold.call", ("nothing", "echo", []), {"method": "echo"}),
            ("unknown_method", "fixed.other", (), {"method": "other", "pool": "fixed"}),
            ("unknown_method", "poold.nothing", (), {"method": "poold.nothing"}),
            ("unknown_method", "nothing", (), {"method": "nothing"}),
            ("invalid_request", "poold.call", (5,), {"method": "poold.call"}),
            ("invalid_request", "poold.hello", ([],), {"method": "poold.hello"}),
            ("invalid_request", "poold.errors", ("many",), {"method": "poold.errors"}),
        ]
        for code, method, params, wanted in asks:
            with self.subTest(code=code, method=method), daemon.connect(map_errors=True) as client:
                before = self.refusals(daemon)
                answer = client.answer(method, *params)
                self.assert_code(answer, code)
                self.assertNotIn("method", answer.error)  # what it asked it knows itself
                self.check(daemon, listener, before, code, **wanted)

    def test_too_many_in_flight(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX), in_flight_max=1)
        client = daemon.connect(map_errors=True)
        before = self.refusals(daemon)
        busy = daemon.occupy(client)
        self.assert_code(client.read_of(client.ask("tools.echo", 1)), "queue_full")
        self.check(daemon, listener, before, "queue_full", method="echo", pool="tools")
        daemon.release()
        self.assertEqual(client.read().id, busy)

    def test_too_large(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX))
        client = daemon.connect(map_errors=True)
        before = self.refusals(daemon)
        self.assert_code(client.answer("tools.echo", bytes(2 * MESSAGE_MAX)), "payload_too_large")
        self.check(daemon, listener, before, "payload_too_large", method="tools.echo")
        self.assertEqual(client.read_to_end(), b"")

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_what_others_see(self) -> None:
        daemon, _ = self.start_heard(pool("tools", TOOLBOX))
        with become(ANNE):
            anne = daemon.connect(map_errors=True)
        with become(BERT):
            bert = daemon.connect(map_errors=True)
        bert.call("poold.subscribe", ["error"])
        self.assert_code(anne.answer("poold.restart_workers", "tools"), "permission_denied")
        for client in (daemon.connect(), anne):
            (entry,) = client.call("poold.errors")
            self.assertEqual((entry["method"], entry["peer"]["uid"]), ("poold.restart_workers", ANNE))
        heard = self.event(bert, "error")
        self.assertEqual((heard["code"], heard.get("message")), ("permission_denied", None))
        (entry,) = bert.call("poold.errors")
        self.assertEqual(entry["code"], "permission_denied")
        self.assertEqual({"method", "peer", "outcome"} & entry.keys(), set())

    def test_a_flood_drops_nothing_else(self) -> None:
        daemon, _ = self.start_heard(pool("tools", TOOLBOX), errors_kept=2)
        client = daemon.connect(map_errors=True)
        for divisor in (0, 0):
            self.assert_code(client.answer("tools.divide", 1, divisor), "exception")
        for number in range(1000):
            client.ask(f"nothing{number}.echo", 1)
        for _ in range(1000):
            self.assert_code(client.read(), "unknown_pool")
        self.assertEqual(self.refusals(daemon), {"unknown_pool": 1000})
        kinds = Counter(each["kind"] for each in daemon.ask("poold.errors"))
        self.assertEqual(kinds, {"request": 2, "refusal": 2})
        for kind, count in (("request", 2), ("refusal", 2), ("incident", 0), ("connection", 0)):
            self.assertEqual([each["kind"] for each in daemon.ask("poold.errors", 10, kind)], [kind] * count)
        self.assertEqual([each["kind"] for each in daemon.ask("poold.errors", 1, "request")], ["request"])
        self.assert_code(client.answer("poold.errors", 1, "others"), "invalid_request")
        self.assertLess(sum("request refused" in line for line in daemon.log.lines), 500)
        eventually(lambda: self.held(daemon, client), "a line says how many were only counted")

    @staticmethod
    def held(daemon: Daemon, client: Raw) -> bool:
        client.answer("nothing.echo", 1)
        return any(re.search(r"\(\d+ more of these not logged\)", line) for line in daemon.log.lines)


class Ends(CapturedTest):
    """Connections that come to their end."""

    def check(self, daemon: Daemon, listener: Raw, before: Counts, reason: str, pattern: str = "") -> None:
        """The reason is found once in each place."""
        eventually(lambda: self.ends(daemon)[reason] == before[reason] + 1, lambda: f"{reason}: {self.ends(daemon)}")
        others = self.ends(daemon) - before - Counter([reason])
        self.assertEqual(others.keys() - {"closed"}, set())
        found = self.entry(daemon, "connection", reason=reason)
        heard = self.event(listener, "connection")
        self.assertEqual((heard["reason"], heard["message"]), (reason, found["message"]))
        self.assertEqual((heard["pid"], found["peer"]["pid"]), (os.getpid(), os.getpid()))
        daemon.log.wait_for(pattern or rf"notice connection cut off: {re.escape(found['message'])} .*reason={reason} ")

    def test_what_is_no_message(self) -> None:
        for reason, sent in (("malformed", b"\xc1"), ("malformed", b"\x05"), ("malformed", b"\x94\x01\x01\xc0\xc0"),
                             ("too_large", b"\xdd\x10\x00\x00\x00")):
            with self.subTest(sent=sent):
                daemon, listener = self.start_heard(pool("tools", TOOLBOX))
                client, before = daemon.connect(), self.ends(daemon)
                client.send(sent)
                self.assertEqual(client.read_to_end(), b"")
                self.check(daemon, listener, before, reason)

    def test_duplicate_id(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX))
        client, before = daemon.connect(), self.ends(daemon)
        daemon.occupy(client)
        client.send(request(client.number, "tools.echo", b"\x91\x01"))
        self.assertEqual(client.read_to_end(), b"")
        self.check(daemon, listener, before, "duplicate_id")
        daemon.release()

    def test_stalled(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX), stall_timeout="200ms", message_max="16M")
        client, before = Raw(daemon.path, read_buffer=4096), self.ends(daemon)
        client.ask("tools.echo", bytes(4 << 20))
        self.check(daemon, listener, before, "stalled")
        client.close()

    def test_memory(self) -> None:
        """Notifications that do not end: when memory is short there is nothing to answer, and they can't be
        kept."""
        daemon, listener = self.start_heard(pool("tools", TOOLBOX, queue_bytes_max="2M"), message_max="1M",
                                            response_max="1M", output_max="2M", output_pause="1M", memory_max="8M")
        daemon.announced.append("memory is short")
        before = self.ends(daemon)
        crowd = [Raw(daemon.path) for _ in range(12)]
        begun = pack([2, "poold.cancel", [bytes(900_000)]])[:-1]
        for client in crowd:
            client.send(begun)
        eventually(lambda: self.ends(daemon)["memory"] > 0, "one is cut off")
        self.assertEqual(self.event(listener, "connection")["reason"], "memory")
        daemon.log.wait_for("notice connection cut off: there was no memory for its messages or answers .*reason=memory ")
        for client in crowd:
            client.close()
        eventually(lambda: daemon.ask("poold.status")["connections"] == 2, "all have ended")
        # All that were cut off are found in each place.
        cut = self.ends(daemon)["memory"]
        self.assertEqual((self.ends(daemon) - before).keys() - {"closed", "reset"}, {"memory"})
        found = [each for each in daemon.ask("poold.errors") if each["kind"] == "connection"]
        self.assertEqual([each["reason"] for each in found], ["memory"] * cut)
        for _ in range(cut - 1):
            self.assertEqual(self.event(listener, "connection")["reason"], "memory")
        listener.check_quiet()

    def test_ordinary_ends_are_only_counted(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX))
        before = self.ends(daemon)
        with daemon.connect() as client:
            client.call("tools.echo", 1)
        client = daemon.connect()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.ask("tools.echo", bytes(1000))
        client.socket.shutdown(socket.SHUT_RD)
        client.close()
        eventually(lambda: (self.ends(daemon) - before).total() >= 2, "both have ended")
        self.assertEqual((self.ends(daemon) - before).keys() - {"closed", "reset"}, set())
        self.assertEqual(daemon.ask("poold.errors"), [])
        self.assertFalse([line for line in daemon.log.lines if "cut off" in line])
        listener.check_quiet()


class Shutdown(HttpTest):
    """The end of the daemon is no fault of a connection: it is counted, and nothing else."""

    def test_shutdown(self) -> None:
        """Seen by HTTP, which answers until a client has read the last answer."""
        daemon = self.start_http(pool("tools", TOOLBOX))
        idle, slow = daemon.connect(), daemon.connect(read_buffer=4096)
        number = slow.ask("tools.big", 1 << 20)
        eventually(lambda: daemon.counters("tools")["succeeded"] == 1, "it is answered")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(idle.read_to_end(), b"")
        self.assertIn('poold_connections_ended_total{reason="shutdown"} 2\n', self.get("/metrics").text)
        self.assertEqual(len(slow.read_of(number).result), 1 << 20)
        self.assertEqual(slow.read_to_end(), b"")
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertFalse([line for line in daemon.log.lines if "cut off" in line])


class Places(CapturedTest):
    """Connections that end because their places are needed, or because there was none for them."""

    OPTIONS = {"connections_max": PLACES + RESERVE, "control_reserve": RESERVE}

    def check(self, daemon: Daemon, client: Raw, reason: str, pattern: str) -> None:
        """As the client sees it, which has a place that nobody takes."""
        message = unpack(client.read_message())[2][0]
        self.assertEqual((message["kind"], message["reason"]), ("connection", reason))
        stats = client.call("poold.stats")
        self.assertEqual({end: count for end, count in stats["ends"].items() if count and end != "closed"}, {reason: 1})
        found = [each["reason"] for each in client.call("poold.errors") if each["kind"] == "connection"]
        self.assertEqual(found, [reason])
        self.assertIn(f'poold_connections_ended_total{{reason="{reason}"}} 1\n', client.call("poold.metrics"))
        daemon.log.wait_for(pattern)

    def subscribe(self, daemon: Daemon) -> Raw:
        client = daemon.connect()
        client.call("poold.subscribe", ["connection"])
        return client

    def test_evicted(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), **self.OPTIONS)
        listener = self.subscribe(daemon)
        idle = [daemon.connect() for _ in range(PLACES - 1)]
        fresh = daemon.connect()
        self.assertEqual(idle[0].read_to_end(), b"")
        self.check(daemon, listener, "evicted", "connections_max is reached: an idle connection")
        fresh.close()

    def test_displaced(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), **self.OPTIONS)
        daemon.announced.append("no new connections until one is closed")
        clients = [self.subscribe(daemon) for _ in range(PLACES)]
        reserved = [daemon.connect() for _ in range(RESERVE)]
        for client in reserved:
            client.call("poold.version")
        fresh = daemon.connect()
        self.assertEqual(reserved[0].read_to_end(), b"")
        self.check(daemon, clients[0], "displaced", "connection cut off: its place, one of control_reserve, was needed")
        fresh.close()

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_refused(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), socket_mode="0666", connections_per_uid=1)
        daemon.announced.append("connections_per_uid is reached")
        daemon.directory.chmod(0o755)
        listener = self.subscribe(daemon)
        with become(ANNE):
            first = self.subscribe(daemon)
            second = daemon.connect()
        self.assertEqual(second.read_to_end(), b"")
        self.check(daemon, listener, "refused", "connections_per_uid is reached")
        first.close()


class Requests(CapturedTest):
    """log_requests: a line for a request, with its outcome and its four times."""

    TIMES = r"arrived_ms=\d+ elapsed_ms=\d+\.\d{3} queue_ms=\d+\.\d{3} run_ms=\d+\.\d{3} uid=\d+ peer_pid=\d+ client=e2e trace=N/A$"

    def lines(self, daemon: Daemon) -> list[str]:
        return [line for line in daemon.log.lines if re.search("request answered|client gone", line)]

    def test_all(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), static_pool("fixed", **{"answer.hello": 1}), log_requests="all")
        client = daemon.connect(map_errors=True)
        client.call("tools.echo", 1)
        client.call("fixed.hello")
        daemon.log.wait_for(rf"info request answered: outcome=-A request=\d+ pool=tools worker=1 session=N/A "
                            rf"method=echo attempt=1 {self.TIMES}")
        daemon.log.wait_for(rf"info request answered: outcome=-Q request=\d+ pool=fixed worker=N/A session=N/A "
                            rf"method=hello attempt=0 {self.TIMES}")
        gone = daemon.connect(map_errors=True)
        daemon.occupy(gone)
        gone.close()
        daemon.log.wait_for(r"info client gone: outcome=CA request=\d+ pool=tools ")
        daemon.release()

    def test_a_share(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), log_requests="1/3")
        client = daemon.connect(map_errors=True)
        for _ in range(9):
            client.call("tools.echo", 1)
        daemon.log.wait_for("request answered", count=3)
        self.assertEqual(len(self.lines(daemon)), 3)

    def test_slow_ones(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, slow_after="50ms"), log_requests="slow")
        daemon.announced.append("worker is slow")
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        daemon.log.wait_for("worker is slow")
        daemon.release()
        self.assertEqual(client.read().id, busy)
        daemon.log.wait_for("request answered: outcome=-A ")
        self.assertEqual(len(self.lines(daemon)), 1)

    def test_failed_ones_alone_by_default(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect(map_errors=True)
        client.call("tools.echo", 1)
        self.assert_code(client.answer("tools.divide", 1, 0), "exception")
        daemon.log.wait_for(r"request failed: code=exception .* outcome=WA arrived_ms=\d+ uid=\d+ peer_pid=\d+ client=e2e trace=")
        self.assertEqual(self.lines(daemon), [])

    def test_too_many_lines_are_counted(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), log_requests="all")
        client = daemon.connect(map_errors=True)
        asked = 0

        def held() -> int:
            nonlocal asked
            asked += 400
            for number in range(400):
                client.ask("tools.echo", number)
            for _ in range(400):
                client.read()
            return daemon.ask("poold.stats")["daemon"]["log_lines_held"]

        left_out = eventually(held, "some are left out")
        daemon.log.wait_for("request answered", count=asked - left_out)
        self.assertEqual(len(self.lines(daemon)), asked - left_out)


class Traces(CapturedTest):
    """A W3C traceparent: spans of the request and its attempts, and the trace id wherever one looks."""

    TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    GIVEN = f"00-{TRACE}-{PARENT}-01"

    def test_the_worker_gets_its_attempt_as_the_parent(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        spans = set()
        for _ in range(10):
            found = client.call_pool("tools", "attempt", [], trace=self.GIVEN, tracestate="a=1,b=2")
            match = re.fullmatch(rf"00-{self.TRACE}-([0-9a-f]{{16}})-01", found["trace"])
            assert match is not None, found
            spans.add(match[1])
            self.assertEqual(found["tracestate"], "a=1,b=2")
        self.assertEqual(len(spans - {self.PARENT, "0" * 16}), 10)

    def test_what_is_none_travels_as_it_is(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        for text in ("an id of ours", self.GIVEN.upper(), self.GIVEN + "-", f"00-{'0' * 32}-{self.PARENT}-01", "x" * 256):
            found = client.call_pool("tools", "attempt", [], trace=text, tracestate="a=1")
            self.assertEqual((found["trace"], found["tracestate"]), (text, None))
        found = client.call_pool("tools", "attempt", [], tracestate="a=1")
        self.assertEqual((found["trace"], found["tracestate"]), (None, None))

    def test_a_later_version(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        found = client.call_pool("tools", "attempt", [], trace=f"cc-{self.TRACE}-{self.PARENT}-ff-more")
        self.assertRegex(found["trace"], rf"^00-{self.TRACE}-[0-9a-f]{{16}}-03$")

    def test_a_failure_is_found_by_its_trace(self) -> None:
        daemon, listener = self.start_heard(pool("tools", TOOLBOX, idempotent=True, workers=2))
        daemon.announced += ["worker ended", "pool is", "request failed"]
        client = daemon.connect(map_errors=True)
        error = client.answer_pool("tools", "leave", [4], trace=self.GIVEN, max_attempts=2).error
        self.assertEqual((error["code"], error["outcome"], error["trace"]), ("worker_exited", "WR", self.TRACE))
        spans = [error["span"], *(each["span"] for each in error["attempts"])]
        self.assertEqual(len({self.PARENT, *spans}), 4)
        self.assertEqual(error["attempt_span"], spans[-1])
        for span in spans:
            self.assertRegex(span, r"^[0-9a-f]{16}$")
        entry = self.entry(daemon, "request", trace=self.TRACE)
        self.assertEqual([entry["span"], entry["attempt_span"]], [spans[0], spans[-1]])
        self.assertEqual(self.event(listener, "error")["trace"], self.TRACE)
        daemon.log.wait_for(f"request failed: .* trace={self.TRACE} span={spans[0]} attempt_span={spans[-1]}: ")
        self.assert_code(client.answer_pool("nothing", "echo", [], trace=self.GIVEN), "unknown_pool")
        self.assertEqual(self.entry(daemon, "refusal")["trace"], self.TRACE)
        self.assertEqual(self.event(listener, "error")["trace"], self.TRACE)

    def test_a_success_is_found_by_its_trace(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), log_requests="all")
        client = daemon.connect(map_errors=True)
        found = client.call_pool("tools", "attempt", [], trace=self.GIVEN)
        span = found["trace"].split("-")[2]
        daemon.log.wait_for(rf"request answered: outcome=-A .* trace={self.TRACE} span=[0-9a-f]{{16}} attempt_span={span}$")

    def test_an_opaque_text_is_in_the_error_too(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect(map_errors=True)
        error = client.answer_pool("tools", "divide", [1, 0], trace="an id of ours").error
        self.assertEqual((error["trace"], error.get("span")), ("an id of ours", None))
        daemon.log.wait_for("request failed: .* trace=an id of ours span=N/A ")
