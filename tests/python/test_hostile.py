"""Both clients against a server that misbehaves: each call ends, with a result or an error of
poold, and in time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import poold
from clock import measure
from hostile import FLOODS, Hostile
from poold.aio import AsyncClient
from support import PATIENCE, FakeServer, Peer, at_once, echo

SEEDS = range(4)

# Of each call, in seconds; and how much later than both it may end on a busy machine.
TIMEOUT, GRACE = 0.1, 0.05
SLACK = 2.0

KINDS = {"timeout": TIMEOUT, "grace": GRACE}


def silent(peer: Peer) -> None:
    while True:
        peer.read()


class InTime(unittest.TestCase):
    def ends(self, call: Callable[[], object], limit: float = TIMEOUT + GRACE) -> poold.Error | None:
        """Makes the call, and returns its error if it has one."""
        begin = time.monotonic()
        try:
            call()
            error = None
        except poold.Error as caught:
            error = caught
            str(caught), repr(caught)
        late = time.monotonic() - begin - limit
        if late >= SLACK:
            self.assertLess(late, SLACK * measure())
        return error


class TestBlocking(InTime):
    def read(self, client: poold.Client) -> None:
        for _ in client.stream("p", "m"):
            pass

    def comes_to_rest(self, hostile: Hostile, client: poold.Client) -> None:
        """When the server behaves again, so does the client, at once but for what is on its way."""
        hostile.calm.set()
        for _ in range(20):
            if self.ends(lambda: client.call("p", "m")) is None:
                return
        self.fail("the client is not what it was before")

    def test_threads(self) -> None:
        def check(seed: int) -> None:
            hostile = Hostile(seed)
            with (
                FakeServer(hostile, greeted=False) as server,
                poold.Client(server.path, **KINDS) as client,
            ):

                def work(name: int) -> None:
                    for _ in range(25):
                        self.ends(lambda: client.call("p", "m", name))
                        self.ends(lambda: self.read(client))

                with ThreadPoolExecutor(4) as threads:
                    for done in [threads.submit(work, name) for name in range(4)]:
                        done.result(PATIENCE)
                self.comes_to_rest(hostile, client)

        at_once(check, SEEDS)

    def test_signals(self) -> None:
        """The same with time limits of the program's own, by a handler that raises."""

        class Late(TimeoutError):
            pass

        def raise_late(*_: object) -> None:
            raise Late

        before = signal.signal(signal.SIGALRM, raise_late)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        hostile = Hostile(9)
        with (
            FakeServer(hostile, greeted=False) as server,
            poold.Client(server.path, **KINDS) as client,
            ThreadPoolExecutor(1) as threads,
        ):
            others = threads.submit(
                lambda: [self.ends(lambda: client.call("p", "m", "other")) for _ in range(60)]
            )
            raised = 0
            for index in range(60):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0001 * (1 + index % 40))
                    self.ends(lambda: client.call("p", "m"))
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Late:
                    raised += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            others.result(PATIENCE)
            self.assertGreater(raised, 0)
            self.comes_to_rest(hostile, client)

    def test_a_forked_child(self) -> None:
        hostile = Hostile(3)
        with (
            FakeServer(hostile, greeted=False) as server,
            poold.Client(server.path, **KINDS) as client,
        ):
            for _ in range(10):
                self.ends(lambda: client.call("p", "m"))
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    for _ in range(10):
                        self.ends(lambda: client.call("p", "m"))
                    status = 0
                finally:
                    os._exit(status)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.comes_to_rest(hostile, client)

    def test_a_flood_does_not_outlast_the_call(self) -> None:
        for flood in FLOODS:
            with FakeServer(flood) as server, poold.Client(server.path, **KINDS) as client:
                self.assertIsNotNone(self.ends(lambda: client.call("p", "m")))
            with FakeServer(flood) as server, poold.Client(server.path, **KINDS) as client:
                self.assertIsNotNone(self.ends(lambda: self.read(client)))

    def test_who_waits_behind_another_that_connects(self) -> None:
        with (
            FakeServer(silent, greeted=False) as server,
            poold.Client(server.path, connect_timeout=PATIENCE, **KINDS) as client,
            ThreadPoolExecutor(6) as threads,
        ):
            calls = [
                threads.submit(self.ends, lambda: client.call("p", "m")) for _ in range(6)
            ]
            for call in calls:
                error = call.result(PATIENCE)
                self.assertIsInstance(error, poold.DeadlineExceeded)
                self.assertEqual(error.executed, "no")
        with (
            FakeServer(silent, greeted=False) as server,
            poold.Client(server.path, connect_timeout=0.3) as client,
            ThreadPoolExecutor(6) as threads,
        ):
            barrier = threading.Barrier(6)

            def call() -> object:
                barrier.wait(PATIENCE)
                return client.call("p", "m")

            for done in [threads.submit(self.ends, call, 0.3) for _ in range(6)]:
                self.assertEqual(done.result(PATIENCE).code, "connect_failed")

    def test_a_connection_that_is_dead(self) -> None:
        release = threading.Event()
        first: list[Peer] = []

        def script(peer: Peer) -> None:
            if first:
                return echo(peer)
            first.append(peer)
            number = peer.read()[1]
            release.wait(PATIENCE)
            peer.send([1, number, None, "at last"])
            silent(peer)

        with FakeServer(script) as server, poold.Client(server.path, grace=GRACE) as client:
            patient = client.start("p", "m")
            for _ in range(3):
                with self.assertRaises(poold.DeadlineExceeded):
                    client.call("p", "m", timeout=0.5)
            self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])
            self.assertEqual(server.connections, 2)
            release.set()
            self.assertEqual(patient.result(PATIENCE), "at last")  # it goes on waiting there
            self.assertEqual(client.call("p", "m", 2), ["p", "m", [2]])

    def test_hello(self) -> None:
        for limit in ("x", 0, -1, [1], None, 1.5, True, {}):

            def script(peer: Peer, limit: object = limit) -> None:
                welcome = {"limits": {"message_max": limit}}
                peer.send([1, peer.read()[1], None, welcome])
                echo(peer)

            with FakeServer(script, greeted=False) as server, poold.Client(server.path) as client:
                self.assertEqual(client.call("p", "m", 1), ["p", "m", [1]])

    def test_subscriptions(self) -> None:
        for answer in (None, 5, [], {}, {"kinds": 5}, {"kinds": [1]}, "kinds"):

            def script(peer: Peer, answer: object = answer) -> None:
                peer.send([1, peer.read()[1], None, answer])
                silent(peer)

            with FakeServer(script) as server, poold.Client(server.path) as client:
                with self.assertRaises(poold.CommunicationError) as caught:
                    client.subscribe()
                self.assertEqual(caught.exception.code, "protocol_violation")


