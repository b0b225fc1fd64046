#!/usr/bin/env python3
"""Faults made by hand, one at a time: each must be caught by a test.

usage: mutate.py core|io [--only PATTERN] [--jobs N]

Each fault is a change of one text in a copy of the tree, which is built anew and tested.

- `core` (core_faults.py): daemon/core, with its unit tests and both simulators (`sim`, and `load` for
  overload), until one fails; with `--all` the table says every one that does.
- `io` (io_faults.py): daemon/io.  Each is a fault that was in the daemon once, or one of its kind; it
  names the one test that must fail, which before must pass without it.

Exit status 0: every fault was caught; 1: at least one was not, or could not be made.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import core_faults
import io_faults
from fault import Fault, apply

ROOT = Path(__file__).resolve().parents[2]
CORE = "daemon/core"
IO = "daemon/io"
CORE_BUILD = "build/mutate"
EVENTS = 1000  # of each world: long lives meet more than many short ones

# What a build and a test may take, in seconds; with a fault a test may hang, and gets so many times as long as
# without it, and some seconds more.
BUILD_SECONDS = 600
TEST_SECONDS = 300
HANGS_TIMES, HANGS_SECONDS = 10, 30

# Tests of this kind are no names for `make t`, but programs of tests/hostile with their options.
HOSTILE = ("hostile ", "worlds ")

# A skipped test, as t.py counts it.
RAN_NOTHING = re.compile(r"^0 passed, 0 failed", re.M)


def run(command: list[str], tree: Path, seconds: float = TEST_SECONDS,
        environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command in the tree; its output is kept.  One that takes too long counts as exit status 124."""
    with subprocess.Popen(command, cwd=tree, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                          env={**os.environ, **(environment or {})}) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return subprocess.CompletedProcess(command, 124, output + "\nit did not end in time\n")
    return subprocess.CompletedProcess(command, process.returncode, output)


def make(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Builds something in the tree.  A fault may leave something unused."""
    return run(["make", "-s", "CFLAGS=-O1 -g", "LTO=0", "WERROR=0", *words], tree, BUILD_SECONDS)


def first_error(built: subprocess.CompletedProcess[str]) -> str:
    """What a build says first of why it failed."""
    lines = built.stdout.strip().splitlines()
    return next((line for line in lines if "error" in line or "undefined" in line), lines[0] if lines else "?")


# --- the core: all of its tests ---

def copy_core(tree: Path) -> None:
    """Puts what the core's tests are made of into the directory."""
    for part in ("protocol", CORE, IO, "tests/lib", "tests/unit", "tests/sim"):
        # What speaks with a channel needs io.
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("speak.*"))
    shutil.copy(ROOT / "Makefile", tree)


def is_of_room(unit: str, room: str) -> bool:
    """Whether a unit test is one of a file of the core."""
    return unit == f"test_{room}" or unit.startswith(f"test_{room}_")


def core_units(tree: Path) -> list[str]:
    """The names of the core's unit tests that there are."""
    rooms = [path.stem for path in (tree / CORE).glob("*.c")]
    units = [path.stem for path in (tree / "tests/unit").glob("test_*.c")]
    return sorted(unit for unit in units if any(is_of_room(unit, room) for room in rooms))


def build_core(tree: Path, programs: Iterable[str], jobs: int) -> subprocess.CompletedProcess[str]:
    """Builds unit tests and simulators, by their names below the build's folder."""
    return make(tree, f"-j{jobs}", f"O={CORE_BUILD}", *(f"{CORE_BUILD}/{program}" for program in programs))


def sim_fails(tree: Path, seeds: int) -> str:
    """The first promise that the simulator saw broken; empty: none."""
    result = run([f"{CORE_BUILD}/sim/sim", "--seeds", str(seeds), "--events", str(EVENTS)], tree)
    if result.returncode == 0:
        return ""
    first = next((line for line in result.stdout.splitlines() if line.startswith("seed ")), "seed ?: timed out:")
    return f"sim ({first.split(':')[1].strip()}, seed {first.split(':')[0].split()[1]})"


def load_fails(tree: Path) -> str:
    """The first case of the simulator for load that is not met; empty: none."""
    result = run([f"{CORE_BUILD}/sim/load", "--quiet", "--first"], tree)
    if result.returncode == 0:
        return ""
    first = next((line for line in result.stdout.splitlines() if line.endswith("NOT MET")), "it ended before its table did")
    # The columns: the name of the world, which may hold spaces, and its figure.
    return f"load ({' '.join(first[:40].split())})"


