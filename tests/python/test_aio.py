"""The asyncio client against the same fake server."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
import tempfile
import threading
import unittest

import poold
from poold.aio import AsyncClient
from support import HELLO, PACKAGE, PATIENCE, FakeServer, Peer, echo, pack


def silent(peer: Peer) -> None:
    while True:
        peer.read()


class TestAsyncClient(unittest.IsolatedAsyncioTestCase):
    async def test_calls(self) -> None:
        with FakeServer(echo) as server:
            async with AsyncClient(server.path, name="a test") as client:
                self.assertEqual(await client.call("p", "m", 1), ["p", "m", [1]])
                self.assertEqual(await client.call("p", "m", a=1), ["p", "m", {"a": 1}])
                options = {"timeout_ms": 1500, "priority": "sheddable"}
                found = await client.call("p", "m", timeout=1.5, priority="sheddable")
                self.assertEqual(found, ["p", "m", [], options])
                options = {"session": "s", "session_create": False, "key": "k", "fallback": False}
                options |= {"restartable": True}
                found = await client.call("p", "m", 1, **options)
                self.assertEqual(found, ["p", "m", [1], options])
                self.assertEqual(await client.request("p.m", [1]), [1])
                self.assertEqual(await client.breaker_open("p", "m"), ["p", "m"])
                self.assertEqual(await client.health(), [])
            self.assertEqual(server.hellos[0][3][0]["client"], "a test")
            self.assertEqual(server.connections, 1)

    async def test_many_at_once_from_the_start(self) -> None:
        def script(peer: Peer) -> None:
            asked = [peer.read() for _ in range(100)]
            peer.send(*([1, each[1], None, each[3][2][0]] for each in reversed(asked)))

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                found = await asyncio.gather(*(client.call("p", "m", n) for n in range(100)))
            self.assertEqual(found, list(range(100)))
            self.assertEqual(server.connections, 1)

    async def test_meta_and_errors(self) -> None:
        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], None, {"result": 5, "meta": {"attempts": 2}}])
            peer.send([1, peer.read()[1], {"code": "rejected", "message": "no"}, None])
            peer.send_bytes(b"\x94\x01" + pack(peer.read()[1]) + b"\xc0\x81\x90\x01")

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                reply = await client.call("p", "m", meta=True)
                self.assertEqual((reply.result, reply.meta), (5, {"attempts": 2}))
                with self.assertRaises(poold.Rejected):
                    await client.call("p", "m")
                with self.assertRaises(poold.CommunicationError) as caught:
                    await client.call("p", "m")
                self.assertEqual(caught.exception.code, "decode_error")

    async def test_lost_in_flight_and_again(self) -> None:
        def script(peer: Peer) -> None:
            if peer.read()[3][2] == ["bad"]:
                peer.send_bytes(b"\xc1")
            elif peer.read()[3][2] == ["last"]:
                peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                for calls in (["bad"], ["first", "last"]):
                    found = await asyncio.gather(
                        *(client.call("p", "m", each) for each in calls), return_exceptions=True
                    )
                    for error in found:
                        self.assertIsInstance(error, poold.PoolConnectionError)
                        self.assertEqual((error.code, error.executed), ("peer_closed", "maybe"))
            self.assertEqual(server.connections, 2)

    async def test_deadline_of_its_own(self) -> None:
        cancelled = threading.Event()

        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], None, "in time"])
            number = peer.read()[1]
            assert peer.read() == [2, "poold.cancel", [number]]
            cancelled.set()
            peer.send([1, number, None, "too late"])
            echo(peer)

        with FakeServer(script) as server:
            async with AsyncClient(server.path, grace=0.01) as client:
                self.assertEqual(await client.call("p", "m"), "in time")
                with self.assertRaises(poold.DeadlineExceeded):
                    await client.call("p", "m", timeout=0.5)
                self.assertTrue(await asyncio.to_thread(cancelled.wait, PATIENCE))
                self.assertEqual(await client.call("p", "m", 1), ["p", "m", [1]])

    async def test_a_cancelled_task_cancels_its_call(self) -> None:
        asked, cancelled = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            asked.set()
            assert peer.read() == [2, "poold.cancel", [number]]
            cancelled.set()

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                task = asyncio.create_task(client.call("p", "m"))
                self.assertTrue(await asyncio.to_thread(asked.wait, PATIENCE))
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertTrue(await asyncio.to_thread(cancelled.wait, PATIENCE))

    async def test_sizes(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                message = peer.read()
                peer.send([1, message[1], None, message[3][2][0]])

        with FakeServer(script) as server:
            async with AsyncClient(server.path, max_buffer_size=2 << 20) as client:
                value = os.urandom(1 << 20)
                self.assertEqual(await client.call("p", "m", value), value)
                with self.assertRaises(poold.CommunicationError) as caught:
                    await client.call("p", "m", value * 3)
                self.assertEqual(caught.exception.code, "response_too_large")
                with self.assertRaises(poold.RequestError) as caught:
                    await client.call("p", "m", b"x" * HELLO["limits"]["message_max"])
                self.assertEqual(caught.exception.code, "payload_too_large")
                with self.assertRaises(poold.CommunicationError) as caught:
                    await client.call("p", "m", object())
                self.assertEqual(caught.exception.code, "encode_error")

    async def test_one_behind_another_that_is_still_written(self) -> None:
        go = threading.Event()

        def script(peer: Peer) -> None:
            assert go.wait(PATIENCE)
            for _ in range(2):
                _, number, _, params = peer.read()
                peer.send([1, number, None, len(params[2][0])])

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                large = asyncio.create_task(client.call("p", "m", bytes(8 << 20)))
                small = asyncio.create_task(client.call("p", "m", bytes(8)))
                while client._connection is None or client._connection._writable.is_set():
                    await asyncio.sleep(0)
                go.set()
                self.assertEqual([await large, await small], [8 << 20, 8])

    async def test_the_last_answer_before_the_end(self) -> None:
        """It has come, and is not read yet, when the next request finds the connection closed."""
        go, over = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            if server.connections > 1:
                return peer.send([1, number, None, "second"])
            assert go.wait(PATIENCE)
            peer.send([1, number, None, "first"])
            peer.channel.shutdown(socket.SHUT_RDWR)
            over.set()

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                first = asyncio.create_task(client.call("p", "m", 1))
                while client._connection is None or not client._connection._futures:
                    await asyncio.sleep(0)
                second = asyncio.create_task(client.call("p", "m", 2))
                go.set()
                over.wait(PATIENCE)  # the event loop stands still meanwhile
                self.assertEqual([await first, await second], ["first", "second"])
                self.assertEqual(server.connections, 2)

    async def test_unreachable(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncClient(os.path.join(folder, "none")) as client:
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    await client.version()
                self.assertEqual(caught.exception.code, "connect_failed")
        with FakeServer(silent, greeted=False) as server:
            async with AsyncClient(server.path, connect_timeout=0.05) as client:
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    await client.call("p", "m")
                self.assertEqual(caught.exception.code, "connect_failed")

    async def test_close(self) -> None:
        asked = threading.Event()

        def script(peer: Peer) -> None:
            peer.read()
            asked.set()
            peer.read()

        with FakeServer(script) as server:
            client = AsyncClient(server.path)
            task = asyncio.create_task(client.call("p", "m"))
            self.assertTrue(await asyncio.to_thread(asked.wait, PATIENCE))
            await client.close()
            with self.assertRaises(poold.PoolConnectionError):
                await task
            with self.assertRaises(RuntimeError):
                await client.call("p", "m")


class TestTypes(unittest.TestCase):
    def test_checkers_see_the_methods_that_there_are(self) -> None:
        def methods(path: str, name: str, kind: type) -> dict[str, str]:
            tree = ast.parse((PACKAGE / "poold" / path).read_text(encoding="utf-8"))
            (found,) = (each for each in tree.body if getattr(each, "name", None) == name)
            return {
                each.name: f"{ast.unparse(each.args)} -> {ast.unparse(each.returns)}"
                for each in found.body
                if isinstance(each, kind) and each.name != "request"
            }

        plain = methods("calls.py", "Requests", ast.FunctionDef)
        self.assertGreater(len(plain), 20)
        self.assertEqual(methods("aiorequests.pyi", "AsyncRequests", ast.AsyncFunctionDef), plain)


if __name__ == "__main__":
    unittest.main()
