"""docs/CONFIGURATION.md has every key of config.def, and each of its examples is one that the daemon takes
and that changes what it runs with.

usage: O=build/none configuration_test.py
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POOLD = (ROOT / os.environ.get("O", "build/none") / "poold").resolve()
DOCUMENT = ROOT / "docs/CONFIGURATION.md"

# The examples stand beside these.
AROUND = """\
[pool spare]
command = /usr/bin/python3 -m poold.worker texts
[pool mock]
adapter = static
answer = 0
[pool python]
command = /usr/bin/python3 -m poold.worker texts
"""

# The section of an example that names none, by its heading.
SECTIONS = {"daemon": "daemon", "pool NAME": "pool python", "breaker NAME": "breaker python",
            "retry NAME": "retry python", "error NAME": "error exception", "http": "http",
            "alert NAME": "alert error_share"}


@dataclass(frozen=True)
class Row:
    """What the document says of a key: its example as a configuration."""

    key: str
    default: str
    when: str
    example: str
    then: str


def keys_of_the_code() -> dict[str, list[tuple[str, str]]]:
    """The keys of config.def with their defaults, by section."""
    text = (ROOT / "daemon/io/config/config.def").read_text(encoding="utf-8")
    found: dict[str, list[tuple[str, str]]] = {}
    for section, key, default in re.findall(
            r'^OPTION\((\w+), (\w+), \w+,\s+(?:NULL|"([^"]*)"),', text, re.M):
        found.setdefault(section.lower(), []).append((key, default))
    return found


def row(line: str, section: str) -> Row:
    """Takes a row of a table apart."""
    key, default, when, example = (cell.strip() for cell in line.strip("|").split("|"))
    written, _, then = example.partition("`: ")
    spans = re.findall(r"`([^`]+)", written)
    lines = [f"[{section}]"] * (not spans[0].startswith("[")) + spans[:1] + spans[2::2]
    return Row(key.strip("` "), default.strip("`"), when, "\n".join(lines) + "\n", then)


def rows_of_the_document() -> dict[str, list[Row]]:
    """The rows of each table, by the first word of its heading."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = {}
    for heading, body in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.M | re.S):
        if heading in SECTIONS:
            lines = re.findall(r"^\| `.*$", body, re.M)
            found[heading.split()[0]] = [row(line, SECTIONS[heading]) for line in lines]
    return found


def understood(text: str) -> subprocess.CompletedProcess[str]:
    """What the daemon says of a configuration: every setting, or what is wrong."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        return subprocess.run([str(POOLD), "-t", "-c", file.name], capture_output=True, text=True, check=False)


class Keys(unittest.TestCase):
    """The tables of the document."""

    def test_each_has_its_row_and_its_default(self) -> None:
        rows = rows_of_the_document()
        for section, keys in keys_of_the_code().items():
            with self.subTest(section):
                self.assertEqual([(row.key, row.default) for row in rows[section]], keys)

    def test_each_says_when_to_change_it(self) -> None:
        for row in (row for rows in rows_of_the_document().values() for row in rows):
            with self.subTest(row.key):
                self.assertRegex(row.when, r"^\S.{15,}\.$")
                self.assertRegex(row.then, r"^\S.{5,}")

    def test_each_example_changes_what_the_daemon_runs_with(self) -> None:
        for section, rows in rows_of_the_document().items():
            for row in rows:
                with self.subTest(f"{section}: {row.key}"):
                    self.check(row)

    def check(self, row: Row) -> None:
        """An example is taken, and its key does not stay as it was."""
        example = row.example.removeprefix("[pool python]\n")
        changed = understood(AROUND + example)
        self.assertEqual(changed.returncode, 0, changed.stderr)
        setting = re.compile(rf"^{re.escape(row.key)} = .*$", re.M)
        (line,) = setting.findall(example)
        self.assertNotEqual(line, f"{row.key} = {row.default}")
        without = understood(AROUND + setting.sub("", example))
        self.assertNotEqual(changed.stdout, without.stdout)


class Whole(unittest.TestCase):
    """The longer examples."""

    def test_each_is_taken(self) -> None:
        blocks = re.findall(r"^```ini\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
        self.assertTrue(blocks)
        for block in blocks:
            done = understood(block)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
