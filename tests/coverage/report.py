"""Says which lines, branches and functions of poold its tests ran: `make coverage`.

usage: O=build/cov report.py [--lines] [PATH...]

C is read from what gcov says of the objects below O (those of SAN=cov), Python from the data of coverage.py
below O/python; without coverage.py the Python package is left out, with a message.  Prints a table with a row for each
folder and each area, the functions that never ran, and by file how many lines did not, with those for which
`reasons.txt` beside this file has no reason.  `--lines` prints all of them, each with its reason; with PATH, only
those of files whose path begins so.

Exit status 1 when an area is below its level, a function never ran, a line that never ran has no reason, a pattern of
reasons.txt fits no line any more, or a file of counts is damaged.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = (ROOT / os.environ.get("O", "build/cov")).resolve()
PYTHON_DATA = BUILD / "python"
# The sums, as they are kept.
KEPT = BUILD / "coverage.json"
REASONS = HERE / "reasons.txt"

# Each area with the percent of lines and of branches that it must reach; 0: none is asked for.
LEVELS = {
    "daemon/core": (98.0, 92.0),
    "protocol": (98.0, 92.0),
    "daemon/io": (95.0, 86.0),
    "client": (90.0, 0.0),
    "Python": (95.0, 0.0),
}
# What belongs to an area without lying below its folder.
BELONGS = {"daemon/main.c": "daemon/io", "client/python": "Python"}
SOURCES = ("daemon", "protocol", "client/lib", "client/poolctl", "client/mcp")

# An assert's other branch ends the program, so nothing that is right can take it.
NO_BRANCH = re.compile(r"^\s*assert\(")

# What gcov-dump says of a file of counts that is no whole one.
DAMAGE = re.compile(r"^(\S+\.gcda):(?:tag `\w+' is (?:invalid|incorrectly nested)"
                    r"|.*(?:not a gcov file|record size mismatch))", re.M)


@dataclass
class Lines:
    """What ran of one file."""

    counts: dict[int, int] = field(default_factory=dict)
    branches: dict[int, list[int]] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)

    def add_line(self, line: dict[str, Any]) -> None:
        """Adds a line as gcov says it: a header's has one in each object that includes it."""
        number = int(line["line_number"])
        self.counts[number] = self.counts.get(number, 0) + int(line["count"])
        taken = [int(branch["count"]) for branch in line["branches"]]
        known = self.branches.get(number, [])
        if len(known) == len(taken):
            taken = [a + b for a, b in zip(known, taken)]
        if len(taken) >= len(known):
            self.branches[number] = taken

    def add_function(self, name: str, count: int) -> None:
        """Adds how often a function was called."""
        self.functions[name] = self.functions.get(name, 0) + count

    def missed(self) -> list[int]:
        """The lines that never ran."""
        return sorted(number for number, count in self.counts.items() if count == 0)


@dataclass
class Sum:
    """Counts of a row of the table."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, lines: Lines, text: list[str]) -> None:
        """Adds a file, whose text says where a branch does not count."""
        self.lines += len(lines.counts)
        self.lines_run += sum(1 for count in lines.counts.values() if count)
        for number, taken in lines.branches.items():
            if number <= len(text) and NO_BRANCH.match(text[number - 1]):
                continue
            self.branches += len(taken)
            self.branches_run += sum(1 for count in taken if count)


def percent(part: int, whole: int) -> float:
    """How much of the whole the part is; all of nothing."""
    return 100.0 * part / whole if whole else 100.0


def gcov(objects: list[Path]) -> Iterator[dict[str, Any]]:
    """What gcov says of each file of some objects."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", "-b", *map(str, objects)], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    for line in done.stdout.splitlines():
        if line.startswith(b"{"):
            yield from json.loads(line)["files"]


