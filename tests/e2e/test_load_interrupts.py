"""Ten thousand calls by four threads that share a client, while a signal handler of the program
raises at any moment: the client serves all of them to the end, and none of them late."""

from __future__ import annotations

import random
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable

import poold

from clients import ClientTest
from clock import stretch
from harness import LOAD, TOOLBOX, pool

CALLS = 10_000 * LOAD
THREADS = 4

TIMEOUT, GRACE = 2.0, 0.5

# Seconds from the begin of a call to the first signal, and from one signal to the next.
FIRST = (1e-6, 5e-6, 2e-5, 1e-4, 1e-3)
NEXT = (1e-6, 3e-6, 1e-5, 3e-5)

# How often the handler raises within one call: a clean-up may be interrupted too.
TIMES = (0, 1, 1, 1, 2, 3)


class Interrupt(Exception):
    """What the signal handler raises."""


class Storm:
    """SIGALRM that comes at any moment of a call, and whose handler raises."""

    def __init__(self, draw: random.Random) -> None:
        self.raised = 0
        self.left = 0  # how often it may raise yet
        self._draw = draw

    def __enter__(self) -> Storm:
        self._before = signal.signal(signal.SIGALRM, self._raise)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def begin(self) -> None:
        times = self._draw.choice(TIMES)
        self._set(FIRST)
        self.left = times

    def _set(self, moments: tuple[float, ...]) -> None:
        moment = self._draw.choice(moments) * (1 + self._draw.random())
        signal.setitimer(signal.ITIMER_REAL, moment)

    def _raise(self, *_: object) -> None:
        if self.left > 0:
            self.left -= 1
            self.raised += 1
            self._set(NEXT)
            raise Interrupt


class Interrupted(ClientTest):
    def setUp(self) -> None:
        super().setUp()
        # The interpreter closes the socket of an interrupted connect, and would report it each time.
        self.enterContext(warnings.catch_warnings())
        warnings.simplefilter("ignore", ResourceWarning)
        daemon = self.start(pool("tools", TOOLBOX, workers=2))
        self.client = self.enterContext(poold.Client(daemon.path, TIMEOUT, grace=GRACE))
        self.ask: Callable[[int], object] = lambda name: self.client.call("tools", "echo", name)
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    def call(self, name: int) -> None:
        begin = time.monotonic()
        try:
            self.assertEqual(self.ask(name), name)
            outcome = "result"
        except poold.Error as error:
            outcome = error.code
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begin)
        self.outcomes[outcome] += 1

    def call_often(self) -> None:
        for name in range(CALLS // THREADS):
            self.call(name)

    def test_all_threads_are_served_to_the_end(self) -> None:
        self.serve_all()
        self.assertEqual(self.client.call("tools", "echo", "after"), "after")

    def test_an_executor_too(self) -> None:
        """It has room for fewer than ask, so that they send for each other."""
        with poold.Executor("tools", 2, client=self.client) as executor:
            self.ask = lambda name: executor.submit("echo", name).result()
            self.serve_all()
            found = list(executor.map("echo", range(100), timeout=stretch(TIMEOUT + GRACE)))
        self.assertEqual(found, list(range(100)))

    def serve_all(self) -> None:
        threads = [threading.Thread(target=self.call_often) for _ in range(THREADS - 1)]
        for thread in threads:
            thread.start()
        with Storm(self.random(1)) as storm:
            for name in range(CALLS // THREADS):
                try:
                    storm.begin()
                    self.call(name)
                    storm.left = 0
                except Interrupt:
                    storm.left = 0  # no call of a function, in which the next one could come
        for thread in threads:
            thread.join()
        self.assertGreater(storm.raised, CALLS // 100)
        # What a call beside the interrupted one may come to, and nothing else.
        self.assertLessEqual(set(self.outcomes), {"result", "peer_closed"}, self.outcomes)
        self.assertGreater(self.outcomes["result"], CALLS // 2)
        self.assertLess(self.slowest, stretch(TIMEOUT + GRACE))
