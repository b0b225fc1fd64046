#!/usr/bin/env python3
"""Shows what poold does when there is more to do than it can, and when something is at fault.

    overload.py [SHOW]... [--seconds N] [--workers c|python|both] [--build DIRECTORY] [--json FILE]

Each show starts daemons of its own, offers them load, and holds what comes out against a limit.
The exit status is 1 when one limit is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import readers
import shows_faults
import shows_load
from offered import Figure
from servers import TREE, BenchError, Place, raise_descriptor_limit
from table import table

Run = Callable[[Place, float, str], Iterator[Figure]]


@dataclass(frozen=True)
class Show:
    """A show: its runs, the seconds that each takes by default, and with which workers."""

    runs: tuple[Run, ...]
    seconds: float
    workers: tuple[str, ...] = ("c",)


BOTH = ("c", "python")

SHOWS: dict[str, Show] = {
    "capacity": Show(
        (shows_load.capacity, shows_load.obedience, shows_load.mixed, shows_load.changing),
        30.0,
        BOTH,
    ),
    "critical": Show((shows_load.critical,), 30.0),
    "stall": Show((shows_faults.stall,), 30.0),
    "bad-worker": Show((shows_faults.bad_worker,), 120.0),
    "short-deadlines": Show((shows_load.short_deadlines,), 15.0),
    "failures": Show((shows_faults.failing, shows_faults.dying), 60.0),
    "readers": Show((readers.slow_reader, readers.deaf_streams, readers.pausing_client), 20.0),
    "nobody": Show((shows_faults.nobody,), 15.0),
    "stopped": Show((shows_faults.stopped,), 10.0),
}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shows", nargs="*", metavar="SHOW", help=", ".join(SHOWS))
    parser.add_argument("--only", action="append", default=[], metavar="SHOW", help="the same")
    parser.add_argument(
        "--seconds", type=float,
        help="of each run; shorter ones are for a first look, and their limits are the same",
    )
    parser.add_argument("--workers", choices=(*BOTH, "both"), help="in which language they are")
    build = Path(os.environ.get("POOLD_BUILD", TREE / "build" / "none"))
    parser.add_argument("--build", type=Path, default=build, help=f"where it is built: {build}")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    arguments.shows += arguments.only
    wrong = set(arguments.shows) - set(SHOWS)
    if wrong:
        parser.error(f"no show: {', '.join(wrong)}; there are {', '.join(SHOWS)}")
    return arguments


def run_show(name: str, show: Show, place: Place, arguments: argparse.Namespace) -> list[Figure]:
    """The figures of a show; one that is never met says why a run could not be judged."""
    languages = {None: show.workers, "both": BOTH}.get(arguments.workers, (arguments.workers,))
    figures: list[Figure] = []
    for run in show.runs:
        for workers in languages:
            try:
                for figure in run(place, arguments.seconds or show.seconds, workers):
                    figures.append(figure)
                    print(f"  {name}: " + "; ".join(figure.cells()), file=sys.stderr, flush=True)
            except (BenchError, OSError, subprocess.SubprocessError) as error:
                text = f"not judged: {str(error)[:120]}".replace("\n", " ")
                figures.append(Figure(f"{workers}, {run.__name__}", text, 1, 0))
                print(f"  {name}: {text}", file=sys.stderr, flush=True)
    return figures


def main() -> int:
    """Returns 1 when a limit is not kept."""
    arguments = parse_arguments()
    build = arguments.build.resolve()
    place = Place(build, build / "poold")
    start = time.monotonic()
    raise_descriptor_limit()
    judged: list[tuple[str, Figure]] = []
    try:
        for name in arguments.shows or SHOWS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            judged += [(name, each) for each in run_show(name, SHOWS[name], place, arguments)]
    finally:
        place.remove()
    print(table(("show", "run", "what", "figure", "limit", "met"),
                [(name, *figure.cells()) for name, figure in judged]))
    broken = sum(not figure.is_met() for _, figure in judged)
    limits = sum(figure.limit is not None for _, figure in judged)
    print(f"\n{limits - broken} of {limits} limits are met; {time.monotonic() - start:.0f} s")
    if arguments.json:
        rows = [{"show": name, **asdict(figure), "met": figure.is_met()} for name, figure in judged]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
