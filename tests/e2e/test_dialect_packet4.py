"""The packet4 dialects: a worker that knows nothing of poold, in JSON and in MessagePack."""

from __future__ import annotations

import signal
from typing import Any

import msgpack
import poold

import procs
from clients import ClientTest
from clock import Timed, eventually, ms, stretch
from harness import START_TIMEOUT, Daemon, pool, retry, static_pool, worker


class Packet4:
    """The tests for either encoding."""

    DIALECT: str
    COMMAND: str

    def bridge(self, **options: object) -> str:
        return pool("bridge", self.COMMAND, **{"dialect": self.DIALECT, **options})

    def start_bridge(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(self.bridge(**options), *more, response_max="1M")
        return daemon, self.connect_client(daemon)

    def check_ended(
        self, code: str, category: str, command: str, args: dict[str, Any] | None = None,
        executed: str = "maybe",
    ) -> poold.Error:
        """A call that costs its worker; returns the error.  Another one serves afterwards."""
        daemon, client = self.start_bridge()
        daemon.announced.append("pool=bridge")
        (before,) = daemon.worker_pids("bridge")
        error = self.failure(code, client, "bridge", command, **(args or {}))
        self.assertEqual((error.category, error.executed), (category, executed))
        self.assertEqual(error.raw["pid"], before)
        (after,) = daemon.wait_workers("bridge", 1, apart_from=(before,))
        self.assertEqual(client.call("bridge", "pid"), after)
        self.assertEqual(procs.wait_gone([before], 2.0), [])
        return error

    # --- what goes well ---

    def test_arguments_and_results(self) -> None:
        daemon, client = self.start_bridge()
        named = {"a": 1, "b": [2.0, None]}
        self.assertEqual(client.call("bridge", "echo", **named), named)
        for args, expected in (
            (None, {}), ([], {}), ({}, {}), ([1], [1]), ("x", "x"), ([[]], [[]]), (1.0, 1.0),
            (-(1 << 63), -(1 << 63)), ((1 << 63) - 1, (1 << 63) - 1), ("ä\n\"\\\0", "ä\n\"\\\0"),
        ):
            found = client.request("poold.call", ["bridge", "echo", args])
            self.assertEqual((found, type(found)), (expected, type(expected)))
        found = client.call("bridge", "number")
        self.assertEqual((found, type(found)), (1.0, float))
        large = {"text": "x" * 500_000}
        self.assertEqual(client.call("bridge", "echo", **large), large)
        self.assertEqual(client.call("bridge", "slowly", n=1), {"n": 1})
        shown = daemon.pool("bridge")
        self.assertEqual((shown["dialect"], shown["adapter"]), (self.DIALECT, "process"))

    def test_many_calls(self) -> None:
        _, client = self.start_bridge(workers=2)
        calls = [client.start("bridge", "echo", n) for n in range(500)]
        self.assertEqual([call.result() for call in calls], [[n] for n in range(500)])

    def test_one_at_a_time(self) -> None:
        """Nothing waits in a worker's input, where it would be lost with it."""
        daemon, client = self.start_bridge()
        calls = [client.start("bridge", "sleep", seconds=stretch(0.2)) for _ in range(3)]
        eventually(lambda: daemon.pool("bridge")["queue"]["length"] == 2, "two wait in the queue")
        self.assertEqual([call.result() for call in calls], ["slept"] * 3)

    def test_what_it_prints_is_not_its_answer(self) -> None:
        daemon, client = self.start_bridge()
        daemon.announced.append("not on the channel")
        self.assertEqual(client.call("bridge", "talk", text="not on the channel"), "said")
        daemon.log.wait_for("not on the channel")
        self.assertEqual(client.call("bridge", "echo", n=1), {"n": 1})

    # --- its errors ---

    def test_errors(self) -> None:
        daemon, client = self.start_bridge()
        before = daemon.worker_pids("bridge")
        for error, message in (
            ("out of order", "out of order"),
            ({"type": "Odd", "message": "out of order"}, "Odd: out of order"),
            ([0, "out of order"], "out of order"),
            (None, ""),
        ):
            found = self.failure("exception", client, "bridge", "fail", error=error)
            self.assertEqual((found.executed, found.category), ("yes", "application_error"))
            self.assertEqual(found.raw["message"], message)
        found = self.failure("exception", client, "bridge", "sleep", nothing=1)
        self.assertEqual(found.raw["detail"]["type"], "KeyError")
        self.failure("exception", client, "bridge", "no_such_command")
        self.assertEqual(daemon.worker_pids("bridge"), before)

    def test_a_result_that_is_an_error(self) -> None:
        _, client = self.start_bridge()
        found = self.failure("exception", client, "bridge", "disguise")
        self.assertEqual(found.raw["message"], "it only looks like a result")
        both = {"error": "one of two keys", "more": 1}
        self.assertEqual(client.call("bridge", "error_and_more"), both)

    # --- what ends it ---

    def test_an_answer_without_an_id(self) -> None:
        """It may be a late one for another request: none gets it."""
        for command in ("no_id", "null_id"):
            error = self.check_ended("protocol_violation", "communication_error", command)
            self.assertIn("has no id", error.raw["message"])

    def test_an_answer_with_an_unknown_id(self) -> None:
        self.check_ended("protocol_violation", "communication_error", "other_id")

    def test_an_id_of_another_type(self) -> None:
        self.check_ended("protocol_violation", "communication_error", "text_id")

    def test_two_answers(self) -> None:
        daemon, client = self.start_bridge()
        daemon.announced.append("pool=bridge")
        (before,) = daemon.worker_pids("bridge")
        self.assertEqual(client.call("bridge", "twice", n=1), {"n": 1})
        daemon.wait_workers("bridge", 1, apart_from=(before,))
        self.assertEqual(client.call("bridge", "echo", n=2), {"n": 2})

    def test_an_answer_that_is_none(self) -> None:
        self.check_ended("protocol_violation", "communication_error", "no_success")
        self.check_ended("protocol_violation", "communication_error", "not_a_map")

    def test_what_cannot_be_read(self) -> None:
        for command in ("garbage", "empty", "two_in_one"):
            with self.subTest(command):
                self.check_ended("decode_error", "communication_error", command)

    def test_a_stray_print(self) -> None:
        """Four letters would be a length far over the limit: the error says what they are."""
        error = self.check_ended("decode_error", "communication_error", "text")
        self.assertRegex(error.raw["message"], r'a stray print, .*: "Hello, I am here\\n"$')

    def test_over_the_limit(self) -> None:
        big = {"bytes": (1 << 20) + 1}
        self.check_ended("response_too_large", "communication_error", "announce", big)
        self.check_ended("response_too_large", "communication_error", "much", big)

    def test_its_exit(self) -> None:
        """Status 0 is a failure like any other."""
        for command in ("leave", "half"):
            for status in (0, 3):
                with self.subTest(command, status=status):
                    error = self.check_ended(
                        "worker_exited", "connection_error", command, {"status": status}
                    )
                    self.assertEqual(error.raw["detail"]["status"], status)

    def test_a_late_answer_meets_nobody(self) -> None:
        daemon, client = self.start_bridge(attempt_timeout=ms(500))
        daemon.announced.append("pool=bridge")
        (before,) = daemon.worker_pids("bridge")
        with Timed() as timed:
            error = self.failure("attempt_timeout", client, "bridge", "sleep", seconds=stretch(2))
        self.assert_in_time(timed, stretch(0.5))
        self.assertEqual((error.category, error.executed), ("timeout_error", "maybe"))
        daemon.wait_workers("bridge", 1, apart_from=(before,))
        self.assertEqual(client.call("bridge", "echo", n=1), {"n": 1})

    def test_a_request_given_up_ends_it(self) -> None:
        """It can't be told, so it has cancel_grace to answer."""
        daemon, client = self.start_bridge(cancel_grace="50ms", timeout=ms(1000))
        daemon.announced.append("pool=bridge")
        (before,) = daemon.worker_pids("bridge")
        call = client.start("bridge", "sleep", seconds=60)
        eventually(lambda: daemon.pool("bridge")["workers"]["busy"] == 1, "it is at work")
        call.cancel()
        with self.assertRaises(poold.Error) as raised:
            call.result()
        self.assertEqual(raised.exception.code, "cancelled")
        daemon.wait_workers("bridge", 1, apart_from=(before,))
        self.assertEqual(client.call("bridge", "echo", n=1), {"n": 1})

    def test_an_answer_to_what_was_given_up_meets_nobody(self) -> None:
        """It is in time, so its worker goes on, and the next request gets its own."""
        daemon, client = self.start_bridge(cancel_grace="20s")
        before = daemon.worker_pids("bridge")
        for n in range(5):
            call = client.start("bridge", "sleep", seconds=stretch(0.1))
            eventually(lambda: daemon.pool("bridge")["workers"]["busy"] == 1, "it is at work")
            call.cancel()
            self.assertEqual(client.call("bridge", "echo", n=n), {"n": n})
        self.assertEqual(daemon.worker_pids("bridge"), before)
        self.assertEqual(daemon.counters("bridge")["late_answers"], 5)

    def test_the_daemon_is_killed(self) -> None:
        """Nobody is left, though this one would not stop for the end of its input."""
        daemon, client = self.start_bridge()
        self.assertEqual(client.call("bridge", "stay"), "staying")
        daemon.signal(signal.SIGKILL)
        self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)

    def test_idempotent_requests_outlive_it(self) -> None:
        daemon, client = self.start_bridge(
            retry("bridge", budget=100, base="1ms"), idempotent=True, workers=2
        )
        daemon.announced.append("pool=bridge")
        calls = [client.start("bridge", "sleep", seconds=0.005) for _ in range(100)]
        for pid in daemon.worker_pids("bridge"):
            procs.kill(pid)
        self.assertEqual([call.result() for call in calls], ["slept"] * 100)

    # --- its life ---

    def test_the_end_of_its_input_stops_it(self) -> None:
        daemon, _ = self.start_bridge(workers=2, kill_grace="20s")
        pids = daemon.worker_pids("bridge")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertEqual(procs.wait_gone(pids, 1.0), [])
        self.assertNotIn("gets SIG", str(daemon.log))

    def test_one_that_will_not_stop_is_killed(self) -> None:
        daemon, client = self.start_bridge(kill_grace="50ms")
        self.assertEqual(client.call("bridge", "stay"), "staying")
        pids = daemon.worker_pids("bridge")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertEqual(procs.wait_gone(pids, 1.0), [])
        daemon.log.wait_for("gets SIGTERM")
        daemon.log.wait_for("gets SIGKILL")

    def test_health_checks(self) -> None:
        daemon, client = self.start_bridge(ping_interval="10ms", ping_timeout=ms(5000))
        for n in range(10):
            self.assertEqual(client.call("bridge", "sleep", seconds=0.02), "slept")
        self.assertEqual(daemon.counters("bridge")["worker_starts"], 1)

    def test_a_health_check_that_fails(self) -> None:
        daemon = self.start(self.bridge(ping_interval="10ms", ping_call="fail"))
        daemon.announced.append("pool=bridge")
        eventually(lambda: daemon.counters("bridge")["worker_starts"] > 1, "it is replaced")

    def test_a_handshake_that_fails(self) -> None:
        daemon = self.launch(self.bridge(ready_call="nonsense"), start_timeout="200ms")
        daemon.announced += ["pool=bridge", START_TIMEOUT]
        daemon.log.wait_for("it answered nonsense with an error: unknown command: nonsense")
        daemon.wait_listening()
        self.assertEqual(daemon.worker_pids("bridge"), [])

    def test_a_handshake_that_is_left_out(self) -> None:
        daemon, client = self.start_bridge(ready_call="", ping_interval=0)
        self.assertEqual(client.call("bridge", "echo", n=1), {"n": 1})

    def test_positional_and_keyword_arguments_together_are_not_sent(self) -> None:
        daemon, client = self.start_bridge()
        daemon.announced.append("code=encode_error")
        for more in ({"b": 1}, {"b": "x" * 300}, {"b": "x" * 70000}):
            error = self.failure("encode_error", client, "bridge", "echo", 1, **more)
            self.assertEqual(error.executed, "no")
            self.assertIn("positional and keyword arguments", error.raw["message"])


