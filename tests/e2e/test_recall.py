"""Requests that must not run twice and that stand behind a long one: their worker gives them back, another
one runs them, and each runs once."""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import procs
from clients import poolctl
from clock import Deadline, eventually, stretch
from harness import Daemon, DaemonTest, pool, program, worker
from raw import Raw, call_params, pack, request

PYTHON = shlex.join([sys.executable, "-m", "poold.worker", "counted"])
ASYNC = shlex.join([sys.executable, "-m", "poold.worker", "async_counted"])
IN_C = program("workers/ledger")

# Requests before the first round, so that the daemon knows how short they are.
WARM = 40

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

    def warm(self, client: Raw) -> None:
        for number in range(WARM):
            client.call_pool("work", "run", self.args(f"warm {number}"))

    def ask_round(
        self, client: Raw, number: int, **options: object
    ) -> tuple[Path, int, dict[int, str]]:
        """A long request and short ones, with these options, in one write: what the long one waits for, its
        id, and the results of the others."""
        gate = self.folder / f"gate {number}"
        long = number * 1000
        notes = {long + place: f"{number}.{place}" for place in range(1, 1 + SHORT)}
        messages = [self.call(long, f"{number}.long", str(gate))]
        messages += [self.call(each, note, **options) for each, note in notes.items()]
        client.send(b"".join(messages))
        return gate, long, notes

    def hold_one(self, client: Raw, number: int) -> None:
        """All short ones are answered before the long one."""
        gate, long, notes = self.ask_round(client, number)
        answers = {answer.id: answer.result for answer in (client.read() for _ in notes)}
        self.assertEqual(answers, notes)
        gate.touch()
        self.assertEqual(client.read().id, long)

    def call(self, number: int, note: str, gate: str = "/", **options: object) -> bytes:
        params = call_params("work", "run", pack(self.args(note, gate)), pack(options))
        return request(number, "poold.call", params)

    def until_one_is_given_back(self, daemon: Daemon, client: Raw) -> int:
        """Returns how many rounds there were."""
        deadline, number = Deadline(ROUNDS), 0
        while daemon.counters("work")["moved"] == 0 and not deadline.passed():
            number += 1
            self.hold_one(client, number)
        self.assertGreater(daemon.counters("work")["moved"], 0, "nothing stood behind the long one")
        return number

    def check(self, command: str, **options: object) -> None:
        daemon = self.start_pool(command, **options)
        client = daemon.connect()
        self.warm(client)
        number = self.until_one_is_given_back(daemon, client)
        begun = Counter(
            line for line in self.ledger.read_text().splitlines() if line.startswith("begin")
        )
        self.assertEqual(set(begun.values()), {1})
        self.assertEqual(len(begun), WARM + number * (SHORT + 1))
        stats = daemon.ask("poold.stats")["pools"]["work"]
        self.assertEqual((stats["failed"], stats["succeeded"]), (0, len(begun)))


class Recalled(RecallTest):
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


class Misused(RecallTest):
    """Workers that do not keep to what they have said: tests/e2e/workers/recaller.py."""

    def test_one_that_does(self) -> None:
        self.check(worker("recaller", "honestly"))

    def check_violation(self, how: str) -> None:
        """The worker is replaced.  What it had fails, as it may have run; each request is answered once."""
        daemon = self.start_pool(worker("recaller", how))
        daemon.announced.append("pool=work")
        client = daemon.connect(map_errors=True)
        before = daemon.worker_pids()
        self.warm(client)
        codes: Counter[str] = Counter()
        deadline, number = Deadline(ROUNDS), 0
        while not codes["protocol_violation"] and not deadline.passed():
            number += 1
            gate, long, notes = self.ask_round(client, number)
            answers = [client.read() for _ in notes]
            gate.touch()
            answers.append(client.read())
            self.assertEqual({answer.id for answer in answers}, {long, *notes})
            codes.update(answer.code or "result" for answer in answers)
            for answer in answers:
                if answer.code == "protocol_violation":
                    self.assertEqual(answer.error["executed"], "maybe")
        self.assertEqual(set(codes), {"result", "protocol_violation"})
        # Both may have done it in one round.
        left = set(daemon.wait_workers("work", 2)) & set(before)
        self.assertLess(len(left), len(before))
        self.assertEqual(procs.wait_gone(set(before) - left, 2.0), [])
        client.call_pool("work", "run", self.args("next"))
        client.check_quiet()

    def test_two_answers(self) -> None:
        self.check_violation("twice")

    def test_what_it_had_begun(self) -> None:
        self.check_violation("late")

    def test_what_it_runs_anyway(self) -> None:
        self.check_violation("anyway")

    def test_what_it_was_not_asked_for(self) -> None:
        self.check_violation("another")

    def test_one_that_never_answers(self) -> None:
        """Its requests stay there: they are run once, when the long one is over."""
        daemon = self.start_pool(worker("recaller", "never"))
        client = daemon.connect()
        self.warm(client)
        deadline, number, most = Deadline(ROUNDS), 0, 0
        while not most and not deadline.passed():
            number += 1
            gate, long, notes = self.ask_round(client, number)
            eventually(lambda: daemon.pool("work")["workers"]["busy"] <= 1, "one is free")
            most = daemon.pool("work")["running"] - 1
            if most:
                self.check_shown(daemon, most)
            gate.touch()
            answers = {answer.id: answer.result for answer in (client.read() for _ in range(1 + SHORT))}
            self.assertEqual(answers, notes | {long: f"{number}.long"})
        self.assertGreater(most, 0, "nothing stood behind the long one")
        lines = self.ledger.read_text().splitlines()
        self.assertEqual(len(lines), len(set(lines)))
        self.assertEqual(len(lines), WARM + number * (1 + SHORT))
        self.assertEqual(daemon.counters("work")["moved"], 0)

    def check_shown(self, daemon: Daemon, waiting: int) -> None:
        """One request runs; so many stand behind it, and nobody says that they run."""
        rows = [re.split(r"\s{2,}", line.strip()) for line in poolctl(daemon, "requests").stdout.splitlines()]
        state, run = rows[0].index("STATE"), rows[0].index("RUN")
        shown = Counter((row[state], row[run] == "-") for row in rows[1:])
        self.assertEqual(shown, {("running", False): 1, ("sent", True): waiting})

    def test_one_that_has_not_answered_at_the_deadline(self) -> None:
        """Then it may have run, or may yet, there; and nowhere else."""
        daemon = self.start_pool(worker("recaller", "never"))
        daemon.announced.append("pool=work")
        client = daemon.connect(map_errors=True)
        self.warm(client)
        deadline, number, late = Deadline(ROUNDS), 0, 0
        while not late and not deadline.passed():
            number += 1
            gate, long, notes = self.ask_round(client, number, timeout_ms=round(stretch(200)))
            answers = [client.read() for _ in notes]
            gate.touch()
            self.assertEqual(client.read().id, long)
            self.assertLessEqual({answer.code for answer in answers}, {None, "deadline_exceeded"})
            unheard = [answer.error["executed"] for answer in answers if answer.error]
            late = unheard.count("maybe")
        self.assertGreater(late, 0, "nothing stood behind the long one")
        client.call_pool("work", "run", self.args("next"))
        lines = self.ledger.read_text().splitlines()
        self.assertEqual(len(lines), len(set(lines)))