def print_damaged() -> int:
    """Prints the files of counts that a process was killed while it wrote: what they counted is lost, and so is what later
    processes have; returns how many they are."""
    counts = sorted(str(path) for path in BUILD.rglob("*.gcda") if path.stat().st_size > 0)
    done = subprocess.run(["gcov-dump", *counts], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    damaged = sorted(set(DAMAGE.findall(done.stdout.decode(errors="replace"))))
    if damaged:
        print(f"\nfiles of counts that are damaged: {len(damaged)}.  To be emptied (truncate -s 0), and counted anew by"
              " the tests of that code")
        print("".join(f"  {each}\n" for each in damaged), end="")
    return len(damaged)


def c_files() -> dict[str, Lines]:
    """Every C file of ours that has code, by its path."""
    # Some unit tests include a file of the code.
    objects = sorted(path for folder in (*SOURCES, "tests/unit")
                     for path in (BUILD / folder).rglob("*.gcno"))
    if not objects:
        raise SystemExit(f"coverage: nothing below {BUILD} was built with SAN=cov")
    found: dict[str, Lines] = defaultdict(Lines)
    chunks = [objects[i:i + 20] for i in range(0, len(objects), 20)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for files in pool.map(lambda chunk: list(gcov(chunk)), chunks):
            for file in files:
                path = str(file["file"])
                if not path.startswith(SOURCES) or not (ROOT / path).exists():
                    continue
                for line in file["lines"]:
                    found[path].add_line(line)
                for function in file["functions"]:
                    found[path].add_function(function["name"], int(function["execution_count"]))
    return found


def python_files() -> dict[str, Lines]:
    """Every file of the Python package, as far as coverage.py can say."""
    try:
        import coverage
    except ImportError:
        print("coverage: Python is left out, as coverage.py (python3-coverage) is not installed")
        return {}
    # What another user's processes wrote may not be ours to remove, so the parts stay.
    parts = [str(path) for path in PYTHON_DATA.glob("data.*")]
    if not parts:
        print(f"coverage: Python is left out, as no test of it has left anything in {PYTHON_DATA}")
        return {}
    # A process that was killed while it wrote leaves half a file.
    warnings.simplefilter("ignore", coverage.exceptions.CoverageWarning)
    measured = coverage.Coverage(data_file=str(PYTHON_DATA / "all"), config_file=False,
                                 source=[str(ROOT / "client/python/poold")])
    measured.exclude("if TYPE_CHECKING:")
    measured.combine(parts, strict=False, keep=True)
    found: dict[str, Lines] = {}
    for path in sorted((ROOT / "client/python/poold").rglob("*.py")):
        _, statements, _, missing, _ = measured.analysis2(str(path))
        found[str(path.relative_to(ROOT))] = Lines({n: int(n not in missing) for n in statements})
    return found


def folder_of(path: str) -> str:
    """The row of the table that a file belongs to."""
    return path if path in BELONGS else str(Path(path).parent)


def area_of(path: str) -> str:
    """The area whose level counts for a file."""
    for place, area in BELONGS.items():
        if path.startswith(place):
            return area
    return next(area for area in LEVELS if path.startswith(area + "/"))


def row(name: str, total: Sum, levels: tuple[float, float] = (0.0, 0.0)) -> str:
    """A row of the table."""
    words = [f"{name:<28}{total.lines:>7}{percent(total.lines_run, total.lines):>8.1f}"]
    if total.branches:
        words.append(f"{total.branches:>9}{percent(total.branches_run, total.branches):>8.1f}")
    if any(levels):
        words.append("   level " + " and ".join(f"{level:g}" for level in levels if level))
    return "".join(words)


def is_below(total: Sum, levels: tuple[float, float]) -> bool:
    """Whether an area misses its level."""
    return (percent(total.lines_run, total.lines) < levels[0]
            or percent(total.branches_run, total.branches) < levels[1])


def text_of(path: str) -> list[str]:
    """The lines of a file."""
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


def read_reasons() -> list[tuple[re.Pattern[str], re.Pattern[str], str]]:
    """The patterns of reasons.txt: of a path and of a line's text, and the reason."""
    found = []
    reason = ""
    for line in REASONS.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith("\t"):
            reason = line
            continue
        path, _, text = line.strip().partition(" ")
        found.append((re.compile(path), re.compile(text or ".", re.M), reason))
    return found


def alternatives(pattern: str) -> list[str]:
    """What stands between the bars of a pattern that are in no parentheses or brackets."""
    found, depth = [""], 0
    for part in re.findall(r"\\.|.", pattern):
        depth += (part in "([") - (part in ")]")
        if part == "|" and depth == 0:
            found.append("")
        else:
            found[-1] += part
    return found


def print_idle_patterns(reasons: Iterable[tuple[re.Pattern[str], re.Pattern[str], str]]) -> int:
    """Prints the patterns of reasons.txt that fit no line of any file, as after a line was moved to another file; returns
    how many they are."""
    paths = [path for folder in (*SOURCES, "client/python/poold") for path in (ROOT / folder).rglob("*.*")
             if path.suffix in (".c", ".h", ".py")]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    idle = [f"{file.pattern} {each}" for file, line, _ in reasons for each in alternatives(line.pattern)
            if not any(file.fullmatch(path) and re.search(each, text, re.M) for path, text in texts.items())]
    if idle:
        print(f"\npatterns of {REASONS.relative_to(ROOT)} that fit no line: {len(idle)}")
        print("".join(f"  {each}\n" for each in idle), end="")
    return len(idle)


def reason_for(path: str, text: list[str], number: int,
               reasons: Iterable[tuple[re.Pattern[str], re.Pattern[str], str]]) -> str:
    """Why a line can't be covered; empty: nobody has said.  The line before it most often says when it runs."""
    both = "\n".join(text[max(number - 2, 0):number])
    return next((reason for file, line, reason in reasons
                 if file.fullmatch(path) and line.search(both)), "")


def why_missed(path: str, lines: Lines, text: list[str],
               reasons: list[tuple[re.Pattern[str], re.Pattern[str], str]]) -> dict[int, str]:
    """The lines that never ran, each with its reason, or that of the line with which its block begins."""
    found: dict[int, str] = {}
    in_block, of_block = False, ""
    for number in sorted(lines.counts):
        if lines.counts[number]:
            in_block = False
            continue
        own = reason_for(path, text, number, reasons)
        if not in_block:
            in_block, of_block = True, own
        found[number] = own or of_block
    return found


def print_table(files: dict[str, Lines]) -> dict[str, Sum]:
    """The table; returns the sum of each area."""
    sums: dict[str, Sum] = {}
    print(f"{'':<28}{'lines':>7}{'%':>8}{'branches':>9}{'%':>8}")
    for area, levels in LEVELS.items():
        folders: dict[str, Sum] = defaultdict(Sum)
        whole = Sum()
        for path in sorted(path for path in files if area_of(path) == area):
            text = text_of(path)
            folders[folder_of(path)].add(files[path], text)
            whole.add(files[path], text)
        if not folders:
            continue
        if len(folders) > 1:
            print("\n".join(row(f"  {name}", total) for name, total in sorted(folders.items())))
        print(row(area, whole, levels) + ("  BELOW" if is_below(whole, levels) else ""))
        sums[area] = whole
    return sums


def keep(sums: dict[str, Sum]) -> None:
    """Leaves the sums for `make validate`."""
    git = ["git", "-c", "safe.directory=*", "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    areas = {area: {"lines": total.lines, "lines_percent": percent(total.lines_run, total.lines),
                    "branches": total.branches,
                    "branches_percent": percent(total.branches_run, total.branches)}
             for area, total in sums.items()}
    KEPT.write_text(json.dumps({"commit": done.stdout.strip() or "unknown", "areas": areas}), encoding="utf-8")


def print_missed(files: dict[str, Lines], with_lines: bool) -> int:
    """By file, the lines that never ran: how many, and for how many of them there is no reason.  Prints those, or
    each line; returns how many they are."""
    reasons = read_reasons()
    without = 0
    missed = sorted(((path, lines) for path, lines in files.items() if lines.missed()),
                    key=lambda each: (-len(each[1].missed()), each[0]))
    print("\nlines that never ran, and how many of them have no reason in reasons.txt:")
    for path, lines in missed:
        text = text_of(path)
        why = why_missed(path, lines, text, reasons)
        here = sum(1 for reason in why.values() if not reason)
        without += here
        print(f"{len(why):>5}{here:>5}  {path}")
        for n, reason in why.items():
            if with_lines or not reason:
                print(f"{'':>10}  {n}: {text[n - 1].strip()}" + (f"    [{reason}]" if reason else ""))
    return without


def main() -> int:
    """Reads what there is, prints it, and judges."""
    words = sys.argv[1:]
    with_lines = "--lines" in words
    prefixes = tuple(word for word in words if word != "--lines")
    if any(word.startswith("-") for word in prefixes):
        print(__doc__, end="", file=sys.stderr)
        return 64
    files = {**c_files(), **python_files()}
    sums = print_table(files)
    keep(sums)
    below = [area for area, total in sums.items() if is_below(total, LEVELS[area])]
    idle = [f"{path}: {name}" for path, lines in sorted(files.items())
            for name, count in sorted(lines.functions.items()) if count == 0]
    print(f"\nfunctions that never ran: {len(idle)}")
    print("".join(f"  {each}\n" for each in idle), end="")
    shown = {path: lines for path, lines in files.items() if path.startswith(prefixes or "")}
    without = print_missed(shown, with_lines or bool(prefixes))
    stale = print_idle_patterns(read_reasons())
    if below:
        print(f"\nbelow the level: {', '.join(below)}")
    if without:
        print(f"\nlines that never ran and have no reason in {REASONS.relative_to(ROOT)}: {without}")
    damaged = print_damaged()
    return int(bool(below or idle or without or stale or damaged))


if __name__ == "__main__":
    sys.exit(main())
