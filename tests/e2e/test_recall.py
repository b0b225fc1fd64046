"""Requests that must not run twice and that stand behind a long one: their worker gives them back, another
one runs them, and each runs once."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from clock import Deadline
from harness import Daemon, DaemonTest, pool, program
from raw import Raw, call_params, pack, request

PYTHON = shlex.join([sys.executable, "-m", "poold.worker", "counted"])
ASYNC = shlex.join([sys.executable, "-m", "poold.worker", "async_counted"])
IN_C = program("workers/ledger")

# Requests behind the long one in each round.
SHORT = 12
# Seconds of rounds until some of them stood behind the long one: on a busy machine runs are for a while too long
# for a line.
ROUNDS = 60.0


class RecallTest(DaemonTest):
    """A pool that is not idempotent, with two workers, one of which is held."""

    def start_pool(self, command: str, **options: object) -> Daemon:
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.ledger = self.folder / "ledger"
        return self.start(pool("work", command, workers=2, **options))

    def args(self, note: str, gate: str = "/") -> list[str]:
        return [str(self.ledger), note, gate]

    def hold_one(self, client: Raw, number: int) -> None:
        """A long request and short ones in one write: all short ones are answered before it."""
        gate = self.folder / f"gate {number}"
        notes = [f"{number}.{short}" for short in range(SHORT)]
        long = number * 1000
        messages = [self.call(long, f"{number}.long", str(gate))]
        messages += [self.call(long + place, note) for place, note in enumerate(notes, start=1)]
        client.send(b"".join(messages))
        answers = {answer.id: answer.result for answer in (client.read() for _ in notes)}
        self.assertEqual(answers, dict(enumerate(notes, start=long + 1)))
        gate.touch()
        self.assertEqual(client.read().id, long)

    def call(self, number: int, note: str, gate: str = "/") -> bytes:
        params = call_params("work", "run", pack(self.args(note, gate)))
        return request(number, "poold.call", params)

    def check(self, command: str, **options: object) -> None:
        daemon = self.start_pool(command, **options)
        client = daemon.connect()
        for number in range(40):
            client.call_pool("work", "run", self.args(f"warm {number}"))
        deadline, number = Deadline(ROUNDS), 0
        while daemon.counters("work")["moved"] == 0 and not deadline.passed():
            number += 1
            self.hold_one(client, number)
        self.assertGreater(daemon.counters("work")["moved"], 0, "nothing stood behind the long one")
        begun = Counter(
            line for line in self.ledger.read_text().splitlines() if line.startswith("begin")
        )
        self.assertEqual(set(begun.values()), {1})
        self.assertEqual(len(begun), 40 + number * (SHORT + 1))
        stats = daemon.ask("poold.stats")["pools"]["work"]
        self.assertEqual((stats["failed"], stats["succeeded"]), (0, len(begun)))

    def test_python(self) -> None:
        self.check(PYTHON)

    def test_prefork(self) -> None:
        self.check(PYTHON, prefork=True)

    def test_asynchronous(self) -> None:
        self.check(ASYNC)

    def test_c(self) -> None:
        self.check(IN_C)

    def test_none_without_a_line(self) -> None:
        daemon = self.start_pool(PYTHON, prefetch=0)
        client = daemon.connect()
        for number in range(1, 21):
            self.hold_one(client, number)
        self.assertEqual(daemon.counters("work")["moved"], 0)