def unit_fails(tree: Path, unit: str) -> str:
    """The name of a unit test that fails; empty: it passes."""
    return unit.removeprefix("test_") if run([f"{CORE_BUILD}/unit/{unit}"], tree).returncode != 0 else ""


class CoreJudge:
    """Tries faults of the core in several trees side by side, each with all tests until one fails."""

    def __init__(self, trees: list[Path], units: list[str], options: argparse.Namespace) -> None:
        self.trees: queue.Queue[Path] = queue.Queue()
        for tree in trees:
            self.trees.put(tree)
        self.units = units
        self.seeds: int = options.seeds
        self.tells_all: bool = options.all

    def tests(self, tree: Path, room: str) -> Iterator[tuple[str, Callable[[], str]]]:
        """Programs and how to run them: the unit tests of the file first, as they most often say what is wrong."""
        units = sorted(self.units, key=lambda unit: not is_of_room(unit, room))
        own = sum(is_of_room(unit, room) for unit in units)
        for unit in units[:own]:
            yield f"unit/{unit}", partial(unit_fails, tree, unit)
        yield "sim/sim", partial(sim_fails, tree, self.seeds)
        yield "sim/load", partial(load_fails, tree)
        for unit in units[own:]:
            yield f"unit/{unit}", partial(unit_fails, tree, unit)

    def failing(self, tree: Path, room: str) -> list[str]:
        """The tests that fail, or the first of them.  ValueError: one does not build."""
        found = []
        for program, test in self.tests(tree, room):
            built = build_core(tree, [program], 1)
            if built.returncode != 0:
                raise ValueError("does not build: " + first_error(built))
            said = test()
            if said:
                found.append(said)
                if not self.tells_all:
                    break
        return found

    def try_fault(self, fault: Fault) -> tuple[bool, str]:
        """Whether the fault is caught, and by what (or why it could not be tried)."""
        tree = self.trees.get()
        try:
            text = apply(tree / CORE, fault)
            try:
                found = self.failing(tree, Path(fault.file).stem)
            finally:
                (tree / CORE / fault.file).write_text(text, encoding="utf-8")
        except ValueError as error:
            return False, str(error)
        finally:
            self.trees.put(tree)
        return bool(found), ", ".join(found) or "NOT CAUGHT"


def mutate_core(faults: list[Fault], directory: Path, options: argparse.Namespace) -> int:
    """Returns how many were not caught."""
    trees = [directory / str(i) for i in range(options.jobs)]
    trees[0].mkdir()
    copy_core(trees[0])
    wanted = options.units.split(",") if options.units else []
    units = [unit for unit in core_units(trees[0]) if not wanted or unit.removeprefix("test_") in wanted]
    judge = CoreJudge(trees, units, options)
    programs = [program for program, _ in judge.tests(trees[0], "")]
    if build_core(trees[0], programs, options.jobs).returncode != 0 or judge.failing(trees[0], ""):
        sys.exit("the tree itself does not pass: nothing to compare with")
    for tree in trees[1:]:
        shutil.copytree(trees[0], tree)
    with ThreadPoolExecutor(options.jobs) as jobs:
        return report(faults, judge.try_fault, jobs.map)


# --- io: each fault has its test ---

def copy_all(tree: Path) -> None:
    """Puts the files that git knows, and new ones, into the directory."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=True).stdout.decode()
    for name in listed.split("\0"):
        if name and (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)


def python() -> str:
    """The interpreter that runs this: the Makefile has looked for one that can run the tests."""
    return sys.executable


def needs_of(tree: Path, test: str) -> list[str]:
    """The targets of make that a test needs."""
    if test.startswith(HOSTILE):
        return ["all", "tools"]
    return run([python(), "tests/t.py", "--needs", test], tree).stdout.split()


def run_test(tree: Path, test: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs a test that was built."""
    command = ["tests/t.py", test]
    if test.startswith(HOSTILE):
        program, *options = test.split()
        command = [f"tests/hostile/{program}.py", *options]
    return run([python(), *command], tree, seconds, environment={
        "PYTHONDONTWRITEBYTECODE": "1", "POOLD_BUILD": "build/none", "PYTHONPATH": "client/python:tests/e2e"})


