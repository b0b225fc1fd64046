"""items.toml names tests that there are, and docs/VALIDATION.md shows what it says.

usage: validation_test.py
"""

from __future__ import annotations

import re
import sys
import tempfile
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "validation"))

import validate  # noqa: E402
from run import Tally  # noqa: E402

TEXT = """\
[programs.rate]
title = "how fast"
run = "exit:true"
informs = true

[[groups]]
title = "One"
[[groups.items]]
title = "Of all"
asked = "That it is so."
tests = ["runner_test.py", "program rate"]
"""


class Items(unittest.TestCase):
    """tests/validation/items.toml"""

    table: validate.Table

    @classmethod
    def setUpClass(cls) -> None:
        cls.table = validate.read_table()

    def test_each_has_tests_that_there_are(self) -> None:
        for item in self.table.items():
            with self.subTest(item.title):
                judged = [name for name in item.tests if not self.table.programs[name].informs]
                self.assertTrue(judged)
                self.assertEqual(len(set(item.tests)), len(item.tests))
                self.assertRegex(item.asked, r"^[A-Z].*\.$")

    def test_titles_are_unique(self) -> None:
        titles = [item.title for item in self.table.items()]
        self.assertEqual(len(titles), len(set(titles)))

    def test_no_test_is_part_of_another(self) -> None:
        names = self.table.programs
        self.assertEqual([(a, b) for a in names for b in names if b.startswith(f"{a}.")], [])

    def test_each_program_is_used(self) -> None:
        text = validate.TABLE.read_text(encoding="utf-8")
        described = re.findall(r'^\[programs\."?([^"\]]+)"?\]', text, re.M)
        used = [name.removeprefix(validate.PROGRAM) for name in self.table.programs]
        self.assertEqual([name for name in described if name not in used], [])

    def test_the_page_shows_them(self) -> None:
        nothing = validate.Results({name: Tally() for name in self.table.programs})
        page = validate.PAGE.read_text(encoding="utf-8")
        self.assertEqual(validate.skeleton(page), validate.skeleton(validate.page(self.table, nothing)),
                         "items.toml has changed: make validate")


class Made(unittest.TestCase):
    """What validate.py makes of a table and of what came of its tests."""

    def read(self, text: str) -> validate.Table:
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            return validate.read_table(Path(file.name))

    def verdict(self, *tallies: Tally) -> str:
        table = self.read(TEXT)
        (item,) = table.items()
        return validate.Results(dict(zip(item.tests, tallies))).verdict(item, table)

    def test_verdicts(self) -> None:
        self.assertEqual(self.verdict(Tally(3), Tally(1)), "passed")
        self.assertEqual(self.verdict(Tally(3, 0, 2), Tally(1)), "passed")
        self.assertEqual(self.verdict(Tally(3, 1), Tally(1)), "FAILED")
        self.assertEqual(self.verdict(Tally(0, 0, 2), Tally(1)), "not shown")
        self.assertEqual(self.verdict(Tally(3), Tally(0, 1)), "passed")

    def test_verdicts_are_read_back(self) -> None:
        table = self.read(TEXT)
        page = validate.page(table, validate.Results({name: Tally(0, 1) for name in table.programs}))
        self.assertEqual(validate.verdicts_of(page), {"Of all": "FAILED"})

    def test_tables_with_the_same_head_are_one(self) -> None:
        one, two, other = (["| a |", "|---|", f"| {n} |"] for n in "123")
        other[0] = "| b |"
        self.assertEqual(validate.joined([one, [], other, two]),
                         ["", "| a |", "|---|", "| 1 |", "| 2 |", "", "| b |", "|---|", "| 3 |"])

    def test_what_there_is_not(self) -> None:
        for name in ("no_such_test_at_all", "program none", "test_call"):
            with self.subTest(name), self.assertRaises(LookupError):
                self.read(TEXT.replace("runner_test.py", name))


if __name__ == "__main__":
    unittest.main()
