"""Answers in parts, and events: both clients against a server that says what each test wants."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import poold
from poold.aio import AsyncClient
from support import PATIENCE, FakeServer, Peer, pack


def chunk(number: int, value: object) -> list:
    return [2, "poold.chunk", [number, value]]


def tell(*values: object, result: object = None) -> object:
    """A script: each request is answered with these chunks and this result."""

    def script(peer: Peer) -> None:
        while True:
            number = peer.read()[1]
            peer.send(*(chunk(number, value) for value in values), [1, number, None, result])

    return script


def expect_cancel(peer: Peer, number: int) -> None:
    found = peer.read()
    assert found == [2, "poold.cancel", [number]], found


class Cancelled:
    """A script that sends a chunk, wants to be told that nobody waits for more, and then echoes."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def __call__(self, peer: Peer) -> None:
        number = peer.read()[1]
        peer.send(chunk(number, 1))
        expect_cancel(peer, number)
        self.told.set()
        # What was under way already.
        peer.send(chunk(number, 2), [1, number, {"code": "cancelled"}, None])
        while True:
            message = peer.read()
            peer.send([1, message[1], None, message[3]])


# A chunk whose value is a map with a list as its key, before its id and after.
ODD_HEAD = b"\x93\x02\xabpoold.chunk\x92"
ODD_VALUE = b"\x81\x91\x01\xa3end"

RESTARTED = [
    [1, 2, poold.RESTART, 3],  # everything taken as it comes
    [poold.RESTART, 3],  # nothing taken before the restart
]


