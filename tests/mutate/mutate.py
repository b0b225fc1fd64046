#!/usr/bin/env python3
"""Faults made by hand, one at a time: each must be caught by a test.

usage: mutate.py core|io [--only PATTERN] [--from N] [--jobs N]

Each fault is a change of one text in a copy of the tree, in which what depends on it is built anew and tested.  The
copies stay below build/mutate for the next run.

- `core` (core_faults.py): daemon/core, with its unit tests and both simulators (`sim`, and `load` for
  overload), until one fails; with `--all` the table says every one that does.  First come those that most
  often find a fault, or that cost least.
- `io` (io_faults.py): daemon/io.  Each is a fault that was in the daemon once, or one of its kind; it
  names the one test that must fail, which before must pass without it.

At the end stand those that were not caught.  Exit status 0: every fault was caught; 1: at least one was not, or could not be made.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import core_faults
import io_faults
from fault import Fault, apply

ROOT = Path(__file__).resolve().parents[2]
CORE = "daemon/core"
IO = "daemon/io"
CORE_BUILD = "build/mutate"
EVENTS = 1000  # of each world: long lives meet more than many short ones
# What is tried first: with so few worlds, and percent of its random rounds, it finds most of what it finds with all.
FIRST_SEEDS = 20
SCENARIOS, FIRST_ROUNDS = "test_engine", 2

# What a build and a test may take, in seconds; with a fault a test may hang, and gets so many times as long as
# without it, and some seconds more.
BUILD_SECONDS = 600
TEST_SECONDS = 300
HANGS_TIMES, HANGS_SECONDS = 10, 30

# A test of the core waits for nothing: what it may take is told in seconds of the processor, which are the same on
# a busy machine.  Ten times what the longest takes.  A fault may also take memory without an end.
CORE_CPU_SECONDS = 40
CORE_MEMORY_KB = 4 << 20
CORE_LIMITS = f'ulimit -t {CORE_CPU_SECONDS} && ulimit -v {CORE_MEMORY_KB} && exec "$@"'

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


# --- the trees, which the next run takes over ---

def place(path: Path, tree: Path) -> Path:
    """Puts a file of ours into a tree.  One that has our bytes keeps its time, so that it is not built anew; every
    other one is new to make, also where it has the fault of a run that was ended."""
    target = tree / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(path.readlink())
    elif not target.is_file() or target.read_bytes() != path.read_bytes():
        shutil.copyfile(path, target)
        target.chmod(path.stat().st_mode)
    return target


def trees_in(directory: Path, files: Iterable[Path], jobs: int) -> list[Path]:
    """Trees side by side that have these files and what was built from them, and no other ones."""
    trees = [directory / str(i) for i in range(jobs)]
    wanted = list(files)
    for tree in trees:
        placed = {place(path, tree) for path in wanted}
        for path in [*tree.rglob("*")]:
            if path not in placed and not path.is_dir() and path.relative_to(tree).parts[0] != "build":
                path.unlink()
    return trees


def copy_build(trees: list[Path]) -> None:
    """Gives all trees what was built in the first one, where they have nothing yet."""
    for tree in trees[1:]:
        if not (tree / "build").exists():
            shutil.rmtree(tree)
            shutil.copytree(trees[0], tree, symlinks=True)


# --- the core: all of its tests ---

def core_files() -> Iterator[Path]:
    """What the core's tests are made of."""
    yield ROOT / "Makefile"
    for part in ("protocol", CORE, IO, "tests/lib", "tests/unit", "tests/sim"):
        # What speaks with a channel needs io.
        yield from (path for path in (ROOT / part).rglob("*") if path.is_file() and path.stem != "speak")


def run_core(tree: Path, program: str, *options: str, rounds: int = 100) -> subprocess.CompletedProcess[str]:
    """Runs a test of the core within limits, and in one process, as what it forks would have limits of its own."""
    return run(["sh", "-c", CORE_LIMITS, "sh", f"{CORE_BUILD}/{program}", *options], tree, BUILD_SECONDS,
               {"CK_FORK": "no", "POOLD_ROUNDS": str(rounds)})


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


