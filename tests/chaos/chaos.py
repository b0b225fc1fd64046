"""Runs scenarios of chaos: a daemon under load while something goes wrong all the time.

usage: chaos.py [--seconds N] [--seed N] [--list] [SCENARIO...]

Without a name all of them, each for so many seconds (5).  What is drawn comes from the seed, which is
printed: the same seed draws the same faults, though the machine decides what they meet.  After each
scenario three ledgers must agree to the request, those of the clients, of the workers and of the
daemon; an honest client with a pool of its own has been answered in time; and nothing is left over,
as after every test (tests/e2e/harness.py).

Exit status: 0, 1 when something was not as it must be, 77 when a scenario is not possible here.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import procs
from clock import begin_scenario
from scenarios import SCENARIOS
from stage import run


def main() -> int:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("POOLD_SEED") or random.randrange(1 << 31)))
    parser.add_argument("--list", action="store_true")
    words = parser.parse_args()
    if words.list:
        for name, scenario in SCENARIOS.items():
            print(f"{name:18} {scenario.about}")
        return 0
    unknown = [name for name in words.names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    procs.adopt_orphans()
    outcomes = [play(name, words.seconds, words.seed) for name in words.names or SCENARIOS]
    failed, skipped = outcomes.count("failed"), outcomes.count("skipped")
    print(f"{len(outcomes) - failed - skipped} passed, {failed} failed" + f", {skipped} skipped" * bool(skipped))
    return 1 if failed else 77 if skipped == len(outcomes) else 0


def play(name: str, seconds: float, seed: int) -> str:
    """Runs one scenario and says how it went."""
    begin = time.monotonic()
    begin_scenario()
    try:
        told = run(SCENARIOS[name], random.Random(f"{seed} {name}"), seconds)
    except unittest.SkipTest as reason:
        print(f"skip {name}: {reason}", flush=True)
        return "skipped"
    except BaseException as fault:
        if not isinstance(fault, (AssertionError, OSError)):
            traceback.print_exc()
        again = f"make chaos SCENARIO={name} POOLD_SEED={seed}"
        print(f"FAIL: {name} ({time.monotonic() - begin:.1f} s): {fault}\nthe same again: {again}", flush=True)
        if isinstance(fault, KeyboardInterrupt):
            raise
        return "failed"
    print(f"ok   {name} ({time.monotonic() - begin:.1f} s, seed {seed}): {told}", flush=True)
    return "passed"


if __name__ == "__main__":
    sys.exit(main())
