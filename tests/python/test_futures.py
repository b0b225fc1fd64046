"""Calls as futures, the executor, and pools as objects, against a server that says what each test
wants.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import socket
import subprocess
import sys
import threading
import unittest
from itertools import takewhile
from typing import Any
from unittest import mock

import poold
from poold import codec, executor
from poold.aio import AsyncClient
from poold.call import Call
from poold.calls import HEARTBEAT
from poold.connection import Connection
from poold.futures import Watchable
from support import PACKAGE, PATIENCE, FakeServer, Peer, WorkerProcess, echo, pack

import served


def when_asked(go: threading.Event, peer: Peer) -> None:
    """A script: answers all that was asked with its arguments, once `go` is set."""
    while True:
        message = peer.read()
        if message[0] == 0:
            assert go.wait(PATIENCE)
            peer.send([1, message[1], None, message[3][2]])


class TestCalls(unittest.TestCase):
    def test_as_completed_and_wait(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            calls = [client.start("p", "m", number) for number in range(200)]
            found = [call.result()[2][0] for call in concurrent.futures.as_completed(calls, PATIENCE)]
            self.assertEqual(sorted(found), list(range(200)))
            calls = [client.start("p", "m") for _ in range(20)]
            done, others = concurrent.futures.wait(calls, PATIENCE)
            self.assertEqual((len(done), len(others)), (20, 0))
            done, others = concurrent.futures.wait(calls, 0)
            self.assertEqual(len(done), 20)

    def test_callbacks(self) -> None:
        """They may use the client, and one that fails does not hinder others."""
        go = threading.Event()
        found: list[object] = []
        last = threading.Event()

        def note(call: Any) -> None:
            found.append(call.result())
            found.append(client.call("p", "m", "from the callback"))

        def fail(_: Any) -> None:
            raise ValueError("a callback")


        script = functools.partial(when_asked, go)
        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m", 1)
            call.add_done_callback(note)
            call.add_done_callback(fail)
            call.add_done_callback(lambda _: last.set())
            self.assertFalse(call.done())
            self.assertTrue(call.running())
            with self.assertLogs("concurrent.futures", "ERROR"):
                go.set()
                self.assertTrue(last.wait(PATIENCE))
            self.assertEqual(found, [[1], ["from the callback"]])
            self.assertTrue(call.done())
            self.assertFalse(call.running() or call.cancelled())
            self.assertIsNone(call.exception())
            call.add_done_callback(note)  # at once
            self.assertEqual(len(found), 4)

    def test_an_error(self) -> None:
        def script(peer: Peer) -> None:
            peer.send([1, peer.read()[1], {"code": "queue_full"}, None])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m")
            concurrent.futures.wait([call], PATIENCE)
            self.assertIsInstance(call.exception(), poold.ResourceError)
            self.assertFalse(call.cancelled())

    def test_a_result_that_python_cannot_hold(self) -> None:
        def script(peer: Peer) -> None:
            for _ in range(2):
                peer.send_bytes(b"\x94\x01" + pack(peer.read()[1]) + b"\xc0\x81\x90\x01")

        with FakeServer(script) as server, poold.Client(server.path) as client:
            error = client.start("p", "m").exception(PATIENCE)
            assert isinstance(error, poold.CommunicationError)
            self.assertEqual((error.code, error.executed), ("decode_error", "yes"))
            call = client.start("p", "m")
            concurrent.futures.wait([call], PATIENCE)
            self.assertFalse(call.cancelled())

    def test_the_end_of_the_connection(self) -> None:
        def script(peer: Peer) -> None:
            peer.read()
            peer.channel.shutdown(socket.SHUT_RDWR)

        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m")
            concurrent.futures.wait([call], PATIENCE)
            self.assertIsInstance(call.exception(), poold.PoolConnectionError)

    def test_cancel_only_asks(self) -> None:
        def script(peer: Peer) -> None:
            for answer in ({"code": "cancelled", "message": "given up"}, None):
                number = peer.read()[1]
                assert peer.read() == [2, "poold.cancel", [number]]
                peer.send([1, number, answer, None if answer else "late"])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m")
            self.assertTrue(call.cancel())
            concurrent.futures.wait([call], PATIENCE)
            self.assertTrue(call.cancelled())
            self.assertRaises(concurrent.futures.CancelledError, call.result)
            self.assertRaises(poold.Cancelled, call.exception)
            self.assertFalse(call.cancel())
            late = client.start("p", "m")
            concurrent.futures.wait([late], 0)
            self.assertTrue(late.cancel())
            self.assertEqual(late.result(PATIENCE), "late")
            self.assertFalse(late.cancelled())

    def test_its_deadline(self) -> None:
        """A later one of an earlier call does not hide it."""

        def silent(peer: Peer) -> None:
            while True:
                peer.read()

        with FakeServer(silent) as server, poold.Client(server.path, grace=0) as client:
            calls = [client.start("p", "m", timeout=limit) for limit in (PATIENCE * 2, 0.05, 0.01)]
            done, others = concurrent.futures.wait(calls[1:], PATIENCE)
            self.assertEqual((len(done), len(others)), (2, 0))
            done, _ = concurrent.futures.wait(calls, PATIENCE, concurrent.futures.FIRST_COMPLETED)
            self.assertEqual(done, set(calls[1:]))
            for call in done:
                self.assertIsInstance(call.exception(), poold.DeadlineExceeded)

    def test_asyncio(self) -> None:
        async def main(client: poold.Client) -> None:
            calls = [asyncio.wrap_future(client.start("p", "m", number)) for number in range(5)]
            found = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
            self.assertEqual([each[2] for each in found], [[0], [1], [2], [3], [4]])

        with FakeServer(echo) as server, poold.Client(server.path) as client:
            asyncio.run(main(client))

    def test_a_cancelled_task_asks_to_cancel(self) -> None:
        asked = threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            assert peer.read() == [2, "poold.cancel", [number]]
            asked.set()
            peer.send([1, number, {"code": "cancelled"}, None])

        async def main(client: poold.Client) -> None:
            future = asyncio.wrap_future(client.start("p", "m"))
            future.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await future

        with FakeServer(script) as server, poold.Client(server.path) as client:
            asyncio.run(main(client))
            self.assertTrue(asked.wait(PATIENCE))

    def test_threads_in_calls_beside_it(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:

            def work(first: int) -> None:
                for number in range(first, first + 50):
                    if number % 2:
                        assert client.call("p", "m", number)[2] == [number]
                    else:
                        call = client.start("p", "m", number)
                        concurrent.futures.wait([call], PATIENCE)
                        assert call.result(0)[2] == [number]

            with concurrent.futures.ThreadPoolExecutor(8) as threads:
                list(threads.map(work, range(0, 800, 100)))

    def test_after_a_fork(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            concurrent.futures.wait([client.start("p", "m")], PATIENCE)
            child = os.fork()
            if child == 0:
                call = client.start("p", "m", 5)
                done, _ = concurrent.futures.wait([call], PATIENCE)
                os._exit(0 if len(done) == 1 and call.result()[2] == [5] else 1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_the_parents_call_in_a_forked_child(self) -> None:
        go = threading.Event()
        script = functools.partial(when_asked, go)
        with FakeServer(script) as server, poold.Client(server.path) as client:
            call = client.start("p", "m", 1)
            concurrent.futures.wait([call], 0)
            other = client.start("p", "m", 2)
            child = os.fork()
            if child == 0:
                done, _ = concurrent.futures.wait([other], PATIENCE)
                os._exit(0 if isinstance(other.exception(0), poold.PoolConnectionError) else 1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            go.set()
            self.assertEqual((call.result(PATIENCE), other.result(PATIENCE)), ([1], [2]))

    def test_cancelled_is_both(self) -> None:
        self.assertTrue(issubclass(poold.Cancelled, concurrent.futures.CancelledError))
        self.assertTrue(issubclass(poold.Cancelled, poold.RequestError))


class TestExecutor(unittest.TestCase):
    def test_names_and_arguments(self) -> None:
        with FakeServer(echo) as server, poold.Executor("p", path=server.path) as pool:
            self.assertEqual(pool.submit(served.echo, 1).result(PATIENCE)[1:], ["served:echo", [1]])
            self.assertEqual(pool.submit("any.name").result(PATIENCE), ["p", "any.name", []])
            partial = functools.partial(served.describe, 1, c=2)
            name, both = pool.submit(partial, 3, timeout=5).result(PATIENCE)[1:]
            self.assertEqual(name, "served:describe")
            self.assertEqual((both.args, both.kwargs), ([1, 3], {"c": 2, "timeout": 5}))

    def test_no_name(self) -> None:
        with poold.Executor("p", path="/nowhere") as pool:
            for odd in (lambda: 0, [].append, self.test_no_name, 5, None, functools.partial(len)):
                if isinstance(odd, functools.partial):
                    self.assertEqual(executor.name_of(odd.func), "builtins:len")
                    continue
                with self.assertRaisesRegex(TypeError, "worker"):
                    pool.submit(odd)

    def test_what_belongs_to_processes_of_ones_own(self) -> None:
        for name, value in (
            ("initializer", print),
            ("initargs", (1,)),
            ("mp_context", object()),
            ("max_tasks_per_child", 5),
        ):
            with self.assertRaisesRegex(TypeError, name):
                poold.Executor("p", **{name: value})
        poold.Executor("p", initializer=None, initargs=()).shutdown()
        for pool, window, error in ((4, None, TypeError), ("p", 0, ValueError), ("p", "4", TypeError)):
            with self.assertRaises(error):
                poold.Executor(pool, window)
        self.assertRaisesRegex(TypeError, "timout", poold.Executor, "p", timout=3)

    def test_map_in_order_with_a_window(self) -> None:
        most = 0

        def script(peer: Peer) -> None:
            nonlocal most
            asked: list = []
            while True:
                asked.append(peer.read())
                most = max(most, len(asked))
                if len(asked) < 8 and peer.has_more():
                    continue
                peer.send(*([1, each[1], None, each[3][2][0]] for each in reversed(asked)))
                asked.clear()

        with FakeServer(script) as server, poold.Executor("p", 8, path=server.path) as pool:
            found = list(pool.map(served.echo, range(500), timeout=PATIENCE, chunksize=10))
            self.assertEqual(found, list(range(500)))
        self.assertLessEqual(most, 8)

    def test_no_room(self) -> None:
        refused = 0

        def script(peer: Peer) -> None:
            nonlocal refused
            while True:
                number, params = peer.read()[1::2]
                if refused < 20:
                    refused += 1
                    full = {"code": "queue_full", "executed": "no", "retry_after_ms": 1}
                    peer.send([1, number, full, None])
                else:
                    peer.send([1, number, None, params[2][0]])

        with FakeServer(script) as server, poold.Executor("p", path=server.path) as pool:
            self.assertEqual(list(pool.map(served.echo, range(40))), list(range(40)))
        self.assertEqual(refused, 20)

    def test_cancel(self) -> None:
        begun, cancelled = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            begun.set()
            assert peer.read() == [2, "poold.cancel", [number]]
            cancelled.set()
            peer.send([1, number, None, "too late"])
            echo(peer)

        with FakeServer(script) as server, poold.Executor("p", 1, path=server.path) as pool:
            running, waiting, last = (pool.submit(served.echo, number) for number in range(3))
            self.assertTrue(begun.wait(PATIENCE))
            self.assertTrue(running.running())
            self.assertTrue(waiting.cancel())
            self.assertTrue(running.cancel())
            self.assertTrue(running.cancelled() and waiting.cancelled())
            self.assertRaises(concurrent.futures.CancelledError, running.result)
            done, _ = concurrent.futures.wait([running, waiting], PATIENCE)
            self.assertEqual(len(done), 2)
            self.assertEqual(last.result(PATIENCE)[2], [2])
            self.assertFalse(last.cancel())
        self.assertTrue(cancelled.is_set())

    def test_put_off_by_two_threads(self) -> None:
        """What has no room at the daemon, while the watcher takes it for cut short, waits once."""
        go, asked = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            numbers = [peer.read()[1] for _ in range(2)]
            asked.set()
            assert go.wait(PATIENCE)
            for number in numbers:
                peer.send([1, number, None, None])
            peer.channel.recv(1)  # until the client has gone

        with FakeServer(script) as server, poold.Executor("p", 2, path=server.path) as pool:
            self.addCleanup(go.set)
            first, second = pool.submit(served.echo, 1), pool.submit(served.echo, 2)
            self.assertTrue(asked.wait(PATIENCE))
            with mock.patch.object(pool, "_can_send", return_value=False):
                counts = self.put_off_twice(pool, first, second)
            for task in (first, second):
                task.cancel()
            go.set()
        self.assertEqual(counts, [(1, 0), (1, 1)])

    @staticmethod
    def put_off_twice(pool: Any, first: Any, second: Any) -> list[tuple[int, int]]:
        """How many wait for room and how many for their turn, when the watcher came after one was
        put off, and when it came while another one was."""
        pool._put_off(first, 60.0)
        pool._mend([first])
        counts = [(len(pool._later), len(pool._waiting))]
        postpone = second._again.postpone

        def postpone_and_mend(_: object) -> None:
            postpone()
            pool._mend([second])

        with mock.patch.object(type(second._again), "postpone", postpone_and_mend):
            pool._put_off(second, 60.0)
        return [*counts, (len(pool._later), len(pool._waiting))]

    def test_looked_at_while_it_is_sent(self) -> None:
        """It is not taken for one whose sending was cut short."""
        go, moved = threading.Event(), threading.Event()

        with FakeServer(echo) as server, poold.Executor("p", 1, path=server.path) as pool:
            ask, is_between = pool._client._ask_again, executor._Task._is_between

            def ask_when_told(*task: Any) -> None:
                assert go.wait(PATIENCE)
                ask(*task)
                moved.set()

            def moves_on(task: Any) -> bool:
                if threading.current_thread() is threading.main_thread():
                    go.set()
                    assert moved.wait(PATIENCE)
                return is_between(task)

            with mock.patch.object(pool._client, "_ask_again", ask_when_told):
                task = pool.submit(served.echo, 1)
                with mock.patch.object(executor._Task, "_is_between", moves_on):
                    pool._mend([task])
                self.assertEqual(task.result(PATIENCE)[2], [1])

    def test_cancelled_while_it_is_sent(self) -> None:
        asked, go, cancelled = threading.Event(), threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            number = peer.read()[1]
            asked.set()
            assert go.wait(PATIENCE)
            peer.send([1, number, None, "first"])
            number = peer.read()[1]
            self.assertEqual(peer.read(), [2, "poold.cancel", [number]])
            cancelled.set()
            echo(peer)

        with FakeServer(script) as server, poold.Executor("p", 1, path=server.path) as pool:
            first, second = pool.submit(served.echo, 1), pool.submit(served.echo, 2)
            self.assertTrue(asked.wait(PATIENCE))
            write = Connection._write_short

            def cancel_and_write(connection: Any, data: bytes) -> bool:
                if not second.done():
                    self.assertTrue(second.cancel())
                return write(connection, data)

            with mock.patch.object(Connection, "_write_short", cancel_and_write):
                go.set()
                self.assertEqual(first.result(PATIENCE), "first")
                self.assertTrue(cancelled.wait(PATIENCE))
            self.assertTrue(second.cancelled())

    def test_answers_that_come_at_once(self) -> None:
        """Each makes room for the next, which is sent in a loop, however many there are."""
        go = threading.Event()

        def answered(_: Connection, task: Any, again: Any) -> bool:
            again.asked = again.refused
            task._take_answer(None, "at once")
            return True

        with FakeServer(functools.partial(when_asked, go)) as server, poold.Executor(
            "p", 1, path=server.path
        ) as pool:
            first, *others = [pool.submit(served.echo, number) for number in range(1000)]
            with mock.patch.object(Connection, "take_over_at_once", answered):
                go.set()
                self.assertEqual(first.result(PATIENCE), [0])
                self.assertEqual({each.result(PATIENCE) for each in others}, {"at once"})

    def test_shutdown(self) -> None:
        go, asked = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            number, params = peer.read()[1::2]
            asked.set()
            assert go.wait(PATIENCE)
            peer.send([1, number, None, params[2]])

        with FakeServer(script) as server:
            pool = poold.Executor("p", 1, path=server.path)
            running, waiting = pool.submit(served.echo, 1), pool.submit(served.echo, 2)
            self.assertTrue(asked.wait(PATIENCE))
            pool.shutdown(wait=False, cancel_futures=True)
            self.assertRaises(RuntimeError, pool.submit, served.echo)
            self.assertRaises(concurrent.futures.CancelledError, waiting.result, PATIENCE)
            go.set()
            self.assertEqual(running.result(PATIENCE), [1])
            pool.shutdown()
            pool.shutdown()

    def test_nobody_waits(self) -> None:
        """What was submitted is done all the same, more than the daemon has at once."""
        last = threading.Event()

        def script(peer: Peer) -> None:
            for number in range(100):
                message = peer.read()
                self.assertEqual(message[3][2], [number])
                peer.send([1, message[1], None, None])
            last.set()
            peer.channel.recv(1)  # until the client has gone

        with FakeServer(script) as server, poold.Executor("p", 8, path=server.path) as pool:
            for number in range(100):
                pool.submit(served.echo, number)
            self.assertTrue(last.wait(PATIENCE))

    def test_no_thread_reads_for_who_waits(self) -> None:
        with FakeServer(echo) as server, poold.Executor("p", 4, path=server.path) as pool:
            for number in range(20):
                self.assertEqual(pool.submit(served.echo, number).result(PATIENCE)[2], [number])
            found = list(pool.map(served.echo, range(200)))
            self.assertEqual([each[2] for each in found], [[number] for number in range(200)])
            connection = pool._client._connection
            assert connection is not None
            self.assertFalse(connection.background._running.locked())

    def test_who_waits_for_one_that_waits(self) -> None:
        """Nobody else waits for the answers of those before it."""
        with FakeServer(echo) as server, poold.Executor("p", 2, path=server.path) as pool:
            futures = [pool.submit(served.echo, number) for number in range(20)]
            self.assertEqual(futures[-1].result(PATIENCE)[2], [19])
            self.assertEqual(futures[5].result(PATIENCE)[2], [5])

    def test_its_time_begins_when_it_is_sent(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            self.assertEqual(peer.read(), [2, "poold.cancel", [number]])
            echo(peer)

        with FakeServer(script) as server, poold.Client(server.path, grace=0) as client:
            pool = poold.Executor("p", 1, client=client, timeout=0.2)
            silent, other = pool.submit(served.echo, 1), pool.submit(served.echo, 2)
            self.assertIsInstance(silent.exception(PATIENCE), poold.DeadlineExceeded)
            self.assertEqual(other.result(PATIENCE)[2], [2])
            pool.shutdown()

    def test_large_arguments(self) -> None:
        """More than the socket takes at once, though the daemon reads late."""
        go = threading.Event()

        def script(peer: Peer) -> None:
            assert go.wait(PATIENCE)
            echo(peer)

        with FakeServer(script) as server, poold.Executor("p", path=server.path) as pool:
            futures = [pool.submit(served.echo, number, bytes(100_000)) for number in range(30)]
            go.set()
            found = [future.result(PATIENCE)[2][0] for future in futures]
        self.assertEqual(found, list(range(30)))

    def test_what_does_not_fit_at_once(self) -> None:
        """More than is sent by whoever submits, on a connection that is there."""
        with FakeServer(echo) as server, poold.Executor("p", path=server.path) as pool:
            self.assertEqual(pool.submit(served.echo, 1).result(PATIENCE)[2], [1])
            large = bytes(1 << 20)
            self.assertEqual(pool.submit(served.echo, large).result(PATIENCE)[2], [large])

    def test_it_is_not_asked_again_without_leave(self) -> None:
        def script(peer: Peer) -> None:
            while True:
                number = peer.read()[1]
                peer.send([1, number, {"code": "shutting_down", "executed": "no"}, None])

        with FakeServer(script) as server, poold.Client(server.path, reconnect=False) as client:
            pool = poold.Executor("p", client=client)
            error = pool.submit(served.echo, 1).exception(PATIENCE)
            assert isinstance(error, poold.PoolSystemError)
            self.assertEqual(error.code, "shutting_down")
            pool.shutdown()

    def test_a_callback_that_takes_long(self) -> None:
        """Meanwhile what the daemon sends is read, more than a socket holds; and callbacks are run
        one after the other.
        """
        taken, told = threading.Event(), []

        def script(peer: Peer) -> None:
            messages = [peer.read() for _ in range(20)]
            for _, number, _, _ in messages:
                peer.send([1, number, None, bytes(200_000)])
            taken.set()
            peer.channel.recv(1)

        def note(future: Any) -> None:
            if not told:
                told.append(taken.wait(PATIENCE))
            told.append(len(future.result()))

        with FakeServer(script) as server, poold.Executor("p", path=server.path) as pool:
            for number in range(20):
                pool.submit(served.echo, number).add_done_callback(note)
        self.assertEqual(told, [True] + 20 * [200_000])

    def test_shutdown_while_a_callback_runs(self) -> None:
        """It runs in another thread, for longer than that thread is waited for at a time."""
        begun, over = threading.Event(), threading.Event()

        def take_long(_: object) -> None:
            begun.set()
            over.wait(PATIENCE)

        with FakeServer(echo) as server:
            pool = poold.Executor("p", path=server.path)
            pool.submit(served.echo).add_done_callback(take_long)
            self.assertTrue(begun.wait(PATIENCE))
            timer = threading.Timer(3 * HEARTBEAT, over.set)
            timer.start()
            pool.shutdown()
            self.assertTrue(over.is_set())
            timer.join()

    def test_shutdown_by_a_callback(self) -> None:
        over = threading.Event()

        def end(_: Any) -> None:
            pool.shutdown()
            over.set()

        with FakeServer(echo) as server:
            pool = poold.Executor("p", path=server.path)
            future = pool.submit(served.echo)
            future.add_done_callback(end)
            self.assertTrue(over.wait(PATIENCE))
            pool.shutdown()
            self.assertRaises(RuntimeError, pool.submit, served.echo)

    def test_in_a_forked_child(self) -> None:
        with FakeServer(echo) as server, poold.Executor("p", 2, path=server.path) as pool:
            self.assertEqual(pool.submit(served.echo, 1).result(PATIENCE)[2], [1])
            early = pool.submit(served.echo, 2)
            for count in (9, 0):
                child = os.fork()
                if child == 0:
                    found = [each[2][0] for each in pool.map(served.echo, range(count))]
                    pool.shutdown()  # does not wait for the parent's
                    os._exit(0 if found == list(range(count)) else 1)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            self.assertEqual(early.result(PATIENCE)[2], [2])
            self.assertEqual(pool.submit(served.echo, 3).result(PATIENCE)[2], [3])

    def test_nobody_listens(self) -> None:
        with poold.Executor("p", path="/nowhere/socket") as pool:
            error = pool.submit(served.echo).exception(PATIENCE)
        self.assertIsInstance(error, poold.PoolConnectionError)

    def test_a_client_of_the_programs_own(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            with poold.Executor("p", client=client, timeout=3, idempotent=True) as pool:
                options = pool.submit(served.echo).result(PATIENCE)[3]
            self.assertEqual(options, {"timeout_ms": 3000, "idempotent": True})
            self.assertEqual(client.call("p", "m"), ["p", "m", []])

    def test_run_in_executor(self) -> None:
        async def main(pool: poold.Executor) -> None:
            loop = asyncio.get_running_loop()
            work = [loop.run_in_executor(pool, served.echo, number) for number in range(20)]
            found = await asyncio.wait_for(asyncio.gather(*work), PATIENCE)
            self.assertEqual([each[2] for each in found], [[number] for number in range(20)])

        with FakeServer(echo) as server, poold.Executor("p", path=server.path) as pool:
            asyncio.run(main(pool))


class TestExit(unittest.TestCase):
    """A program that ends while its work is under way, without `with`."""

    PROGRAM = """
