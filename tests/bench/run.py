#!/usr/bin/env python3
"""Measures poold against the forwarder and other programs, and prints the table of the README beside
this file.

    run.py [--quick | --minutes N] [--peers] [--only LINE]... [--build DIRECTORY] [--poold FILE]
           [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cost
import curves
import faults
import modes
import one_call
import overload_lines
import shared_client
import speed
from peer_lines import PEER_LINES
from servers import TREE, BenchError, Place, Shape, Unavailable, raise_descriptor_limit
from speed import Pace
from table import BUSY_PERCENT, Row, render
from watch import Machine, adopt_orphans, reap

Run = Callable[[Place, Pace], list[Row]]

QUICK, USUAL = Pace(3, 0.5), Pace(5, 2.0)

# With --minutes no run is shorter than this, and none longer than usual.
SHORTEST = 0.25

# A line that others disturbed is measured so many times in all, as long as the lines behind it can
# have runs of this part of what they would have had.
TRIES = 3
REPEAT_PART = 0.7

# What a run of the load client takes beside the seconds that are measured: start, warm-up, end.
RUN_OVERHEAD = 0.3


@dataclass(frozen=True)
class Line:
    """Some rows of the table that are measured together.

    Attributes:
        run: measures them.
        fixed: seconds that it takes at any pace.
        loads: runs of load for each run of the pace.
    """

    run: Run
    fixed: float
    loads: float

    def seconds(self, pace: Pace) -> float:
        """About how long it takes."""
        return self.fixed + self.loads * pace.runs * (pace.seconds + RUN_OVERHEAD)


def rates(words: str, goals: tuple[float, float] | None, shape: Shape) -> Line:
    """A line of one rate."""
    return Line(speed.rate_lines(f"{words}: rate", shape, goals), 1, 2)


LINES: dict[str, Line] = {
    "depth1": Line(speed.depth_one, 1, 2),
    "64connections": Line(speed.sixty_four, 2, 4),
    "one": rates(
        "8 connections, depth 1, one in flight per worker",
        (0.80, 0.90),
        Shape(connections=8, limit=1),
    ),
    "many": rates(
        "64 connections, depth 16, prefetch 16 against `many`",
        (0.5, 0.7),
        Shape(connections=64, depth=16, limit=0, prefetch=16),
    ),
    "window": rates(
        "64 connections, depth 16, both with 17 in flight per worker",
        (0.85, 0.95),
        Shape(connections=64, depth=16, limit=17),
    ),
    "rpc": Line(speed.against_rpc, 3, 8),
    "trained": Line(speed.trained, 2, 4),
    "calls": Line(speed.calls_per_request, 4, 1.5),
    "64KiB": rates(
        "64 KiB, 8 connections, depth 16, 3 in flight per worker",
        (0.9, 1.2),
        Shape(connections=8, depth=16, payload=65536, limit=3),
    ),
    "16MiB": Line(speed.large, 5, 2.4),
    "16MiB-python": Line(speed.large_python, 5, 2),
    "python": Line(speed.python_workers, 4, 6),
    "loop": Line(speed.python_loop, 2, 2),
    "default": Line(speed.default_configuration, 4, 10),
    "one-call": Line(one_call.one_call, 3, 6),
    "shared": Line(shared_client.shared_client, 5, 3),
    "respawn": Line(faults.respawn, 4, 0),
    "capacity": Line(faults.capacity, 20, 0),
    "sibling": Line(faults.free_sibling, 2, 0),
    "losses": Line(faults.losses, 1, 2),
    "unaffected": Line(faults.unaffected, 1, 2),
    "goodput": Line(overload_lines.goodput, 8, 1.5),
    "stall": Line(overload_lines.stall, 20, 0),
    "failing": Line(overload_lines.failing, 1, 1),
    "killed": Line(overload_lines.killed, 3, 1),
    "bad-worker": Line(overload_lines.bad_worker, 2, 2),
    "idle": Line(faults.idle, 3, 0.2),
    "features": Line(cost.features, 10, 14),
    "scrape": Line(cost.large_scrape, 12, 0),
    "instructions": Line(cost.instructions, 15, 0),
    "core": Line(speed.core, 20, 0),
    "by-connections": Line(curves.by_connections, 20, 8),
    "by-workers": Line(curves.by_workers, 8, 7),
    "by-load": Line(curves.by_load, 2, 8),
    "modes": Line(modes.modes, 2, 6),
}
PEERS: dict[str, Line] = {name: Line(run, 3, 6) for name, run in PEER_LINES.items()}


class Budget:
    """The time that there is, and what of it each line gets."""

    def __init__(self, minutes: float, names: list[str]) -> None:
        self._end = time.monotonic() + minutes * 60
        self._left = list(names)
        self._first = self.pace()

    def left(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()

    def pace(self) -> Pace:
        """The longest at which all lines that are left can be measured in the time that is left."""
        lines = [line_of(name) for name in self._left]
        loads = sum(line.loads for line in lines) * USUAL.runs
        free = self.left() - sum(line.fixed for line in lines)
        seconds = free / loads - RUN_OVERHEAD if loads else USUAL.seconds
        return Pace(USUAL.runs, min(max(seconds, SHORTEST), USUAL.seconds))

    def may_repeat(self, name: str) -> bool:
        """Whether this line can be measured again, and those behind it still as they should."""
        least = Pace(USUAL.runs, max(SHORTEST, REPEAT_PART * self._first.seconds))
        return self.left() > sum(line_of(each).seconds(least) for each in [name, *self._left])

    def take(self, name: str) -> None:
        """A line is measured."""
        self._left.remove(name)


def line_of(name: str) -> Line:
    """A line by its name."""
    return {**LINES, **PEERS}[name]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="three runs of half a second")
    length.add_argument("--minutes", type=float, help="about how long all lines take together")
    parser.add_argument("--peers", action="store_true", help="the lines about other programs too")
    parser.add_argument(
        "--only", action="append", choices=[*LINES, *PEERS], metavar="LINE",
        help=", ".join([*LINES, *PEERS]),
    )
    build = Path(os.environ.get("POOLD_BUILD", TREE / "build" / "none"))
    parser.add_argument("--build", type=Path, default=build, help=f"where it is built: {build}")
    parser.add_argument("--poold", type=Path, help="the daemon: poold in that folder")
    parser.add_argument("--json", type=Path, help="write what was measured to this file too")
    return parser.parse_args()


def run_once(name: str, place: Place, pace: Pace) -> list[Row]:
    """The rows of a line; a row that says why when it could not be measured."""
    machine = Machine()
    try:
        rows = line_of(name).run(place, pace)
    except Unavailable as reason:
        rows = [Row(name, f"not measured: {reason}"[:120])]
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        rows = [Row(name, str(error).replace("\n", " ")[:120], failed=True)]
    except Exception as fault:  # of the bench itself: the other lines are not lost for it
        traceback.print_exc()
        rows = [Row(name, repr(fault)[:120], failed=True)]
    reap()
    busy = round(machine.others(), 1)
    for row in rows:
        row.busy = busy
    return rows


def is_good(rows: list[Row]) -> bool:
    """Whether nobody disturbed these rows."""
    return not any(row.is_spoilt() for row in rows)


def run_line(name: str, place: Place, pace: Pace, may_repeat: Callable[[], bool]) -> list[Row]:
    """The rows of a line.  Where others disturbed it, it is measured again, and the rows are those of
    the try that was disturbed least."""
    tries = [run_once(name, place, pace)]
    while not is_good(tries[-1]) and len(tries) < TRIES and may_repeat():
        print(f"  others used {tries[-1][0].busy:g} % of the processors: once more",
              file=sys.stderr, flush=True)
        tries.append(run_once(name, place, pace))
    return min(tries, key=lambda rows: rows[0].busy)


def machine() -> str:
    """What the figures were measured on."""
    text = Path("/proc/cpuinfo").read_text()
    models = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    cores = f"{len(models)} x {models[0]}" if models else "unknown processor"
    return f"{cores}, Linux {platform.release()}, Python {platform.python_version()}"


def measure(names: list[str], place: Place, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All lines, each with its rows."""
    budget = Budget(arguments.minutes or 1e6, names)
    lines = []
    for name in names:
        pace = QUICK if arguments.quick else budget.pace()
        print(f"{name}: {pace.runs} runs of {pace.seconds:.2f} s ...", file=sys.stderr, flush=True)
        begin = time.monotonic()
        budget.take(name)
        rows = run_line(name, place, pace, lambda: not arguments.quick and budget.may_repeat(name))
        lines.append({
            "name": name, "runs": pace.runs, "seconds": round(pace.seconds, 2),
            "took": round(time.monotonic() - begin, 1), "rows": rows,
        })
    return lines


