"""The lists of faults of tests/mutate can be made: each text stands exactly once, each test exists.  And what
mutate.py does around its tests: the trees that it takes over, and the table.

usage: mutate_test.py
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "mutate")]

import mutate  # noqa: E402
import t  # noqa: E402
from core_faults import FAULTS as CORE  # noqa: E402
from fault import Fault, apply, changed  # noqa: E402
from io_faults import FAULTS as IO  # noqa: E402

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

    def test_the_documents_say_how_many_there_are(self) -> None:
        root = TESTS.parent
        readme = (TESTS / "README.md").read_text(encoding="utf-8")
        hacking = (root / "docs/HACKING.md").read_text(encoding="utf-8")
        for name, faults in LISTS:
            with self.subTest(list=name):
                self.assertRegex(readme, rf"make mutate-{name} +{len(faults)} faults")
                self.assertRegex(hacking, rf"`mutate-{name}` has {len(faults)} of")

    def test_each_test_exists(self) -> None:
        names = {name for test in t.all_tests() for name in test.names}
        missing = [fault.test for fault in IO if fault.test not in names and not fault.test.startswith(mutate.HOSTILE)]
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


class Trees(unittest.TestCase):
    """The trees of one run, which the next one takes over with what is built there."""

    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source, self.trees = folder / "source", folder / "trees"
        self.enterContext(mock.patch.object(mutate, "ROOT", self.source))
        (self.source / "daemon").mkdir(parents=True)
        for name in ("a.c", "b.c"):
            (self.source / "daemon" / name).write_text("one\n", encoding="utf-8")
        self.take_over()
        self.built = self.trees / "0/build/a.o"
        self.built.parent.mkdir()
        self.built.write_text("built", encoding="utf-8")
        for path in self.trees.rglob("*.c"):
            os.utime(path, ns=(0, 0))

    def take_over(self) -> None:
        mutate.trees_in(self.trees, sorted((self.source / "daemon").glob("*.c")), 2)

    def test_what_has_not_changed_is_not_built_anew(self) -> None:
        self.take_over()
        self.assertEqual({path.stat().st_mtime_ns for path in self.trees.rglob("*.c")}, {0})
        self.assertTrue(self.built.exists())

    def test_the_fault_of_a_run_that_was_ended_is_taken_out(self) -> None:
        path = self.trees / "1/daemon/b.c"
        path.write_text("two\n", encoding="utf-8")
        os.utime(path, ns=(0, 0))
        self.take_over()
        self.assertEqual(path.read_text(encoding="utf-8"), "one\n")
        self.assertGreater(path.stat().st_mtime_ns, 0)

    def test_what_is_no_longer_there_is_removed(self) -> None:
        (self.source / "daemon/a.c").unlink()
        self.take_over()
        self.assertEqual([path.name for path in self.trees.rglob("*.c")], ["b.c", "b.c"])


class Table(unittest.TestCase):
    def test_those_that_were_missed_stand_at_the_end(self) -> None:
        faults = [Fault("a.c", "", "", what) for what in ("found", "not found", "found too")]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            missed = mutate.report(faults, lambda fault: (fault.what != "not found", "a test"), map, 7)
        self.assertEqual(missed, 1)
        lines = said.getvalue().splitlines()
        self.assertEqual([line.split()[:2] for line in lines[:3]], [["ok", "7"], ["MISSED", "8"], ["ok", "9"]])
        self.assertEqual(lines[3], "2 caught, 1 missed")
        self.assertRegex(lines[4], "^ *8 a.c +not found +a test$")


if __name__ == "__main__":
    unittest.main()