def judge_tree(tree: Path, test: str, seconds: float = TEST_SECONDS) -> tuple[str, float]:
    """Builds what the test needs and runs it: "passes", "fails", "skipped", or why it could not be tried; and
    the seconds that it ran."""
    built = make(tree, "O=build/none", *needs_of(tree, test))
    if built.returncode != 0:
        return "does not build: " + first_error(built), 0.0
    begun = time.monotonic()
    result = run_test(tree, test, seconds)
    lasted = time.monotonic() - begun
    if result.returncode == 0 and RAN_NOTHING.search(result.stdout):
        return "skipped", lasted
    return "passes" if result.returncode == 0 else "fails", lasted


class Judge:
    """Tries faults of io in several trees side by side."""

    def __init__(self, trees: list[Path]) -> None:
        self.trees: queue.Queue[Path] = queue.Queue()
        self.unchanged: dict[str, tuple[str, float]] = {}
        for tree in trees:
            self.trees.put(tree)

    def try_fault(self, fault: Fault) -> tuple[bool, str]:
        """Whether the fault is caught by its test (or why it could not be tried)."""
        tree = self.trees.get()
        try:
            said = self._judge(tree, fault)
        finally:
            self.trees.put(tree)
        return said == "fails", {"fails": fault.test, "passes": f"NOT CAUGHT by {fault.test}"}.get(said, said)

    def _judge(self, tree: Path, fault: Fault) -> str:
        if fault.test not in self.unchanged:
            self.unchanged[fault.test] = judge_tree(tree, fault.test)
        said, seconds = self.unchanged[fault.test]
        if said != "passes":
            return f"without the fault: {fault.test}: {said}"
        try:
            text = apply(tree / IO, fault)
        except ValueError as error:
            return str(error)
        try:
            return judge_tree(tree, fault.test, HANGS_TIMES * seconds + HANGS_SECONDS)[0]
        finally:
            (tree / IO / fault.file).write_text(text, encoding="utf-8")


def mutate_io(faults: list[Fault], directory: Path, options: argparse.Namespace) -> int:
    """Returns how many were not caught."""
    trees = [directory / str(i) for i in range(options.jobs)]
    copy_all(trees[0])
    built = make(trees[0], f"-j{options.jobs}", "O=build/none", "all", "tools")
    if built.returncode != 0:
        sys.exit("the tree itself does not build: " + first_error(built))
    for tree in trees[1:]:
        shutil.copytree(trees[0], tree, symlinks=True)
    with ThreadPoolExecutor(options.jobs) as jobs:
        return report(faults, Judge(trees).try_fault, jobs.map)


# --- both ---

def report(faults: list[Fault], judge: Callable[[Fault], tuple[bool, str]],
           each: Callable[..., Iterable[tuple[bool, str, float]]]) -> int:
    """Tries each fault and prints a line about it.  Returns how many were not caught."""
    def measured(fault: Fault) -> tuple[bool, str, float]:
        begun = time.monotonic()
        return *judge(fault), time.monotonic() - begun

    missed = 0
    for fault, (caught, by, seconds) in zip(faults, each(measured, faults)):
        missed += not caught
        print(f"{'ok    ' if caught else 'MISSED'} {fault.file:28} {fault.what:62} {by}  [{seconds:.1f} s]", flush=True)
    print(f"{len(faults) - missed} caught, {missed} missed")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("list", choices=("core", "io"))
    parser.add_argument("--only", default="", help="faults whose file, description or test has this (a regular expression)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="faults tried side by side")
    parser.add_argument("--seeds", type=int, default=400, help="of the simulator, for each fault of the core (400)")
    parser.add_argument("--all", action="store_true", help="say every test of the core that catches a fault, not only the first")
    parser.add_argument("--units", default="", help="the rooms of the core whose unit tests are run, with commas (all)")
    options = parser.parse_args()
    of_list = {"core": (core_faults.FAULTS, mutate_core), "io": (io_faults.FAULTS, mutate_io)}
    faults, mutate = of_list[options.list]
    faults = [fault for fault in faults if re.search(options.only, f"{fault.file} {fault.what} {fault.test}")]
    with tempfile.TemporaryDirectory(prefix="poold-mutate-") as directory:
        return 1 if mutate(faults, Path(directory), options) else 0


if __name__ == "__main__":
    sys.exit(main())