def sim_fails(tree: Path, first: int, seeds: int) -> str:
    """The first promise that the simulator saw broken; empty: none."""
    result = run_core(tree, "sim/sim", "--from", str(first), "--seeds", str(seeds), "--events", str(EVENTS))
    if result.returncode == 0:
        return ""
    said = re.search(r"^seed (\d+): ([^:\n]*)", result.stdout, re.M)
    return f"sim ({said[2]}, seed {said[1]})" if said else "sim (it ended before its worlds did)"


def load_fails(tree: Path) -> str:
    """The first case of the simulator for load that is not met; empty: none."""
    result = run_core(tree, "sim/load", "--quiet", "--first")
    if result.returncode == 0:
        return ""
    first = next((line for line in result.stdout.splitlines() if line.endswith("NOT MET")), "it ended before its table did")
    # The columns: the name of the world, which may hold spaces, and its figure.
    return f"load ({' '.join(first[:40].split())})"


def unit_fails(tree: Path, unit: str, rounds: int = 100) -> str:
    """The name of a unit test that fails; empty: it passes."""
    return unit.removeprefix("test_") if run_core(tree, f"unit/{unit}", rounds=rounds).returncode != 0 else ""


class CoreTest(NamedTuple):
    """A program, and what runs it in a tree and says what it found."""

    program: str
    finds: Callable[[Path], str]


def unit_test(unit: str, rounds: int = 100) -> CoreTest:
    """A unit test, with so many percent of the rounds of what draws random input."""
    return CoreTest(f"unit/{unit}", partial(unit_fails, unit=unit, rounds=rounds))


class CoreJudge:
    """Tries faults of the core in several trees side by side, each with all tests until one fails."""

    def __init__(self, trees: list[Path], units: list[str], options: argparse.Namespace) -> None:
        self.trees: queue.Queue[Path] = queue.Queue()
        for tree in trees:
            self.trees.put(tree)
        self.units = units
        self.seeds: int = options.seeds
        self.tells_all: bool = options.all

    def steps(self, room: str) -> list[list[CoreTest]]:
        """Tests that are built together, and then run one after the other.  In the first step are those that find most of
        the faults in a second: the unit tests of the file, as they most often say what is wrong, few worlds of the
        simulator, and the scenarios of the engine.  (Make reads its file each time, which takes as long as to build
        three programs.)"""
        few = min(FIRST_SEEDS, self.seeds)
        first = [unit_test(unit) for unit in self.units if is_of_room(unit, room)]
        first.append(CoreTest("sim/sim", partial(sim_fails, first=0, seeds=few)))
        if SCENARIOS in self.units:
            first.append(unit_test(SCENARIOS, FIRST_ROUNDS))
        if few < self.seeds:
            first.append(CoreTest("sim/sim", partial(sim_fails, first=few, seeds=self.seeds - few)))
        first.append(CoreTest("sim/load", load_fails))
        return [first, [unit_test(unit) for unit in self.units if not is_of_room(unit, room)]]

    def failing(self, tree: Path, room: str) -> list[str]:
        """The tests that fail, or the first of them.  ValueError: one does not build."""
        found: list[str] = []
        for step in filter(None, self.steps(room)):
            built = build_core(tree, {test.program for test in step}, 1)
            if built.returncode != 0:
                raise ValueError("does not build: " + first_error(built))
            for test in step:
                said = test.finds(tree)
                if said and said not in found:
                    found.append(said)
                if found and not self.tells_all:
                    return found
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
        except (OSError, ValueError) as error:
            return False, str(error)
        finally:
            self.trees.put(tree)
        return bool(found), ", ".join(found) or "NOT CAUGHT"