class Json(Packet4, ClientTest):
    DIALECT = "packet4-json"
    COMMAND = worker("packet4")

    def test_binary_becomes_base64(self) -> None:
        _, client = self.start_bridge()
        for data, text in ((b"", ""), (b"\0", "AA=="), (b"\xff\xfe", "//4="), (b"abc", "YWJj")):
            self.assertEqual(client.call("bridge", "echo", data=data), {"data": text})

    def test_what_json_cannot_say_is_not_sent(self) -> None:
        """The caller is told why, nothing has run, and its worker goes on."""
        daemon, client = self.start_bridge(idempotent=True)
        daemon.announced.append("code=encode_error")
        before = daemon.worker_pids("bridge")
        for value, why in (
            ({1: 2}, "key that is not a text"),
            ({b"a": 2}, "key that is not a text"),
            ({"a\0": 1}, "key with a zero byte"),
            (msgpack.ExtType(5, b"x"), "an ext value"),
            (float("nan"), "not finite"),
            (float("-inf"), "not finite"),
            (1 << 63, "an integer above"),
        ):
            error = self.failure("encode_error", client, "bridge", "echo", [value])
            self.assertEqual(
                (error.category, error.executed, error.retryable, error.attempt),
                ("communication_error", "no", False, 1),
            )
            self.assertIn("cannot be said in packet4-json: ", error.raw["message"])
            self.assertIn(why, error.raw["message"])
            self.assertEqual(len(error.raw.get("attempts", [])), 0)
        raw = daemon.connect(map_errors=True)
        for value, why in (
            (b"\xa1\xff", "not UTF-8"),
            (b"\x82\xa1a\x01\xa1a\x02", "key twice"),
            (b"\x91" * 600 + b"\xc0", "nested too deep"),
        ):
            params = b"\x93\xa6bridge\xa4echo\x91" + value
            answer = raw.read_of(raw.ask_bytes("poold.call", params))
            self.assertEqual(answer.code, "encode_error")
            self.assertIn(why, answer.error["message"])
        self.assertEqual(client.call("bridge", "echo", n=1), {"n": 1})
        self.assertEqual(daemon.worker_pids("bridge"), before)
        self.assertEqual(daemon.counters("bridge")["worker_crashes"], 0)

    def test_no_other_pool_is_asked_for_it(self) -> None:
        """The fault is the caller's."""
        daemon, client = self.start_bridge(
            static_pool("mock", answer='"mock"'), fallback="mock"
        )
        daemon.announced.append("code=encode_error")
        self.failure("encode_error", client, "bridge", "echo", [msgpack.ExtType(5, b"x")])

    def test_what_cannot_be_taken_from_json(self) -> None:
        for text in (
            '{"a": 1, "a": 2}', "9223372036854775808", "1e999", "NaN", '"\\ud800"', "01", "[1,]",
            "[" * 3000 + "]" * 3000, "",
        ):
            with self.subTest(text[:20]):
                args = {"text": text}
                self.check_ended("decode_error", "communication_error", "raw_json", args)
        self.check_ended("decode_error", "communication_error", "latin")

    def test_what_is_taken_from_json(self) -> None:
        _, client = self.start_bridge()
        for text, expected in (
            ("1", 1), ("1.0", 1.0), ("-0.0", -0.0), ("1e2", 100.0), ('"\\u00e4\\u0000"', "ä\0"),
            ("9223372036854775807", (1 << 63) - 1), ('{"b": [], "a": {}}', {"b": [], "a": {}}),
        ):
            found = client.call("bridge", "raw_json", text=text)
            self.assertEqual((type(found), str(found)), (type(expected), str(expected)))


class Msgpack(Packet4, ClientTest):
    DIALECT = "packet4-msgpack"
    COMMAND = worker("packet4", "--msgpack")

    def test_everything_passes_unchanged(self) -> None:
        _, client = self.start_bridge()
        for value in (
            b"\0\xff", {1: 2, b"a": None}, msgpack.ExtType(5, b"x"), float("inf"), (1 << 64) - 1
        ):
            self.assertEqual(client.call("bridge", "echo", value), [value])
        self.assertEqual(client.call("bridge", "size", data=b"x" * 300_000), 300_000)
