"""Run tests again and again while the machine seems to stand still at any moment.

usage: noise.py [-n TIMES] [-j JOBS] [-q] PROGRAM...

PROGRAM is as run.py takes it (file:tests/e2e/test_call.py, check:build/none/unit/test_life), or the
name of a file of Python tests alone.  Each runs TIMES times (10), JOBS at once (4).  Meanwhile
processes of the tests are frozen for 50 to 300 ms, now one of them, now all at once, as a busy
machine or its host does it: no clock stops, and the processes themselves cannot tell.  -q: none is
frozen.

Needs root and control groups with a freezer, of either version.  Environment: that of the tests, as
`make noise` sets it; POOLD_SEED for the moments.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import run

# Seconds that a process stands still, and between two such moments on average.
STALL = (0.05, 0.3)
PAUSE = 0.4

# How often all stand still at once, instead of one.
ALL = 0.2


class Freezer:
    """A control group for all processes of the tests, and below it one for the process whose turn
    it is."""

    def __init__(self) -> None:
        old = Path("/sys/fs/cgroup/freezer")
        top = old if old.is_dir() else Path("/sys/fs/cgroup")
        self._switch, self._words = (
            ("freezer.state", ("THAWED", "FROZEN")) if old.is_dir() else ("cgroup.freeze", ("0", "1"))
        )
        self.group = top / f"poold-noise-{os.getpid()}"
        self.all, self.one = self.group / "all", self.group / "one"
        for path in (self.group, self.all, self.one):
            path.mkdir()

    def pids(self) -> list[str]:
        return [pid for part in (self.all, self.one) for pid in (part / "cgroup.procs").read_text().split()]

    @staticmethod
    def _move(pid: str, group: Path) -> None:
        with contextlib.suppress(OSError):  # it has ended
            (group / "cgroup.procs").write_text(pid)

    def hold_all(self, seconds: float) -> None:
        self._hold(self.group, seconds)

    def hold_one(self, seconds: float) -> None:
        pids = self.pids()
        if not pids:
            return
        self._move(random.choice(pids), self.one)
        self._hold(self.one, seconds)
        for pid in (self.one / "cgroup.procs").read_text().split():
            self._move(pid, self.all)

    def _hold(self, group: Path, seconds: float) -> None:
        thawed, frozen = self._words
        try:
            (group / self._switch).write_text(frozen)
            time.sleep(seconds)
        finally:
            (group / self._switch).write_text(thawed)

    def remove(self) -> None:
        for pid in self.pids():
            self._move(pid, self.group.parent)
        for path in (self.one, self.all, self.group):
            path.rmdir()


@contextlib.contextmanager
def noise(stalls: Path, quiet: bool) -> Iterator[str]:
    """Freezes what is in the control group, until the block ends.  Yields the prefix of a command that
    is to run in it."""
    if quiet:
        yield ""
        return
    freezer = Freezer()
    end = threading.Event()

    def stall() -> None:
        total = 0.0
        while not end.wait(random.expovariate(1 / PAUSE)):
            seconds = random.uniform(*STALL)
            (freezer.hold_all if random.random() < ALL else freezer.hold_one)(seconds)
            total += seconds
            fresh = stalls.with_suffix(".new")
            fresh.write_text(str(total))
            fresh.rename(stalls)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield f"echo $$ >{freezer.all}/cgroup.procs; "
    finally:
        end.set()
        thread.join()
        freezer.remove()


def main() -> int:
    """Run all of them, and say which failed how often."""
    parser = argparse.ArgumentParser(usage="noise.py [-n TIMES] [-j JOBS] [-q] PROGRAM...")
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("-j", type=int, default=4)
    parser.add_argument("-q", action="store_true")
    parser.add_argument("programs", nargs="+")
    options = parser.parse_args()
    # A shell's background job ignores these, and what it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    # Nobody is left frozen.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seed = int(os.environ.get("POOLD_SEED") or random.getrandbits(32))
    random.seed(seed)
    failures: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(options.j) as pool:
        stalls = Path(directory) / "stalls"
        stalls.write_text("0")
        os.environ["POOLD_STALLS"] = str(stalls)
        with noise(stalls, options.q) as prefix:
            names = {}
            for _ in range(options.n):
                for word in options.programs:
                    kind, command = word.split(":", 1) if ":" in word else ("file", word)
                    if kind == "file":
                        kind, command = "unittest", run.unittest_command(command)
                    names[pool.submit(run.run, kind, prefix + command)] = word
            for done in as_completed(names):
                failures[names[done]] += done.result().failed > 0
                run.report(names[done], done.result())
    print("---")
    for name, count in failures.items():
        if count:
            print(f"failed: {count} of {options.n}: {name}")
    return 1 if any(failures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
