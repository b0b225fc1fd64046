"""Ten thousand calls to workers that answer late, twice, and what nobody asked: each caller gets
the answer to its own question."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from clock import ms, stretch
from harness import LOAD, UNRULY, DaemonTest, pool, retry
from raw import Answer
from swarm import Question, Swarm

CALLS = 10_000 * LOAD
CONNECTIONS = 32

# How often a method is called among a thousand; the rest is `echo`.  A violation takes down what
# waits behind it at the worker, which is then tried again, three times at most: one in a million
# has no luck four times.
MIX = {"late": 5, "twice": 6, "again": 6, "unknown": 6}

TRIES_MAX = 4

# What a question to `late` ends with: at a worker, in the queue, or on its way back there; or before the
# queue, where a busy machine lets so many wait that it would not be in time.
LATE_CODES = ("attempt_timeout", "queue_timeout", "deadline_exceeded", "queue_full")

# Milliseconds after which a question to `late` is given up, by which its answer is later, and before
# the second retry.  A violation is followed by one retry at once: there is time for that one only.
SHORT, LATER, SECOND_RETRY = 30, 40, 100
LATE_TRIES_MAX = 2


def has_no_try_left(question: Question, error: dict[str, Any]) -> bool:
    """Whether a question whose worker broke the protocol was tried as often as it could be."""
    if question.method != "late":
        return error["attempt"] == TRIES_MAX
    return error["attempt"] == LATE_TRIES_MAX or error["elapsed_ms"] > stretch(SHORT) / 2


class Outcomes:
    """What became of the questions, and which of them were not answered as they had to be."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.luckless = 0  # questions with time enough that met a violation at every try
        self.too_late = 0  # answers of `late` that were passed on after their deadline
        self.faults: list[str] = []

    def take(self, question: Question, answer: Answer) -> None:
        self.codes[answer.code or "result"] += 1
        if answer.error is None:
            right = answer.result == question.args
            self.too_late += question.method == "late"
        elif answer.code == "protocol_violation":
            right = has_no_try_left(question, answer.error)
            self.luckless += question.method != "late"
        else:
            right = answer.code in LATE_CODES and question.method == "late"
        if not right:
            self.faults.append(f"{question} was answered {answer}")


class LateAnswers(DaemonTest):
    """The method says what the worker does, so the right outcome of each question is known."""

    def questions(self, draw: random.Random) -> Iterator[Question]:
        methods = [*MIX, "echo"]
        weights = [*MIX.values(), 1000 - sum(MIX.values())]
        for number in range(CALLS):
            (method,) = draw.choices(methods, weights)
            options: dict[str, object] = {}
            if method == "late":
                options["timeout_ms"] = round(stretch(SHORT))
            yield Question(number, "unruly", method, [number, draw.random()], options)

    def test_each_answer_belongs_to_its_question(self) -> None:
        daemon = self.start(
            pool(
                "unruly",
                UNRULY,
                workers=4,
                idempotent=True,
                max_crash_retries=10,
                kill_grace=ms(100),
                **{"env.UNRULY_LATE_MSEC": round(stretch(LATER))},
            ),
            # All are tried again, however slowly answers come.
            retry("unruly", base=ms(SECOND_RETRY), budget=10_000, budget_per_second=10_000),
        )
        daemon.announced.append("pool=unruly")
        outcomes = Outcomes()
        questions = self.questions(self.random(3))
        with Swarm(daemon.path, CONNECTIONS, questions, outcomes.take) as swarm:
            swarm.run(90 * LOAD)
        self.assertEqual(outcomes.faults, [])
        self.assertEqual(outcomes.codes.total(), CALLS)
        self.assertLessEqual(outcomes.luckless, 2)
        # Only a daemon that got no processor for LATER ms can take such an answer for one in time.
        self.assertLessEqual(outcomes.too_late, CALLS * MIX["late"] // 10_000)
        counters = daemon.counters("unruly")
        self.assertEqual(counters["requests"], CALLS)
        self.assertEqual(counters["succeeded"], outcomes.codes["result"])
        self.assertEqual(counters["failed"], CALLS - outcomes.codes["result"])
        violations = CALLS * (MIX["twice"] + MIX["unknown"]) // 1000
        self.assertGreater(counters["worker_kills"], violations // 2)
        self.assertGreater(counters["late_answers"], 0)
