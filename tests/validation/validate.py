"""Runs the tests of each item of items.toml, and writes docs/VALIDATION.md: `make validate`.

usage: validate.py [TITLE]...

With titles of items, runs those alone, and writes no page.  Environment: POOLD_BUILD, the folder of
the programs under test (build/none).  Exit status 1 when an item did not pass.
"""

from __future__ import annotations

import datetime
import functools
import json
import os
import platform
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import run  # noqa: E402
import t  # noqa: E402
from run import Step, Tally  # noqa: E402

TABLE = HERE / "items.toml"
PAGE = ROOT / "docs/VALIDATION.md"
BUILD = os.environ.get("POOLD_BUILD", "build/none")
# What `make coverage` keeps: tests/coverage/report.py.
COVERAGE = ROOT / "build/cov/coverage.json"

# The name of a program of items.toml begins so.
PROGRAM = "program "

PASSED, FAILED, NOT_SHOWN = "passed", "FAILED", "not shown"

HEAD = """\
# Validation

Contents: [The run](#the-run) · [Verdicts](#verdicts) · [Coverage](#coverage) · [Items](#items)

`make validate` has written this page: it runs the tests of each item, and what stands here are their counts. What was
asked for, which tests show it, and what they do not show stands in `tests/validation/items.toml`. An item has passed when
none of its tests failed and not all of them were skipped. Each test stands by the name by which `make t T=NAME` runs it;
one may stand in several items, and ran once. Run it on a machine that has nothing else to do: where the load average is high,
tests that measure time may fail.
"""


@dataclass(frozen=True)
class Item:
    """Something that was asked for.

    Attributes:
        tests: the names of the tests that show it.
        limits: what they do not show; may be empty.
    """

    title: str
    asked: str
    tests: tuple[str, ...]
    limits: str = ""


@dataclass(frozen=True)
class Group:
    """Items under one heading."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Program:
    """What runs under a name.

    Attributes:
        about: where it stands, or what it is.
        kind, command: as tests/run.py takes them.
        step: where it runs: with which others, see STEPS.
        figures: a pattern of lines of its output that the page shows; empty: none.
        informs: whether it counts for no verdict.
    """

    name: str
    about: str
    kind: str
    command: str
    step: str
    figures: str = ""
    informs: bool = False


# The steps, and how many programs run side by side.
STEPS = {"unit tests": 2, "end to end": 4, "alone": 1}


@dataclass(frozen=True)
class Table:
    """All of items.toml."""

    groups: tuple[Group, ...]
    programs: dict[str, Program]

    def items(self) -> list[Item]:
        """Those of all groups."""
        return [item for group in self.groups for item in group.items]


@dataclass
class Results:
    """What came of a run, by the name of each test.

    Attributes:
        seconds: how long it took.
        load: the machine's load average before it.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    seconds: float = 0.0
    load: float = 0.0

    def of_item(self, item: Item, table: Table) -> Tally:
        """The counts of an item, without what only informs."""
        judged = [self.tallies[name] for name in item.tests if not table.programs[name].informs]
        return sum_up(judged)

    def verdict(self, item: Item, table: Table) -> str:
        """Whether an item has passed."""
        tally = self.of_item(item, table)
        if tally.failed:
            return FAILED
        return PASSED if tally.passed else NOT_SHOWN


def sum_up(tallies: list[Tally]) -> Tally:
    """The counts of several programs."""
    return Tally(*(sum(getattr(tally, number) for tally in tallies)
                   for number in ("passed", "failed", "skipped")))


# --- the table -----------------------------------------------------------------------------------


def own_program(name: str, fields: dict[str, Any]) -> Program:
    """A program that items.toml describes."""
    text = fields["run"].format(python=sys.executable, build=BUILD)
    kind, command = text.split(":", 1)
    return Program(PROGRAM + name, fields["title"], kind, command, "alone", fields.get("figures", ""),
                   fields.get("informs", False))


def test_program(name: str, tests: list[t.Test]) -> Program:
    """A test, by a name that `make t` knows.

    Raises:
        LookupError: none has it, or several have.
    """
    found = [test for test in tests if name in test.names]
    if len(found) != 1:
        raise LookupError(f"{len(found)} tests are called {name!r}")
    (test,) = found
    path = place_of(test)
    is_alone = path.suffix == ".py" and "\nALONE = True" in (ROOT / path).read_text(encoding="utf-8")
    step = "unit tests" if test.kind == "check" else "alone" if is_alone else "end to end"
    return Program(name, str(path), test.kind, test.command, step)


