"""What a signal handler raises while one thread does something for the others: they are served all
the same.  Each is a moment that was a fault once; test_interruptions tries them all.
"""

from __future__ import annotations

import os
import threading
import unittest
from collections import deque
from types import SimpleNamespace
from typing import Any
from unittest import mock

import poold
from poold import again, executor, threads
from poold.futures import watcher
from support import PATIENCE, FakeServer, Peer, echo


class Interrupt(Exception):
    """What the signal handler raises."""


def interrupted(function: Any) -> Any:
    """The function, interrupted at its first call before anything is done."""
    calls: list[object] = []

    def call(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise Interrupt
        return function(*args)

    return call


class TestCutShort(unittest.TestCase):
    """The executor has room for one, and a timeout longer than the test's patience."""

    def setUp(self) -> None:
        self.go = threading.Event()
        server = self.enterContext(FakeServer(self.script))
        self.client = self.enterContext(poold.Client(server.path, 10 * PATIENCE))
        self.executor = poold.Executor("p", 1, client=self.client)
        self.client.call("p", "first")

    def script(self, peer: Peer) -> None:
        peer.send([1, peer.read()[1], None, None])
        if self.go.wait(PATIENCE):
            echo(peer)

    def test_a_submit(self) -> None:
        with mock.patch.object(self.client._connection, "take_over_at_once", interrupted(None)):
            self.assertRaises(Interrupt, self.executor.submit, "m")
        self.go.set()
        self.assertEqual(self.executor.submit("m", 1).result(PATIENCE)[2], [1])

    def test_a_submit_between_two_places(self) -> None:
        """Nobody has the function, so nobody waits for it for ever."""

        class Line(deque):  # type: ignore[type-arg]
            append = interrupted(deque.append)

        class Flight(dict):  # type: ignore[type-arg]
            __setitem__ = interrupted(dict.__setitem__)

        self.go.set()
        for place in ("_in_flight", "_waiting"):
            with self.subTest(place), mock.patch.object(executor, "_ASTRAY_MAX", 0.1):
                cut = poold.Executor("p", 1, client=self.client)
                if place == "_waiting":
                    cut.submit("m", 1)
                setattr(cut, place, {"_in_flight": Flight, "_waiting": Line}[place]())
                self.assertRaises(Interrupt, cut.submit, "m", 2)
                ends = threading.Thread(target=cut.shutdown, daemon=True)
                ends.start()
                ends.join(PATIENCE)
                self.assertFalse(ends.is_alive())

    def test_a_wait_that_has_another_call_watched(self) -> None:
        self.executor.submit("m", 1)
        waiting = self.executor.submit("m", 2)
        with mock.patch.object(watcher(), "watch", interrupted(watcher().watch)):
            self.assertRaises(Interrupt, waiting.result, PATIENCE)
        self.go.set()
        self.assertEqual(waiting.result(PATIENCE)[2], [2])

    def test_twice_while_a_call_is_sent_for_another_thread(self) -> None:
        class Calls(dict):  # type: ignore[type-arg]
            interrupts = False

            def pop(self, *args: Any) -> Any:
                found = super().pop(*args)
                if Calls.interrupts:
                    Calls.interrupts = False
                    raise Interrupt
                return found

        connection: Any = self.client._connection
        connection._calls = Calls(connection._calls)

        def interrupt(_: object) -> None:
            Calls.interrupts = True
            raise Interrupt

        early, other = self.executor.submit("m", 1), self.executor.submit("m", 2)
        self.go.set()
        with mock.patch.object(connection, "_has_taken", interrupt):
            self.assertRaises(Interrupt, early.result, PATIENCE)
        error = other.exception(PATIENCE)
        assert isinstance(error, poold.Error), error
        self.assertEqual(error.code, "peer_closed")


class TestAsker(unittest.TestCase):
    """The thread that asks again is not there, as its start was cut short."""

    def setUp(self) -> None:
        lost: list[object] = []

        def lose_first(*work: Any) -> None:
            if not lost:
                lost.append(work)
            else:
                threads.start(*work)

        self.path = self.enterContext(FakeServer(echo)).path
        os.rename(self.path, f"{self.path}.later")
        self.client = self.enterContext(poold.Client(self.path, 10 * PATIENCE))
        self.enterContext(mock.patch.object(again, "threads", SimpleNamespace(start=lose_first)))
        self.addCleanup(lambda: self.assertTrue(lost))

    def appear(self) -> None:
        os.rename(f"{self.path}.later", self.path)

    def test_a_function_behind_the_one_that_it_has(self) -> None:
        pool = poold.Executor("p", 1, client=self.client)
        pool.submit("m", 1)
        self.appear()
        self.assertEqual(pool.submit("m", 2).result(PATIENCE)[2], [2])

    def test_a_call_for_which_nobody_waits(self) -> None:
        told = threading.Event()
        self.client.start("p", "m").add_done_callback(lambda _: told.set())
        self.appear()
        self.assertTrue(told.wait(PATIENCE))


if __name__ == "__main__":
    unittest.main()