class TestStream(unittest.TestCase):
    def test_chunks_and_result(self) -> None:
        for values in ([], [1], ["a", None, [b"c"], {}]):
            script = tell(*values, result="the end")
            with FakeServer(script) as server, poold.Client(server.path) as client:
                stream = client.stream("p", "m")
                self.assertEqual(list(stream), values)
                self.assertEqual((stream.result, list(stream)), ("the end", []))
                self.assertEqual(client._connection._calls, {})

    def test_params(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                message = peer.read()
                peer.send([1, message[1], None, message[3]])

        def asked(*arguments: object, **named: object) -> list:
            stream = client.stream("p", "m", *arguments, **named)
            self.assertEqual(list(stream), [])
            return stream.result

        with FakeServer(script) as server, poold.Client(server.path) as client:
            self.assertEqual(asked(1), ["p", "m", [1], {"stream": True}])
            self.assertEqual(asked(a=1, stream=2)[2:], [{"a": 1, "stream": 2}, {"stream": True}])
            options = {"restartable": True, "session": "s", "idempotent": True}
            expected = {"timeout_ms": 2000, "stream": True, **options}
            self.assertEqual(asked(timeout=2, **options), ["p", "m", [], expected])
            both = asked(1, a={2})[2]
            self.assertEqual((both.args, both.kwargs), ([1], {"a": {2}}))

    def test_meta(self) -> None:
        script = tell(1, result={"result": 5, "meta": {"attempts": 2}})
        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m", meta=True)
            self.assertEqual((list(stream), stream.result.meta), ([1], {"attempts": 2}))

    def test_each_chunk_as_it_comes(self) -> None:
        step = threading.Semaphore(0)

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            for value in range(3):
                peer.send(chunk(number, value))
                assert step.acquire(timeout=PATIENCE)
            peer.send([1, number, None, "end"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            for expected in range(3):
                self.assertEqual(next(stream), expected)  # the server waits for this
                with self.assertRaises(LookupError):
                    stream.result
                step.release()
            self.assertRaises(StopIteration, next, stream)
            self.assertEqual(stream.result, "end")

    def test_errors_come_after_the_chunks(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            error = {"code": "worker_killed", "message": "gone", "circuit": "closed"}
            peer.send(chunk(number, 1), chunk(number, 2), [1, number, error, None])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual([next(stream), next(stream)], [1, 2])
            for _ in range(2):
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    next(stream)
                self.assertEqual(caught.exception.circuit, "closed")
            with self.assertRaises(poold.PoolConnectionError):
                stream.result

    def test_lost_in_mid_stream(self) -> None:
        def script(peer: Peer) -> None:
            peer.send(chunk(peer.read()[1], 1))
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            with self.assertRaises(poold.PoolConnectionError) as caught:
                next(stream)
            self.assertEqual(caught.exception.code, "peer_closed")

    def test_restart(self) -> None:
        step = threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            peer.send(chunk(number, 1), chunk(number, 2))
            assert step.wait(PATIENCE)
            peer.send([2, "poold.restart", [number]], chunk(number, 3), [1, number, None, None])
            number, call = peer.read()[1], peer.read()[1]
            peer.send(chunk(number, 1), [2, "poold.restart", [number]], chunk(number, 3))
            peer.send([1, number, None, None], [1, call, None, "all of it is here"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m", restartable=True)
            found = [next(stream), next(stream)]
            step.set()
            self.assertEqual(found + list(stream), RESTARTED[0])
            stream = client.stream("p", "m", restartable=True)
            self.assertEqual(client.call("p", "m"), "all of it is here")
            self.assertEqual(list(stream), RESTARTED[1])
        self.assertEqual(repr(poold.RESTART), "poold.RESTART")

    def test_other_calls_meanwhile(self) -> None:
        def script(peer: Peer) -> None:
            first, second, call = (peer.read()[1] for _ in range(3))
            peer.send(chunk(first, "a"), chunk(second, "x"), chunk(call, "odd"), chunk(99, "odd"))
            peer.send([1, call, None, "called"], chunk(first, "b"), [1, second, None, 2])
            peer.send([1, first, None, 1])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            streams = [client.stream("p", "m") for _ in range(2)]
            self.assertEqual(client.call("p", "m"), "called")
            self.assertEqual([list(stream) for stream in streams], [["a", "b"], ["x"]])
            self.assertEqual([stream.result for stream in streams], [1, 2])

    def test_threads(self) -> None:
        """Whoever reads hands out the chunks of others, and wakes them."""
        count = 200

        def script(peer: Peer) -> None:
            numbers = [peer.read()[1] for _ in range(4)]
            for value in range(count):
                peer.send(*(chunk(number, value) for number in numbers))
            peer.send(*([1, number, None, number] for number in numbers))

        with FakeServer(script) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor(4) as threads:
                found = threads.map(lambda _: list(client.stream("p", "m")), range(4))
                self.assertEqual(list(found), [list(range(count))] * 4)

    def test_every_cut(self) -> None:
        def script(peer: Peer) -> None:
            cut = 0
            while True:
                number = peer.read()[1]
                data = pack(chunk(number, "one")) + pack(chunk(number, "two"))
                data += pack([1, number, None, "end"])
                peer.send_bytes(data[:cut])
                peer.send_bytes(data[cut:])
                cut = (cut + 1) % len(data)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            for _ in range(60):
                stream = client.stream("p", "m")
                self.assertEqual([*stream, stream.result], ["one", "two", "end"])

    def test_closing_early_cancels(self) -> None:
        def by_close() -> None:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            stream.close()
            self.assertRaises(StopIteration, next, stream)
            with self.assertRaises(poold.Cancelled):
                stream.result
            stream.close()

        def by_with() -> None:
            with client.stream("p", "m") as stream:
                self.assertEqual(next(stream), 1)

        def by_leaving_it() -> None:
            for value in client.stream("p", "m"):
                self.assertEqual(value, 1)
                break

        def by_leaving_it_in_a_circle() -> None:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            circle: list = [stream]
            circle.append(circle)
            del stream, circle
            gc.collect()

        for leave in (by_close, by_with, by_leaving_it, by_leaving_it_in_a_circle):
            script = Cancelled()
            with (
                self.subTest(leave.__name__),
                FakeServer(script) as server,
                poold.Client(server.path) as client,
            ):
                leave()
                self.assertTrue(script.told.wait(PATIENCE))
                self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
                self.assertEqual(client._connection._calls, {})
                self.assertEqual(server.connections, 1)

    def test_left_in_the_middle_of_a_message(self) -> None:
        """As the garbage collector may do: the next request tells the daemon."""
        script = Cancelled()
        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            for mark in ("_half_read", "_half_written"):
                with mock.patch.object(client._connection, mark, True):
                    stream.__del__()
                self.assertFalse(script.told.is_set())
            del stream
            self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
            self.assertTrue(script.told.is_set())

    def test_a_stream_at_its_end_cancels_nothing(self) -> None:
        with FakeServer(tell(1)) as server, poold.Client(server.path) as client:
            with client.stream("p", "m") as stream:
                self.assertEqual(list(stream), [1])
            del stream
            # The script would answer a notification with garbage.
            self.assertEqual(client.call("p", "m"), None)

    def test_closed_by_another_thread(self) -> None:
        script = Cancelled()
        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            with ThreadPoolExecutor() as threads:
                waiting = threads.submit(next, stream, "the end")
                stream.close()
                self.assertEqual(waiting.result(PATIENCE), "the end")

    def test_deadline_of_its_own(self) -> None:
        script = Cancelled()
        with FakeServer(script) as server, poold.Client(server.path, grace=0.01) as client:
            stream = client.stream("p", "m", timeout=1.0)
            self.assertEqual(next(stream), 1)
            self.assertRaises(poold.DeadlineExceeded, next, stream)
            self.assertTrue(script.told.wait(PATIENCE))

    def test_a_chunk_that_python_cannot_hold(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            peer.send_bytes(pack(chunk(number, 1)) + ODD_HEAD + pack(number) + ODD_VALUE)
            expect_cancel(peer, number)
            peer.send([1, peer.read()[1], None, "fine"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            for _ in range(2):
                with self.assertRaises(poold.CommunicationError) as caught:
                    next(stream)
                self.assertEqual(caught.exception.code, "decode_error")
                self.assertIn("the chunk cannot be said", str(caught.exception))
            self.assertEqual(client.call("p", "m"), "fine")

    def test_a_chunk_over_the_limit(self) -> None:
        def script(peer: Peer) -> None:
            peer.send(chunk(peer.read()[1], b"x" * 100_000))

        with (
            FakeServer(script) as server,
            poold.Client(server.path, max_buffer_size=50_000) as client,
        ):
            with self.assertRaises(poold.CommunicationError) as caught:
                list(client.stream("p", "m"))
            self.assertEqual(caught.exception.code, "response_too_large")

    def test_notifications_of_other_shapes(self) -> None:
        odd = [[], 5, [[1]], ["1", 2], [None], {}, [True, 1]]

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            for method in ("poold.chunk", "poold.restart", "poold.event", "poold.news", b"bin"):
                peer.send(*([2, method, params] for params in odd), [2, method, [number + 1, 0]])
            peer.send([2, "poold.chunk", [number]], chunk(number, 1), [1, number, None, 2])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual([*stream, stream.result], [1, 2])

    def test_a_forked_child_leaves_it_alone(self) -> None:
        script = Cancelled()
        with FakeServer(script) as server, poold.Client(server.path) as client:
            stream = client.stream("p", "m")
            self.assertEqual(next(stream), 1)
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    with self.assertRaises(poold.PoolConnectionError):
                        next(stream)
                    stream.__del__()
                    stream.close()
                    status = 0
                finally:
                    os._exit(status)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertFalse(script.told.is_set())
            stream.close()
            self.assertTrue(script.told.wait(PATIENCE))


class Subscription:
    """A script: takes a subscription, sends what it is given, then what `release` lets go."""

    def __init__(self, *events: dict) -> None:
        self.asked: list = []
        self.gone = threading.Event()
        self._events = events

    def __call__(self, peer: Peer) -> None:
        _, number, method, params = peer.read()
        if method != "poold.subscribe":
            return peer.send([1, number, None, method])
        self.asked.append(params)
        kinds = params[0] if params else ["breaker", "health"]
        first, *rest = ([2, "poold.event", [event]] for event in self._events)
        answer = {"kinds": kinds, "epoch": 1767225500000, "seq": 61}
        if len(params) > 1:
            answer["lost"] = 4
        peer.send(first, [1, number, None, answer], *rest)  # the first is early
        try:
            peer.read()
        except (EOFError, ConnectionError):
            self.gone.set()


EVENTS = [{"kind": "health", "seq": seq, "pool": "p"} for seq in range(3)]


class TestEvents(unittest.TestCase):
    def test_events(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server, poold.Client(server.path) as client:
            with client.subscribe("health", "breaker") as events:
                self.assertEqual(events.kinds, ["health", "breaker"])
                self.assertEqual([next(events) for _ in EVENTS], EVENTS)
                self.assertEqual(client.health(), "poold.health")  # on another connection
            self.assertRaises(StopIteration, next, events)
            self.assertTrue(script.gone.wait(PATIENCE))
            self.assertEqual(server.connections, 2)
        self.assertEqual(script.asked, [[["health", "breaker"]]])

    def test_all_kinds(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server, poold.Client(server.path) as client:
            self.assertEqual(client.subscribe().kinds, ["breaker", "health"])
            self.assertEqual(script.asked, [[]])
            self.assertTrue(script.gone.wait(PATIENCE))  # nobody referred to it

    def test_since(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server, poold.Client(server.path) as client:
            with client.subscribe("health", since=0) as events:
                self.assertEqual((events.epoch, events.lost), (1767225500000, 4))
            client.subscribe(since=58, epoch=1767225500000).close()
            with client.subscribe() as events:
                self.assertEqual((events.epoch, events.lost), (1767225500000, 0))
        self.assertEqual(
            script.asked,
            [[["health"], {"since": 0}], [[], {"since": 58, "epoch": 1767225500000}], []],
        )

    def test_refused(self) -> None:
        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], {"code": "invalid_request", "message": "no"}, None])
            self.assertRaises(EOFError, peer.read)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            with self.assertRaises(poold.RequestError):
                client.subscribe("odd")

    def test_lost(self) -> None:
        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], None, {"kinds": []}], [2, "poold.event", [EVENTS[0]]])
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            events = client.subscribe()
            self.assertEqual(next(events), EVENTS[0])
            self.assertRaises(poold.PoolConnectionError, next, events)

    def test_closing_the_client_ends_it(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server:
            client = poold.Client(server.path)
            events = client.subscribe()
            self.assertEqual([next(events) for _ in EVENTS], EVENTS)
            with ThreadPoolExecutor() as threads:
                waiting = threads.submit(next, events)
                client.close()
                self.assertIsInstance(waiting.exception(PATIENCE), poold.PoolConnectionError)
            self.assertTrue(script.gone.wait(PATIENCE))
            self.assertRaises(RuntimeError, client.subscribe)


async def collect(values: object) -> list:
    return [value async for value in values]


class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def wait_for(self, event: threading.Event) -> None:
        self.assertTrue(await asyncio.to_thread(event.wait, PATIENCE))

    async def test_chunks_and_result(self) -> None:
        for values in ([], [1], ["a", None, [b"c"], {}]):
            with FakeServer(tell(*values, result="the end")) as server:
                async with AsyncClient(server.path) as client:
                    stream = client.stream("p", "m")
                    with self.assertRaises(LookupError):
                        stream.result
                    self.assertEqual(await collect(stream), values)
                    self.assertEqual((stream.result, await collect(stream)), ("the end", []))
                    connection = client._connection
                    self.assertEqual((connection._futures, connection._parts), ({}, {}))

    async def test_params_and_meta(self) -> None:
        def script(peer: Peer) -> None:
            message = peer.read()
            peer.send([1, message[1], None, {"result": message[3], "meta": {"attempts": 2}}])

        with FakeServer(script) as server:
            async with AsyncClient(server.path, 3) as client:
                stream = client.stream("p", "m", a=1, key="k", meta=True)
                self.assertEqual(await collect(stream), [])
                options = {"timeout_ms": 3000, "meta": True, "stream": True, "key": "k"}
                found = ["p", "m", {"a": 1}, options]
                self.assertEqual(stream.result, (found, {"attempts": 2}))

    async def test_chunks_and_other_calls_interleave(self) -> None:
        step = threading.Event()

        def script(peer: Peer) -> None:
            first, second, call = (peer.read()[1] for _ in range(3))
            peer.send(chunk(first, "a"), chunk(second, "x"), chunk(call, "odd"), chunk(99, "odd"))
            peer.send([1, call, None, "called"])
            assert step.wait(PATIENCE)
            peer.send(chunk(first, "b"), [1, second, None, 2], [1, first, None, 1])

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                streams = [client.stream("p", "m") for _ in range(2)]
                async with streams[0], streams[1]:
                    self.assertEqual(await client.call("p", "m"), "called")
                    step.set()
                    found = await asyncio.gather(*map(collect, streams))
                self.assertEqual(found, [["a", "b"], ["x"]])
                self.assertEqual([stream.result for stream in streams], [1, 2])

    async def test_errors_come_after_the_chunks(self) -> None:
        def fail(peer: Peer) -> None:
            number = peer.read()[1]
            error = {"code": "circuit_open", "message": "shut", "retry_after_ms": 100}
            peer.send(chunk(number, 1), [1, number, error, None])

        def go(peer: Peer) -> None:
            peer.send(chunk(peer.read()[1], 1))
            peer.channel.shutdown(socket.SHUT_RDWR)

        for script, kind in ((fail, poold.CircuitOpen), (go, poold.PoolConnectionError)):
            with self.subTest(kind.__name__), FakeServer(script) as server:
                async with AsyncClient(server.path) as client:
                    stream = client.stream("p", "m")
                    self.assertEqual(await anext(stream), 1)
                    for _ in range(2):
                        with self.assertRaises(kind):
                            await anext(stream)
                    with self.assertRaises(kind):
                        stream.result

    async def test_restart(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            peer.send(chunk(number, 1), chunk(number, 2))
            assert taken.wait(PATIENCE)
            peer.send([2, "poold.restart", [number]], chunk(number, 3), [1, number, None, None])

        taken = threading.Event()
        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                stream = client.stream("p", "m", restartable=True)
                found = [await anext(stream), await anext(stream)]
                taken.set()
                self.assertEqual(found + await collect(stream), RESTARTED[0])

    async def test_closing_early_cancels(self) -> None:
        async def by_close(client: AsyncClient) -> None:
            stream = client.stream("p", "m")
            self.assertEqual(await anext(stream), 1)
            await stream.aclose()
            with self.assertRaises(StopAsyncIteration):
                await anext(stream)
            with self.assertRaises(poold.Cancelled):
                stream.result
            await stream.aclose()

        async def by_with(client: AsyncClient) -> None:
            async with client.stream("p", "m") as stream:
                self.assertEqual(await anext(stream), 1)

        async def by_leaving_it(client: AsyncClient) -> None:
            async for value in client.stream("p", "m"):
                self.assertEqual(value, 1)
                break

        async def by_cancelling_the_task(client: AsyncClient) -> None:
            async def read() -> None:
                async for _ in stream:
                    taken.set()

            stream = client.stream("p", "m")
            taken = asyncio.Event()
            task = asyncio.create_task(read())
            await taken.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await self.wait_for(script.told)  # the stream is still referred to

        for leave in (by_close, by_with, by_leaving_it, by_cancelling_the_task):
            script = Cancelled()
            with self.subTest(leave.__name__), FakeServer(script) as server:
                async with AsyncClient(server.path) as client:
                    await leave(client)
                    await self.wait_for(script.told)
                    self.assertEqual(await client.call("p", "m", 1), ["p", "m", [1]])
                    connection = client._connection
                    self.assertEqual((connection._futures, connection._parts), ({}, {}))
                    self.assertEqual(server.connections, 1)

    async def test_closed_before_it_began(self) -> None:
        with FakeServer(tell(1)) as server:
            async with AsyncClient(server.path) as client:
                stream = client.stream("p", "m")
                await stream.aclose()
                self.assertEqual(await collect(stream), [])
            self.assertEqual(server.connections, 0)

    async def test_nobody_listens(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncClient(os.path.join(folder, "none")) as client:
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    await anext(client.stream("p", "m", timeout=0.3))
                found = (caught.exception.code, caught.exception.executed)
                self.assertEqual(found, ("connect_failed", "no"))

    async def test_nobody_greets(self) -> None:
        def silent(peer: Peer) -> None:
            while True:
                peer.read()

        with FakeServer(silent, greeted=False) as server:
            async with AsyncClient(server.path) as client:
                with self.assertRaises(poold.DeadlineExceeded) as caught:
                    await anext(client.stream("p", "m", timeout=0.3))
                self.assertEqual(caught.exception.executed, "no")

    async def test_deadline_of_its_own(self) -> None:
        script = Cancelled()
        with FakeServer(script) as server:
            async with AsyncClient(server.path, grace=0.01) as client:
                stream = client.stream("p", "m", timeout=1.0)
                self.assertEqual(await anext(stream), 1)
                with self.assertRaises(poold.DeadlineExceeded):
                    await anext(stream)
                await self.wait_for(script.told)

    async def test_a_chunk_that_python_cannot_hold(self) -> None:
        def script(peer: Peer) -> None:
            for answered in (False, True):
                number = peer.read()[1]
                data = pack(chunk(number, 1)) + ODD_HEAD + pack(number) + ODD_VALUE
                peer.send_bytes(data + (pack([1, number, None, 2]) if answered else b""))
                if not answered:
                    expect_cancel(peer, number)

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                for _ in range(2):
                    stream = client.stream("p", "m")
                    self.assertEqual(await anext(stream), 1)
                    with self.assertRaises(poold.CommunicationError) as caught:
                        await anext(stream)
                    self.assertEqual(caught.exception.code, "decode_error")

    async def test_events(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                async with client.subscribe("health") as events:
                    self.assertEqual(events.kinds, ["health"])
                    self.assertEqual([await anext(events) for _ in EVENTS], EVENTS)
                    self.assertEqual(await client.health(), "poold.health")
                self.assertEqual(await collect(events), [])
                await self.wait_for(script.gone)
                self.assertEqual(server.connections, 2)
        self.assertEqual(script.asked, [[["health"]]])

    async def test_events_since(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                events = client.subscribe("health", since=58, epoch=1767225500000)
                async with events:
                    self.assertEqual((events.epoch, events.lost), (1767225500000, 4))
        self.assertEqual(script.asked, [[["health"], {"since": 58, "epoch": 1767225500000}]])

    async def test_events_that_nobody_wants_any_more(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                async for event in client.subscribe():
                    self.assertEqual(event, EVENTS[0])
                    break
                await self.wait_for(script.gone)

    async def test_events_lost(self) -> None:
        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], None, {"kinds": []}], [2, "poold.event", [EVENTS[0]]])
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server:
            async with AsyncClient(server.path) as client:
                events = client.subscribe()
                self.assertEqual(await anext(events), EVENTS[0])
                with self.assertRaises(poold.PoolConnectionError):
                    await anext(events)

    async def test_closing_the_client_ends_events(self) -> None:
        script = Subscription(*EVENTS)
        with FakeServer(script) as server:
            client = AsyncClient(server.path)
            async with client.subscribe() as events:
                self.assertEqual([await anext(events) for _ in EVENTS], EVENTS)
                task = asyncio.create_task(anext(events))
                await asyncio.sleep(0)  # one turn of the loop: it waits by now
                await client.close()
                with self.assertRaises(poold.PoolConnectionError):
                    await task
            with self.assertRaises(RuntimeError):
                await anext(client.subscribe())


if __name__ == "__main__":
    unittest.main()
