"""The worker side, as a real process over a socket pair."""

from __future__ import annotations

import ctypes
import math
import os
import select
import signal
import socket
import subprocess
import tempfile
import unittest

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

import poold
from properties import QUICK
from support import PATIENCE, Fifo, Peer, WorkerProcess, pack, request, start_python


class TestCalls(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.worker = cls.enterClassContext(WorkerProcess())

    def test_ready_says_who_it_is(self) -> None:
        facts = {"pid": self.worker.process.pid, "version": poold.__version__}
        facts |= {"concurrency": 1, "started": True, "stack": signal.SIGURG}
        facts |= {"credit": True}
        self.assertEqual(self.worker.ready, facts)

    def test_steps_are_told(self) -> None:
        self.assertEqual(self.worker.steps, ["python", "import served"])

    def test_arguments(self) -> None:
        cases = [
            ("describe", [1], [1, 2, 3]),
            ("describe", [1, 5], [1, 5, 3]),
            ("describe", {"a": 1, "c": 9}, [1, 2, 9]),
            ("describe", 4, [4, 2, 3]),
            ("positional", [1], [1, 2]),
            ("need_c", {"c": 1}, 1),
            ("several", [1, 2], [[1, 2], {}]),
            ("several", {"x": 1}, [[], {"x": 1}]),
            ("several", None, [[], {}]),
            ("several", {}, [[], {}]),
            ("several", {1: 2}, [[{1: 2}], {}]),
            ("several", "text", [["text"], {}]),
            ("echo", None, None),
            ("cached", [21], 42),
            ("ping", [1], ["own ping", 1]),
        ]
        for method, args, expected in cases:
            with self.subTest(method=method, args=args):
                self.worker.ask(1, method, args)
                self.assertEqual(self.worker.answer(1), (None, expected))

    def test_missing_context(self) -> None:
        self.worker.send([0, 1, "echo", [["x"]]], [0, 2, "echo", []])
        self.assertEqual(self.worker.answer(1), (None, "x"))
        self.assertEqual(self.worker.answer(2), (None, None))

    def test_wrong_signature_is_rejected(self) -> None:
        cases = [
            ("describe", [], "missing a required argument: 'a'"),
            ("describe", [1, 2, 3], "too many positional arguments"),
            ("describe", {"a": 1, "d": 1}, "unexpected keyword argument 'd'"),
            ("describe", {"b": 1}, "missing a required argument: 'a'"),
            ("positional", {"a": 1}, "'a' parameter is positional only"),
            ("need_c", [], "missing a required argument: 'c'"),
            ("cached", [], "missing a required argument: 'value'"),
        ]
        for method, args, expected in cases:
            with self.subTest(method=method, args=args):
                error = self.worker.fail(method, args)
                self.assertEqual(error["code"], "rejected")
                self.assertIn(expected, error["message"])
                self.assertIn(f"{method}(", error["message"])
        error = self.worker.fail("describe", [])
        expected = "describe(a, b=2, *, c=3): missing a required argument: 'a'"
        self.assertEqual(error["message"], expected)

    def test_type_error_inside_is_an_exception(self) -> None:
        error = self.worker.fail("raise_type_error", [])
        self.assertEqual((error["code"], error["type"]), ("exception", "TypeError"))

    def test_unknown_method(self) -> None:
        error = self.worker.fail("describ", [])
        self.assertEqual(error["code"], "unknown_method")
        self.assertIn("did you mean describe", error["message"])
        for hidden in ("_private", "basename", "Fifo", "__name__"):
            error = self.worker.fail(hidden, [])
            self.assertEqual(error["code"], "unknown_method")
        self.assertIn("there are: block, cached,", error["message"])

    def test_exception(self) -> None:
        error = self.worker.fail("raise_value_error", ["what happened"])
        self.assertEqual(error["code"], "exception")
        self.assertEqual(error["type"], "ValueError")
        self.assertEqual(error["message"], "what happened")
        lines = error["traceback"].splitlines()
        self.assertEqual(lines[0], "Traceback (most recent call last):")
        self.assertIn("served.py", lines[1])
        self.assertEqual(lines[-1], "ValueError: what happened")

    def test_exception_type_is_qualified(self) -> None:
        error = self.worker.fail("raise_decode_error", [])
        self.assertEqual(error["type"], "json.decoder.JSONDecodeError")

    def test_long_texts_are_cut(self) -> None:
        error = self.worker.fail("raise_value_error", ["é" * 100_000])
        self.assertLessEqual(len(error["message"].encode()), 16 * 1024)
        self.assertLessEqual(len(error["traceback"].encode()), 16 * 1024)
        self.assertTrue(error["message"].startswith("éé"))
        self.assertTrue(error["traceback"].endswith("éé\n"))

    def test_endless_recursion(self) -> None:
        error = self.worker.fail("recurse", [])
        self.assertEqual(error["type"], "RecursionError")
        self.assertLessEqual(len(error["traceback"].encode()), 16 * 1024)

    def test_exceptions_that_resist(self) -> None:
        for method, kind in (
            ("raise_exit", "SystemExit"),
            ("raise_unprintable", "served.raise_unprintable.<locals>.Unprintable"),
            ("raise_surrogate", "ValueError"),
        ):
            with self.subTest(method):
                error = self.worker.fail(method, [])
                self.assertEqual((error["code"], error["type"]), ("exception", kind))

    def test_rejected(self) -> None:
        error = self.worker.fail("raise_rejected", [])
        self.assertEqual((error["code"], error["message"]), ("rejected", "no such thing"))

    def test_retryable(self) -> None:
        error = self.worker.fail("raise_retryable", [])
        self.assertIs(error["retryable"], True)
        self.assertNotIn("retry_after_ms", error)
        error = self.worker.fail("raise_retryable", [1.5])
        self.assertEqual(error["retry_after_ms"], 1500)
        self.assertEqual((error["type"], error["message"]), ("poold.Retryable", "busy"))

    def test_severity(self) -> None:
        self.assertNotIn("severity", self.worker.fail("raise_retryable", []))
        for word in ("warning", "minor", "major", "critical"):
            error = self.worker.fail("raise_retryable", {"severity": word})
            self.assertEqual((error["type"], error["severity"]), ("poold.Retryable", word))
        error = self.worker.fail("raise_retryable", {"severity": "odd"})
        self.assertEqual(error["type"], "ValueError")
        self.assertNotIn("severity", self.worker.fail("raise_rejected", []))
        error = self.worker.fail("raise_severe_rejected", ["major"])
        self.assertEqual((error["code"], error["severity"]), ("rejected", "major"))

    def test_results_that_cannot_be_sent(self) -> None:
        for method, kind in (
            ("make_object", "object"),
            ("make_huge_number", "int"),
            ("make_half_pair", "str"),
        ):
            with self.subTest(method):
                error = self.worker.fail(method, [])
                self.assertEqual((error["code"], error["type"]), ("exception", "EncodeError"))
                self.assertIn(kind, error["message"])
        self.assertEqual(self.worker.call("echo", "still here"), "still here")

    def test_results_over_the_limit(self) -> None:
        told = {"POOLD_RESPONSE_MAX": "1000"}
        limited = self.enterContext(WorkerProcess("served", environment=told))
        for result, size in (("x" * 1001, 1001), (["x" * 998], 1006), (b"x" * 5000, 5000)):
            error = limited.fail("echo", [result])
            self.assertEqual(error["code"], "response_too_large")
            self.assertIn(f"the result has {size} bytes", error["message"])
            self.assertIn("response_max of the daemon is 1000", error["message"])
        # "xx..." of n bytes is a message of n + 7, [1, number, nil, text].
        for length in (992, 993):
            self.assertEqual(limited.call("echo", "x" * length), "x" * length)
        error = limited.fail("echo", ["x" * 994])
        self.assertIn("the result has 1001 bytes", error["message"])

    def test_parts_over_the_limit(self) -> None:
        told = {"POOLD_RESPONSE_MAX": "1000"}
        limited = self.enterContext(WorkerProcess("served", environment=told))
        # "xx..." of n bytes is a message of n + 13, [2, "chunk", [1, text]].
        for length in (986, 987, 988):
            limited.ask(1, "generate", ["x" * length], stream=True)
            self.assertEqual(limited.read(), [2, "started", [1]])
            if length <= 987:
                self.assertEqual(limited.read(), [2, "chunk", [1, "x" * length]])
            error = limited.read()[2]
            self.assertEqual(error is None, length <= 987)
        self.assertEqual(error["code"], "response_too_large")
        self.assertIn("the chunk has 1001 bytes", error["message"])

    def test_arguments_that_python_cannot_hold(self) -> None:
        head = b"\x94\x00\x05\xa4echo"
        unhashable = head + b"\x92\x91\x81\x91\x01\x02\x80"
        deep = head + b"\x92" + b"\x91" * 5000 + b"\x01\x80"
        for data, why in ((unhashable, "unhashable type: 'list'"), (deep, "nested too deeply")):
            self.worker.send_bytes(data + pack(request(6, "echo", ["next"])))
            error, _ = self.worker.answer(5)
            self.assertEqual(error["code"], "encode_error")
            self.assertIn(f"cannot be said in Python: {why}", error["message"])
            self.assertEqual(self.worker.answer(6), (None, "next"))

    def test_context(self) -> None:
        self.worker.ask(
            1, "context", [], request=9, attempt=2, priority="critical", trace="00-a", tracestate="v=1",
            other=[1],
        )
        _, seen = self.worker.answer(1)
        left = seen.pop("remaining")
        self.assertTrue(0 < left <= 5.0, left)
        known = {"request": 9, "attempt": 2, "priority": "critical", "trace": "00-a",
                 "tracestate": "v=1"}
        self.assertEqual(seen, known | {"session": None, "state": None, "stream": False})
        self.worker.ask(1, "context", [], session="s", state=b"\x00\xff", stream=True)
        _, seen = self.worker.answer(1)
        known = {"session": "s", "state": b"\x00\xff", "stream": True}
        self.assertEqual(seen, seen | known)
        self.worker.ask(1, "context", [], deadline_ms=None)
        self.assertEqual(self.worker.answer(1)[1]["remaining"], math.inf)

    def test_context_outside_a_request(self) -> None:
        with self.assertRaises(LookupError):
            poold.context()

    def test_ping_between_requests(self) -> None:
        self.worker.send([0, 3, "ping", []])
        self.assertEqual(self.worker.read(), [1, 3, None, "pong"])

    def test_unknown_messages_are_ignored(self) -> None:
        self.worker.send([2, "news", [1]], [2, "cancel", [99]], [2, "cancel", []], [1, 4, None, 1])
        self.assertEqual(self.worker.call("echo", 1), 1)

    def test_every_cut(self) -> None:
        data = pack(request(1, "echo", ["cut me"])) + pack([0, 2, "ping", []])
        for cut in range(1, len(data)):
            self.worker.send_bytes(data[:cut])
            self.worker.send_bytes(data[cut:])
            replies = [self.worker.read() for _ in range(3)]
            replies.sort(key=lambda message: message[1:2] == [2])  # the pong may come first
            self.assertEqual(replies[0], [2, "started", [1]])
            self.assertEqual(replies[1], [1, 1, None, "cut me"])
            self.assertEqual(replies[2], [1, 2, None, "pong"])

    def test_large_values(self) -> None:
        value = os.urandom(4 << 20)
        for _ in range(2):
            self.worker.ask(1, "echo", [value])
            self.assertEqual(self.worker.answer(1), (None, value))

    @settings(QUICK)
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**64 - 1)
            | st.floats(allow_nan=False)
            | st.binary(max_size=300)
            | st.text(max_size=300)
            | st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
            | st.builds(msgpack.ExtType, st.integers(0, 111), st.binary(max_size=20)),
            lambda inner: st.lists(inner, max_size=5)
            | st.dictionaries(st.text(max_size=5) | st.integers(-5, 5), inner, max_size=5),
            max_leaves=20,
        )
    )
    def test_values_come_back_as_they_went(self, value: object) -> None:
        self.assertEqual(self.worker.call("echo", value), value)