@functools.cache
def all_tests() -> list[t.Test]:
    """Those that `make t` knows."""
    return t.all_tests()


def place_of(test: t.Test) -> Path:
    """The file in which a test stands."""
    python = re.search(r"discover -s (\S+) -p (\S+)", test.command)
    if python:
        return Path(python[1], python[2])
    if (ROOT / test.names[0]).exists():
        return Path(test.names[0])
    program = re.search(r"/unit/(\w+)$", test.command)
    assert program, test.command
    return Path(f"tests/unit/{program[1]}.c")


def read_table(path: Path = TABLE) -> Table:
    """Reads items.toml, and finds its tests.

    Raises:
        LookupError: there is no such test, or no such program.
    """
    with path.open("rb") as file:
        text = tomllib.load(file)
    groups = tuple(Group(group["title"], tuple(
        Item(item["title"], item["asked"], tuple(item["tests"]), item.get("limits", ""))
        for item in group["items"])) for group in text["groups"])
    own = {PROGRAM + name: own_program(name, fields) for name, fields in text["programs"].items()}
    tests = all_tests()
    programs: dict[str, Program] = {}
    for name in (name for group in groups for item in group.items for name in item.tests):
        if name.startswith(PROGRAM) and name not in own:
            raise LookupError(f"items.toml describes no {name!r}")
        programs[name] = own[name] if name in own else test_program(name, tests)
    return Table(groups, programs)


# --- the run -------------------------------------------------------------------------------------


def run_all(table: Table, items: list[Item]) -> Results:
    """Runs what the items need, each program once, the larger files first."""
    names = list(dict.fromkeys(name for item in items for name in item.tests))
    steps = {step: Step(step, jobs) for step, jobs in STEPS.items()}

    def size(name: str) -> int:
        path = ROOT / table.programs[name].about
        return path.stat().st_size if path.exists() else 0

    for name in sorted(names, key=size, reverse=True):
        program = table.programs[name]
        steps[program.step].programs.append((program.kind, program.command))
    results = Results()
    by_command: dict[str, Tally] = {}
    for step in steps.values():
        if step.programs:
            run.run_step(step)
            by_command.update(step.tallies)
    results.tallies = {name: by_command[table.programs[name].command] for name in names}
    return results


# --- the page ------------------------------------------------------------------------------------


