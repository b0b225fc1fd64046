"""The blocking client against a server that says what each test wants."""

from __future__ import annotations

import inspect
import math
import os
import random
import signal
import socket
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import poold
from poold import codec, wire
from poold.again import NoConnection
from poold.aio import AsyncClient
from support import HELLO, PATIENCE, FakeServer, Peer, echo, pack

import lies


def silent(peer: Peer) -> None:
    """A script: reads everything, answers nothing."""
    while True:
        peer.read()


def await_waiting(client: poold.Client, count: int) -> None:
    """Returns once so many threads wait beside the one that reads."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        connection = client._connection
        if connection is not None and connection._reading and len(connection._waiting) == count:
            return
        time.sleep(0.001)
    raise AssertionError("no such threads wait")


class TestRequests(unittest.TestCase):
    def test_hello_comes_first(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path, name="a test") as client:
            client.call("p", "m")
            self.assertEqual(len(server.hellos), 1)
            params = {"client": "a test", "version": poold.__version__, "errors": "map"}
            self.assertEqual(server.hellos[0][3], [{**params, "closing": True}])
        with FakeServer(echo) as server:
            with poold.Client(server.path, name="a test", reconnect=False) as client:
                client.call("p", "m")
            self.assertEqual(server.hellos[0][3], [params])

    def test_params(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            self.assertEqual(client.call("p", "m", 1, "x"), ["p", "m", [1, "x"]])
            self.assertEqual(client.call("p", "m", a=1), ["p", "m", {"a": 1}])
            self.assertEqual(client.call("p", "m", pool=1), ["p", "m", {"pool": 1}])
            self.assertEqual(
                client.call("p", "m", timeout=2, idempotent=True, max_attempts=1),
                ["p", "m", [], {"timeout_ms": 2000, "idempotent": True, "max_attempts": 1}],
            )
            options = {"session": "s", "session_create": False, "key": "k", "fallback": False}
            self.assertEqual(client.call("p", "m", **options), ["p", "m", [], options])
            options = {"restartable": True, "session_create": True}
            self.assertEqual(client.call("p", "m", a=1, **options), ["p", "m", {"a": 1}, options])
            self.assertEqual(client.request("p.m", [1]), [1])
            both = client.call("p", "m", 1, a={2})[2]
            self.assertEqual((type(both), both.args, both.kwargs), (codec.Arguments, [1], {"a": {2}}))

    def test_time_limits_as_people_write_them(self) -> None:
        longest = {"timeout_ms": 0xFFFFFFFF}
        cases: list = [
            (timedelta(seconds=1.5), {"timeout_ms": 1500}),
            (Decimal("0.25"), {"timeout_ms": 250}),
            (math.inf, longest),
            (1e9, longest),
            (10**400, longest),
            (3e6, {"timeout_ms": 3_000_000_000}),
        ]
        with FakeServer(echo) as server:
            path = Path(server.path)
            for timeout, sent in cases:
                with self.subTest(timeout), poold.Client(path, timeout) as client:
                    self.assertEqual(client.call("p", "m")[3], sent)
                    self.assertEqual(client.call("p", "m", timeout=timeout)[3], sent)
                    self.assertEqual(client.start("p", "m").result(timeout)[3], sent)
                    self.assertEqual(client.request("p.m", (), timeout), [])
            limits: dict = {"grace": math.inf, "connect_timeout": timedelta(days=400)}
            with poold.Client(path, **limits) as client:
                self.assertEqual(client.call("p", "m", timeout=1)[3], {"timeout_ms": 1000})

    def test_mistakes_in_the_callers_words(self) -> None:
        wrong: list = [
            ({"timeout": "3"}, TypeError),
            ({"timeout": True}, TypeError),
            ({"timeout": [3]}, TypeError),
            ({"timeout": 0}, ValueError),
            ({"timeout": -math.inf}, ValueError),
            ({"timeout": math.nan}, ValueError),
            ({"timeout": timedelta(seconds=-1)}, ValueError),
        ]
        others: list = [
            ({"path": 3}, TypeError),
            ({"name": 3}, TypeError),
            ({"grace": None}, TypeError),
            ({"grace": -1}, ValueError),
            ({"connect_timeout": "10"}, TypeError),
            ({"connect_timeout": 0}, ValueError),
            ({"max_buffer_size": "1"}, TypeError),
            ({"max_buffer_size": -1}, ValueError),
            ({"reconnect": "no"}, TypeError),
        ]
        for kind in (poold.Client, AsyncClient):
            for named, error in (*wrong, *others):
                with self.subTest(kind, **named), self.assertRaisesRegex(error, [*named][0]):
                    kind(**named)
        client = poold.Client("/nowhere")
        for named, error in wrong:
            for ask in (client.call, client.stream):
                with self.subTest(**named), self.assertRaisesRegex(error, "timeout is"):
                    ask("p", "m", **named)
            with self.subTest(**named), self.assertRaisesRegex(error, "timeout is"):
                client.request("p.m", [], **named)
        names: list = [(1, "m"), ("p", len), (Path("p"), "m")]
        for pool, method in names:
            with self.assertRaisesRegex(TypeError, "is the name of a"):
                client.call(pool, method)
        self.assertRaisesRegex(TypeError, "params", client.request, "p.m", "text")
        self.assertRaisesRegex(TypeError, "method", client.request, 5)

    def test_default_timeout(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path, 3) as client:
            self.assertEqual(client.call("p", "m")[3], {"timeout_ms": 3000})
            self.assertEqual(client.call("p", "m", timeout=1)[3], {"timeout_ms": 1000})

    def test_path_from_the_environment(self) -> None:
        with FakeServer(echo) as server:
            with mock.patch.dict(os.environ, POOLD_SOCKET=server.path), poold.Client() as client:
                self.assertEqual(client.call("p", "m"), ["p", "m", []])

    def test_the_daemons_own_methods(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                _, number, method, params = peer.read()
                peer.send([1, number, None, [method, params]])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            for name in ("health", "status", "stats", "metrics", "pools", "workers", "version"):
                self.assertEqual(getattr(client, name)(), [f"poold.{name}", []])
            for name in ("breakers", "recoveries", "errors", "sessions"):
                self.assertEqual(getattr(client, name)(), [f"poold.{name}", []])
            for name in ("errors", "sessions"):
                self.assertEqual(getattr(client, name)(5), [f"poold.{name}", [5]])
                self.assertEqual(getattr(client, name)(limit=0), [f"poold.{name}", [0]])
            self.assertEqual(client.session_close("s"), ["poold.session_close", ["s"]])
            self.assertEqual(client.recovery_cancel(7), ["poold.recovery_cancel", [7]])
            for name in ("restart_workers", "drain", "resume"):
                self.assertEqual(getattr(client, name)("p"), [f"poold.{name}", ["p"]])
            self.assertEqual(client.resize("p", 1, 3), ["poold.resize", ["p", 1, 3]])
            self.assertEqual(client.kill_worker("p", 2), ["poold.kill_worker", ["p", 2, "TERM"]])
            for name in ("breaker_reset", "breaker_open", "breaker_disable", "breaker_observe"):
                self.assertEqual(getattr(client, name)("p"), [f"poold.{name}", ["p"]])
                self.assertEqual(getattr(client, name)("p", "m"), [f"poold.{name}", ["p", "m"]])

    def test_every_option_has_its_place(self) -> None:
        for method in (poold.Client.start, AsyncClient.call):
            parameters = inspect.signature(method).parameters.values()
            found = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
            self.assertEqual(found, list(wire.OPTIONS))
        for name in wire.OPTIONS:
            self.assertRegex(poold.Client.call.__doc__, rf"\n +{name} \(\w+\): ")

    def test_meta(self) -> None:
        def script(peer: Peer) -> None:
            _, number, _, params = peer.read()
            assert params[3] == {"meta": True}, params
            peer.send([1, number, None, {"result": 5, "meta": {"attempts": 2}}])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            reply = client.call("p", "m", meta=True)
            self.assertEqual(reply, (5, {"attempts": 2}))
            self.assertEqual((reply.result, reply.meta["attempts"]), (5, 2))

    def test_errors(self) -> None:
        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], {"code": "queue_full", "retry_after_ms": 20}, None])
            peer.send([1, peer.read()[1], [0, "unknown_pool: no pool p"], None])
            peer.send([1, peer.read()[1], False, None])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            with self.assertRaises(poold.ResourceError) as caught:
                client.call("p", "m")
            self.assertEqual(caught.exception.retry_after, 0.02)
            with self.assertRaises(poold.RequestError) as caught:
                client.call("p", "m")
            self.assertEqual(caught.exception.code, "unknown_pool")
            self.assertRaises(poold.Error, client.call, "p", "m")

    def test_arguments_that_cannot_be_sent(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            for value in ({1: object()}, object(), 1 << 70):
                with self.assertRaises(poold.CommunicationError) as caught:
                    client.call("p", "m", value)
                found = (caught.exception.code, caught.exception.executed)
                self.assertEqual(found, ("encode_error", "no"))
            self.assertEqual(client.call("p", "m", "\udcff")[2], ["\udcff"])

    def test_arguments_that_lie(self) -> None:
        """The elements that there are, or an error; never a message that lacks some."""
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            for value, sent in (
                (lies.Fewer(a=1, b=2), {"a": 1}),
                (lies.Longer(a=1), {"a": 1}),
                (lies.ShortList([1, 2]), [2]),
                (lies.LongList([1]), [1, 1]),
                (lies.OddText("text"), "text"),
                (lies.OddBytes(b"data"), b"data"),
            ):
                self.assertEqual(client.call("p", "m", value)[2], [sent])
                self.assertEqual(client.call("p", "m", a=[value])[2], {"a": [sent]})
            self.assertEqual(client.call("p", "m", lies.growing("x"))[2], [[[], "x", "x"]])
            some = (each for each in "ab")
            for value in (lies.Raising(a=1), lies.Silent(a=1), some, object(), {object()}):
                with self.assertRaises(poold.CommunicationError) as caught:
                    client.call("p", "m", value)
                found = (caught.exception.code, caught.exception.executed)
                self.assertEqual(found, ("encode_error", "no"))
            self.assertRaises(SystemExit, client.call, "p", "m", lies.Leaving(a=1))
            self.assertEqual(client.call("p", "m", 1)[2], [1])
            self.assertEqual(server.connections, 1)

    def test_a_write_that_is_interrupted(self) -> None:
        """Its connection is closed, and the next call has another."""

        def script(peer: Peer) -> None:
            if server.connections == 1:
                peer.send([1, peer.read()[1], None, "first"])
                peer.channel.recv(1, socket.MSG_PEEK)  # a part is written
                signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
                interrupted.wait(PATIENCE)
            echo(peer)

        for kind in (ValueError, TimeoutError, BlockingIOError, KeyboardInterrupt, SystemExit,
                     MemoryError):
            interrupted = threading.Event()

            def late(*_: object, kind: type = kind) -> None:
                raise kind("time is up")

            before = signal.signal(signal.SIGALRM, late)
            with self.subTest(kind), FakeServer(script) as server, poold.Client(server.path) as client:
                self.assertEqual(client.call("p", "m"), "first")
                with self.assertRaises(kind) as caught:
                    client.call("p", "m", b"x" * 8_000_000)
                self.assertNotIsInstance(caught.exception, poold.Error)
                interrupted.set()
                self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
                self.assertEqual(server.connections, 2)
            signal.signal(signal.SIGALRM, before)

    def test_request_over_the_daemons_limit(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            with self.assertRaises(poold.RequestError) as caught:
                client.call("p", "m", b"x" * HELLO["limits"]["message_max"])
            self.assertEqual(caught.exception.code, "payload_too_large")
            self.assertEqual(client.call("p", "m"), ["p", "m", []])
            self.assertEqual(server.connections, 1)


class TestAnswers(unittest.TestCase):
    def test_every_cut(self) -> None:
        result = {"text": "cut me", "list": [1, 2.5, None, b"bytes"]}

        def script(peer: Peer) -> None:
            cut = 0
            while True:
                data = pack([1, peer.read()[1], None, result])
                peer.send_bytes(data[: cut % len(data)])
                peer.send_bytes(data[cut % len(data) :])
                cut += 1

        with FakeServer(script) as server, poold.Client(server.path) as client:
            for _ in range(len(pack([1, 1, None, result])) + 1):
                self.assertEqual(client.call("p", "m"), result)

    def test_out_of_order(self) -> None:
        def script(peer: Peer) -> None:
            asked = [peer.read() for _ in range(5)]
            peer.send(*([1, each[1], None, each[3][2][0]] for each in reversed(asked)))

        with FakeServer(script) as server, poold.Client(server.path) as client:
            calls = [client.start("p", "m", index) for index in range(5)]
            self.assertEqual([call.result() for call in calls], [0, 1, 2, 3, 4])
            self.assertTrue(all(call.done() for call in calls))
            self.assertEqual(calls[3].result(), 3)

    def test_what_nobody_asked_for(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                number = peer.read()[1]
                odd = [[1, 999_999, None, "odd"], [2, "poold.event", [{}]]]
                answer = [1, number, None, "right"]
                peer.send(*odd, answer, [1, number, None, "second"], *odd)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            for _ in range(3):
                self.assertEqual(client.call("p", "m"), "right")

    def test_a_result_that_python_cannot_hold(self) -> None:
        def script(peer: Peer) -> None:
            first, second = peer.read()[1], peer.read()[1]
            peer.send_bytes(b"\x94\x01" + pack(first) + b"\xc0\x81\x90\x01")
            peer.send([1, second, None, "fine"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            odd, fine = client.start("p", "m"), client.start("p", "m")
            self.assertEqual(fine.result(), "fine")
            with self.assertRaises(poold.CommunicationError) as caught:
                odd.result()
            self.assertEqual(
                (caught.exception.code, caught.exception.executed), ("decode_error", "yes")
            )

    def test_an_answer_over_the_limit(self) -> None:
        def script(peer: Peer) -> None:
            peer.read()
            peer.send([1, peer.read()[1], None, b"x" * 100_000])

        with (
            FakeServer(script) as server,
            poold.Client(server.path, max_buffer_size=50_000) as client,
        ):
            other, large = client.start("p", "m"), client.start("p", "m")
            with self.assertRaises(poold.CommunicationError) as caught:
                large.result()
            self.assertEqual(caught.exception.code, "response_too_large")
            with self.assertRaises(poold.PoolConnectionError) as caught:
                other.result()
            self.assertIn("more than 50000 bytes", str(caught.exception))

    def test_large_both_ways(self) -> None:
        value = random.Random(1).randbytes(5 << 20)
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            self.assertEqual(client.call("p", "m", value)[2], [value])

    def test_a_server_that_writes_before_it_reads(self) -> None:
        """Both sides would wait for ever if the client could not read while it writes."""
        value = b"x" * (4 << 20)

        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], None, value])  # larger than the socket holds
            peer.send([1, peer.read()[1], None, "read at last"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            first = client.start("p", "m")
            second = client.start("p", "m", value)
            self.assertEqual(second.result(PATIENCE), "read at last")
            self.assertEqual(first.result(PATIENCE), value)


class TestLoss(unittest.TestCase):
    def assert_lost(self, call: poold.Call, executed: str = "maybe") -> str:
        with self.assertRaises(poold.PoolConnectionError) as caught:
            call.result(PATIENCE)
        error = caught.exception
        self.assertEqual((error.code, error.executed), ("peer_closed", executed))
        self.assertTrue(error.retryable)
        return str(error)

    def test_in_flight(self) -> None:
        def script(peer: Peer) -> None:
            peer.read(), peer.read()
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            calls = [client.start("p", "m"), client.start("p", "m")]
            for call in calls:
                self.assertIn("the daemon closed the connection", self.assert_lost(call))
            self.assertEqual(server.connections, 1)  # not asked again

    def test_garbage(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                if peer.read()[3][2] == ["good"]:
                    return echo_one(peer)
                peer.send_bytes(b"\xc1\xc1\xc1")

        def echo_one(peer: Peer) -> None:
            peer.send([1, 3, None, "after"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            self.assertIn("not MessagePack", self.assert_lost(client.start("p", "m", "bad")))
            numbers = iter([3, 3, 3])
            with mock.patch.object(client, "_numbers", numbers):
                self.assertEqual(client.call("p", "m", "good"), "after")
            self.assertEqual(server.connections, 2)

    def test_a_cut_answer(self) -> None:
        def script(peer: Peer) -> None:
            peer.send_bytes(pack([1, peer.read()[1], None, "half"])[:-2])
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            self.assert_lost(client.start("p", "m"))

    def test_a_connection_that_is_reset(self) -> None:
        """The server leaves with a request that it has not read."""

        def script(peer: Peer) -> None:
            peer.channel.recv(1, socket.MSG_PEEK)
            peer.channel.close()

        with FakeServer(script) as server, poold.Client(server.path) as client:
            error = self.assert_lost(client.start("p", "m"))
            self.assertIn("Connection reset by peer", str(error))

    def test_a_call_that_waits_while_another_thread_connects(self) -> None:
        release = threading.Event()

        def silent(peer: Peer) -> None:
            release.wait(PATIENCE)

        with FakeServer(silent, greeted=False) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor() as threads:
                first = threads.submit(client.call, "p", "m", timeout=PATIENCE)
                with server.changed:
                    self.assertTrue(server.changed.wait_for(lambda: server.connections == 1, PATIENCE))
                with self.assertRaises(poold.DeadlineExceeded) as caught:
                    client.call("p", "m", timeout=0.05)
                self.assertEqual(caught.exception.executed, "no")
                self.assertEqual(server.connections, 1)
                client.close()
                release.set()
                self.assertIsInstance(first.exception(PATIENCE), (poold.Error, RuntimeError))

    def test_an_idle_connection_that_was_closed(self) -> None:
        asked = []

        def script(peer: Peer) -> None:
            message = peer.read()
            asked.append(message[3])
            peer.send([1, message[1], None, len(asked)])
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            for expected in (1, 2, 3):
                self.assertEqual(client.call("p", "m", expected), expected)
                # The end is known to have come: the socket is readable and says so.
                peer = client._connection._channel
                self.assertEqual(peer.recv(1, socket.MSG_PEEK), b"")
            self.assertEqual(server.connections, 3)
            self.assertEqual(asked, [["p", "m", [1]], ["p", "m", [2]], ["p", "m", [3]]])

    def test_nobody_listens(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "none")
            with poold.Client(path) as client, self.assertRaises(poold.PoolConnectionError) as got:
                client.health()
        self.assertEqual((got.exception.code, got.exception.executed), ("connect_failed", "no"))
        self.assertIn(path, str(got.exception))
        self.assertIn("No such file", str(got.exception))

    def test_no_greeting(self) -> None:
        def hang_up(peer: Peer) -> None:
            peer.read()
            peer.channel.shutdown(socket.SHUT_RDWR)

        def refuse(peer: Peer) -> None:
            peer.send([1, peer.read()[1], "no such method", None])

        for script in (silent, hang_up, refuse):
            with FakeServer(script, greeted=False) as server:
                client = poold.Client(server.path, connect_timeout=0.05, grace=0)
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    client.call("p", "m")
                self.assertEqual(caught.exception.code, "connect_failed")
                client.close()

    def test_no_greeting_until_the_end(self) -> None:
        """A try to connect that ends when its time is over fails as each one before it."""

        def hang_up(peer: Peer) -> None:
            peer.read()
            peer.channel.shutdown(socket.SHUT_RDWR)

        def greet(until: float) -> Any:
            try:
                return original(until)
            except NoConnection:
                if tries:
                    time.sleep(max(0.0, until - time.monotonic()))
                tries.append(until)
                raise

        tries: list[float] = []
        with FakeServer(hang_up, greeted=False) as server:
            client = poold.Client(server.path, connect_timeout=1.0, grace=0)
            original = client._greet
            with mock.patch.object(client, "_greet", greet):
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    client.call("p", "m")
                self.assertEqual(caught.exception.code, "connect_failed")
                self.assertEqual(len(tries), 2)
            client.close()

    def test_close(self) -> None:
        with FakeServer(silent) as server:
            client = poold.Client(server.path)
            call = client.start("p", "m")
            with ThreadPoolExecutor() as threads:
                waiting = threads.submit(call.result, PATIENCE)
                client.close()
                self.assertIsInstance(waiting.exception(PATIENCE), poold.PoolConnectionError)
            self.assertIn("the client was closed", self.assert_lost(call))
            self.assertRaises(RuntimeError, client.call, "p", "m")
            client.close()

    def test_interrupted_while_reading(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            client.call("p", "m")
            decoder = client._connection._decoder
            with mock.patch.object(decoder, "feed", side_effect=KeyboardInterrupt):
                self.assertRaises(KeyboardInterrupt, client.call, "p", "m")
            self.assertEqual(client.call("p", "m"), ["p", "m", []])
            self.assertEqual(server.connections, 2)


class TestTime(unittest.TestCase):
    def test_patience(self) -> None:
        go = threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            go.wait(PATIENCE)
            peer.send([1, number, None, "late"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m")
            self.assertFalse(call.done())
            self.assertRaises(TimeoutError, call.result, 0.01)
            go.set()
            self.assertEqual(call.result(PATIENCE), "late")

    def test_deadline_of_its_own(self) -> None:
        cancelled = threading.Event()

        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], None, "in time"])
            number = peer.read()[1]
            assert peer.read() == [2, "poold.cancel", [number]]
            cancelled.set()
            peer.send([1, number, None, "too late"])
            echo(peer)

        with FakeServer(script) as server, poold.Client(server.path, grace=0.01) as client:
            self.assertEqual(client.call("p", "m"), "in time")
            call = client.start("p", "m", timeout=0.5)
            with self.assertRaises(poold.DeadlineExceeded) as caught:
                call.result()
            self.assertEqual(caught.exception.executed, "maybe")
            self.assertTrue(cancelled.wait(PATIENCE))
            self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
            self.assertRaises(poold.DeadlineExceeded, call.result)
            self.assertEqual(server.connections, 1)

    def test_a_server_that_stops_reading(self) -> None:
        stuck = threading.Event()

        def script(peer: Peer) -> None:
            if stuck.is_set():
                return echo(peer)
            stuck.wait(PATIENCE)

        with FakeServer(script) as server, poold.Client(server.path, grace=0) as client:
            with self.assertRaises(poold.DeadlineExceeded) as caught:
                client.call("p", "m", b"x" * (8 << 20), timeout=0.5)
            self.assertEqual(caught.exception.executed, "no")
            stuck.set()
            self.assertEqual(client.call("p", "m"), ["p", "m", []])  # on a new connection
            self.assertEqual(server.connections, 2)

    def test_cancel(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            assert peer.read() == [2, "poold.cancel", [number]]
            peer.send([1, number, {"code": "cancelled", "message": "given up"}, None])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m")
            self.assertTrue(call.cancel())
            self.assertRaises(poold.Cancelled, call.result)
            self.assertFalse(call.cancel())


class TestThreads(unittest.TestCase):
    def test_many_on_one_connection(self) -> None:
        chance = random.Random(7)

        def script(peer: Peer) -> None:
            """Answers in any order, as many at once as chance will have it."""
            asked: list = []
            while True:
                asked.append(peer.read())
                if peer.has_more() and len(asked) < chance.randint(1, 16):
                    continue
                chance.shuffle(asked)
                peer.send(*([1, each[1], None, each[3][2]] for each in asked))
                asked.clear()

        def work(name: int) -> None:
            for index in range(150):
                self.assertEqual(client.call("p", "m", name, index), [name, index])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor(16) as threads:
                for done in [threads.submit(work, name) for name in range(16)]:
                    done.result(PATIENCE)
            self.assertEqual(server.connections, 1)
            self.assertEqual(client._connection._calls, {})
            self.assertEqual(client._connection._waiting, {})

    def test_short_and_long_messages(self) -> None:
        """Short ones are written by several threads at once, but never into a long one."""
        long = b"x" * (1 << 20)

        def work(name: int) -> None:
            for index in range(60):
                payload = long if index % 6 == name % 6 else b""
                self.assertEqual(client.call("p", "m", index, payload), index)

        def script(peer: Peer) -> None:
            while True:
                _, number, _, (_, _, (index, payload)) = peer.read()
                assert payload in (b"", long)
                peer.send([1, number, None, index])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor(12) as threads:
                for done in [threads.submit(work, name) for name in range(12)]:
                    done.result(PATIENCE)
            self.assertEqual(server.connections, 1)
            self.assertEqual(client._connection._writing_short, {})

    def test_a_thread_that_gets_no_turn_while_it_writes(self) -> None:
        """Where many others are busy, it comes back late; the connection is as good as before."""
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
            marks = client._connection._writing_short
            mark = object()
            marks[mark] = 0
            timer = threading.Timer(0.5, marks.pop, (mark,))
            timer.start()
            payload = b"x" * (1 << 16)
            self.assertEqual(client.call("p", "m", payload), ["p", "m", [payload]])
            timer.join()
            self.assertEqual(server.connections, 1)

    def test_one_that_waits_too_long_for_its_turn_to_write(self) -> None:
        begun, go = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            peer.channel.recv(1, socket.MSG_PEEK)
            begun.set()
            assert go.wait(PATIENCE)
            echo(peer)

        with FakeServer(script) as server, poold.Client(server.path, grace=0) as client:
            large = bytes(8 << 20)
            writer = threading.Thread(target=client.call, args=("p", "m", large))
            writer.start()
            self.assertTrue(begun.wait(PATIENCE))
            with self.assertRaises(poold.DeadlineExceeded) as caught:
                client.call("p", "m", bytes(1 << 16), timeout=0.1)
            self.assertEqual(caught.exception.executed, "no")
            go.set()
            writer.join(PATIENCE)
            self.assertFalse(writer.is_alive())

    def test_a_mark_that_an_interruption_left(self) -> None:
        """Nobody knows whether its thread writes; so what needs the line for itself gets another."""
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
            client._connection._writing_short[object()] = 0
            self.assertEqual(client.call("p", "m", 2), ["p", "m", [2]])
            self.assertEqual(server.connections, 1)
            payload = b"x" * (1 << 16)
            self.assertEqual(client.call("p", "m", payload), ["p", "m", [payload]])
            self.assertEqual(server.connections, 2)

    def test_the_next_reads_on(self) -> None:
        """Whoever reads leaves with its answer; another that waits must take over."""
        for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
            first_done = threading.Event()

            def script(peer: Peer, order: tuple = order) -> None:
                asked = sorted((peer.read() for _ in range(3)), key=lambda each: each[3][2])
                for index in order:
                    peer.send([1, asked[index][1], None, index])
                    if index == order[0]:
                        first_done.wait(PATIENCE)

            with FakeServer(script) as server, poold.Client(server.path) as client:
                with ThreadPoolExecutor(3) as threads:
                    waiting = [threads.submit(client.call, "p", "m", n) for n in range(3)]
                    self.assertEqual(waiting[order[0]].result(PATIENCE), order[0])
                    first_done.set()
                    self.assertEqual([each.result(PATIENCE) for each in waiting], [0, 1, 2])

    def test_the_reader_leaves_with_others(self) -> None:
        """Of those answered with it, one sees to it that somebody reads, and does not wait for the
        next look of those that still wait.
        """
        go = threading.Event()

        def script(peer: Peer) -> None:
            asked = sorted((peer.read() for _ in range(4)), key=lambda each: each[3][2])
            go.wait(PATIENCE)
            peer.send(*([1, number, None, None] for _, number, _, _ in asked[:3]))
            assert peer.read()[3][2] == [4]  # it was sent after these answers came
            peer.send([1, asked[3][1], None, None])

        with (
            mock.patch("poold.connection.HEARTBEAT", 2 * PATIENCE),
            FakeServer(script) as server,
            poold.Client(server.path) as client,
            ThreadPoolExecutor(4) as threads,
        ):
            waiting = []
            for index in range(4):
                waiting.append(threads.submit(client.call, "p", "m", index))
                await_waiting(client, index)  # the first one reads
            go.set()
            for each in waiting[:3]:
                each.result(PATIENCE)
            client.start("p", "m", 4)
            waiting[3].result(PATIENCE)

    def test_a_hint_that_an_interruption_left(self) -> None:
        """It says that somebody reads, and nobody does."""
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
            client._connection._reading = True
            self.assertEqual(client.start("p", "m", 2).result(PATIENCE), ["p", "m", [2]])
            self.assertFalse(client._connection._reading)
            self.assertEqual(server.connections, 1)

    def test_several_wait_for_the_same(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor(8) as threads:
                for _ in range(20):
                    call = client.start("p", "m", 5)
                    results = list(threads.map(lambda _: call.result(PATIENCE), range(8)))
                    self.assertEqual(results, [["p", "m", [5]]] * 8)

    def test_the_reader_runs_out_of_time(self) -> None:
        go = threading.Event()

        def script(peer: Peer) -> None:
            numbers = [peer.read()[1], peer.read()[1]]
            go.wait(PATIENCE)
            peer.send(*([1, number, None, "late"] for number in numbers))

        with FakeServer(script) as server, poold.Client(server.path) as client:
            hasty, patient = client.start("p", "m"), client.start("p", "m")
            with ThreadPoolExecutor(2) as threads:
                first = threads.submit(hasty.result, 0.05)
                second = threads.submit(patient.result, PATIENCE)
                self.assertIsInstance(first.exception(PATIENCE), TimeoutError)
                go.set()
                self.assertEqual(second.result(PATIENCE), "late")
            self.assertEqual(hasty.result(PATIENCE), "late")


class TestFork(unittest.TestCase):
    def test_child_and_parent_go_on(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            client.call("p", "m")
            call = client.start("p", "m", "parent's")
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    with self.assertRaises(poold.PoolConnectionError):
                        call.result()
                    self.assertEqual(client.call("p", "m", "child's"), ["p", "m", ["child's"]])
                    client.close()
                    status = 0
                finally:
                    os._exit(status)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertEqual(call.result(PATIENCE), ["p", "m", ["parent's"]])
            self.assertEqual(client.call("p", "m", 2), ["p", "m", [2]])
            self.assertEqual(server.connections, 2)

    def test_child_that_closes(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            client.call("p", "m")
            child = os.fork()
            if child == 0:
                client.close()
                os._exit(0)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertEqual(client.call("p", "m"), ["p", "m", []])
            self.assertEqual(server.connections, 1)


if __name__ == "__main__":
    unittest.main()