class TestStreams(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.worker = cls.enterClassContext(WorkerProcess())

    def test_values_are_a_list_where_no_stream_is_asked_for(self) -> None:
        for values in ([], [1], ["a", None, [b"c"]]):
            self.assertEqual(self.worker.call("generate", *values), values)
        self.assertEqual(self.worker.call("generate", *range(100_000)), list(range(100_000)))

    def test_chunks_and_the_value_returned(self) -> None:
        for values in ([], [1], ["a", None, [b"c"], os.urandom(1 << 20), "e"]):
            self.worker.ask(1, "generate", values, stream=True)
            self.assertEqual(self.worker.read(), [2, "started", [1]])
            for value in values:
                self.assertEqual(self.worker.read(), [2, "chunk", [1, value]])
            self.assertEqual(self.worker.read(), [1, 1, None, "the end"])

    def test_a_plain_result_of_a_stream(self) -> None:
        self.worker.ask(1, "echo", [[1, 2]], stream=True)
        self.assertEqual(self.worker.answer(1), (None, [1, 2]))

    def test_exception_in_mid_stream(self) -> None:
        self.worker.ask(1, "generate_and_raise", [2], stream=True)
        found = [self.worker.read() for _ in range(4)]
        chunks = [[2, "chunk", [1, 0]], [2, "chunk", [1, 1]]]
        self.assertEqual(found[:3], [[2, "started", [1]], *chunks])
        error = found[3][2]
        self.assertEqual((error["type"], error["message"]), ("ValueError", "in mid-stream"))
        # The first frame is the generator's own.
        self.assertIn("in generate_and_raise", error["traceback"].splitlines()[1])
        self.assertEqual(self.worker.fail("generate_and_raise", [2])["type"], "ValueError")

    def test_values_that_cannot_be_sent(self) -> None:
        self.worker.ask(1, "generate_object", [], stream=True)
        found = [self.worker.read() for _ in range(3)]
        self.assertEqual(found[:2], [[2, "started", [1]], [2, "chunk", [1, 1]]])
        for error in (found[2][2], self.worker.fail("generate_object", [])):
            self.assertEqual((error["code"], error["type"]), ("exception", "EncodeError"))
        self.assertIn("a chunk of type 'object' cannot be sent", found[2][2]["message"])
        self.assertEqual(self.worker.call("echo", 1), 1)

    def test_each_chunk_leaves_at_once(self) -> None:
        with Fifo() as fifo:
            self.worker.ask(1, "generate_stubbornly", [fifo.path], stream=True)
            self.assertEqual(self.worker.read(), [2, "started", [1]])
            self.assertEqual(self.worker.read(), [2, "chunk", [1, "first"]])  # it waits by now
            fifo.release()
            self.assertEqual(self.worker.read(), [2, "chunk", [1, "second"]])
            self.assertEqual(self.worker.read()[2]["message"], "would not end")

    def test_cancel_in_mid_stream(self) -> None:
        for stream in (True, None):
            with self.subTest(stream=stream), Fifo() as fifo:
                arguments = [fifo.path, fifo.trace]
                # The other request is in hand already: cancelling one must leave the other.
                self.worker.send(
                    request(1, "generate_after", arguments, stream=stream),
                    request(2, "echo", ["next"]),
                )
                self.assertEqual(self.worker.read(), [2, "started", [1]])
                if stream:
                    self.assertEqual(self.worker.read(), [2, "chunk", [1, "first"]])
                self.worker.send([2, "cancel", [1]], [0, 3, "ping", []])
                fifo.release()
                self.assertEqual(self.worker.read(), [1, 3, None, "pong"])
                response = self.worker.read()
                self.assertEqual(response[:2], [1, 1])
                self.assertEqual(response[2]["code"], "cancelled")
                self.assertEqual(self.worker.answer(2), (None, "next"))
                self.assertTrue(os.path.exists(fifo.trace))

    def test_chunks_wait_for_credit(self) -> None:
        """The value of a chunk counts, a chunk may overdraw, and nothing else waits."""
        self.worker.ask(1, "generate", ["ab", "cdefg", "h", "i"], stream=True, credit=4)
        self.assertEqual(self.worker.read(), [2, "started", [1]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, "ab"]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, "cdefg"]])
        self.worker.send([2, "credit", [2, 100]], [2, "credit", [1, 5]], [2, "credit", [1]])
        self.worker.send([0, 2, "ping", []])
        self.assertEqual(self.worker.read(), [1, 2, None, "pong"])
        self.assertFalse(self.worker.has_more())
        self.worker.send([2, "credit", [1, 1]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, "h"]])
        self.worker.send([0, 2, "ping", []])
        self.assertEqual(self.worker.read(), [1, 2, None, "pong"])
        self.worker.send([2, "credit", [1, 100]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, "i"]])
        self.assertEqual(self.worker.read(), [1, 1, None, "the end"])
        self.assertEqual(self.worker.call("echo", 1), 1)

    def test_cancel_without_credit(self) -> None:
        self.worker.ask(1, "generate", ["a", "b"], stream=True, credit=1)
        self.assertEqual(self.worker.read(), [2, "started", [1]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, "a"]])
        self.worker.send([2, "cancel", [1]])
        self.assertEqual(self.worker.read()[2]["code"], "cancelled")
        self.assertEqual(self.worker.call("echo", 1), 1)

    def test_a_generator_that_resists(self) -> None:
        with WorkerProcess(stderr=subprocess.PIPE) as worker, Fifo() as fifo:
            worker.ask(1, "generate_stubbornly", [fifo.path], stream=True)
            self.assertEqual([worker.read(), worker.read()][1], [2, "chunk", [1, "first"]])
            worker.send([2, "cancel", [1]])
            fifo.release()
            self.assertEqual(worker.read()[2]["code"], "cancelled")
            self.assertEqual(worker.call("echo", 1), 1)
            seen = os.read(worker.process.stderr.fileno(), 10_000)
            self.assertIn(b"a generator that was stopped failed", seen)
            self.assertIn(b"would not end", seen)

    def test_shutdown_in_mid_stream_lets_it_end(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.send(
                request(1, "generate_stubbornly", [fifo.path], stream=True),
                request(2, "note", [fifo.trace]),
            )
            self.assertEqual([worker.read(), worker.read()][1], [2, "chunk", [1, "first"]])
            worker.send([2, "shutdown", []])
            fifo.release()
            self.assertEqual(worker.read(), [2, "chunk", [1, "second"]])
            self.assertEqual(worker.read()[2]["message"], "would not end")
            self.assertEqual(worker.wait(), 0)
            self.assertFalse(os.path.exists(fifo.trace))


class TestSessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.worker = cls.enterClassContext(WorkerProcess(stderr=subprocess.PIPE))

    def setUp(self) -> None:
        self.worker.call("ended").clear()

    def test_state(self) -> None:
        for states, last in (([b"a"], b"a"), ([b"a", None], None), ([None, b"", b"\xff"], b"\xff")):
            self.worker.ask(1, "set_states", states, session="s", state=b"old")
            self.assertEqual(self.worker.read(), [2, "started", [1]])
            self.assertEqual(self.worker.read(), [2, "state", [1, last]])
            self.assertEqual(self.worker.read(), [1, 1, None, b"old"])

    def test_no_state_set_and_none_said(self) -> None:
        self.worker.ask(1, "set_states", [], session="s")
        self.assertEqual(self.worker.answer(1), (None, None))

    def test_a_large_state_and_a_copy(self) -> None:
        state = os.urandom(200_000)
        self.worker.ask(1, "set_states", [state], session="s")
        self.worker.ask(2, "set_bytearray", [], session="s")
        found = [self.worker.read() for _ in range(6)]
        self.assertEqual(found[1:3], [[2, "state", [1, state]], [1, 1, None, None]])
        self.assertEqual(found[4], [2, "state", [2, b"now"]])

    def test_a_state_over_the_limit(self) -> None:
        told = {"POOLD_RESPONSE_MAX": "1000"}
        limited = self.enterContext(WorkerProcess("served", environment=told))
        limited.ask(1, "set_states", [b"x" * 2000], session="s")
        error, _ = limited.answer(1)  # no state is sent before it
        self.assertEqual(error["code"], "response_too_large")
        self.assertIn("the session's state has ", error["message"])
        self.assertIn("response_max of the daemon is 1000", error["message"])
        limited.ask(2, "set_states", [b"x" * 900], session="s")
        self.assertEqual(limited.read(), [2, "started", [2]])
        self.assertEqual(limited.read(), [2, "state", [2, b"x" * 900]])

    def test_a_failed_request_hands_nothing_back(self) -> None:
        self.worker.ask(1, "set_state_and_raise", [b"a"], session="s")
        error, _ = self.worker.answer(1)
        self.assertEqual(error["message"], "after all")

    def test_state_of_a_stream(self) -> None:
        self.worker.ask(1, "generate_state", [], session="s", stream=True)
        found = [self.worker.read() for _ in range(4)]
        self.assertEqual(found[1:3], [[2, "chunk", [1, "s"]], [2, "state", [1, b"after"]]])
        self.assertEqual(found[3], [1, 1, None, None])

    def test_mistakes(self) -> None:
        for arguments, context, kind in (
            ([b"a"], {}, "LookupError"),
            ([None], {}, "LookupError"),
            (["text"], {"session": "s"}, "TypeError"),
            ([[1]], {"session": "s"}, "TypeError"),
        ):
            with self.subTest(arguments):
                self.worker.ask(1, "set_states", arguments, **context)
                self.assertEqual(self.worker.answer(1)[0]["type"], kind)

    def test_a_context_kept_too_long(self) -> None:
        self.worker.ask(1, "keep_context", [], session="s")
        self.assertEqual(self.worker.answer(1), (None, None))
        self.worker.ask(2, "use_kept_context", [], session="s")
        error, text = self.worker.answer(2)
        self.assertIsNone(error)
        self.assertIn("the request is over", text)

    def test_ends_are_told_in_order(self) -> None:
        with WorkerProcess() as worker:
            worker.send(
                [2, "session_end", ["a", "closed"]],
                request(1, "ended", []),
                [2, "session_end", ["b", "moved"]],
                request(2, "ended", []),
            )
            self.assertEqual(worker.answer(1), (None, [["a", "closed"]]))
            self.assertEqual(worker.answer(2), (None, [["a", "closed"], ["b", "moved"]]))

    def test_an_end_is_no_request(self) -> None:
        self.assertEqual(self.worker.fail("on_session_end", ["a", "b"])["code"], "unknown_method")
        self.worker.send([2, "session_end", []], [2, "session_end", ["a"]], [2, "session_end", 5])
        self.worker.send([2, "session_end", ["x", "closed"]], [2, "cancel", ["session_end"]])
        self.assertIn(["x", "closed"], self.worker.call("ended"))

    def test_failures_in_it_harm_nothing(self) -> None:
        for session, text in (("bad", b"what could not be dropped"), ("worse", b"SystemExit: 4")):
            self.worker.send([2, "session_end", [session, "expired"]])
            self.assertEqual(self.worker.call("echo", 1), 1)
            seen = os.read(self.worker.process.stderr.fileno(), 10_000)
            self.assertIn(f"on_session_end for session {session!r} failed".encode(), seen)
            self.assertIn(text, seen)

    def test_a_process_that_it_forks(self) -> None:
        with WorkerProcess(stderr=subprocess.PIPE) as worker:
            worker.send([2, "session_end", ["forked", "closed"]])
            self.assertEqual(worker.call("ended"), [["forked", "1"]])
            said = os.read(worker.process.stderr.fileno(), 10_000)
            self.assertIn(b"ValueError: of the child", said)

    def test_a_shutdown_waits_for_it(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.send(
                request(1, "block", [fifo.path]),
                [2, "session_end", [fifo.trace, "moved"]],
                request(2, "echo", []),
            )
            self.assertEqual(worker.read(), [2, "started", [1]])
            worker.send([2, "shutdown", []])
            fifo.release()
            self.assertEqual(worker.read(), [1, 1, None, "done"])
            self.assertEqual(worker.wait(), 0)
            self.assertRaises(EOFError, worker.read)
            self.assertTrue(os.path.exists(fifo.trace))

    def test_without_a_handler(self) -> None:
        with WorkerProcess("odd.objects") as worker:
            worker.send([2, "session_end", ["a", "closed"]])
            self.assertEqual(worker.call("listed"), "listed")


class TestOrder(unittest.TestCase):
    def test_one_write_an_answer(self) -> None:
        with WorkerProcess(kind=socket.SOCK_SEQPACKET) as worker:
            worker.send(*(request(number, "echo", [number]) for number in (1, 2, 3)))
            packets = []
            for _ in range(4):
                unpacker = msgpack.Unpacker(raw=False)
                unpacker.feed(worker.channel.recv(1 << 16))
                packets.append(list(unpacker))
        started = [[2, "started", [number]] for number in (1, 2, 3)]
        answers = [[1, number, None, number] for number in (1, 2, 3)]
        self.assertEqual(
            packets,
            [[started[0]], [answers[0], started[1]], [answers[1], started[2]], [answers[2]]],
        )

    def test_cancel_in_the_same_read(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.send(
                request(1, "echo", [1]), request(2, "note", [fifo.trace]), [2, "cancel", [2]]
            )
            replies = {tuple(message[:2]): message for message in (worker.read() for _ in range(3))}
            self.assertEqual(replies[1, 1], [1, 1, None, 1])
            self.assertEqual(replies[1, 2][2]["code"], "cancelled")
            self.assertEqual(worker.call("echo", 3), 3)
            self.assertFalse(os.path.exists(fifo.trace))

    def test_cancel_while_busy(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.send(request(1, "block", [fifo.path]), request(2, "note", [fifo.trace]))
            self.assertEqual(worker.read(), [2, "started", [1]])
            worker.send([2, "cancel", [2]], [2, "cancel", [1]], [0, 3, "ping", []])
            fifo.release()
            replies = [worker.read() for _ in range(3)]
            self.assertEqual(replies[0], [1, 1, None, "done"])
            self.assertEqual(replies[1][2]["code"], "cancelled")
            self.assertEqual(replies[2], [1, 3, None, "pong"])
            self.assertEqual(worker.call("echo", 4), 4)
            self.assertFalse(os.path.exists(fifo.trace))


class TestEnds(unittest.TestCase):
    def test_shutdown_when_idle(self) -> None:
        with WorkerProcess() as worker:
            worker.send([2, "shutdown", []])
            self.assertEqual(worker.wait(), 0)

    def test_shutdown_finishes_what_was_begun(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.send(request(1, "block", [fifo.path]), request(2, "note", [fifo.trace]))
            self.assertEqual(worker.read(), [2, "started", [1]])
            worker.send([2, "shutdown", []])
            fifo.release()
            self.assertEqual(worker.read(), [1, 1, None, "done"])
            self.assertEqual(worker.wait(), 0)
            self.assertRaises(EOFError, worker.read)
            self.assertFalse(os.path.exists(fifo.trace))

    def test_fatal_answers_and_ends(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.send(request(1, "raise_fatal", []), request(2, "note", [fifo.trace]))
            error, _ = worker.answer(1)
            self.assertIs(error["fatal"], True)
            self.assertEqual((error["type"], error["message"]), ("poold.Fatal", "broken"))
            self.assertNotIn("severity", error)
            self.assertEqual(worker.wait(), 1)
            self.assertRaises(EOFError, worker.read)
            self.assertFalse(os.path.exists(fifo.trace))

    def test_fatal_says_how_bad(self) -> None:
        with WorkerProcess() as worker:
            error = worker.fail("raise_fatal", ["critical"])
            self.assertEqual((error["fatal"], error["severity"]), (True, "critical"))

    def test_end_of_the_daemon_when_idle(self) -> None:
        with WorkerProcess() as worker:
            worker.close()
            self.assertEqual(worker.wait(), 0)

    def test_end_of_the_daemon_while_busy(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.ask(1, "block", [fifo.path])
            self.assertEqual(worker.read(), [2, "started", [1]])
            worker.close()
            self.assertEqual(worker.wait(), 0)

    def test_interrupt_is_the_daemons_affair(self) -> None:
        with WorkerProcess() as worker, Fifo() as fifo:
            worker.ask(1, "block", [fifo.path])
            self.assertEqual(worker.read(), [2, "started", [1]])
            worker.process.send_signal(signal.SIGINT)
            fifo.release()
            self.assertEqual(worker.read(), [1, 1, None, "done"])

    def test_terminate_when_idle(self) -> None:
        with WorkerProcess() as worker:
            worker.process.terminate()
            self.assertEqual(worker.wait(), 0)

    def test_terminate_that_ends_no_wait(self) -> None:
        """As when the signal comes just before the worker begins to wait: another thread gets it."""
        with WorkerProcess() as worker:
            self.assertEqual(worker.call("echo", 1), 1)
            pid = worker.process.pid
            worker.await_sleep()
            (other,) = [int(name) for name in os.listdir(f"/proc/{pid}/task") if name != str(pid)]
            self.assertEqual(ctypes.CDLL(None).tgkill(pid, other, signal.SIGTERM), 0)
            self.assertEqual(worker.wait(), 0)

    def test_garbage_ends_it(self) -> None:
        for data in (b"\xc1", pack([0, 1, "echo"]), pack("text"), pack([3, 1]), pack([])):
            with self.subTest(data), WorkerProcess(stderr=subprocess.PIPE) as worker:
                worker.send_bytes(data)
                self.assertEqual(worker.wait(), os.EX_PROTOCOL)
                self.assertIn(b"the daemon sent", worker.process.stderr.read())


class TestSurroundings(unittest.TestCase):
    def test_prints_leave_the_protocol_alone(self) -> None:
        with WorkerProcess(stderr=subprocess.PIPE) as worker:
            self.assertIsNone(worker.call("say", "a line"))
            # Line buffered: it is here while the worker lives.
            for stream in (worker.process.stdout, worker.process.stderr):
                ready, _, _ = select.select([stream], [], [], PATIENCE)
                self.assertTrue(ready)
                self.assertEqual(os.read(stream.fileno(), 100), b"a line\n")
            self.assertEqual(worker.call("echo", 1), 1)

    def test_children_get_no_socket(self) -> None:
        with WorkerProcess() as worker:
            self.assertEqual(worker.call("environment"), [False, 0])

    def test_a_forked_child_cannot_answer(self) -> None:
        with WorkerProcess() as worker:
            who, child = worker.call("fork_and_return")
            self.assertEqual(who, "parent")
            self.assertEqual(worker.call("wait_for_child", child), 0)
            self.assertFalse(worker.has_more())


class TestTargets(unittest.TestCase):
    def check(self, target: str, served: dict, hidden: tuple = ()) -> None:
        with WorkerProcess(target) as worker:
            for method, (args, result) in served.items():
                self.assertEqual(worker.call(method, *args), result)
            for method in hidden:
                self.assertEqual(worker.fail(method, [])["code"], "unknown_method")

    def test_module_with_all(self) -> None:
        served = {"listed": ([], "listed"), "basename": (["/a/b"], "b")}
        self.check("odd.objects", served, ("unlisted", "NUMBER", "Service"))

    def test_worker_object(self) -> None:
        served = {"decorated": ([1], 2), "renamed": ([], "renamed")}
        self.check("odd.objects:worker", served, ("another",))

    def test_mapping(self) -> None:
        self.check("odd.objects:mapping", {"double": ([4], 8), "length": (["abc"], 3)})

    def test_instance_and_class(self) -> None:
        for target in ("odd.objects:service", "odd.objects:Service"):
            self.check(target, {"increase": ([5], 5)}, ("_hidden", "count", "__init__"))

    def test_each_kind_is_told_of_the_ends_of_sessions(self) -> None:
        for target, method in (
            ("odd.objects:worker", "ends"),
            ("odd.objects:service", "increase"),
            ("odd.objects:Service", "increase"),
        ):
            with self.subTest(target), WorkerProcess(target) as worker:
                worker.send([2, "session_end", ["a", "evicted"]])
                self.assertEqual(worker.call(method), 101)
                self.assertEqual(worker.fail("on_session_end", [])["code"], "unknown_method")

    def test_program_of_its_own(self) -> None:
        ours, theirs = socket.socketpair()
        process = start_python("-m", "odd.program", channel=theirs, stdout=subprocess.PIPE)
        theirs.close()
        peer = Peer(ours)
        self.assertEqual(peer.read()[1], "ready")
        peer.send(request(1, "hello", ["you"]))
        self.assertEqual([peer.read(), peer.read()][1], [1, 1, None, "hello you"])
        peer.send([2, "shutdown", []])
        output, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual((output, process.returncode), (b"served\n", 0))
        peer.close()

    def test_a_program_that_closes_its_channel(self) -> None:
        ours, theirs = socket.socketpair()
        process = start_python(
            "-m", "odd.closing", channel=theirs, stderr=subprocess.PIPE, text=True
        )
        theirs.close()
        _, text = process.communicate(timeout=PATIENCE)
        ours.close()
        self.assertEqual(process.returncode, 1)
        self.assertRegex(
            text,
            r"SetupError: the worker's own code has closed descriptor \d+, its channel to the daemon",
        )

    def run_to_the_end(self, *arguments: str, channel: socket.socket | None) -> tuple[int, str]:
        process = start_python(
            "-m", "poold.worker", *arguments, channel=channel, stderr=subprocess.PIPE, text=True
        )
        _, text = process.communicate(timeout=PATIENCE)
        return process.returncode, text

    def test_failures_to_start(self) -> None:
        cases = [
            (["no_such_module"], 78, "there is no module 'no_such_module'"),
            (["odd.no_such"], 78, "there is no module 'odd.no_such'"),
            (["served:nothing"], 78, "served has no attribute 'nothing'"),
            (["odd.empty"], 78, "no public function"),
            ([], 78, "usage:"),
            (["served", "served"], 78, "usage:"),
            (["--odd"], 78, "usage:"),
            ([":x"], 78, "usage:"),
            (["odd.misses"], 1, "No module named 'no_such_module_at_all'"),
            (["odd.broken"], 1, "ValueError: broken at import"),
        ]
        ours, theirs = socket.socketpair()
        for arguments, status, text in cases:
            with self.subTest(arguments):
                found = self.run_to_the_end(*arguments, channel=theirs)
                self.assertEqual(found[0], status, found[1])
                self.assertIn(text, found[1])
                self.assertEqual("Traceback" in found[1], status == 1)
        ours.close()
        theirs.close()

    def test_not_started_by_a_daemon(self) -> None:
        status, text = self.run_to_the_end("served", channel=None)
        self.assertEqual(status, 78)
        self.assertIn("POOLD_FD is not set", text)
        with tempfile.TemporaryFile() as file:
            status, text = self.run_to_the_end("served", channel=file)
        self.assertEqual(status, 78)
        self.assertIn("names no socket", text)

    def test_a_start_loads_little(self) -> None:
        """Each of these costs a good part of a worker's start."""
        slow = {"asyncio", "contextlib", "dataclasses", "inspect", "json", "logging", "re"}
        slow |= {"subprocess", "tempfile", "threading", "traceback", "typing", "weakref"}
        program = "import sys; before = {*sys.modules}; import poold.worker.__main__\n"
        program += "print(*{*sys.modules} - before)"
        process = start_python("-c", program, stdout=subprocess.PIPE, text=True)
        text, _ = process.communicate(timeout=PATIENCE)
        self.assertIn("poold.worker.functions", text.split())
        self.assertEqual(slow & set(text.split()), set())

    def test_help(self) -> None:
        process = start_python("-m", "poold.worker", "--help", stdout=subprocess.PIPE, text=True)
        text, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertIn("MODULE[:OBJECT]", text)


if __name__ == "__main__":
    unittest.main()
