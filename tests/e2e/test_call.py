"""Calls that go well, and errors that workers raise: what goes in comes out."""

from __future__ import annotations

import socket

import msgpack

from harness import TOOLBOX, UNRULY, DaemonTest, pool
from raw import call_params, pack, result

# Values in encodings that a decoder and encoder on the way would not keep.
VALUES = {
    "nil": "c0",
    "false": "c2",
    "true": "c3",
    "one in one byte": "01",
    "one in nine bytes": "cf0000000000000001",
    "minus one in nine bytes": "d3ffffffffffffffff",
    "the least integer": "d38000000000000000",
    "the greatest integer": "cfffffffffffffffff",
    "a float of 32 bits": "ca3fc00000",
    "minus zero": "cb8000000000000000",
    "a quiet not-a-number with a payload": "cb7ff8000000abcdef",
    "infinity": "cb7ff0000000000000",
    "an empty string": "a0",
    "an empty string in five bytes": "db00000000",
    "a string that is not UTF-8": "a4fffe00c1",
    "empty binary": "c400",
    "binary with every byte": "c50010" + bytes(range(16)).hex(),
    "an empty array": "90",
    "an empty array in five bytes": "dd00000000",
    "an empty map": "80",
    "a map with a nil key": "81c0c0",
    "a map with the same key twice": "82a16101a16102",
    "a map with a map for a key": "8181010203",
    "a timestamp": "d6ff00000001",
    "an extension of no bytes": "c70005",
    "an extension of the highest type": "d47f2a",
    "many levels": "91" * 100 + "c0",
}


def encoded(name: str) -> bytes:
    return bytes.fromhex(VALUES[name])


