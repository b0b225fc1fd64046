"""Workers are killed and stopped under a load of requests that must not run twice, many of which stand in
lines and are given back: each is answered once, and the workers' own count agrees with what was answered.
"""

from __future__ import annotations

import random
import shlex
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import procs
from harness import LOAD, Daemon, DaemonTest, best_of_three, pool
from raw import Answer, Raw
from swarm import Question, Swarm

COUNTED = shlex.join([sys.executable, "-m", "poold.worker", "counted"])
CONNECTIONS = 64
QUESTIONS = 3300 * LOAD
WORKERS = 4

# One run in so many takes some milliseconds: those behind it are asked back.
LONG_IN = 40


class Harrier:
    """Kills and stops random workers until it is told to end."""

    def __init__(self, daemon: Daemon, draw: random.Random) -> None:
        self._daemon = daemon
        self._draw = draw
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fault: BaseException | None = None
        self.killed: set[int] = set()
        self.stopped = 0

    def __enter__(self) -> Harrier:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._fault is not None:
            raise AssertionError("the harrier failed") from self._fault

    def _run(self) -> None:
        try:
            with Raw(self._daemon.path) as client:
                while not self._over.wait(self._draw.uniform(0.0, 0.03)):
                    self._strike(client)
        except BaseException as fault:
            self._fault = fault

    def _strike(self, client: Raw) -> None:
        workers = client.call("poold.workers")
        pids = [each["pid"] for each in workers if each["state"] in ("ready", "busy")]
        if not pids:
            return
        pid = self._draw.choice(pids)
        if self._draw.random() < 0.3:
            self.killed.add(pid)
            procs.kill(pid)
        elif procs.kill(pid, signal.SIGSTOP):
            self.stopped += 1
            time.sleep(self._draw.uniform(0.0, 0.03))
            procs.kill(pid, signal.SIGCONT)


class Books:
    """What the clients were answered, by the number of the question."""

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()
        self.may_run: dict[int, tuple[int, int]] = {}  # least and most runs
        self.codes: Counter[str] = Counter()
        self.faults: list[str] = []

    def take(self, question: Question, answer: Answer) -> None:
        self.answered[question.number] += 1
        self.codes[answer.code or "result"] += 1
        if answer.error is None:
            self.may_run[question.number] = (1, 1)
            if answer.result != question.number:
                self.faults.append(f"{question} was answered {answer}")
        else:
            bounds = {"no": (0, 0), "maybe": (0, 1), "yes": (1, 1)}
            self.may_run[question.number] = bounds[answer.error["executed"]]

    def compare(self, ran: Counter[int]) -> list[str]:
        """Where the workers' count is not what the answers promise."""
        return self.faults + [
            f"{number} ran {ran[number]} times, not {least} to {most}"
            for number, (least, most) in self.may_run.items()
            if not least <= ran[number] <= most
        ]


class WorkersHarried(DaemonTest):
    def questions(self, draw: random.Random) -> Iterator[Question]:
        for number in range(QUESTIONS):
            seconds = draw.uniform(0.005, 0.03) if draw.randrange(LONG_IN) == 0 else 0
            yield Question(number, "once", "work", [str(self.ledger), number, seconds], {})

    @best_of_three
    def test_none_runs_twice_and_none_is_lost(self) -> None:
        draw = self.random(1)
        self.ledger = Path(self.enterContext(TemporaryDirectory())) / "ledger"
        daemon = self.start(pool("once", COUNTED, workers=WORKERS))
        daemon.announced.append("pool=once")
        books = Books()
        with Swarm(daemon.path, CONNECTIONS, self.questions(draw), books.take) as swarm:
            with Harrier(daemon, draw) as harrier:
                swarm.run(120 * LOAD)
        moved = daemon.counters("once")["moved"]
        print(f"\n{dict(books.codes)}; {moved} given back or left by the dead;"
              f" {len(harrier.killed)} killed, {harrier.stopped} stopped", file=sys.stderr)
        ran = Counter(int(line) for line in self.ledger.read_text().splitlines())
        self.assertEqual(books.compare(ran), [])
        self.assertEqual(books.answered, Counter(range(QUESTIONS)))
        self.assertLessEqual(set(ran), set(range(QUESTIONS)))
        self.assertLessEqual(set(books.codes), {"result", "worker_killed"})
        self.assertLessEqual(books.codes["worker_killed"], len(harrier.killed))
        # Nobody stands in line where the machine makes all runs long.
        self.assert_measured(moved > 0, "none was given back")