def mutate_core(faults: list[Fault], directory: Path, options: argparse.Namespace) -> int:
    """Returns how many were not caught."""
    trees = trees_in(directory, core_files(), options.jobs)
    wanted = options.units.split(",") if options.units else []
    units = [unit for unit in core_units(trees[0]) if not wanted or unit.removeprefix("test_") in wanted]
    judge = CoreJudge(trees, units, options)
    programs = {test.program for step in judge.steps("") for test in step}
    built = build_core(trees[0], programs, options.jobs)
    if built.returncode != 0:
        sys.exit("the tree itself does not build: " + first_error(built))
    failing = judge.failing(trees[0], "")
    if failing:
        sys.exit(f"the tree itself does not pass {', '.join(failing)}: nothing to compare with")
    copy_build(trees)
    with ThreadPoolExecutor(options.jobs) as jobs:
        return report(faults, judge.try_fault, jobs.map, options.begin)


# --- io: each fault has its test ---

def all_files() -> Iterator[Path]:
    """The files that git knows, and new ones."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=True).stdout.decode()
    return (ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists())


def python() -> str:
    """The interpreter that runs this: the Makefile has looked for one that can run the tests."""
    return sys.executable


@cache
def needs_of(test: str) -> tuple[str, ...]:
    """The targets of make that a test needs: the same in each tree, and it takes t.py a second to read all tests."""
    if test.startswith(HOSTILE):
        return "all", "tools"
    return tuple(run([python(), "tests/t.py", "--needs", test], ROOT).stdout.split())


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
    built = make(tree, "O=build/none", *needs_of(test))
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
        except (OSError, ValueError) as error:
            return str(error)
        try:
            return judge_tree(tree, fault.test, HANGS_TIMES * seconds + HANGS_SECONDS)[0]
        finally:
            (tree / IO / fault.file).write_text(text, encoding="utf-8")


def mutate_io(faults: list[Fault], directory: Path, options: argparse.Namespace) -> int:
    """Returns how many were not caught."""
    trees = trees_in(directory, all_files(), options.jobs)
    built = make(trees[0], f"-j{options.jobs}", "O=build/none", "all", "tools")
    if built.returncode != 0:
        sys.exit("the tree itself does not build: " + first_error(built))
    copy_build(trees)
    with ThreadPoolExecutor(options.jobs) as jobs:
        return report(faults, Judge(trees).try_fault, jobs.map, options.begin)


# --- both ---

def report(faults: list[Fault], judge: Callable[[Fault], tuple[bool, str]],
           each: Callable[..., Iterable[tuple[bool, str, float]]], begin: int) -> int:
    """Tries each fault and prints a line about it, with its number from `begin` on; those that were not caught
    stand once more at the end.  Returns how many these are."""
    def measured(fault: Fault) -> tuple[bool, str, float]:
        begun = time.monotonic()
        return *judge(fault), time.monotonic() - begun

    missed = []
    for number, (fault, (caught, by, seconds)) in enumerate(zip(faults, each(measured, faults)), begin):
        line = f"{number:4} {fault.file:24} {fault.what:62} {by}"
        print(f"{'ok    ' if caught else 'MISSED'} {line}  [{seconds:.1f} s]", flush=True)
        if not caught:
            missed.append(line)
    print(f"{len(faults) - len(missed)} caught, {len(missed)} missed", *missed, sep="\n")
    return len(missed)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("list", choices=("core", "io"))
    parser.add_argument("--only", default="", help="faults whose file, description or test has this (a regular expression)")
    parser.add_argument("--from", type=int, default=1, dest="begin", help="of these, begins at the one with this number (1)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="faults tried side by side")
    parser.add_argument("--seeds", type=int, default=400, help="of the simulator, for each fault of the core (400)")
    parser.add_argument("--all", action="store_true", help="say every test of the core that catches a fault, not only the first")
    parser.add_argument("--units", default="", help="the rooms of the core whose unit tests are run, with commas (all)")
    options = parser.parse_args()
    of_list = {"core": (core_faults.FAULTS, mutate_core), "io": (io_faults.FAULTS, mutate_io)}
    faults, mutate = of_list[options.list]
    faults = [fault for fault in faults if re.search(options.only, f"{fault.file} {fault.what} {fault.test}")]
    directory = ROOT / "build/mutate" / options.list
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"{directory}: another run is using it")
        return 1 if mutate(faults[options.begin - 1:], directory, options) else 0


if __name__ == "__main__":
    sys.exit(main())
