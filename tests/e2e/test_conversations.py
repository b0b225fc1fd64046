"""Conversations of clients and workers that the fuzzer has kept, held again; and what it must notice."""

from __future__ import annotations

import sys
import unittest

from harness import HERE
from raw import pack

sys.path.append(str(HERE.parent / "fuzz"))

import procs
from conversation import CORPUS, Move, Session, read

PLAN = [7, [["respond", 7]]]


def ask(number: int, result: int, ids: list[int] | None = None) -> Move:
    """A call that is answered with 7, of which this result is expected."""
    message = pack([0, number, "poold.call", ["act", "play", PLAN, {"timeout_ms": 60_000}]])
    return ["send", 0, message.hex(), [[one, result] for one in ids or [number]], True]


class Conversations(unittest.TestCase):
    """tests/fuzz/conversation.py"""

    @classmethod
    def setUpClass(cls) -> None:
        procs.adopt_orphans()

    def test_those_that_were_kept(self) -> None:
        paths = sorted(CORPUS.glob("*.json"))
        self.assertGreater(len(paths), 10)
        at, why, _ = Session("kept").run([read(path) for path in paths])
        self.assertEqual(why, "", at is not None and paths[at])

    def check_noticed(self, why: str, *moves: Move) -> None:
        self.assertRegex(Session("noticed").run([[["open", 0], *moves]])[1], why)

    def test_it_notices_anothers_answer(self) -> None:
        self.check_noticed("has the answer 7, not 8", ask(1, 7), ask(2, 8))

    def test_it_notices_an_answer_to_nothing(self) -> None:
        self.check_noticed("an answer to nothing", ask(1, 7), ["send", 0, pack([0, 2, "poold.version", []]).hex(), [], True])

    def test_it_notices_a_connection_that_is_closed(self) -> None:
        self.check_noticed("closed, though all was as it should be", ["send", 0, "c1", [], True])


if __name__ == "__main__":
    unittest.main()
