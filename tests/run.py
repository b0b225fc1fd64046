"""Run test programs and count what they say.

usage: run.py [step:NAME:JOBS PROGRAM...]...

A step runs its programs side by side, JOBS at a time, and begins when the one before it has ended.
A program is KIND:COMMAND; KIND says how its output is read:

    check       the C framework
    unittest    Python's
    lines       a last line "N passed, M failed"
    exit        the exit status alone: one test, skipped when it is 77
    file        COMMAND is a file of Python tests instead, which unittest runs

At the end stand the programs that failed, the seconds of each step, and "N passed, M failed", with
", K skipped" where tests were skipped.  Exit status 1 when anything failed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

# What a program may take; the long ones say more.
TIMEOUT_SECONDS = int(os.environ.get("POOLD_RUN_SECONDS", "1200"))

# Of the output of a program that failed, so many lines from its end are shown, and before them
# those that name what failed.
LINES_MAX = 200
HEAD = re.compile(r"(FAIL|ERROR): |\w*(Error|Exception): ")


@dataclass
class Tally:
    """What one program said: counts of tests, and its whole output."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    output: str = ""
    seconds: float = 0.0


@dataclass
class Step:
    """Programs that run side by side, each with its kind."""

    name: str
    jobs: int
    programs: list[tuple[str, str]] = field(default_factory=list)
    tallies: list[tuple[str, Tally]] = field(default_factory=list)
    seconds: float = 0.0


def read_check(output: str) -> Tally:
    """Read the lines "100%: Checks: 12, Failures: 0, Errors: 0" of check."""
    tally = Tally()
    for checks, failures, errors in re.findall(
            r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", output, re.M):
        bad = int(failures) + int(errors)
        tally.failed += bad
        tally.passed += int(checks) - bad
    return tally


def read_unittest(output: str) -> Tally:
    """Read "Ran 12 tests" and "FAILED (failures=1, skipped=2)" of unittest."""
    tally = Tally()
    ran = sum(int(n) for n in re.findall(r"^Ran (\d+) tests? in", output, re.M))
    for word, count in re.findall(r"(failures|errors|skipped|unexpected successes)=(\d+)", output):
        if word == "skipped":
            tally.skipped += int(count)
        else:
            tally.failed += int(count)
    tally.passed = max(0, ran - tally.failed - tally.skipped)
    return tally


def read_lines(output: str) -> Tally:
    """Read the last "N passed, M failed"."""
    found = re.findall(r"^(?:\w+: )?(\d+) passed, (\d+) failed", output, re.M)
    return Tally(int(found[-1][0]), int(found[-1][1])) if found else Tally()


READERS = {"check": read_check, "unittest": read_unittest, "file": read_unittest,
           "lines": read_lines, "exit": lambda output: Tally(passed=1)}


def unittest_command(path: str) -> str:
    """The command that runs the tests of a file, to which options may be added."""
    file = Path(path)
    return f"{sys.executable} -m unittest discover -s {file.parent} -p {file.name}"


def run(kind: str, command: str) -> Tally:
    """Run one program to its end and read its counts; an unhappy exit is at least one failure."""
    begin = time.monotonic()
    if kind == "file":
        command = unittest_command(command)
    try:
        done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS, umask=0o022, check=False)
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode(errors="replace") + "\nit did not end in time\n"
        status = -1
    tally = READERS[kind](output)
    if status == 77 and kind == "exit":
        tally = Tally(skipped=1)
    elif status != 0 and tally.failed == 0:
        tally.failed, tally.passed = 1, tally.passed if kind != "exit" else 0
    elif status == 0 and tally.passed + tally.failed + tally.skipped == 0:
        tally.failed, output = 1, output + "\nit ran no test\n"
    tally.output, tally.seconds = output, time.monotonic() - begin
    return tally


def counts(tally: Tally) -> str:
    """The counts as text."""
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    return f"{tally.passed} passed, {tally.failed} failed{skipped}"


def report(name: str, tally: Tally) -> None:
    """One line for a program; its output too where something failed."""
    mark = "FAIL" if tally.failed else "ok"
    print(f"{mark:4} {name}: {counts(tally)} ({tally.seconds:.1f} s)", flush=True)
    if tally.failed:
        lines = tally.output.splitlines()
        # A test's own report may be long: what failed stands above its end.
        heads = [line for line in lines[:-LINES_MAX] if HEAD.match(line)]
        print("".join(f"     | {line}\n" for line in heads + lines[-LINES_MAX:]), flush=True)


def read_steps(words: list[str]) -> list[Step]:
    """The steps that the command line names."""
    steps: list[Step] = []
    for word in words:
        kind, rest = word.split(":", 1)
        if kind == "step":
            name, jobs = rest.rsplit(":", 1)
            steps.append(Step(name, int(jobs)))
        else:
            steps[-1].programs.append((kind, rest))
    return steps


def run_step(step: Step) -> None:
    """Run the programs of a step in the order given, and report each when it ends."""
    begin = time.monotonic()
    print(f"--- {step.name}", flush=True)
    with ThreadPoolExecutor(step.jobs) as pool:
        names = {pool.submit(run, *program): program[1] for program in step.programs}
        for done in as_completed(names):
            step.tallies.append((names[done], done.result()))
            report(*step.tallies[-1])
    step.seconds = time.monotonic() - begin


def main() -> int:
    """Run every step, then sum up."""
    if len(sys.argv) < 2 or not sys.argv[1].startswith("step:"):
        print(__doc__, end="", file=sys.stderr)
        return 64
    # A shell's background job ignores these, and what it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    steps = read_steps(sys.argv[1:])
    for step in steps:
        run_step(step)
    tallies = [named for step in steps for named in step.tallies]
    print("---")
    for name, tally in tallies:
        if tally.failed:
            print(f"failed: {name}")
    times = ", ".join(f"{step.name} {step.seconds:.0f} s" for step in steps)
    print(f"{times}; {sum(step.seconds for step in steps):.0f} s in all")
    print(counts(Tally(*(sum(getattr(tally, number) for _, tally in tallies)
                         for number in ("passed", "failed", "skipped")))))
    return 1 if any(tally.failed for _, tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
