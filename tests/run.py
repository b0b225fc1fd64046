"""Run the test programs named on the command line and count what they say.

usage: run.py [--jobs N] KIND:COMMAND...

KIND says how to read the output: `check` (the C framework), `unittest` (Python's), `lines` (a last line
"N passed, M failed") or `exit` (the exit status alone counts as one test).  The closing line is "N passed, M failed", with
", K skipped" where tests were skipped.  Exit status 1 when anything failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

TIMEOUT_SECONDS = 1200

# Of the output of a program that failed: so many lines from its end, and before them those that name what failed.
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


READERS = {"check": read_check, "unittest": read_unittest, "lines": read_lines,
           "exit": lambda output: Tally(passed=1)}


def run(kind: str, command: str) -> Tally:
    """Run one program to its end and read its counts; an unhappy exit is at least one failure."""
    begin = time.monotonic()
    try:
        done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS, check=False)
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


def report(name: str, tally: Tally) -> None:
    """One line for a program; its output too where something failed."""
    mark = "FAIL" if tally.failed else "ok"
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{mark:4} {name}: {tally.passed} passed, {tally.failed} failed{skipped}"
          f" ({tally.seconds:.1f} s)", flush=True)
    if tally.failed:
        lines = tally.output.splitlines()
        # A test's own report may be long: what failed stands above its end.
        heads = [line for line in lines[:-LINES_MAX] if HEAD.match(line)]
        print("".join(f"     | {line}\n" for line in heads + lines[-LINES_MAX:]), flush=True)


def main() -> int:
    """Run everything, at most --jobs at a time, in the order given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("programs", nargs="+", metavar="KIND:COMMAND")
    arguments = parser.parse_args()
    tasks = [program.split(":", 1) for program in arguments.programs]
    tallies: list[Tally] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for (_, command), tally in zip(tasks, pool.map(lambda task: run(*task), tasks)):
            report(command, tally)
            tallies.append(tally)
    passed, failed, skipped = (sum(getattr(tally, field) for tally in tallies)
                               for field in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
