"""docs/RUNBOOK.md: a daemon is brought into the state of a page, and the page's lines are typed.

What they print must look like what the page shows, up to numbers and to further lines below.
"""

from __future__ import annotations

import re
import subprocess
import unittest

from documents import sections
from harness import BUILD, ROOT
from reader import State, lines_of, type_all

DOCUMENT = "docs/RUNBOOK.md"
HEADINGS = ["How you see it", "What it means", "Impact", "What to do", "How you know that it worked",
            "When to escalate"]
NO_PAGES = ("Lines of the log", "The screen of poolctl top", "Alerts")
WORKER = "command = /usr/bin/python3 -m poold.worker"
# Alerts that tell of failed requests too, once these have failed for a minute: a busy machine may type so long.
LATER = "".join(f"\n[alert {name}]\nenabled = no\n" for name in ("method_errors", "burn_fast", "burn_slow"))

SLOW = "import time\n\ndef slow(seconds):\n    time.sleep(seconds)\n"
CRASH = "import os\n\ndef word_count(text):\n    os._exit(3)\n"
NAP = "import time\n\ndef nap(milliseconds):\n    time.sleep(600)\n"
HANG = "import time\n\ndef word_count(text):\n    time.sleep(60)\n"
GOOD = "def word_count(text):\n    return len(text.split())\n"

CARTS = """import poold

@poold.session_class
class Cart:
    def __init__(self):
        self.items = []

    def add_item(self, item):
        self.items.append(item)

    remember = add_item
"""

RESIZE = """import os
import traceback


def decode(data):
    raise RuntimeError("out of texture memory")

def resize():
    data = b""
    try:
        pixels = decode(data)
        return pixels
    except RuntimeError:
        traceback.print_exc()
        os._exit(3)
"""


STATES = {
    "The circuit of a pool is open": State(
        f"[pool python]\n{WORKER} texts\nworkers = 5\n\n[breaker python]\nearly_probe = no\nmin_outage = 0\n"
        f"open_timeout = 10s\n\n[pool single]\n{WORKER} texts\nworkers = 1\n",
        {"texts.py": CRASH}, ("poolctl call python word_count '[\"a\"]'",) * 5),
    "Most requests of a pool fail": State(
        f"[pool images]\n{WORKER} images\nworkers = 2\n" + LATER, {"images.py": "def resize():\n    return 1 / 0\n"},
        ("poolctl call images resize",) * 12,
        # What failed counts for a minute, and a busy machine takes longer to type the lines.
        beside=("sh -c 'while :; do poolctl call images resize; sleep 1; done'",)),
    "A pool is down": State(
        f"[pool images]\n{WORKER} images\ndirectory = /srv/images\nworkers = 1\n",
        {"images.py": "import sys\nprint('no model at /srv/images/model.bin', file=sys.stderr)\nsys.exit(78)\n"},
        seen=("poolctl workers images", "exit status 78"), ready=False),
    "Requests are served by a fallback": State(
        f"[pool python]\n{WORKER} texts\nworkers = 2\nfallback = single, mock\nreturn_dwell = 5min\n\n"
        f"[breaker python]\nearly_probe = no\nmin_outage = 0\n\n[alert restarts]\nenabled = no\n\n"
        f"[pool single]\n{WORKER} texts\nworkers = 1\n\n[pool mock]\nadapter = static\nanswer = 1\n",
        {"texts.py": CRASH},
        (*("poolctl call --no-fallback python word_count '[\"a\"]'",) * 5, "poolctl call python word_count '[\"a\"]'",
         "poolctl breaker reset python")),
    "Sessions are lost or expire": State(
        f"[pool carts]\n{WORKER} carts\nworkers = 1\naffinity = strict\n", {"carts.py": CARTS},
        ("poolctl call --session cart-17 carts add_item '[\"tea\"]'", "poolctl call --session s1 carts remember '[\"a\"]'",
         "poolctl call --session s2 carts remember '[\"a\"]'", "poolctl kill carts 1 KILL"),
        seen=("poolctl workers carts", "ready"), daemon="sessions_max = 2\n"),
    "Workers are busy with late runs": State(
        f"[pool reports]\n{WORKER} reports\nworkers = 2\ncancel_grace = 20min\n", {"reports.py": NAP},
        ("poolctl call --timeout 100ms reports nap '[8000]'",)),
    "The daemon stood still": State(
        f"[pool python]\n{WORKER} texts\nworkers = 1\n", {"texts.py": SLOW},
        ("until poolctl requests --running | grep slow; do :; done",
         "pid=$(poolctl version | sed -n 's/.*process \\([0-9]*\\).*/\\1/p'); "
         "kill -STOP $pid; sleep 0.5; kill -CONT $pid"),
        beside=("poolctl call python slow '[60]'",), seen=("poolctl stats", "daemon.stalls 1")),
    "The retry budget is spent": State(
        f"[pool python]\n{WORKER} texts\nworkers = 4\nidempotent = yes\nattempt_timeout = 300ms\n\n"
        "[breaker python]\nfailure_threshold = 100\nminimum_calls = 100\n\n[retry python]\nbudget = 2\nbudget_per_second = 0\nbase = 1ms\n",
        {"texts.py": HANG}, ("poolctl call python word_count '[\"a b\"]'",) * 2),
    "A restart of workers stopped": State(
        f"[pool python]\n{WORKER} texts\nworkers = 4\n", {"texts.py": GOOD},
        ("echo 'import os; os._exit(3)' >texts.py",)),
    "A queue is full": State(
        f"[pool small]\n{WORKER} texts\nworkers = 1\nqueue_max = 2\nprefetch = 0\n", {"texts.py": SLOW},
        beside=("poolctl call small slow '[60]'",) * 3, seen=("poolctl pools small", "2 of 2")),
    "The server of a socket pool is unreachable": State(
        "[pool search]\nadapter = socket\naddress = /nonexistent/search.sock\ndialect = msgpack-rpc\nworkers = 2\n",
        seen=("poolctl status", "fail"), ready=False),
    "A worker died, or does not start": State(
        f"[pool images]\n{WORKER} images\nworkers = 1\n\n[pool absent]\n{WORKER} imagse\nworkers = 1\n",
        {"images.py": RESIZE}, seen=("poolctl workers absent", "exit status 78"), ready=False),
    "A worker floods the log": State(
        f"[pool images]\n{WORKER} images\nworkers = 1\n",
        {"images.py": "def resize():\n    for number in range(3000):\n        print(number)\n"},
        ("poolctl call images resize",), seen=("poolctl stats", "daemon.output_dropped 2")),
    "Many requests fail": State(
        f"[pool shop]\n{WORKER} orders\nworkers = 2\n",
        {"orders.py": "def price(item):\n    return {'tea': 2.5}[item]\n"},
        ("poolctl call shop price '[\"pear\"]'",) * 3),
    "Intervene by hand": State(
        f"[pool python]\n{WORKER} texts\nworkers = 2\n", {"texts.py": GOOD},
        ("poolctl drain python", "poolctl breaker open python")),
    "Restart and go back": State(
        f"[pool python]\n{WORKER} texts\nworkers = 2\n", {"texts.py": GOOD},
        ("sed -i 's/^workers = .*/workers = two/' poold.conf",)),
}

