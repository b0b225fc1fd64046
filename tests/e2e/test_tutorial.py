"""docs/TUTORIAL.md does what it says, as written, each tutorial in a fresh directory.

The test does what the reader does: writes the files, starts each daemon (a block of `sh`) in the
place of the one before, types the lines behind a `$`, and compares what they print.
"""

from __future__ import annotations

import re
import signal
import subprocess
import unittest

from alike import is_alike
from clock import eventually
from documents import Place, blocks, sections, typed
from harness import ROOT, SANITIZED

TUTORIAL = "docs/TUTORIAL.md"

# The path in the documents, which the test may not write to.
SOCKET = "/tmp/poold.sock"

# Commands that only look: what they show may come a moment later.
LOOKS = re.compile(r"poolctl (workers|status|pools|errors|health|breakers|methods)\b")


class Reader:
    """Follows one part of a document in a place of its own."""

    def __init__(self, test: unittest.TestCase) -> None:
        self.test = test
        self.place = Place()
        test.addCleanup(self.place.remove)
        self.exports = ""
        self.daemon: subprocess.Popen[bytes] | None = None
        test.addCleanup(self.stop)

    def stop(self) -> None:
        """Ctrl-C; the daemon ends well."""
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGINT)
            status = self.daemon.wait(60)
            self.daemon = None
            self.test.assertEqual(status, 0, self.place.log())

    def serve(self, command: str) -> None:
        self.stop()
        self.daemon = self.place.start(command)
        eventually(lambda: "ready: listening" in self.place.log() or self.daemon.poll() is not None,
                   lambda: f"{command} is ready: {self.place.log()}", 30.0)
        self.test.assertIsNone(self.daemon.poll(), self.place.log())

    def local(self, text: str) -> str:
        return text.replace(SOCKET, str(self.place.runtime / "tutorial.sock"))

    def type(self, command: str, shown: list[str]) -> None:
        if command.startswith("export "):
            self.exports += f"{self.local(command)}; "
            return
        if SANITIZED:
            command = re.sub(r"^cc ", "cc -fsanitize=address,undefined ", command)
        exact = not command.startswith("poolctl") or command.startswith("poolctl call")
        said: list[str] = []

        def fits() -> bool:
            said[:] = self.place.type(self.exports + command)
            # Any worker of the pool may have answered.
            lines = [re.sub(r"\bworker: \d+", "worker: 1", line) for line in said]
            return is_alike(lines, shown, exact)

        def what() -> str:
            return "\n".join([f"$ {command}", *said, "instead of", *shown, self.place.log()])

        if LOOKS.match(command):
            eventually(fits, what, 10.0)
        else:
            self.test.assertTrue(fits(), what())

    def follow(self, text: str) -> None:
        for each in blocks(text):
            if each.file:
                (self.place.path / each.file).write_text(self.local(each.text))
            elif each.language == "sh":
                self.serve(each.text.strip())
            elif each.language == "console":
                for command, shown in typed(each.text):
                    self.type(command, shown)
            else:
                self.test.fail(f"a block that is neither a file nor typed:\n{each.text}")


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

    def test_no_page_of_the_runbook_has_the_name_of_another(self) -> None:
        titles = re.findall(r"^## (.*)$", (ROOT / "docs/RUNBOOK.md").read_text(), re.M)
        self.assertEqual(len(titles), len(set(titles)))


def _anchors(text: str) -> set[str]:
    """The names that the headings of a document can be linked by."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", prose, re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in plain}