class Values(DaemonTest):
    """Arguments and results are passed on byte for byte."""

    def test_poold_call_keeps_every_byte(self) -> None:
        client = self.start(pool("raw", UNRULY)).connect()
        for name in VALUES:
            with self.subTest(name):
                params = call_params("raw", "echo", encoded(name))
                number = client.ask_bytes("poold.call", params)
                self.assertEqual(client.read_message(), result(number, encoded(name)))

    def test_short_form_passes_the_params_as_arguments(self) -> None:
        client = self.start(pool("raw", UNRULY)).connect()
        for name in VALUES:
            with self.subTest(name):
                params = b"\x92" + encoded(name) + b"\x07"
                number = client.ask_bytes("raw.echo", params)
                self.assertEqual(client.read_message(), result(number, params))

    def test_sizes_around_every_boundary(self) -> None:
        client = self.start(pool("raw", UNRULY)).connect()
        sizes = [2**power + more for power in (4, 8, 14, 16, 20) for more in (-1, 0, 1)]
        for size in sizes:
            with self.subTest(size=size):
                value = pack(bytes(size))
                number = client.ask_bytes("poold.call", call_params("raw", "echo", value))
                self.assertEqual(client.read_message(), result(number, value))

    def test_large_values_both_ways(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        daemon.growth_max += 32 << 20
        client = daemon.connect()
        value = pack(bytes(range(256)) * (12 << 12))
        number = client.ask_bytes("poold.call", call_params("raw", "echo", value))
        self.assertEqual(client.read_message(), result(number, value))

    def test_any_request_id(self) -> None:
        client = self.start(pool("raw", UNRULY)).connect()
        for number in (0, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1):
            with self.subTest(number=number):
                client.number = number - 1
                self.assertEqual(client.call_pool("raw", "echo", number), number)


class Arguments(DaemonTest):
    """How the SDK takes `args`."""

    def test_forms(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        cases = [
            ("positional", "add", [3, 4], 7),
            ("named", "add", {"left": 3, "right": 5}, 8),
            ("named, one left out", "add", {"left": 3}, 3),
            ("none", "echo", None, None),
            ("an empty array", "echo", [], None),
            ("one value", "echo", 5, 5),
            ("text", "echo", "text", "text"),
            ("an array as the one argument", "echo", [[1, 2]], [1, 2]),
            ("a map as the one argument", "echo", [{"a": 1}], {"a": 1}),
            ("many", "echo_all", [1, None, "x"], [1, None, "x"]),
            ("a function called ping", "ping", [1], ["ping", 1]),
        ]
        for name, method, args, expected in cases:
            with self.subTest(name):
                self.assertEqual(client.call_pool("tools", method, args), expected)

    def test_short_form(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        self.assertEqual(client.call("tools.add", 20, 22), 42)
        self.assertEqual(client.call("tools.echo"), None)

    def test_values_of_python(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        value = {
            "text": "grüße \N{SNOWMAN} \0",
            "bytes": bytes(range(256)),
            "numbers": [0, -1, 2**63, -(2**63), 1.5, float("inf")],
            "nested": {"a": [{}, [], None, True, False]},
            "ext": msgpack.ExtType(5, b"xyz"),
        }
        self.assertEqual(client.call_pool("tools", "echo", [value]), value)

    def test_context_reaches_the_function(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        found = client.call_pool(
            "tools", "attempt", None, priority="critical", trace="00-aa-bb-01", timeout_ms=5000
        )
        self.assertEqual(found["attempt"], 1)
        self.assertEqual(found["priority"], "critical")
        self.assertEqual(found["trace"], "00-aa-bb-01")
        self.assertGreater(found["request"], 0)
        self.assertTrue(0 < found["remaining"] <= 5, found)


class Meta(DaemonTest):
    """The option `meta`."""

    def test_result_comes_with_its_story(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        found = client.call_pool("tools", "slow", [0.02, "x"], meta=True)
        self.assertEqual(set(found), {"result", "meta"})
        self.assertEqual(found["result"], "x")
        meta = found["meta"]
        self.assertEqual(
            set(meta), {"served_by", "attempts", "degraded", "queue_ms", "run_ms", "worker"}
        )
        self.assertEqual(meta["served_by"], "tools")
        self.assertEqual(meta["attempts"], 1)
        self.assertIs(meta["degraded"], False)
        self.assertEqual(meta["worker"], 1)
        self.assertGreaterEqual(meta["run_ms"], 20)
        self.assertIsInstance(meta["queue_ms"], float)

    def test_false_is_as_without(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        self.assertEqual(client.call_pool("tools", "echo", ["x"], meta=False), "x")

    def test_options_may_be_nil(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        self.assertEqual(client.call("poold.call", "tools", "echo", ["x"], None), "x")
        self.assertEqual(client.call("poold.call", "tools", "echo", ["x"]), "x")


class InFlight(DaemonTest):
    """Many requests on one connection."""

    def test_answers_come_in_the_order_they_are_ready(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2, prefetch=0))
        client = daemon.connect()
        slow = daemon.occupy(client)
        quick = client.ask_pool("tools", "echo", ["quick"])
        first = client.read_of(quick)
        daemon.release()
        second = client.read_of(slow)
        self.assertEqual((first.result, second.result), ("quick", None))

    def test_a_thousand_in_one_write(self) -> None:
        client = self.start(pool("raw", UNRULY, workers=2)).connect()
        asked = range(1, 1001)
        client.send(b"".join(pack([0, n, "poold.call", ["raw", "echo", n]]) for n in asked))
        answers = [client.read() for _ in asked]
        self.assertEqual({a.id: a.result for a in answers}, {n: n for n in asked})
        client.check_quiet()

    def test_byte_by_byte(self) -> None:
        client = self.start(pool("raw", UNRULY)).connect()
        for byte in pack([0, 9, "raw.echo", ["slowly"]]):
            client.send(bytes([byte]))
        self.assertEqual(client.read_of(9).result, ["slowly"])

    def test_closing_for_writing_still_gets_the_answers(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        number = client.ask("poold.version")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.read_of(number).result["server"], "poold")
        self.assertEqual(client.read_to_end(), b"")

    def test_unknown_notifications_are_ignored(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        client.notify("poold.nonsense", 1, 2)
        client.notify("nobody", {"x": 1})
        client.notify("tools.echo", 1)
        client.check_quiet()


class WorkerErrors(DaemonTest):
    """What a worker raises reaches its caller."""

    def test_exception_for_a_stock_client(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        answer = client.answer("tools.divide", 1, 0)
        self.assertIsInstance(answer.error, list)
        self.assertEqual(answer.error[0], 0)
        self.assertRegex(answer.error[1], r"^exception: .*division by zero")

    def test_exception_as_a_map(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        error = client.answer_pool("tools", "divide", [1, 0]).error
        self.assertEqual(error["code"], "exception")
        self.assertEqual(error["category"], "application_error")
        self.assertEqual(error["severity"], "major")
        self.assertEqual(error["strategy"], "failover")
        self.assertEqual(error["executed"], "yes")
        self.assertIs(error["retryable"], False)
        self.assertEqual((error["pool"], error["adapter"]), ("tools", "process"))
        self.assertEqual((error["method"], error["worker"], error["attempt"]), ("divide", 1, 1))
        self.assertGreater(error["pid"], 0)
        self.assertGreater(error["request"], 0)
        self.assertEqual(error["detail"]["type"], "ZeroDivisionError")
        self.assertEqual(error["detail"]["message"], "division by zero")
        self.assertIn("toolbox.py", error["detail"]["traceback"])
        for span in ("elapsed_ms", "queue_ms", "run_ms"):
            self.assertIsInstance(error[span], float, span)

    def test_codes(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        cases = [
            ("fail", ["ValueError", "bad"], "exception", False),
            ("fail", ["Rejected", "not like this"], "rejected", False),
            ("fail", ["Retryable", "not now", 0.25], "exception", True),
            ("nowhere", [], "unknown_method", False),
            ("add", [1, 2, 3], "rejected", False),
            ("add", {"left": 1, "middle": 2}, "rejected", False),
            ("unsayable", [], "exception", False),
        ]
        for method, args, code, retryable in cases:
            with self.subTest(method=method, args=args):
                error = client.answer_pool("tools", method, args).error
                self.assertEqual((error["code"], error["retryable"]), (code, retryable), error)

    def test_retry_after_reaches_the_caller(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        error = client.answer_pool("tools", "fail", ["Retryable", "not now", 0.25]).error
        self.assertEqual(error["retry_after_ms"], 250)

    def test_a_worker_that_says_it_is_broken_is_replaced(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.announced.append("pool=tools")
        (before,) = daemon.worker_pids("tools")
        client = daemon.connect(map_errors=True)
        self.assertEqual(client.answer_pool("tools", "fail", ["Fatal", "broken"]).code, "exception")
        (after,) = daemon.wait_workers("tools", 1, apart_from=(before,))
        self.assertEqual(client.call_pool("tools", "pid"), after)


class WorkerSurroundings(DaemonTest):
    """What a worker is given."""

    def test_environment(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, **{"env.COLOUR": "blue"}))
        found = daemon.connect().call_pool("tools", "environment")
        self.assertEqual(found["POOLD_POOL"], "tools")
        self.assertEqual(found["POOLD_WORKER"], "1")
        self.assertEqual(found["POOLD_DIALECT"], "poold")
        self.assertEqual(found["COLOUR"], "blue")
        self.assertRegex(found["POOLD_INSTANCE"], r"^[0-9a-f]{32}$")
        self.assertNotIn("NOTIFY_SOCKET", found)

    def test_only_allowed_variables_are_inherited(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX, env_allow="PATH PYTHONPATH"), pool("all", TOOLBOX)
        )
        client = daemon.connect()
        self.assertIn("HOME", client.call_pool("all", "environment"))
        self.assertNotIn("HOME", client.call_pool("tools", "environment"))

    def test_descriptors(self) -> None:
        """The standard three, two of them pipes, the channel and the recall socket: nothing of the daemon's leaks
        into a worker."""
        client = self.start(pool("tools", TOOLBOX, workers=2)).connect()
        found = client.call_pool("tools", "descriptors")
        sockets = [target for target in found if target.startswith("socket:")]
        pipes = [target for target in found if target.startswith("pipe:")]
        self.assertEqual((len(sockets), len(set(sockets))), (2, 2), found)
        self.assertEqual((len(pipes), len(set(pipes))), (2, 2), found)
        self.assertFalse([target for target in found if "anon_inode" in target], found)
