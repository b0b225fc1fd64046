"""Pools where nobody is at work, beside a fallback and without one; what a chain promises then."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import poold

from clients import ClientTest
from clock import Timed, eventually, ms, stretch
from harness import C_TOOLS, Daemon, pool, static_pool

HEAVY = shlex.join([sys.executable, "-m", "poold.worker", "heavy"])
KEEPER = shlex.join([sys.executable, "-m", "poold.worker", "keeper"])
# A worker that takes longer to start than any test.
NEVER = {"env.HEAVY_SECONDS": "600", "init_timeout": "10min"}
WAIT = 0.5


class NobodyTest(ClientTest):
    def launch_chain(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        """A pool whose worker is starting for ever, and a fallback that works."""
        first = {**NEVER, "fallback": "secondary", "no_worker_wait": ms(WAIT * 1000), **options}
        daemon = self.launch(
            pool("primary", HEAVY, **first), pool("secondary", C_TOOLS), *more,
            start_timeout="300ms",
        )
        daemon.announced += ["pool=primary", "start_timeout is over"]
        daemon.wait_listening()
        eventually(lambda: daemon.pool("secondary")["workers"]["ready"] == 1,
                   "the fallback works")
        return daemon, self.connect_client(daemon)


class BesideAnIdleFallback(NobodyTest):
    def test_each_request_is_served_within_the_wait(self) -> None:
        daemon, client = self.launch_chain()
        slowest = 0.0
        for number in range(20):
            with Timed() as timed:
                reply = client.call("primary", "echo", number, meta=True, timeout=stretch(30))
            self.assertEqual((reply.result, reply.meta["served_by"]), (number, "secondary"))
            slowest = max(slowest, timed.seconds)
        self.assert_in_time(Timed(slowest), stretch(WAIT))
        self.assertEqual(daemon.counters("secondary")["taken_over"], 20)
        self.assertEqual(daemon.ask("poold.health")["pools"]["primary"]["status"], "degraded")

    def test_those_that_wait_go_too_and_a_short_deadline_goes_earlier(self) -> None:
        daemon, client = self.launch_chain(no_worker_wait="20s")
        with Timed() as timed:
            reply = client.call("primary", "echo", 1, meta=True, timeout=stretch(4))
        self.assertEqual(reply.meta["served_by"], "secondary")
        self.assertLess(timed.seconds, stretch(3.5))

    def test_workers_that_die_and_do_not_come_back(self) -> None:
        """The first life of the worker starts at once, the next never."""
        slow = Path(self.enterContext(TemporaryDirectory())) / "slow"
        daemon, client = self.launch_chain(**{"env.HEAVY_SLOW": str(slow)})
        self.assertEqual(client.call("primary", "echo", 1, meta=True).meta["served_by"], "primary")
        slow.touch()
        os.kill(daemon.worker_pids("primary")[0], signal.SIGKILL)
        for number in range(10):
            with Timed() as timed:
                reply = client.call("primary", "echo", number, meta=True, timeout=stretch(30))
            self.assertEqual((reply.result, reply.meta["served_by"]), (number, "secondary"))
            self.assert_in_time(timed, stretch(WAIT))

    def test_a_request_that_stays_waits(self) -> None:
        daemon, client = self.launch_chain()
        self.failure("queue_timeout", client, "primary", "echo", 1, fallback=False, timeout=1.0)
        self.assertEqual(daemon.counters("secondary")["taken_over"], 0)


class WithoutFallback(ClientTest):
    def test_a_cold_call_waits_for_a_slow_import(self) -> None:
        daemon = self.start(
            pool("cold", HEAVY, workers="0..2", no_worker_wait="500ms", idle_timeout="300ms",
                 **{"env.HEAVY_SECONDS": "3"})
        )
        daemon.announced.append("pool=cold")
        client = self.connect_client(daemon)
        self.assertEqual(daemon.ask("poold.health")["pools"]["cold"]["status"], "ok")
        with Timed() as timed:
            self.assertEqual(client.call("cold", "echo", "x", timeout=stretch(30)), "x")
        self.assertGreaterEqual(timed.seconds, 2.9)
        eventually(lambda: not daemon.worker_pids("cold"), "it stops again")
        self.assertEqual(daemon.ask("poold.health")["pools"]["cold"]["status"], "ok")


class Carts(ClientTest):
    """A strict session is answered by its own pool, or not at all."""

    def test_no_other_pool_answers_a_strict_cart(self) -> None:
        daemon = self.start(
            pool("carts", KEEPER, workers=1, affinity="strict", fallback="others, mock",
                 no_worker_wait="0"),
            pool("others", KEEPER, workers=1),
            static_pool("mock", answer='"mock"'),
        )
        daemon.announced.append("pool=carts")
        client = self.connect_client(daemon)
        self.assertEqual(client.call("carts", "touch", session="cart"), 1)
        client.breaker_open("carts")
        error = self.failure("circuit_open", client, "carts", "touch", session="cart")
        self.assertEqual((error.pool, error.executed), ("carts", "no"))
        self.assertEqual(
            client.call("carts", "pid", meta=True).meta["served_by"], "others", "without a session"
        )
        client.breaker_reset("carts")
        self.assertEqual(client.call("carts", "touch", session="cart"), 2)
        os.kill(daemon.worker_pids("carts")[0], signal.SIGKILL)
        eventually(lambda: daemon.counters("carts")["worker_crashes"] == 1, "it has died")
        self.failure("session_lost", client, "carts", "touch", session="cart")

    def test_a_cart_that_waits_has_its_state_or_says_that_it_is_lost(self) -> None:
        daemon = self.start(
            pool("carts", KEEPER, workers=1, affinity="queue", fallback="others",
                 return_dwell="0", return_step="0"),
            pool("others", KEEPER, workers=1),
        )
        daemon.announced.append("pool=carts")
        client = self.connect_client(daemon)
        client.call("carts", "append", "tea", session="handed")
        client.call("carts", "touch", session="kept")
        client.breaker_open("carts")
        reply = client.call("carts", "append", "milk", session="handed", meta=True)
        self.assertEqual((reply.result, reply.meta["state_lost"]), (["tea", "milk"], False))
        reply = client.call("carts", "touch", session="kept", meta=True)
        self.assertEqual((reply.result, reply.meta["state_lost"]), (1, True))
        client.breaker_reset("carts")
        eventually(
            lambda: client.call("carts", "pid", meta=True).meta["served_by"] == "carts", "home"
        )
        reply = client.call("carts", "append", "bread", session="handed", meta=True)
        self.assertEqual((reply.result, reply.meta["state_lost"]),
                         (["tea", "milk", "bread"], False))
        reply = client.call("carts", "touch", session="kept", meta=True)
        self.assertEqual((reply.result, reply.meta["state_lost"]), (1, True))


class Outage(ClientTest):
    """The second before a breaker opens."""

    RATE = 100
    SECONDS = 3

    def test_nothing_is_lost_while_a_fallback_is_idle(self) -> None:
        daemon = self.start(
            pool("primary", C_TOOLS, workers=4, idempotent=True, fallback="secondary"),
            pool("secondary", C_TOOLS, workers=4, idempotent=True),
        )
        daemon.announced.append("pool=primary")
        client = self.connect_client(daemon)
        directory = str(daemon.directory)
        outcomes: Counter[str] = Counter()
        lock = threading.Lock()

        def call(number: int) -> None:
            try:
                reply = client.call("primary", "serve", directory, number, meta=True,
                                    timeout=stretch(30))
                outcome = str(reply.meta["served_by"])
            except poold.Error as error:
                outcome = f"{error.code}: {error}"
            with lock:
                outcomes[outcome] += 1

        for number in range(40):
            call(number)
        (daemon.directory / "broken-primary").touch()
        threads = []
        begun = time.monotonic()
        for number in range(self.RATE * self.SECONDS):
            time.sleep(max(0.0, begun + number / self.RATE - time.monotonic()))
            threads.append(threading.Thread(target=call, args=(100 + number,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(outcomes) - {"primary", "secondary"}, set(), outcomes)
        self.assertEqual(sum(outcomes.values()), 40 + self.RATE * self.SECONDS)
        stats = daemon.ask("poold.stats")["pools"]
        for name in ("primary", "secondary"):
            came = stats[name]["requests"] + stats[name]["taken_over"]
            self.assertLess(stats[name]["attempts"] - stats[name]["requeued"] - stats[name]["moved"],
                            1.2 * came + 20 + self.SECONDS, stats[name])