def busy_line(rows: list[Row]) -> str:
    """How busy the machine was with others, in words."""
    worst = max(row.busy for row in rows)
    spoilt = sum(row.is_spoilt() for row in rows)
    text = f"others used up to {worst:g} % of the processors"
    if spoilt:
        text += f": {spoilt} rows say little, and those with a goal are not judged (`busy`)"
    return text


def main() -> int:
    """Returns 1 when something could not be measured."""
    arguments = parse_arguments()
    build = arguments.build.resolve()
    place = Place(build, (arguments.poold or build / "poold").resolve())
    start = time.monotonic()
    load = os.getloadavg()[0]
    raise_descriptor_limit()
    adopt_orphans()
    names = arguments.only or [*LINES, *(PEERS if arguments.peers else ())]
    try:
        lines = measure(names, place, arguments)
    finally:
        place.remove()
    rows = [row for line in lines for row in line["rows"]]
    print(render(rows))
    print(f"\n{machine()}; load average {load:.2f} before; {busy_line(rows)}; "
          f"{time.monotonic() - start:.0f} s")
    if arguments.json:
        report = {
            "machine": machine(),
            "date": time.strftime("%Y-%m-%d"),
            "load_average": round(load, 2),
            "busy_percent": BUSY_PERCENT,
            "took": round(time.monotonic() - start),
            "lines": [line | {"rows": [row.as_dict() for row in line["rows"]]} for line in lines],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
