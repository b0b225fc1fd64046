"""The lines that docs/RECOVERY.md, MONITORING.md and ERRORS.md have their reader type print what is
shown, up to numbers; test_runbook does the same for the runbook."""

from __future__ import annotations

import re
import unittest

from documents import blocks, sections
from reader import State, type_all

WORKER = "command = /usr/bin/python3 -m poold.worker"
GOOD = "def word_count(text):\n    return len(text.split())\n"
CALL = "poolctl call python word_count '[\"a b\"]'"


def block(document: str, title: str, words: str) -> str:
    """The fenced block of a part that has these words."""
    return next(each.text for each in blocks(sections(f"docs/{document}.md")[title]) if words in each.text)


def states() -> dict[tuple[str, str], State]:
    """The parts with lines to type, by document and title."""
    return {
        ("RECOVERY", "Retries"): State(
            f"[pool python]\n{WORKER} texts\nworkers = 4\nidempotent = yes\nattempt_timeout = 300ms\n\n"
            "[breaker python]\nfailure_threshold = 100\nminimum_calls = 100\n\n"
            "[retry python]\nbudget = 2\nbudget_per_second = 0\nbase = 1ms\n",
            {"texts.py": "import time\n\ndef word_count(text):\n    time.sleep(60)\n"}, (CALL, CALL)),
        ("RECOVERY", "Late runs"): State(
            f"[pool reports]\n{WORKER} reports\nworkers = 2\ncancel_grace = 1min\n",
            {"reports.py": "import time\n\ndef nap(milliseconds):\n    time.sleep(milliseconds / 1000)\n"
                           "    return milliseconds\n"}),
        ("RECOVERY", "Breakers"): State(
            f"[pool carts]\n{WORKER} texts\nworkers = 1\n", {"texts.py": GOOD}),
        ("RECOVERY", "Chains"): State(
            block("RECOVERY", "Chains", "[pool mock]"), {"texts.py": "import os\n\ndef word_count(text):\n    os._exit(3)\n"}),
        ("RECOVERY", "Sessions"): State(
            f"[pool carts]\n{WORKER} carts\nworkers = 2\n", {"carts.py": block("RECOVERY", "Sessions", "def add_item")}),
        ("RECOVERY", "Keys"): State(
            f"[pool python]\n{WORKER} texts\nworkers = 2\n", {"texts.py": GOOD}),
        ("MONITORING", "Something is wrong now"): State(
            f"[pool shop]\n{WORKER} orders\nworkers = 2\n\n[pool reports]\n{WORKER} orders\nworkers = 1\n",
            {"orders.py": "def price(item):\n    return {'tea': 2.5}[item]\n"},
            # A start that is less than a second ago is not told from the one before.
            (*("poolctl call shop price '[\"tea\"]'",) * 5, "poolctl call shop price '[\"pear\"]'", "sleep 1.2"),
            restarts=True),
        ("ERRORS", "The table"): State(
            f"[pool python]\n{WORKER} texts\nworkers = 1\n",
            {"texts.py": GOOD, "my.conf": block("ERRORS", "The table", "[error exception]")
             + f"\n[pool python]\n{WORKER} texts\n"}),
    }


class Lines(unittest.TestCase):
    """A test for each part; they are added below."""


def _types(document: str, title: str, state: State) -> object:
    def test(self: unittest.TestCase) -> None:
        type_all(self, state, sections(f"docs/{document}.md")[title])

    return test


for (_document, _title), _state in states().items():
    setattr(Lines, "test_" + re.sub(r"\W+", "_", f"{_document}_{_title}".lower()), _types(_document, _title, _state))
