"""Whether what a command prints looks like what a document shows.

A report of `poolctl` differs in its numbers: times, processes, durations, sizes.  What is left of it
must be the same, in the same columns.  In the document a line `...` stands for any lines.
"""

from __future__ import annotations

import re

UNIT = r"(?:us|ms|s|min|h|d|B|KiB|MiB|GiB|%|/s)"
NUMBER = re.compile(rf"(?<![A-Za-z_])\d[\d.,:-]*(?: ?{UNIT}(?![A-Za-z]))?(?: \d+ {UNIT}(?![A-Za-z]))*")
NOTHING = re.compile(r"(?<!\S)-(?!\S)")
ANY = "..."


def shape(line: str) -> str:
    """The line with an N for each number and each cell that may have one, and with single spaces."""
    return " ".join(NOTHING.sub("N", NUMBER.sub("N", line)).split())


def is_alike(said: list[str], shown: list[str], exact: bool = False) -> bool:
    """Whether the lines are those shown, up to numbers unless `exact`."""
    form = str.rstrip if exact else shape
    expected = [ANY if line.strip() == ANY else form(line) for line in shown]
    return _fits([form(line) for line in said], expected)


def _fits(said: list[str], expected: list[str]) -> bool:
    if not expected:
        return not said
    if expected[0] == ANY:
        return any(_fits(said[first:], expected[1:]) for first in range(len(said) + 1))
    return bool(said) and said[0] == expected[0] and _fits(said[1:], expected[1:])