class FullBacklog:
    """A listener that accepts nobody until it is told, and whose backlog is full."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="poold-test-")
        self.path = os.path.join(self._folder.name, "socket")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(0)
        self._before: list[socket.socket] = []

    def __enter__(self) -> FullBacklog:
        while True:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            channel.setblocking(False)
            try:
                channel.connect(self.path)
            except BlockingIOError:
                channel.close()
                return self
            self._before.append(channel)

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for channel in self._before:
            channel.close()
        self._folder.cleanup()

    def serve_one(self) -> None:
        """Accepts all that came before, and answers one call of the next."""
        for _ in self._before:
            self._listener.accept()[0].close()
        channel, _ = self._listener.accept()
        with channel:
            peer = Peer(channel)
            hello = peer.read()
            peer.send([1, hello[1], None, {}])
            peer.send([1, peer.read()[1], None, "served"])


class TestFullBacklog(InTime):
    def test_blocking(self) -> None:
        with FullBacklog() as daemon, poold.Client(daemon.path, **KINDS) as client:
            error = self.ends(lambda: client.call("p", "m"))
            self.assertEqual((error.code, error.executed), ("deadline_exceeded", "no"))
        with (
            FullBacklog() as daemon,
            poold.Client(daemon.path) as client,
            ThreadPoolExecutor(1) as threads,
        ):
            call = threads.submit(client.call, "p", "m")
            daemon.serve_one()
            self.assertEqual(call.result(PATIENCE), "served")

    def test_asyncio(self) -> None:
        async def run(path: str, **options: float) -> object:
            async with AsyncClient(path, **options) as client:
                return await client.call("p", "m")

        with FullBacklog() as daemon:
            error = self.ends(lambda: asyncio.run(run(daemon.path, **KINDS)))
            self.assertEqual((error.code, error.executed), ("deadline_exceeded", "no"))
        with FullBacklog() as daemon, ThreadPoolExecutor(1) as threads:
            call = threads.submit(lambda: asyncio.run(run(daemon.path)))
            daemon.serve_one()
            self.assertEqual(call.result(PATIENCE), "served")


class TestAsyncio(InTime):
    async def read(self, client: AsyncClient) -> None:
        async for _ in client.stream("p", "m"):
            pass

    async def ends_in_time(self, call: object) -> poold.Error | None:
        try:
            async with asyncio.timeout(TIMEOUT + GRACE + SLACK):
                await call
        except poold.Error as error:
            return error
        return None

    def test_tasks(self) -> None:
        async def work(client: AsyncClient) -> None:
            for _ in range(25):
                await self.ends_in_time(client.call("p", "m"))
                await self.ends_in_time(self.read(client))

        async def run(path: str, hostile: Hostile) -> None:
            async with AsyncClient(path, **KINDS) as client:
                await asyncio.gather(*(work(client) for _ in range(4)))
                hostile.calm.set()
                for _ in range(20):
                    if await self.ends_in_time(client.call("p", "m")) is None:
                        return
            self.fail("the client is not what it was before")

        def check(seed: int) -> None:
            hostile = Hostile(seed)
            with FakeServer(hostile, greeted=False) as server:
                asyncio.run(run(server.path, hostile))

        at_once(check, SEEDS)

    def test_a_flood_does_not_outlast_the_call(self) -> None:
        async def run(path: str, call: Callable[[AsyncClient], object]) -> None:
            async with AsyncClient(path, **KINDS) as client:
                self.assertIsNotNone(await self.ends_in_time(call(client)))

        for flood in FLOODS:
            for call in (lambda client: client.call("p", "m"), self.read):
                with FakeServer(flood) as server:
                    asyncio.run(run(server.path, call))

    def test_who_waits_behind_another_that_connects(self) -> None:
        async def run(path: str) -> None:
            async with AsyncClient(path, connect_timeout=PATIENCE, **KINDS) as client:
                calls = (self.ends_in_time(client.call("p", "m")) for _ in range(6))
                for error in await asyncio.gather(*calls):
                    self.assertEqual((error.code, error.executed), ("deadline_exceeded", "no"))

        with FakeServer(silent, greeted=False) as server:
            asyncio.run(run(server.path))

    def test_a_connection_that_is_dead(self) -> None:
        first: list[Peer] = []

        def script(peer: Peer) -> None:
            if first:
                return echo(peer)
            first.append(peer)
            silent(peer)

        async def run(path: str) -> None:
            async with AsyncClient(path, grace=GRACE) as client:
                for _ in range(3):
                    with self.assertRaises(poold.DeadlineExceeded):
                        await client.call("p", "m", timeout=0.5)
                self.assertEqual(await client.call("p", "m", 1), ["p", "m", [1]])

        with FakeServer(script) as server:
            asyncio.run(run(server.path))
            self.assertEqual(server.connections, 2)

    def test_one_loop_after_the_other(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                message = peer.read()
                if message[0] == 2:
                    continue  # a cancel
                if message[3][1] == "tell":
                    peer.send([2, "poold.chunk", [message[1], "one"]])
                else:
                    peer.send([1, message[1], None, message[3]])

        async def begin() -> object:
            stream = client.stream("p", "tell")
            self.assertEqual(await anext(stream), "one")
            return stream

        async def go_on() -> None:
            with self.assertRaises(poold.PoolConnectionError):
                await anext(stream)
            await stream.aclose()

        with FakeServer(script) as server:
            client = AsyncClient(server.path)
            for index in range(3):
                found = asyncio.run(client.call("p", "m", index))
                self.assertEqual(found, ["p", "m", [index]])
            self.assertEqual(server.connections, 3)
            stream = asyncio.run(begin())
            asyncio.run(go_on())
            asyncio.run(client.close())


if __name__ == "__main__":
    unittest.main()
