"""Calls that were not executed are asked again, by both clients, and no others."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import threading
import time
import traceback
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import Any

import poold
from poold import again
from poold.aio import AsyncClient
from support import HELLO, PATIENCE, FakeServer, Peer, echo, greet

STOPPING = {"code": "shutting_down", "executed": "no", "message": "the daemon is stopping"}

# Errors that nobody asks again after, though most of them are retryable.
OTHERS = (
    {"code": "queue_full", "executed": "no", "retryable": True},
    {"code": "shed", "executed": "no", "retryable": True},
    {"code": "circuit_open", "executed": "no", "retryable": True, "retry_after_ms": 1},
    {"code": "pool_unavailable", "executed": "no", "retryable": True},
    {"code": "worker_killed", "executed": "no", "retryable": True},
    {"code": "peer_closed", "executed": "no", "retryable": True},
    {"code": "shutting_down", "executed": "maybe"},
    {"code": "shutting_down"},
)


def refusing(times: int, error: object = STOPPING) -> Callable[[Peer], None]:
    """A script: the first calls get this error, all others their params."""
    left = [times]

    def script(peer: Peer) -> None:
        while True:
            message = peer.read()
            if message[0] != 0:
                continue
            left[0] -= 1
            if left[0] >= 0:
                peer.send([1, message[1], error, None])
            else:
                peer.send([1, message[1], None, message[3]])

    return script


# Bytes that no process has room for.
NO_STACK = 1 << 48


class Late:
    """A server whose socket is there only after a while."""

    def __init__(self, folder: str, after: float, script: Callable[[Peer], None] = echo) -> None:
        self.path = os.path.join(folder, "late")
        self._after = after
        self._script = script
        self.hellos: list = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        time.sleep(self._after)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.path)
            listener.listen(8)
            while True:
                peer = Peer(listener.accept()[0])
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        try:
            greet(self, peer)  # type: ignore[arg-type]
            self._script(peer)
        except (EOFError, OSError):
            pass


class Cases:
    """What holds for both clients; `ask` makes one call with a client of its own."""

    def ask(self, path: str, *args: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        raise NotImplementedError

    def tell(self, path: str, **named: Any) -> list[Any]:
        """The chunks of a streamed call, and its result."""
        raise NotImplementedError

    def test_a_daemon_that_is_stopping(self) -> None:
        """It is asked again on the same connection, and never twice for one refusal."""
        asked: list[int] = []

        def script(peer: Peer) -> None:
            while True:
                number = peer.read()[1]
                asked.append(number)
                peer.send([1, number, STOPPING if len(asked) < 4 else None, "served"])

        with FakeServer(script) as server:
            self.assertEqual(self.ask(server.path, 7), "served")
            self.assertEqual((len(asked), server.connections), (4, 1))

    def test_every_other_error(self) -> None:
        for error in OTHERS:
            with self.subTest(error), FakeServer(refusing(1, error)) as server:
                with self.assertRaises(poold.Error) as caught:
                    self.ask(server.path, timeout=PATIENCE)
                self.assertEqual(caught.exception.code, error["code"])

    def test_without_asking_again(self) -> None:
        with FakeServer(refusing(1)) as server:
            with self.assertRaises(poold.PoolSystemError):
                self.ask(server.path, options={"reconnect": False})
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            with self.assertRaises(poold.PoolConnectionError) as caught:
                self.ask(os.path.join(folder, "none"), options={"reconnect": False}, timeout=60)
            self.assertLess(time.monotonic() - begin, 30)
            self.assertNotIn("for", str(caught.exception).split(": ")[-1])

    def test_the_time_that_is_left(self) -> None:
        """It is asked again with less time, until the time is over; then it fails as it was
        refused."""
        times: list[int] = []

        def script(peer: Peer) -> None:
            while True:
                message = peer.read()
                times.append(message[3][3]["timeout_ms"])
                peer.send([1, message[1], STOPPING, None])

        with FakeServer(script) as server:
            begin = time.monotonic()
            with self.assertRaises(poold.PoolSystemError) as caught:
                self.ask(server.path, timeout=0.9, key="k", meta=True)
            self.assertGreaterEqual(time.monotonic() - begin, 0.89)
            self.assertEqual((caught.exception.code, caught.exception.executed), ("shutting_down", "no"))
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(times[0], 900)
        self.assertLess(times[-1], times[0])
        self.assertLess(len(times), 60)

    def test_no_socket_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            with self.assertRaises(poold.PoolConnectionError) as caught:
                self.ask(os.path.join(folder, "none"), timeout=0.3)
            self.assertGreaterEqual(time.monotonic() - begin, 0.29)
            self.assertEqual((caught.exception.code, caught.exception.executed), ("connect_failed", "no"))
            self.assertRegex(str(caught.exception), r"no socket file was there for 0\.\d s")

    def test_a_socket_that_comes_late(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            late = Late(folder, 0.2)
            self.assertEqual(self.ask(late.path, 1, timeout=PATIENCE)[:3], ["p", "m", [1]])

    def test_a_path_that_is_wrong_for_good(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "file"), "w", encoding="ascii"):
                pass
            begin = time.monotonic()
            with self.assertRaises(poold.PoolConnectionError):
                self.ask(os.path.join(folder, "file", "socket"), timeout=60)
            self.assertLess(time.monotonic() - begin, 30)

    def test_a_request_that_is_not_written_whole(self) -> None:
        served: list[int] = []

        def script(peer: Peer) -> None:
            if server.connections == 1:
                peer.channel.recv(1000)
                peer.channel.shutdown(socket.SHUT_RDWR)
                return
            message = peer.read()
            served.append(len(message[3][2][0]))
            peer.send([1, message[1], None, "whole"])
            peer.read()

        with FakeServer(script) as server:
            self.assertEqual(self.ask(server.path, b"x" * 8_000_000, timeout=PATIENCE), "whole")
            self.assertEqual((served, server.connections), ([8_000_000], 2))

    def test_the_next_daemon_takes_less(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            limit = 16 << 20 if server.connections == 1 else 1 << 20
            peer.send([1, number, None, {**HELLO, "limits": {"message_max": limit}}])
            if server.connections == 1:
                peer.channel.recv(1000)
                peer.channel.shutdown(socket.SHUT_RDWR)
            peer.read()

        with FakeServer(script, greeted=False) as server:
            with self.assertRaises(poold.Error) as caught:
                self.ask(server.path, b"x" * 8_000_000, timeout=PATIENCE)
            self.assertEqual((caught.exception.code, caught.exception.executed), ("payload_too_large", "no"))
            self.assertEqual(server.connections, 2)

    def test_a_request_that_was_written_whole(self) -> None:
        """It may have been executed, and is not asked again."""

        def script(peer: Peer) -> None:
            peer.read()
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server:
            with self.assertRaises(poold.PoolConnectionError) as caught:
                self.ask(server.path, timeout=PATIENCE, idempotent=True, key="k")
            self.assertEqual((caught.exception.code, caught.exception.executed), ("peer_closed", "maybe"))
            self.assertEqual(server.connections, 1)

    def test_a_stream(self) -> None:
        def script(peer: Peer) -> None:
            for count in range(3):
                message = peer.read()
                if count < 2:
                    peer.send([1, message[1], STOPPING, None])
            peer.send([2, "poold.chunk", [message[1], "one"]], [1, message[1], None, "end"])
            peer.read()

        with FakeServer(script) as server:
            self.assertEqual(self.tell(server.path), ["one", "end"])

    def test_a_daemon_that_takes_connections_and_ends_them(self) -> None:
        """It is not asked all the time."""

        def script(peer: Peer) -> None:
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script, greeted=False) as server:
            with self.assertRaises(poold.PoolConnectionError):
                self.ask(server.path, timeout=0.5)
            self.assertLess(server.connections, 60)


class TestBlocking(Cases, unittest.TestCase):
    def ask(self, path: str, *args: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        with poold.Client(path, **(options or {})) as client:
            return client.call("p", "m", *args, **named)

    def tell(self, path: str, **named: Any) -> list[Any]:
        with poold.Client(path) as client:
            stream = client.stream("p", "tell", **named)
            return [*stream, stream.result]

    def test_start_returns_at_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            late = Late(folder, 0.2)
            with poold.Client(late.path, PATIENCE) as client:
                calls = [client.start("p", "m", number) for number in range(20)]
                self.assertFalse(os.path.exists(late.path))
                self.assertFalse(calls[0].done())
                self.assertRaises(TimeoutError, calls[0].result, 0.01)
                found = sorted(call.result()[2][0] for call in as_completed(calls))
                self.assertEqual(found, list(range(20)))

    def test_the_time_is_over_and_nobody_waits(self) -> None:
        with FakeServer(refusing(1 << 30)) as server, poold.Client(server.path) as client:
            call = client.start("p", "m", timeout=0.3)
            self.assertTrue(wait([call], PATIENCE).done)
            error = call.exception()
            assert isinstance(error, poold.PoolSystemError)
            self.assertEqual((error.code, error.executed), ("shutting_down", "no"))

    def test_cancel_while_it_waits(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with poold.Client(os.path.join(folder, "none"), 60) as client:
                watched, plain = client.start("p", "m"), client.start("p", "m")
                told = threading.Event()
                watched.add_done_callback(lambda _: told.set())
                begin = time.monotonic()
                for call in (watched, plain):
                    self.assertTrue(call.cancel())
                    with self.assertRaises(poold.Cancelled) as caught:
                        call.result()
                    self.assertEqual(caught.exception.executed, "no")
                    self.assertFalse(call.cancel())
                self.assertTrue(told.wait(PATIENCE))
                self.assertLess(time.monotonic() - begin, 30)

    def test_close_while_it_waits(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            client = poold.Client(os.path.join(folder, "none"), 60)
            call = client.start("p", "m")
            with ThreadPoolExecutor() as threads:
                waiting = threads.submit(call.result)
                client.close()
                error = waiting.exception(PATIENCE)
            self.assertIsInstance(error, poold.PoolConnectionError)
            self.assertEqual(error.executed, "no")

    def test_the_thread_ends(self) -> None:
        def threads() -> list[str]:
            """Where each one is that runs an Asker."""
            found = [traceback.extract_stack(frame) for frame in sys._current_frames().values()]
            return [str(stack[-1]) for stack in found if any(each.name == "_ask_all" for each in stack)]

        with FakeServer(refusing(2)) as server, poold.Client(server.path) as client:
            client.call("p", "m")
            until = time.monotonic() + PATIENCE
            while threads() and time.monotonic() < until:
                time.sleep(0.001)
            self.assertEqual(threads(), [])
            self.assertEqual(client.call("p", "m"), ["p", "m", []])

    def test_no_thread_can_be_had(self) -> None:
        """Nobody would ask again, so the call has failed as the daemon said."""

        def script(peer: Peer) -> None:
            while True:
                _, number, _, params = peer.read()
                peer.send([1, number, STOPPING if params[1] == "never" else None, "served"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            client.call("p", "m")
            before = threading.stack_size(NO_STACK)
            try:
                with self.assertRaises(poold.PoolSystemError) as caught:
                    client.call("p", "never")
            finally:
                threading.stack_size(before)
            self.assertEqual((caught.exception.code, caught.exception.executed), ("shutting_down", "no"))
            self.assertEqual(client.call("p", "m"), "served")

    def test_a_path_that_becomes_wrong_for_good(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "loop")
            with poold.Client(path, 60) as client:
                call = client.start("p", "m")
                self.assertRaises(TimeoutError, call.result, 0.01)
                os.symlink(path, path)
                error = call.exception(30)
            self.assertIsInstance(error, poold.PoolConnectionError)

    def test_in_a_child(self) -> None:
        """The child of a fork asks by itself; the parent's calls are not the child's."""
        with tempfile.TemporaryDirectory() as folder:
            late = Late(folder, 0.3)
            with poold.Client(late.path, PATIENCE) as client:
                call = client.start("p", "m", "parent")
                # What the parent knows of tries in vain is not the child's.
                until = time.monotonic() + 0.25
                while client._asker.failure is None and time.monotonic() < until:
                    time.sleep(0.001)
                child = os.fork()
                if child == 0:
                    status = 1
                    try:
                        found = client.call("p", "m", "child")[2] == ["child"]
                        try:
                            call.result(1)
                        except poold.PoolConnectionError:
                            status = 0 if found else 2
                    finally:
                        os._exit(status)
                self.assertEqual(call.result()[2], ["parent"])
                self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_a_daemon_that_closes(self) -> None:
        """Calls in flight end where they are; the next one has another connection."""
        release = threading.Event()

        def script(peer: Peer) -> None:
            if server.connections > 1:
                return echo(peer)
            first, second = peer.read(), peer.read()
            peer.send([1, second[1], None, "second"], [2, "poold.closing", [{"grace_ms": 1000}]])
            release.wait(PATIENCE)
            peer.send([1, first[1], None, "first"])
            peer.read()

        with FakeServer(script) as server, poold.Client(server.path) as client:
            first = client.start("p", "m", 1)
            self.assertEqual(client.call("p", "m", 2), "second")
            while not client._connection.closing:
                first.done()
            self.assertEqual(client.call("p", "m", 3), ["p", "m", [3]])
            self.assertEqual(server.connections, 2)
            release.set()
            self.assertEqual(first.result(), "first")


class TestAsyncio(Cases, unittest.TestCase):
    def ask(self, path: str, *args: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        async def run() -> Any:
            async with AsyncClient(path, **(options or {})) as client:
                return await client.call("p", "m", *args, **named)

        return asyncio.run(run())

    def tell(self, path: str, **named: Any) -> list[Any]:
        async def run() -> list[Any]:
            async with AsyncClient(path) as client:
                stream = client.stream("p", "tell", **named)
                return [*[chunk async for chunk in stream], stream.result]

        return asyncio.run(run())

    def test_cancel_while_it_waits(self) -> None:
        async def run(path: str) -> None:
            async with AsyncClient(path, 60) as client:
                task = asyncio.ensure_future(client.call("p", "m"))
                await asyncio.sleep(0.05)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task

        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            asyncio.run(run(os.path.join(folder, "none")))
            self.assertLess(time.monotonic() - begin, 30)

    def test_a_daemon_that_closes(self) -> None:
        release = threading.Event()

        def script(peer: Peer) -> None:
            if server.connections > 1:
                return echo(peer)
            first, second = peer.read(), peer.read()
            peer.send([2, "poold.closing", [{"grace_ms": 1000}]], [1, second[1], None, "second"])
            release.wait(PATIENCE)
            peer.send([1, first[1], None, "first"])
            peer.read()

        async def run(path: str) -> None:
            async with AsyncClient(path) as client:
                first = asyncio.ensure_future(client.call("p", "m", 1))
                await asyncio.sleep(0)
                self.assertEqual(await client.call("p", "m", 2), "second")
                self.assertEqual(await client.call("p", "m", 3), ["p", "m", [3]])
                release.set()
                self.assertEqual(await first, "first")

        with FakeServer(script) as server:
            asyncio.run(run(server.path))
            self.assertEqual(server.connections, 2)


class TestPause(unittest.TestCase):
    def test_its_limits(self) -> None:
        for tries in (0, 1, 5, 7, 100, 10_000):
            limit = min(1.0, 0.01 * 2 ** min(tries, 10))
            drawn = [again.pause(tries) for _ in range(300)]
            self.assertTrue(all(0 <= each <= limit for each in drawn))
            self.assertLess(min(drawn), limit / 2)
            self.assertGreater(max(drawn), limit / 2)


if __name__ == "__main__":
    unittest.main()
