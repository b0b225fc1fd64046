"""Each function that daemon/hot.ld names exists, and is named once.

usage: hot_functions.py

A name that is left over would do no harm, but whoever renames a function should take its place
along: otherwise it leaves, unnoticed, those that run for each request.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]

# A line of the script: the function itself, and the parts that the compiler makes of it.
PLACED = re.compile(r"^\s*\*\(\.text\.(\w+) \.text\.(\w+)\.\*\)$", re.MULTILINE)
# The first line of a definition or a declaration: it begins at the margin.
DEFINED = re.compile(r"^\w[\w \t*]*\b(\w+)\(", re.MULTILINE)


def placed(script: str) -> list[str]:
    """The functions in the order of the script."""
    found = PLACED.findall(script)
    for name, parts in found:
        if name != parts:
            raise ValueError(f"{name} has the parts of {parts}")
    if len(found) != script.count("*(.text."):
        raise ValueError("a line is not of the form *(.text.NAME .text.NAME.*)")
    return [name for name, _ in found]


def complaints(names: list[str], sources: Iterable[str]) -> list[str]:
    """What is wrong with the names."""
    known = {name for source in sources for name in DEFINED.findall(source)}
    twice = {name for name in names if names.count(name) > 1}
    return [f"there is no function {name}" for name in names if name not in known] + [
        f"{name} stands there twice" for name in sorted(twice)
    ]


def self_test() -> None:
    """Faults are found."""
    line = "\t*(.text.a .text.a.*)\n"
    assert placed(line) == ["a"]
    assert complaints(["a"], ["static int a(void)\n"]) == []
    assert complaints(["b"], ["\ta(b(1));\nint a(void)\n"]) == ["there is no function b"]
    assert complaints(["a", "a"], ["int a(void)\n"]) == ["a stands there twice"]
    for bad in ("\t*(.text.a .text.b.*)\n", "\t*(.text.a)\n"):
        try:
            placed(bad)
        except ValueError:
            continue
        raise AssertionError(bad)


def main() -> int:
    """Prints what is wrong; the exit status."""
    self_test()
    sources = [
        path.read_text()
        for folder in ("daemon", "protocol")
        for path in sorted((TREE / folder).rglob("*.[ch]"))
    ]
    wrong = complaints(placed((TREE / "daemon" / "hot.ld").read_text()), sources)
    for text in wrong:
        print(f"hot_functions.py: daemon/hot.ld: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