import os
import sys
import poold

def tell(what):  # in one piece, whatever thread writes beside it
    os.write(1, f"{{what}}\\n".encode())

executor = poold.Executor("p", 2, path=sys.argv[1])
for number in range(5):
    future = executor.submit("any.name", number)
    future.add_done_callback(lambda it: tell("cancelled" if it.cancelled() else it.result()[2][0]))
tell("the end")
{last}
"""

    def lines_beside(self, last: str, until: str = "the end") -> tuple[list[str], int]:
        """What is printed beside `until`, after which the server answers; and the exit status."""
        over = threading.Event()

        def script(peer: Peer) -> None:
            if over.wait(PATIENCE):
                echo(peer)

        with FakeServer(script) as server, subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM.format(last=last), server.path],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as program:
            assert program.stdout is not None
            before = list(takewhile(f"{until}\n".__ne__, program.stdout))
            over.set()
            found = map(str.strip, [*before, *program.stdout])
            return sorted(found), program.wait(PATIENCE)

    def test_what_was_submitted_is_awaited(self) -> None:
        for last, status in (
            ("", 0),
            ("del executor, future", 0),
            ("executor.shutdown(wait=False)", 0),
            ("sys.exit(3)", 3),
            ("raise ValueError", 1),
        ):
            with self.subTest(last):
                self.assertEqual(self.lines_beside(last), (["0", "1", "2", "3", "4"], status))

    def test_what_is_cancelled_is_not(self) -> None:
        cancel = 'executor.shutdown(wait=False, cancel_futures=True); tell("told")'
        found, status = self.lines_beside(cancel, until="told")
        found.remove("the end")
        self.assertEqual((len(found), status), (5, 0))
        self.assertGreaterEqual(found.count("cancelled"), 3)


class TestNames(unittest.TestCase):
    def test_a_worker_compares_them(self) -> None:
        for module in ("served", "aserved"):
            with WorkerProcess(module) as worker:
                self.assertEqual(worker.call(f"{module}:echo", 5), 5)
                for name in ("os:getpid", "served:_private", "other:echo", f"{module}:", ":"):
                    error = worker.fail(name, [])
                    self.assertEqual(error["code"], "unknown_method")


class TestPools(unittest.TestCase):
    def test_methods(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            pool = client.pool("p", timeout=3)
            self.assertEqual(pool.m(1), ["p", "m", [1], {"timeout_ms": 3000}])
            self.assertEqual(pool.m(1, timeout=2), ["p", "m", [1], {"timeout_ms": 2000}])
            self.assertEqual(pool["a.b"].start(1).result()[:3], ["p", "a.b", [1]])
            self.assertEqual(list(pool.m.stream()), [])
            self.assertRaises(AttributeError, getattr, pool, "_private")
            self.assertRaisesRegex(TypeError, "timout", client.pool, "p", timout=3)
            self.assertRaisesRegex(TypeError, "timout", AsyncClient(server.path).pool, "p", timout=3)
            self.assertRaisesRegex(AttributeError, "no attribute 'reslt'", getattr, client.start("p", "m"), "reslt")

            class Api:
                def word_count(self, text: str) -> int:
                    raise NotImplementedError

            self.assertEqual(client.pool("p", Api).word_count("a"), ["p", "word_count", ["a"]])

    def test_async(self) -> None:
        async def main(path: str) -> None:
            async with AsyncClient(path) as client:
                self.assertEqual(await client.pool("p").m(1), ["p", "m", [1]])
                self.assertEqual([each async for each in client.pool("p").m.stream()], [])

        with FakeServer(echo) as server:
            asyncio.run(main(server.path))


class TestValuesWithCallbacks(unittest.TestCase):
    def test_sets_through_the_executor(self) -> None:
        with FakeServer(echo) as server, poold.Executor("p", path=server.path) as pool:
            self.assertEqual(pool.submit(served.echo, {(1, 2)}).result(PATIENCE)[2], [{(1, 2)}])
            with self.assertRaises(poold.Error) as caught:
                pool.submit(served.echo, object()).result(PATIENCE)
            self.assertEqual(caught.exception.code, "encode_error")
        self.assertEqual(codec.CODE, 112)


class TestClass(unittest.TestCase):
    def test_attributes_that_its_objects_have_when_they_are_wanted(self) -> None:
        """Documentation tools and mocks ask the class for them."""
        self.assertIs(Call._state, vars(Watchable)["_state"])


if __name__ == "__main__":
    unittest.main()
