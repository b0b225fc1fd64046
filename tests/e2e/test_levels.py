"""Sessions and keys on their way down a chain of three pools and back: nothing is lost or done twice."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass

import poold

from clients import ClientTest
from clock import eventually, stretch
from harness import C_TOOLS, Daemon, breaker, pool, retry
from test_failover import BACK_SOON, FEW, NERVOUS

POOLS = ("first", "second", "third")
BUYERS = 6


@dataclass(frozen=True)
class Order:
    """What was asked with a key, and what came of it.

    Attributes:
        counter: the session's counter, which the run has raised.
        served_by: the pool where it ran.
    """

    key: str
    counter: int
    served_by: str


class Buyer(threading.Thread):
    """Places orders in a session, one after the other, each with a key: again and again until it has
    an answer, and once more then.

    Attributes:
        orders: those that were answered, in their order.
        repeats: answers to the orders that were placed once more.
    """

    def __init__(self, daemon: Daemon, name: str, leaving: threading.Event) -> None:
        super().__init__()
        self._daemon, self._session, self._leaving = daemon, name, leaving
        self.orders: list[Order] = []
        self.repeats: list[poold.Reply] = []

    def ask(self, client: poold.Client, number: int) -> poold.Reply:
        """One order."""
        return client.call(
            "first", "serve_session", str(self._daemon.directory), number, meta=True,
            session=self._session, key=f"{self._session}-{number}", idempotent=True, timeout=stretch(20),
        )

    def run(self) -> None:
        with poold.Client(self._daemon.path) as client:
            for number in itertools.count(1):
                if self._leaving.wait(0.002):
                    return
                reply = self._until_answered(client, number)
                order = Order(f"{self._session}-{number}", reply.result, reply.meta["served_by"])
                self.orders.append(order)
                self.repeats.append(self.ask(client, number))

    def _until_answered(self, client: poold.Client, number: int) -> poold.Reply:
        while True:
            try:
                return self.ask(client, number)
            except poold.Error:
                if self._leaving.wait(0.002):
                    raise


class Levels(ClientTest):
    """The pools break one after the other under load, and come back one after the other."""

    def start_levels(self) -> Daemon:
        quick = {"workers": 2, "max_crash_retries": 10}
        daemon = self.start(
            pool("first", C_TOOLS, fallback="second, third", **quick, **BACK_SOON),
            pool("second", C_TOOLS, **quick),
            pool("third", C_TOOLS, **quick),
            *(breaker(name, **NERVOUS) for name in POOLS),
            *(retry(name, backoff="none") for name in POOLS),
            FEW,
        )
        daemon.announced += [f"pool={name}" for name in POOLS]
        return daemon

    def walk(self, daemon: Daemon, buyers: list[Buyer]) -> None:
        """Down to the last pool and back to the first, with orders at each level."""
        heard = self.listen(daemon, "failover")

        def ordered(name: str) -> None:
            """Each buyer has so many more orders from this pool."""
            before = {buyer.name: self.count(buyer, name) for buyer in buyers}
            eventually(
                lambda: all(self.count(buyer, name) >= before[buyer.name] + 3 for buyer in buyers),
                lambda: f"orders at {name}: {daemon.ask('poold.breakers')}",
                seconds=30.0,
            )

        ordered("first")
        for level in (0, 1):
            (daemon.directory / f"broken-{POOLS[level]}").touch()
            heard.wait_for(from_level=level, to_level=level + 1)
            ordered(POOLS[level + 1])
        for level in (1, 0):
            (daemon.directory / f"broken-{POOLS[level]}").unlink()
            heard.wait_for(from_level=level + 1, to_level=level)
            ordered(POOLS[level])

    @staticmethod
    def count(buyer: Buyer, name: str) -> int:
        """How many orders of a buyer a pool has served."""
        return sum(order.served_by == name for order in buyer.orders)

    def test_down_and_back(self) -> None:
        daemon = self.start_levels()
        leaving = threading.Event()
        buyers = [Buyer(daemon, f"cart-{number}", leaving) for number in range(BUYERS)]
        for buyer in buyers:
            buyer.start()
        try:
            self.walk(daemon, buyers)
        finally:
            leaving.set()
            for buyer in buyers:
                buyer.join()
        client = self.connect_client(daemon)
        for buyer in buyers:
            with self.subTest(buyer.orders[0].key):
                # Each order has raised the counter of its session once, wherever it ran.
                counters = [order.counter for order in buyer.orders]
                self.assertEqual(counters, list(range(1, len(counters) + 1)))
                self.assertEqual({order.served_by for order in buyer.orders}, set(POOLS))
                self.assertEqual([reply.result for reply in buyer.repeats], counters)
                self.assertEqual({reply.meta["stored"] for reply in buyer.repeats}, {True})
                # Back at the first pool, the answers of all levels are still known.
                again = [buyer.ask(client, number + 1) for number in range(len(counters))]
                self.assertEqual([reply.result for reply in again], counters)
                self.assertEqual({reply.meta["stored"] for reply in again}, {True})

    def test_an_answer_of_the_first_is_known_at_the_last(self) -> None:
        daemon = self.start_levels()
        client = self.connect_client(daemon)
        buyer = Buyer(daemon, "cart", threading.Event())
        self.assertEqual(buyer.ask(client, 1).meta["served_by"], "first")
        client.breaker_open("first")
        self.assertEqual(buyer.ask(client, 2).meta["served_by"], "second")
        client.breaker_open("second")
        reply = buyer.ask(client, 3)
        self.assertEqual((reply.result, reply.meta["served_by"], reply.meta["degraded"]), (3, "third", True))
        for number in (1, 2, 3):
            again = buyer.ask(client, number)
            self.assertEqual((again.result, again.meta["stored"]), (number, True))
