"""Values that lie about themselves, and interruptions at any moment, between workers and clients:
no answer ever holds another's bytes.

POOLD_TORN: the number of calls in each test; thirty thousand with POOLD_CHAOS=1, a million in
`make soak`.
"""

from __future__ import annotations

import os
import random
import shlex
import signal
import sys
from pathlib import Path

from harness import LOAD, Daemon, DaemonTest, breaker, pool

import poold

sys.path.append(str(Path(__file__).parent / "workers"))

import lies  # noqa: E402

CALLS = int(os.environ.get("POOLD_TORN") or (3_000 * LOAD if LOAD > 1 else 4_000))
# Requests in flight at a time.
BATCH = 32
SEED = int(os.environ.get("POOLD_SEED", random.randrange(2**32)))


class Late(Exception):
    """What this program's own time limit raises."""


class Torn(DaemonTest):
    def setUp(self) -> None:
        print(f"\nPOOLD_SEED={SEED}")
        self.draw = random.Random(SEED)
        self.answered = self.failed = self.interrupted = 0

    def serve(self, module: str) -> Daemon:
        command = shlex.join([sys.executable, "-m", "poold.worker", module])
        settings = {"workers": 4, "prefork": True, "idempotent": True, "timeout": "60s"}
        daemon = self.start(
            pool("p", command, **settings), breaker("p", mode="off"), log_level="error"
        )
        daemon.announced.append("pool=p")
        return daemon

    def check(self, tag: str, value: object) -> None:
        found = lies.strangers(tag, value)
        self.assertEqual(found, [], f"an answer to {tag} holds another's")
        self.answered += 1

    def ask(self, client: poold.Client, number: int) -> tuple[str, object]:
        """Begins a random call; its tag, and the call or stream."""
        tag = f"<{number}>"
        seed = self.draw.randrange(2**32)
        alarm = self.draw.choice([20, 100, 500, 3000]) if self.draw.random() < 0.01 else 0
        method = self.draw.choices(["tell", "parts", "much"], [90, 10, 1])[0]
        if method == "parts" and self.draw.random() < 0.5:
            return tag, client.stream("p", method, tag, seed, alarm)
        return tag, client.start("p", method, tag, seed, alarm)

    def take(self, tag: str, call: object) -> None:
        try:
            if isinstance(call, poold.Stream):
                for value in call:
                    self.check(tag, value)
            else:
                self.check(tag, call.result())
        except poold.Error as error:
            self.assertNotEqual(error.code, "deadline_exceeded", error)
            self.failed += 1

    def lie_to(self, module: str) -> None:
        daemon = self.serve(module)
        with poold.Client(daemon.path) as client:
            for first in range(0, CALLS, BATCH):
                asked = [self.ask(client, number) for number in range(first, first + BATCH)]
                for tag, call in asked:
                    self.take(tag, call)
        print(f"{module}: {self.answered} answers, {self.failed} errors")
        self.assertGreater(self.answered, CALLS // 2)
        self.assertGreater(self.failed, 0)

    def test_results_of_plain_workers(self) -> None:
        self.lie_to("liar")

    def test_results_of_asynchronous_workers(self) -> None:
        self.lie_to("aliar")

    def test_arguments_and_clients_that_are_interrupted(self) -> None:
        """The client sends what it cannot say, and is interrupted while it writes and reads."""
        daemon = self.serve("toolbox")

        def late(*_: object) -> None:
            raise self.draw.choice([Late, KeyboardInterrupt, TimeoutError])("time is up")

        before = signal.signal(signal.SIGALRM, late)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        with poold.Client(daemon.path) as client:
            for number in range(CALLS):
                self.call_once(client, f"<{number}>", self.draw.random() < 0.02)
        print(f"client: {self.answered} answers, {self.failed} errors, "
              f"{self.interrupted} interruptions")
        self.assertGreater(self.answered, CALLS // 2)
        self.assertGreater(self.interrupted, 0)

    def call_once(self, client: poold.Client, tag: str, is_limited: bool) -> None:
        value = lies.tree(self.draw, tag)
        if self.draw.random() < 0.01:
            value = [tag] * self.draw.randrange(100_000)
        try:
            try:
                if is_limited:
                    signal.setitimer(signal.ITIMER_REAL, self.draw.uniform(1e-6, 1e-3))
                self.check(tag, client.call("p", "echo", value))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except poold.Error:
            self.failed += 1
        except (Late, KeyboardInterrupt, TimeoutError, SystemExit):
            self.interrupted += 1

