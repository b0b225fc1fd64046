"""docs/TUTORIAL.md does what it says, as written, each tutorial in a fresh directory.

The test does what the reader does: writes the files, starts each daemon (a block of `sh`) in the
place of the one before, types the lines behind a `$`, and compares what they print.
"""

from __future__ import annotations

import re
import unittest

from documents import blocks, sections
from harness import ROOT
from reader import Reader

TUTORIAL = "docs/TUTORIAL.md"

class Tutorials(unittest.TestCase):
    """A test for each part that has something to type; they are added below."""


def _follows(text: str) -> object:
    def test(self: Tutorials) -> None:
        Reader(self).follow(text)

    return test


for _title, _text in sections(TUTORIAL).items():
    if blocks(_text):
        setattr(Tutorials, "test_" + re.sub(r"\W+", "_", _title.lower()), _follows(_text))


class Links(unittest.TestCase):
    """Every link of a document to a file, or to a heading of one, leads there."""

    def test_they_lead_somewhere(self) -> None:
        wrong = []
        for page in [*ROOT.glob("docs/*.md"), ROOT / "README.md"]:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                if re.match(r"https?:", target):
                    continue
                name, _, anchor = target.partition("#")
                file = (page.parent / name).resolve() if name else page
                if not file.exists() or (anchor and anchor not in _anchors(file.read_text())):
                    wrong.append(f"{page.name}: {target}")
        self.assertEqual(wrong, [])


def _anchors(text: str) -> set[str]:
    """The names that the headings of a document can be linked by."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", prose, re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in plain}
