"""The lists of faults of tests/mutate can be made: each text stands exactly once, each test exists.

usage: mutate_test.py
"""

from __future__ import annotations

import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "mutate")]

import t  # noqa: E402
from core_faults import FAULTS as CORE  # noqa: E402
from fault import Fault, apply, changed  # noqa: E402
from io_faults import FAULTS as IO  # noqa: E402
from mutate import HOSTILE  # noqa: E402

DAEMON = TESTS.parent / "daemon"
LISTS = (("core", CORE), ("io", IO))


def rotten(faults: list[Fault], folder: Path) -> list[str]:
    """What is wrong with faults: their text is not there, or more than once, or they change nothing."""
    found = []
    for fault in faults:
        try:
            text = (folder / fault.file).read_text(encoding="utf-8")
            if changed(text, fault) == text:
                found.append(f"{fault.file}: {fault.what}: it changes nothing")
        except (OSError, ValueError) as error:
            found.append(f"{fault.what}: {error}")
    return found


class Lists(unittest.TestCase):
    """Both lists against the tree."""

    def test_each_text_stands_exactly_once(self) -> None:
        for name, faults in LISTS:
            with self.subTest(list=name):
                self.assertEqual(rotten(faults, DAEMON / name), [])

    def test_each_fault_has_words_of_its_own(self) -> None:
        for name, faults in LISTS:
            words = Counter(fault.what for fault in faults)
            self.assertEqual([what for what, count in words.items() if count > 1], [], name)

    def test_each_test_exists(self) -> None:
        names = {name for test in t.all_tests() for name in test.names}
        missing = [fault.test for fault in IO if fault.test not in names and not fault.test.startswith(HOSTILE)]
        self.assertEqual(missing, [])


class Rot(unittest.TestCase):
    """What the first test is there to find."""

    def test_it_is_found(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.c").write_text("one two two\n", encoding="utf-8")
            for old, new, wrong in (("one", "three", 0), ("two", "three", 1), ("four", "", 1), ("one", "one", 1)):
                with self.subTest(old=old, new=new):
                    self.assertEqual(len(rotten([Fault("a.c", old, new, "it")], Path(folder))), wrong)
            self.assertEqual(len(rotten([Fault("b.c", "one", "", "it")], Path(folder))), 1)

    def test_a_fault_is_made(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.c").write_text("one two\n", encoding="utf-8")
            self.assertEqual(apply(Path(folder), Fault("a.c", "two", "three", "it")), "one two\n")
            self.assertEqual((Path(folder) / "a.c").read_text(encoding="utf-8"), "one three\n")


if __name__ == "__main__":
    unittest.main()
