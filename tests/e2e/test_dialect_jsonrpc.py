"""A JSON-RPC 2.0 tool server as the workers of a pool: one object a line."""

from __future__ import annotations

import json
import signal

import msgpack
import poold

import procs
from clients import ClientTest
from clock import eventually, ms
from harness import START_TIMEOUT, Daemon, pool, worker
from servers import INITIALIZE, TOOLS


PROGRESS = {"progress_notification": "notifications/progress"}


def tools_pool(**options: object) -> str:
    return pool("words", worker("toolserver"), **{**TOOLS, **options})


class ToolServer(ClientTest):
    def start_tools(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(tools_pool(**options), *more, response_max="1M")
        return daemon, self.connect_client(daemon)

    def check_ended(self, code: str, *lines: str) -> poold.Error:
        """Lines in the place of an answer, which cost the worker; returns the error."""
        daemon, client = self.start_tools()
        daemon.announced.append("pool=words")
        (before,) = daemon.worker_pids("words")
        error = self.failure(code, client, "words", "write", *lines)
        self.assertEqual((error.category, error.executed), ("communication_error", "maybe"))
        (after,) = daemon.wait_workers("words", 1, apart_from=(before,))
        self.assertEqual(client.call("words", "pid"), after)
        self.assertEqual(procs.wait_gone([before], 2.0), [])
        return error

    # --- what goes well ---

    def test_tools(self) -> None:
        daemon, client = self.start_tools(workers=2)
        (tool,) = client.call("words", "tools/list")["tools"]
        self.assertEqual(tool["name"], "count_words")
        calls = [
            client.start("words", "tools/call", name="count_words", arguments={"text": "a " * n})
            for n in range(100)
        ]
        self.assertEqual(
            [call.result()["content"][0]["text"] for call in calls], [str(n) for n in range(100)]
        )
        self.assertEqual(daemon.pool("words")["dialect"], "jsonrpc")

    def test_params(self) -> None:
        """Arrays and maps as they are, nothing for nil, and anything else alone in an array."""
        _, client = self.start_tools()
        for args, expected in (
            (None, None), ([], None), ([[]], [[]]), ([1, [2.0]], [1, [2.0]]), ({"a": {"b": 1}}, {"a": {"b": 1}}),
            ({}, {}), (5, [5]), ("x", ["x"]), (b"\0", ["AA=="]), ("a\nb\r\u2028", ["a\nb\r\u2028"]),
        ):
            found = client.request("poold.call", ["words", "echo", args])
            self.assertEqual((found, type(found)), (expected, type(expected)))
        long = ["x" * 500_000]
        self.assertEqual(client.call("words", "echo", *long), long)

    def test_it_has_something_to_say_itself(self) -> None:
        daemon, client = self.start_tools()
        (before,) = daemon.worker_pids("words")
        self.assertEqual(client.call("words", "news"), "told")
        refused = client.call("words", "ask")
        self.assertEqual(
            refused, {"code": -32601, "message": "the daemon takes no requests from workers"}
        )
        for number in (7, "seven", None, 1.5):
            self.assertEqual(client.call("words", "ask", "ping", number), {"result": {}})
        self.assertEqual(client.call("words", "echo", 1), [1])
        self.assertEqual(daemon.worker_pids("words"), [before])

    def test_members_that_are_null(self) -> None:
        """Some libraries write all members of a message."""
        _, client = self.start_tools()
        for number, (members, expected) in enumerate(
            (('"result":7,"error":null', 7), ('"error":null,"result":{}', {}),
             ('"result":null,"error":null', None), ('"method":null,"result":1,"error":null', 1)),
            start=1,
        ):
            line = f'{{"jsonrpc":"2.0","id":{number},{members}}}'
            self.assertEqual(client.call("words", "write", line), expected)
        line = '{"jsonrpc":"2.0","id":5,"result":null,"error":{"code":3,"message":"M"}}'
        error = self.failure("exception", client, "words", "write", line)
        self.assertEqual(error.raw["message"], "3: M")

    def test_blank_lines_and_carriage_returns(self) -> None:
        _, client = self.start_tools()
        calls = [client.start("words", "echo", n) for n in range(2)]
        self.assertEqual([call.result() for call in calls], [[0], [1]])
        number = 4  # the handshake's is 0, and the engine's begin with 1
        lines = ["", "  \r", json.dumps({"jsonrpc": "2.0", "id": number - 1, "result": "r"}) + "\r"]
        self.assertEqual(client.call("words", "write", *lines), "r")

    def test_a_byte_order_mark(self) -> None:
        """As programs for Windows begin their output with."""
        _, client = self.start_tools()
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "result": "r"})
        self.assertEqual(client.call("words", "write", "\ufeff" + line), "r")

    # --- its errors ---

    def test_errors(self) -> None:
        daemon, client = self.start_tools()
        before = daemon.worker_pids("words")
        error = self.failure("exception", client, "words", "fail")
        self.assertEqual((error.category, error.executed), ("application_error", "yes"))
        self.assertEqual(error.raw["message"], "-32000: out of order")
        self.assertEqual(
            error.raw["detail"],
            {"type": "-32000", "message": "out of order", "data": {"since": [1, 2.0, None]}},
        )
        error = self.failure(
            "exception", client, "words", "tools/call", name="no_such", arguments={}
        )
        self.assertEqual(error.raw["message"], "-32602: Unknown tool: no_such")
        error = self.failure("unknown_method", client, "words", "no_such")
        self.assertEqual(error.raw["message"], "-32601: Method not found: no_such")
        self.assertEqual(daemon.worker_pids("words"), before)

    def test_what_json_cannot_say_is_not_sent(self) -> None:
        daemon, client = self.start_tools(prefetch=8, idempotent=True)
        daemon.announced.append("code=encode_error")
        (before,) = daemon.worker_pids("words")
        calls = [
            client.start("words", "echo", msgpack.ExtType(1, b"") if n % 3 else n)
            for n in range(30)
        ]
        for n, call in enumerate(calls):
            if n % 3 == 0:
                self.assertEqual(call.result(), [n])
                continue
            with self.assertRaises(poold.Error) as raised:
                call.result()
            self.assertEqual(raised.exception.code, "encode_error")
            self.assertEqual(raised.exception.executed, "no")
            self.assertIn("said in jsonrpc: an ext value", raised.exception.raw["message"])
        self.assertEqual(daemon.worker_pids("words"), [before])

    # --- what ends it ---

    def test_what_is_no_json(self) -> None:
        for line in ("Hello, I am here", "{", '{"jsonrpc":"2.0","id":1,"id":1}', "\0", "\ufeff\ufeff{}"):
            with self.subTest(line):
                error = self.check_ended("decode_error", line)
                self.assertIn("not JSON", error.raw["message"])

    def test_what_is_no_json_rpc(self) -> None:
        for line in (
            "1", "null", '{"id":1,"result":1}', '{"jsonrpc":"1.0","id":1,"result":1}',
            '{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1}}',
            '{"jsonrpc":"2.0","id":1,"error":"text"}', '{"jsonrpc":"2.0","id":1,"error":{}}',
            '{"jsonrpc":"2.0","method":5}', '{"jsonrpc":"2.0","method":""}',
        ):
            with self.subTest(line):
                self.check_ended("protocol_violation", line)

    def test_batches(self) -> None:
        error = self.check_ended("protocol_violation", '[{"jsonrpc":"2.0","id":1,"result":1}]')
        self.assertIn("batch", error.raw["message"])

    def test_ids_that_are_none_of_ours(self) -> None:
        for number in ("null", '"1"', "1.0", "-1", "99", "0", "4294967297"):
            with self.subTest(number):
                self.check_ended(
                    "protocol_violation", f'{{"jsonrpc":"2.0","id":{number},"result":1}}'
                )
        self.check_ended("protocol_violation", '{"jsonrpc":"2.0","result":1}')

    def test_a_line_without_an_end(self) -> None:
        self.check_ended("response_too_large", "x" * 600_000 + "y" * 600_000)

    def test_its_exit(self) -> None:
        daemon, client = self.start_tools()
        daemon.announced.append("pool=words")
        for status in (0, 7):
            error = self.failure("worker_exited", client, "words", "leave", status)
            self.assertEqual((error.executed, error.raw["detail"]["status"]), ("maybe", status))
            daemon.wait_workers("words", 1)
        self.assertEqual(client.call("words", "echo", 1), [1])

    # --- cancel ---

    def test_it_can_be_told_that_nobody_waits(self) -> None:
        daemon, client = self.start_tools(cancel_notification="notifications/cancelled")
        before = daemon.worker_pids("words")
        call = client.start("words", "wait_for_cancel")
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 1, "it is at work")
        call.cancel()
        with self.assertRaises(poold.Error) as raised:
            call.result()
        self.assertEqual(raised.exception.code, "cancelled")
        self.assertEqual(client.call("words", "cancels"), [1])
        self.assertEqual(daemon.worker_pids("words"), before)

    def test_it_cannot_unless_that_is_configured(self) -> None:
        daemon, client = self.start_tools(cancel_grace="50ms", timeout=ms(1000))
        daemon.announced.append("pool=words")
        (before,) = daemon.worker_pids("words")
        call = client.start("words", "wait_for_cancel")
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 1, "it is at work")
        call.cancel()
        daemon.wait_workers("words", 1, apart_from=(before,))
        self.assertEqual(client.call("words", "cancels"), [])

    # --- progress ---

    def test_progress_comes_as_parts(self) -> None:
        daemon, client = self.start_tools(**PROGRESS)
        (before,) = daemon.worker_pids("words")
        for meta in ({}, {"_meta": {"progressToken": "mine"}}, {"_meta": {"progressToken": 99}}):
            with self.subTest(**meta):
                own = meta["_meta"] if meta else {}
                stream = client.stream("words", "report", steps=3, late=True, **meta)
                self.assertEqual(
                    list(stream), [{"progress": n, "total": 3, **own} for n in (1, 2, 3)]
                )
                self.assertEqual(stream.result, {"steps": 3, "had_token": True})
        self.assertEqual(daemon.worker_pids("words"), [before])

    def test_who_asked_for_no_stream_gets_none(self) -> None:
        _, client = self.start_tools(**PROGRESS)
        for meta in ({}, {"_meta": {"progressToken": 1}}):
            self.assertEqual(
                client.call("words", "report", steps=3, **meta), {"steps": 3, "had_token": False}
            )
        _, client = self.start_tools()
        stream = client.stream("words", "report", steps=3, _meta={"progressToken": 1})
        self.assertEqual((list(stream), stream.result["had_token"]), ([], True))

    def test_progress_of_what_was_cancelled(self) -> None:
        daemon, client = self.start_tools(
            **PROGRESS, cancel_notification="notifications/cancelled"
        )
        (before,) = daemon.worker_pids("words")
        stream = client.stream("words", "report_cancelled")
        self.assertEqual(next(stream), {"progress": 1, "total": 2})
        stream.close()
        self.assertEqual(client.call("words", "cancels"), [1])
        self.assertEqual(daemon.worker_pids("words"), [before])

    def test_progress_of_many_at_once(self) -> None:
        """Each caller gets its own, whatever its token is."""
        _, client = self.start_tools(**PROGRESS, prefetch=8, idempotent=True)
        streams = [
            client.stream("words", "report", steps=n, _meta={"progressToken": 7}, late=True)
            for n in range(1, 30)
        ]
        for n, stream in enumerate(streams, start=1):
            self.assertEqual([part["progress"] for part in stream], list(range(1, n + 1)))
            self.assertEqual(stream.result["steps"], n)

    def test_progress_starts_over_with_the_next_attempt(self) -> None:
        daemon, client = self.start_tools(**PROGRESS, idempotent=True)
        daemon.announced.append("pool=words")
        mark = str(daemon.directory / "died")
        stream = client.stream("words", "report", steps=2, die_once=mark, restartable=True)
        parts = list(stream)
        begin = parts.index(poold.RESTART) + 1
        self.assertEqual([part["progress"] for part in parts[begin:]], [1, 2])
        self.assertEqual(stream.result["steps"], 2)
        stream = client.stream("words", "report", steps=2, die_once=mark + "2")
        with self.assertRaises(poold.Error) as raised:
            list(stream)
        self.assertEqual(raised.exception.code, "worker_killed")

    # --- its life ---

    def test_one_handshake_in_a_life(self) -> None:
        """A client that asks for it gets what the server said at its start."""
        daemon, client = self.start_tools(prefetch=8, idempotent=True)
        calls = [client.start("words", "initialize", protocolVersion="1999") for _ in range(20)]
        for call in calls:
            self.assertEqual(call.result()["serverInfo"], {"name": "words", "version": "1"})
        self.assertEqual(client.call("words", "handshakes"), 1)
        self.assertEqual(daemon.counters("words")["worker_starts"], 1)
        _, client = self.start_tools(max_requests=1)
        for _ in range(3):
            self.assertEqual(client.call("words", "initialize")["serverInfo"]["name"], "words")

    def test_health_checks_need_no_method_for_it(self) -> None:
        daemon, client = self.start_tools(ping_interval="10ms")
        for _ in range(10):
            self.assertEqual(client.call("words", "sleep", 0.02), "slept")
        self.assertEqual(daemon.counters("words")["worker_starts"], 1)

    def test_a_health_check_that_fails(self) -> None:
        daemon = self.start(tools_pool(ping_interval="10ms", ping_call="fail"))
        daemon.announced.append("pool=words")
        eventually(lambda: daemon.counters("words")["worker_starts"] > 1, "it is replaced")

    def test_who_passes_pings_over_is_told_what_to_set(self) -> None:
        deaf = {"env.TOOLS_DEAF": "yes", "ping_interval": "20ms", "ping_timeout": "50ms"}
        daemon = self.start(tools_pool(**deaf))
        daemon.announced.append("pool=words")
        (before,) = daemon.worker_pids("words")
        daemon.log.wait_for(
            "the worker did not answer a health check: ping; if its program never answers that, "
            "set ping_call to a method that it answers, or ping_interval = 0"
        )
        daemon.wait_workers("words", 1, apart_from=(before,))
        for more in ({"ping_call": "echo"}, {"ping_interval": "0"}):
            with self.subTest(**more):
                daemon = self.start(tools_pool(**{**deaf, **more}))
                client = self.connect_client(daemon)
                for _ in range(10):
                    self.assertEqual(client.call("words", "sleep", 0.05), "slept")
                self.assertEqual(daemon.counters("words")["worker_starts"], 1)

    def test_who_passes_pings_over_and_is_heard_otherwise_is_well(self) -> None:
        daemon = self.start(
            tools_pool(**{"env.TOOLS_DEAF": "yes"}, ping_interval="20ms", ping_timeout="200ms")
        )
        client = self.connect_client(daemon)
        self.assertEqual(client.call("words", "chatter", 0.03, 40), "begun")
        daemon.log.wait_for("that was all")  # long after three misses in a row
        self.assertEqual(daemon.counters("words")["worker_starts"], 1)
        daemon.announced.append("pool=words")

    def test_a_handshake_that_is_refused(self) -> None:
        params = json.dumps({**INITIALIZE, "protocolVersion": "1999-01-01"})
        daemon = self.launch(tools_pool(ready_params=params), start_timeout="200ms")
        daemon.announced += ["pool=words", START_TIMEOUT]
        daemon.log.wait_for("it answered initialize with an error: unsupported protocol version")
        daemon.wait_listening()
        self.assertEqual(daemon.worker_pids("words"), [])

    def test_without_the_notification_after_it(self) -> None:
        """The server says itself what it thinks of that."""
        _, client = self.start_tools(ready_then="")
        error = self.failure("exception", client, "words", "echo", 1)
        self.assertEqual(error.raw["message"], "-32002: not initialized")

    def test_the_end_of_its_input_stops_it(self) -> None:
        daemon, _ = self.start_tools(workers=2, kill_grace="20s")
        pids = daemon.worker_pids("words")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertEqual(procs.wait_gone(pids, 1.0), [])
        self.assertNotIn("gets SIG", str(daemon.log))
