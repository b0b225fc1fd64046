"""System calls during which a thread keeps the interpreter, and threads that make them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import poold
from poold.connection import READ_FLAGS, WRITE_FLAGS
from poold.held import Channel, Held
from support import PATIENCE, FakeServer, Peer, echo


class TestHeld(unittest.TestCase):
    def setUp(self) -> None:
        near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.near = Channel(fileno=near.detach())
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.held = Held(1024)

    def test_bytes_go_and_come(self) -> None:
        self.assertEqual(self.held.send(self.near, b"a\0b", WRITE_FLAGS), 3)
        self.assertEqual(self.far.recv(10), b"a\0b")
        self.far.sendall(bytes(range(256)) * 5)
        self.assertEqual(self.held.receive(self.near, READ_FLAGS), bytes(range(256)) * 4)
        self.assertEqual(self.held.receive(self.near, READ_FLAGS), bytes(range(256)))
        self.far.close()
        self.assertEqual(self.held.receive(self.near, READ_FLAGS), b"")

    def test_nothing_to_be_had(self) -> None:
        self.assertIsNone(self.held.receive(self.near, READ_FLAGS))
        room = 0
        while (took := self.held.send(self.near, b"x" * 1000, WRITE_FLAGS)) is not None:
            room += took
        self.assertEqual(len(self.far.recv(room + 1, socket.MSG_WAITALL | READ_FLAGS)), room)
        self.far.close()
        self.assertIsNone(self.held.send(self.near, b"x", WRITE_FLAGS))  # and no SIGPIPE

    def test_a_closed_socket(self) -> None:
        """Its number is another's by now, and is not used."""
        self.held.send(self.near, b"x", WRITE_FLAGS)
        number = self.near.fileno()
        self.near.close()
        os.dup2(self.far.fileno(), number)  # there is something to be received
        self.addCleanup(os.close, number)
        self.assertIsNone(self.held.send(self.near, b"x", WRITE_FLAGS))
        self.assertIsNone(self.held.receive(self.near, READ_FLAGS))

    def test_no_other_thread_runs_meanwhile(self) -> None:
        """One that waits for the interpreter does not get it, though each system call would do."""
        before = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, before)
        go, ran = threading.Lock(), threading.Event()
        go.acquire()

        def run() -> None:
            go.acquire()
            ran.set()

        thread = threading.Thread(target=run)
        thread.start()
        sys.setswitchinterval(2 * PATIENCE)
        go.release()
        for _ in range(20000):  # the thread has time enough to wake up, and to wait
            took = self.held.send(self.near, b"x", WRITE_FLAGS)
            came = self.held.receive(self.near, READ_FLAGS)
        had_run = ran.is_set()
        sys.setswitchinterval(before)
        thread.join(PATIENCE)
        self.assertFalse(had_run)
        self.assertTrue(ran.is_set())
        self.assertIsNone(came)
        self.assertIn(took, (1, None))


class TestThreads(unittest.TestCase):
    """Threads that share a client, with these system calls and without them."""

    def work(self) -> Any:
        """Lets several threads make calls; returns their connection."""

        def script(peer: Peer) -> None:
            """Lets four wait at any time, but at the end."""
            asked: list = []
            for left in reversed(range(800)):
                asked.append(peer.read())
                while len(asked) > min(left, 4):
                    _, number, _, params = asked.pop(0)
                    peer.send([1, number, None, params[2]])
            peer.read()

        numbers = iter(range(800))

        def work() -> None:
            for number in numbers:
                self.assertEqual(client.call("p", "m", number), [number])

        with FakeServer(script) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor(8) as threads:
                for done in [threads.submit(work) for _ in range(8)]:
                    done.result(PATIENCE)
            self.assertEqual(server.connections, 1)
            return client._connection

    def test_they_are_used_while_several_wait(self) -> None:
        with (
            mock.patch.object(Held, "send", autospec=True, side_effect=Held.send) as send,
            mock.patch.object(Held, "receive", autospec=True, side_effect=Held.receive) as receive,
        ):
            self.work()
        self.assertGreater(send.call_count, 0)
        self.assertGreater(receive.call_count, 0)

    def test_two_threads_make_none(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(lambda _: client.call("p", "m"), range(100)))
            self.assertIsNone(client._connection._held)

    def test_without_ctypes(self) -> None:
        with mock.patch.dict(sys.modules, {"ctypes": None}):
            connection = self.work()
        self.assertIsNone(connection._held)
        self.assertFalse(connection._may_hold)

    def test_a_time_limit_while_they_are_made(self) -> None:
        """The handler's exception is the program's, also where it is one that an import raises; and
        they are made the next time.
        """

        class Late(OSError):
            pass

        def raise_late(*_: object) -> None:
            raise Late

        def interrupted(size: int) -> Held:
            os.kill(os.getpid(), signal.SIGALRM)
            return Held(size)

        before = signal.signal(signal.SIGALRM, raise_late)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        go = threading.Event()

        def script(peer: Peer) -> None:
            asked = [peer.read() for _ in range(4)]
            go.wait(PATIENCE)
            peer.send(*([1, each[1], None, each[3][2]] for each in asked))

        with (
            FakeServer(script) as server,
            poold.Client(server.path) as client,
            ThreadPoolExecutor(3) as threads,
        ):
            call = client.start("p", "m", 0)
            others = [threads.submit(client.call, "p", "m", index) for index in (1, 2, 3)]
            connection = client._connection
            while len(connection._waiting) < 2:
                time.sleep(0.001)
            with mock.patch("poold.connection.Held", interrupted):
                self.assertRaises(Late, call.result)
            self.assertTrue(connection._may_hold)
            go.set()
            results = [each.result(PATIENCE) for each in (call, *others)]
            self.assertEqual(results, [[0], [1], [2], [3]])
            self.assertEqual(server.connections, 1)


if __name__ == "__main__":
    unittest.main()