# Pages whose lines are not typed: they need more time, the kernel, or a system's journal.
NOT_MADE = {
    "Workers are ejected", "Requests are refused by their time", "A worker is out of memory",
}


class Pages(unittest.TestCase):
    """A test for each state; they are added below."""


def _shows(title: str) -> object:
    def test(self: Pages) -> None:
        type_all(self, STATES[title], sections(DOCUMENT)[title])

    return test


for _title in STATES:
    setattr(Pages, "test_" + re.sub(r"\W+", "_", _title.lower()), _shows(_title))


class Form(unittest.TestCase):
    """What all pages have in common."""

    def test_each_page_has_six_parts(self) -> None:
        for title, text in sections(DOCUMENT).items():
            if title not in NO_PAGES:
                self.assertEqual(re.findall(r"^\*\*([^*]+)\*\*", text, re.M)[:9], HEADINGS, title)

    def test_no_page_has_the_name_of_another(self) -> None:
        titles = re.findall(r"^## (.*)$", (ROOT / DOCUMENT).read_text(), re.M)
        self.assertEqual(len(titles), len(set(titles)))

    def test_each_id_of_the_log_has_a_page(self) -> None:
        """An entry of the catalog names its pages, and the runbook's list of ids has the same."""
        rows = re.findall(r"^\| (\w{32}) \| .* \| (.*) \|$", sections(DOCUMENT)["Lines of the log"], re.M)
        listed = {identifier: re.findall(r"\[(.*?)\]\(#", pages) for identifier, pages in rows}
        entries = re.split(r"^-- (\w+)$", (ROOT / "systemd/poold.catalog").read_text(), flags=re.M)
        named = {}
        for identifier, text in zip(entries[1::2], entries[2::2], strict=True):
            (pages,) = re.findall(r'\bSee\s+("[^.]*?)\s+in\s+the\s+runbook\.', text)
            named[identifier] = [" ".join(page.split()) for page in re.findall(r'"(.*?)"', pages, re.S)]
        self.assertEqual(listed, named)
        for pages in named.values():
            self.assertLessEqual(set(pages), set(sections(DOCUMENT)))

    def test_each_line_is_typed(self) -> None:
        for title, text in sections(DOCUMENT).items():
            if title not in NO_PAGES and lines_of(text):
                self.assertIn(title, STATES.keys() | NOT_MADE)

    def test_each_command_exists(self) -> None:
        """Of all documents, wherever in a sentence a command stands."""
        named = set()
        for page in ROOT.glob("docs/*.md"):
            named |= set(re.findall(r"`poolctl (?:--json )?([a-z]+)", page.read_text()))
            named |= set(re.findall(r"^(?:    )?\$ poolctl (?:--json )?([a-z]+)", page.read_text(), re.M))
        self.assertGreater(len(named), 20)
        for command in sorted(named):
            helped = subprocess.run([str(BUILD / "poolctl"), command, "--help"], capture_output=True, check=False)
            self.assertEqual(helped.returncode, 0, command)
