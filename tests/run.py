"""Run test programs and count what they say.

usage: run.py [--slowest N] [step:NAME:JOBS PROGRAM...]...

A step runs its programs side by side, JOBS at a time, and begins when the one before it has ended.
One that is called beside:NAME:JOBS instead runs beside those after it, for which it makes way: its
programs have the lowest priority.
A program is KIND:COMMAND; KIND says how its output is read:

    check       the C framework
    unittest    Python's
    lines       a last line "N passed, M failed"
    exit        the exit status alone: one test, skipped when it is 77
    file        COMMAND is a file of Python tests instead, which unittest runs

A program that takes too long is ended with all that it has started, and so is one of Python's tests
whose test does not end; then the stacks of its threads are in the output.

At the end stand the programs that failed, the N that took longest, each with the seconds in which
it had a processor, the seconds of each step, and "N passed, M failed", with ", K skipped" where
tests were skipped.  Exit status 1 when anything failed.

Environment: POOLD_RUN_SECONDS, what a program may take; POOLD_TEST_SECONDS, what a test may.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "bench"))

from proc import descendants

# What a program may take; the long ones say more.
TIMEOUT_SECONDS = int(os.environ.get("POOLD_RUN_SECONDS", "1200"))

# What one test of Python's may take, which prints a dot at its end: many times as long as the longest does, as no wait in a
# test that goes well takes so long on any machine.
TEST_SECONDS = float(os.environ.get("POOLD_TEST_SECONDS", "360")) * int(os.environ.get("POOLD_CHAOS") or 1)

# What a program may take to say where it stands, after SIGABRT.
LAST_WORDS_SECONDS = 60.0

# Of the output of a program that failed, so many lines from its end are shown, and before them
# those that name what failed.
LINES_MAX = 200
HEAD = re.compile(r"(FAIL|ERROR): |Fatal Python error|\w*(Error|Exception): ")

LOWEST_PRIORITY = 19


@dataclass
class Tally:
    """What one program said: counts of tests, and its whole output."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    output: str = ""
    seconds: float = 0.0
    processor_seconds: float = 0.0


@dataclass
class Step:
    """Programs that run side by side, each with its kind; beside the steps after it, if it says so."""

    name: str
    jobs: int
    beside: bool = False
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
    return f"{sys.executable} -X faulthandler -m unittest discover -s {file.parent} -p {file.name}"


def short_name(pid: int) -> str:
    """The short name that a process goes by."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def send(pids: list[int], number: int) -> None:
    """Sends a signal to those that have not ended yet."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(shell: subprocess.Popen[bytes]) -> None:
    """Ends a program that hangs, which has a moment to say where: Python's faulthandler does.  What it
    has started holds the pipe, so nothing of that stays."""
    family = descendants(shell.pid)
    # What it starts first if it is one, unless it has become what it was to start.
    program = family[1] if len(family) > 1 and short_name(shell.pid) == "sh" else shell.pid
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(program)
        os.kill(program, signal.SIGABRT)
        select.select([pidfd], [], [], LAST_WORDS_SECONDS)
        os.close(pidfd)
    send([*family, *descendants(shell.pid)], signal.SIGKILL)


def read_all(shell: subprocess.Popen[bytes], silence: float) -> bytes:
    """Reads what a program says until its end, or until it is ended: since it took too long, or said nothing for
    `silence` seconds."""
    assert shell.stdout
    descriptor, output, end_at = shell.stdout.fileno(), b"", time.monotonic() + TIMEOUT_SECONDS
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        left = min(silence, end_at - time.monotonic())
        if left <= 0 or not poll.poll(left * 1000):
            break
        part = os.read(descriptor, 1 << 16)
        if not part:
            return output
        output += part
    ender = threading.Thread(target=end, args=[shell])
    ender.start()
    # Somebody may hold the pipe even then, so its end is not waited for.
    while ender.is_alive() or poll.poll(0):
        part = os.read(descriptor, 1 << 16) if poll.poll(100) else b""
        output += part
        if not part and not ender.is_alive():
            break
    return output + b"\nit did not end in time\n"


def run_command(command: str, silence: float = math.inf) -> tuple[str, int, float]:
    """Run a command to its end: its output, its exit status, and the seconds in which it and what it
    waited for had a processor."""
    with subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, umask=0o022) as process:
        output = read_all(process, silence).decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return output, process.returncode, usage.ru_utime + usage.ru_stime


def run(kind: str, command: str) -> Tally:
    """Run one program to its end and read its counts; an unhappy exit is at least one failure."""
    begin = time.monotonic()
    if kind == "file":
        command = unittest_command(command)
    silence = TEST_SECONDS if kind in ("file", "unittest") else math.inf
    output, status, processor_seconds = run_command(command, silence)
    tally = READERS[kind](output)
    if status == 77 and kind == "exit":
        tally = Tally(skipped=1)
    elif status != 0 and tally.failed == 0:
        tally.failed, tally.passed = 1, tally.passed if kind != "exit" else 0
    elif status == 0 and tally.passed + tally.failed + tally.skipped == 0:
        tally.failed, output = 1, output + "\nit ran no test\n"
    tally.output, tally.seconds = output, time.monotonic() - begin
    tally.processor_seconds = processor_seconds
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
        if kind in ("step", "beside"):
            name, jobs = rest.rsplit(":", 1)
            steps.append(Step(name, int(jobs), kind == "beside"))
        else:
            steps[-1].programs.append((kind, rest))
    return steps


def make_way() -> None:
    """Whatever this thread starts has the lowest priority."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def run_step(step: Step) -> None:
    """Run the programs of a step in the order given, and report each when it ends."""
    begin = time.monotonic()
    print(f"--- {step.name}", flush=True)
    with ThreadPoolExecutor(step.jobs, initializer=make_way if step.beside else None) as pool:
        names = {pool.submit(run, *program): program[1] for program in step.programs}
        for done in as_completed(names):
            step.tallies.append((names[done], done.result()))
            report(*step.tallies[-1])
    step.seconds = time.monotonic() - begin


def run_steps(steps: list[Step]) -> None:
    """Run all of them, one after the other but for those that run beside others."""
    beside = []
    for step in steps:
        if step.beside:
            beside.append(threading.Thread(target=run_step, args=[step]))
            beside[-1].start()
        else:
            run_step(step)
    for thread in beside:
        thread.join()


def main() -> int:
    """Run every step, then sum up."""
    words, slowest = sys.argv[1:], 0
    if words[:1] == ["--slowest"] and words[1:2]:
        slowest, words = int(words[1]), words[2:]
    if not words or not words[0].startswith(("step:", "beside:")):
        print(__doc__, end="", file=sys.stderr)
        return 64
    # A shell's background job ignores these, and what it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    steps = read_steps(words)
    begin = time.monotonic()
    run_steps(steps)
    seconds = time.monotonic() - begin
    tallies = [named for step in steps for named in step.tallies]
    print("---")
    for name, tally in tallies:
        if tally.failed:
            print(f"failed: {name}")
    for name, tally in sorted(tallies, key=lambda each: -each[1].seconds)[:slowest]:
        print(f"{tally.seconds:7.1f} s, {tally.processor_seconds:5.1f} s of a processor: {name}")
    times = ", ".join(f"{step.name} {step.seconds:.0f} s" for step in steps)
    worked = sum(tally.processor_seconds for _, tally in tallies)
    print(f"{times}; {seconds:.0f} s in all, {worked:.0f} s of a processor")
    print(counts(Tally(*(sum(getattr(tally, number) for _, tally in tallies)
                         for number in ("passed", "failed", "skipped")))))
    return 1 if any(tally.failed for _, tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
