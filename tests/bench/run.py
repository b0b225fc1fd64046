#!/usr/bin/env python3
"""Measures poold against the forwarder, and prints the table of the README beside this file.

    run.py [--quick] [--only WORD]... [--build DIRECTORY] [--poold FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import cost
import faults
import overload_lines
import shared_client
import speed
from servers import TREE, BenchError, Place, Shape, Unavailable, raise_descriptor_limit
from speed import Pace
from table import Row, render

Line = Callable[[Place, Pace], list[Row]]

LINES: dict[str, Line] = {
    "depth1": speed.depth_one,
    "64connections": speed.sixty_four,
    "one": speed.rate_lines(
        "8 connections, depth 1, one in flight per worker: rate",
        Shape(connections=8, limit=1),
        (0.80, 0.90),
    ),
    "many": speed.rate_lines(
        "64 connections, depth 16, prefetch 16 against `many`: rate",
        Shape(connections=64, depth=16, limit=0, prefetch=16),
        (0.5, 0.7),
    ),
    "window": speed.rate_lines(
        "64 connections, depth 16, both with 17 in flight per worker: rate",
        Shape(connections=64, depth=16, limit=17),
        None,
    ),
    "calls": speed.calls_per_request,
    "64KiB": speed.rate_lines(
        "64 KiB, 8 connections, depth 16, 3 in flight per worker: rate",
        Shape(connections=8, depth=16, payload=65536, limit=3),
        (0.9, 1.2),
    ),
    "16MiB": speed.large,
    "python": speed.python_workers,
    "shared": shared_client.shared_client,
    "respawn": faults.respawn,
    "capacity": faults.capacity,
    "sibling": faults.free_sibling,
    "losses": faults.losses,
    "unaffected": faults.unaffected,
    "goodput": overload_lines.goodput,
    "failing": overload_lines.failing,
    "bad-worker": overload_lines.bad_worker,
    "idle": faults.idle,
    "features": cost.features,
    "scrape": cost.large_scrape,
    "instructions": cost.instructions,
    "core": speed.core,
}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three runs of half a second")
    parser.add_argument(
        "--only", action="append", choices=LINES, metavar="LINE", help=", ".join(LINES)
    )
    build = Path(os.environ.get("POOLD_BUILD", TREE / "build" / "none"))
    parser.add_argument("--build", type=Path, default=build, help=f"where it is built: {build}")
    parser.add_argument("--poold", type=Path, help="the daemon: poold in that folder")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    return parser.parse_args()


def run_line(name: str, line: Line, place: Place, pace: Pace) -> list[Row]:
    """The rows of a line; a row that says why when it could not be measured."""
    try:
        return line(place, pace)
    except Unavailable as reason:
        return [Row(name, f"not measured: {reason}"[:120])]
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        return [Row(name, str(error)[:120], failed=True)]


def machine() -> str:
    """What the figures were measured on."""
    text = Path("/proc/cpuinfo").read_text()
    models = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    cores = f"{len(models)} x {models[0]}" if models else "unknown processor"
    return f"{cores}, Linux {platform.release()}, Python {platform.python_version()}"


def main() -> int:
    """Returns 1 when something could not be measured."""
    arguments = parse_arguments()
    pace = Pace(3, 0.5) if arguments.quick else Pace(5, 2.0)
    build = arguments.build.resolve()
    place = Place(build, (arguments.poold or build / "poold").resolve())
    start = time.monotonic()
    load = os.getloadavg()[0]
    raise_descriptor_limit()
    rows: list[Row] = []
    try:
        for name in arguments.only or LINES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += run_line(name, LINES[name], place, pace)
    finally:
        place.remove()
    print(render(rows))
    print(f"\n{machine()}; load average {load:.2f} before; {time.monotonic() - start:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps([row.as_dict() for row in rows], indent=1) + "\n")
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