def said_by(*command: str) -> str:
    """What a program prints; empty where it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def git(*words: str) -> str:
    """What git says; empty outside of a clone."""
    return said_by("git", "-c", "safe.directory=*", *words)


def commit() -> str:
    """The commit, and whether files differ from it (this page apart)."""
    number = git("rev-parse", "HEAD")
    if not number:
        return "not known: this is no clone"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    return f"{number[:12]}, {'with changes' if changed else 'no file changed'}"


def run_rows(table: Table, results: Results) -> list[str]:
    """The table of the run as a whole."""
    judged = [tally for name, tally in results.tallies.items() if not table.programs[name].informs]
    total = sum_up(judged)
    bad = [item for item in table.items() if results.verdict(item, table) != PASSED]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    rows = [
        ("commit", commit()),
        ("day", datetime.datetime.now(datetime.timezone.utc).date().isoformat()),
        ("machine", f"{os.cpu_count()} processors, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
                    f"gcc {said_by('gcc', '-dumpfullversion')}, Python {platform.python_version()}"),
        ("items", f"{len(table.items()) - len(bad)} of {len(table.items())} passed"),
        ("tests", run.counts(total) + f", by {len(judged)} programs"),
        ("time", f"{results.seconds:.0f} s; load average {results.load:.1f} before"),
    ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def anchor(title: str) -> str:
    """The link to a heading."""
    return "#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def verdict_rows(table: Table, results: Results) -> list[str]:
    """A row for each item."""
    rows = ["| | item | verdict | passed | failed | skipped |", "|---|---|---|---|---|---|"]
    for group in table.groups:
        for item in group.items:
            tally = results.of_item(item, table)
            rows.append(f"| {group.title} | [{item.title}]({anchor(item.title)}) | {results.verdict(item, table)} "
                        f"| {tally.passed} | {tally.failed} | {tally.skipped} |")
    return rows


def coverage_lines() -> list[str]:
    """What the last `make coverage` here has kept."""
    if not COVERAGE.exists():
        return ["Not measured in this run: `make coverage` measures it, and holds it against its levels."]
    kept = json.loads(COVERAGE.read_text(encoding="utf-8"))
    rows = ["| | lines | run | branches | run |", "|---|---|---|---|---|"]
    for area, counts in kept["areas"].items():
        branches = f"{counts['branches']} | {counts['branches_percent']:.1f} %" if counts["branches"] else "|"
        rows.append(f"| {area} | {counts['lines']} | {counts['lines_percent']:.1f} % | {branches} |")
    return [f"By the last `make coverage` on this machine, of commit {kept['commit']}:", "", *rows]


def item_lines(item: Item, table: Table, results: Results) -> list[str]:
    """The section of an item."""
    lines = [f"### {item.title}", "", f"**Asked:** {item.asked}", "",
             f"**Verdict:** {results.verdict(item, table)}", "",
             "| test | where | passed | failed | skipped |", "|---|---|---|---|---|"]
    figures: list[list[str]] = []
    for name in item.tests:
        program, tally = table.programs[name], results.tallies[name]
        about = program.about + (" (counts for no verdict)" if program.informs else "")
        lines.append(f"| `{name}` | {about} | {tally.passed} | {tally.failed} | {tally.skipped} |")
        if program.figures:
            found = re.findall(rf"{program.figures}.*", tally.output, re.M)
            figures.append([squeezed(line) for line in found])
    if figures:
        lines += ["", "Figures of this run:", *joined(figures)]
    if item.limits:
        lines += ["", f"**Limits:** {item.limits}"]
    return [*lines, ""]


def joined(tables: list[list[str]]) -> list[str]:
    """Tables one after the other; those with the same head as one, under one head."""
    found: dict[str, list[str]] = {}
    for lines in filter(None, tables):
        rows = found.setdefault(lines[0], ["", *lines[:2]])
        rows += [line for line in lines if line not in rows]
    return [line for rows in found.values() for line in rows]


def squeezed(row: str) -> str:
    """A row of a table without the spaces that align it."""
    row = re.sub(r"-{3,}", "---", row)
    return re.sub(r" +", " ", row)


def page(table: Table, results: Results) -> str:
    """The page."""
    lines = [HEAD, "## The run", "", *run_rows(table, results), "",
             "## Verdicts", "", *verdict_rows(table, results), "",
             "## Coverage", "", *coverage_lines(), "", "## Items", ""]
    for group in table.groups:
        for item in group.items:
            lines += item_lines(item, table, results)
    return "\n".join(lines).rstrip() + "\n"


def skeleton(text: str) -> list[str]:
    """What a page says whatever was run: headings, what was asked, and limits."""
    return re.findall(r"^(?:#+ |\*\*(?:Asked|Limits):\*\* ).*", text, re.M)


def verdicts_of(text: str) -> dict[str, str]:
    """The verdicts of a page, by the title of the item."""
    return dict(re.findall(r"^\|[^|]*\| \[([^\]]+)\]\(#[^)]*\) \| ([^|]+) \|", text, re.M))


def main() -> int:
    """Runs, writes, and says which verdicts have changed."""
    os.chdir(ROOT)
    table = read_table()
    wanted = sys.argv[1:]
    unknown = set(wanted) - {item.title for item in table.items()}
    if unknown:
        print(f"no item is called {', '.join(sorted(unknown))}; there are:", file=sys.stderr)
        print("".join(f"  {item.title}\n" for item in table.items()), end="", file=sys.stderr)
        return 64
    items = [item for item in table.items() if not wanted or item.title in wanted]
    begin, load = time.monotonic(), os.getloadavg()[0]
    results = run_all(table, items)
    results.seconds, results.load = time.monotonic() - begin, load
    print("---")
    verdicts = {item.title: results.verdict(item, table) for item in items}
    for title, verdict in verdicts.items():
        print(f"{verdict:9} {title}")
    if not wanted:
        before = verdicts_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page(table, results), encoding="utf-8")
        changed = [f"{title}: {before[title]} -> {verdict}" for title, verdict in verdicts.items()
                   if before.get(title, verdict) != verdict]
        print(f"{PAGE.relative_to(ROOT)}: " + ("; ".join(changed) or "no verdict has changed"))
    judged = [tally for name, tally in results.tallies.items() if not table.programs[name].informs]
    print(f"{results.seconds:.0f} s in all")
    print(run.counts(sum_up(judged)))
    return int(any(verdict != PASSED for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
