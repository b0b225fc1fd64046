#!/usr/bin/env python3
"""Offers load to a daemon while something fails, holds what comes of it against service levels, and
writes a report with plots.

    load_with_failures.py [SCENARIO]... [--seconds N | --in-all N] [--output FOLDER]
                          [--build DIRECTORY]

The exit status is 1 when a level is missed.  Levels of time are not judged where the machine was
busy with other things; those that count always are.  A scenario that misses nothing but levels of time is
run again, up to twice.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import load_report
from load_report import Result
from load_scenarios import SCENARIOS, TIMEOUT_MS, Outcome, Scenario, Stage
from offered import Load, Pools, at_least, at_most, changes, share, told
from service_levels import (
    ANSWERED,
    ATTEMPTS,
    GROWTH_MIB,
    LATE_MS,
    P50_MS,
    P99_MS,
    Level,
    failures_allowed,
    percentile,
)
from servers import TREE, BenchError, Place, raise_descriptor_limit
from watch import Machine, Rest, Watch, look, settle

SECONDS = 30.0

# A load is sampled once a second, a short one this often.
SAMPLES_LEAST = 25


def all_counters(daemon: Pools, names: list[str]) -> dict[str, Any]:
    """What each pool has counted."""
    return {name: daemon.counters(name) for name in names}


@dataclass(frozen=True)
class Measured:
    """What is known of a run beside its outcome.

    Attributes:
        before, after: what the daemon held before the load, and when all was over.
        slowest_ms: the longest that a request of each pool was with the daemon, by its own clock.
        stalled_ms: for how long the daemon could not run.
    """

    before: Rest
    after: Rest
    slowest_ms: dict[str, float]
    stalled_ms: float


def answer_levels(scenario: Scenario, outcome: Outcome, measured: Measured) -> list[Level]:
    """How the calls must have been answered."""
    sent = outcome.total("sent")
    answered = sent - outcome.total("unanswered")
    apart = scenario.failing
    able = outcome.total("sent", apart)
    failed = able - outcome.total("succeeded", apart)
    late = max(
        slowest - measured.stalled_ms - scenario.timeouts.get(name, TIMEOUT_MS)
        for name, slowest in measured.slowest_ms.items()
    )
    where = f" (phase {', '.join(apart)} apart)" if apart else ""
    return [
        Level(told("", "calls", sent)),
        Level(at_least("", "answered", share(answered, sent), ANSWERED, "%")),
        Level(at_most("", f"calls that failed{where}", failed, failures_allowed(able))),
        Level(at_most("", "attempts per call", outcome.attempts_per_call(), ATTEMPTS)),
        Level(
            at_most("", "latest answer after its deadline", max(late, 0.0), LATE_MS, "ms"), True
        ),
    ]


def latency_levels(scenario: Scenario, outcome: Outcome) -> list[Level]:
    """How long calls may take that met no fault."""
    spared = outcome.spared(scenario.slowed)
    return [
        Level(
            at_most("", f"p{percent} of calls without a fault", percentile(spared, percent),
                    limit, "ms"),
            True,
        )
        for percent, limit in ((50, P50_MS), (99, P99_MS))
    ]


def leak_levels(measured: Measured) -> list[Level]:
    """What the daemon may hold when all is over."""
    before, after = measured.before, measured.after
    growth = (after.resident - before.resident) / (1 << 20)
    return [
        Level(at_most("", "requests left", after.requests, 0)),
        Level(at_most("", "descriptors left", after.descriptors - before.descriptors, 0)),
        Level(at_most("", "children not reaped", after.zombies, 0)),
        Level(at_most("", "workers missing", before.workers - after.workers, 0)),
        Level(at_most("", "growth of the daemon's memory", growth, GROWTH_MIB, "MiB")),
    ]


def offer_all(stage: Stage, scenario: Scenario, watch: Watch) -> dict[str, Any]:
    """Runs the load to its end, while the scenario acts."""
    with Load(stage.daemon, *scenario.offers(stage.seconds), options=("--histograms",)) as load:
        stage.start = time.monotonic()
        with watch:
            scenario.act(stage)
            return load.figures()


def run_daemon(place: Place, scenario: Scenario, seconds: float) -> tuple[
    Outcome, Measured, dict[str, Any]
]:
    """Starts a daemon, and offers it the scenario's load."""
    with Pools(place, *scenario.sections(place, seconds)) as daemon:
        pools: Any = daemon.ask("poold.pools")
        names = [entry["name"] for entry in pools]
        for entry in pools:
            daemon.await_workers(entry["name"], entry["workers"]["min"])
        before, counted = look(daemon), all_counters(daemon, names)
        stage = Stage(place, daemon, seconds, 0.0)
        watch = Watch(daemon, min(1.0, seconds / SAMPLES_LEAST))
        figures = offer_all(stage, scenario, watch)
        after, counters = settle(daemon, before), all_counters(daemon, names)
        stats: Any = daemon.ask("poold.stats")
    grown = {name: changes(counted[name], counters[name]) for name in names}
    slowest = {name: counters[name]["latency_ms"]["total"]["max"] for name in names}
    measured = Measured(before, after, slowest, stats["daemon"]["stalled_ms"])
    return Outcome(figures["classes"], grown, watch.samples, stage.marks), measured, figures


def run(place: Place, name: str, seconds: float) -> Result:
    """Runs a scenario and judges it."""
    scenario = SCENARIOS[name]
    machine = Machine()
    outcome, measured, figures = run_daemon(place, scenario, seconds)
    levels = answer_levels(scenario, outcome, measured)
    levels += latency_levels(scenario, outcome)
    levels += scenario.levels(outcome) + leak_levels(measured)
    return Result(
        name, seconds, scenario, levels, outcome,
        figures["start"], machine.others(), figures["lag_max_ms"],
    )


def best_of_three(place: Place, name: str, seconds: float) -> Result:
    """Runs a scenario, and again where nothing but time was missed, up to twice: a moment in which the
    machine ran nobody makes answers later, and never earlier."""
    for _ in range(2):
        result = run(place, name, seconds)
        if not result.is_late_only():
            return result
        print(f"{name}: too late, once more ...", file=sys.stderr, flush=True)
    return run(place, name, seconds)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, help=f"of load, of each scenario ({SECONDS:g})")
    length.add_argument("--in-all", type=float, help="seconds of load of all scenarios together")
    build = Path(os.environ.get("POOLD_BUILD", TREE / "build" / "none"))
    parser.add_argument("--build", type=Path, default=build, help=f"where it is built: {build}")
    parser.add_argument("--output", type=Path, help="folder of the report: load/ where it is built")
    arguments = parser.parse_args()
    wrong = set(arguments.scenarios) - set(SCENARIOS)
    if wrong:
        parser.error(f"no scenario: {', '.join(wrong)}; there are {', '.join(SCENARIOS)}")
    arguments.scenarios = arguments.scenarios or list(SCENARIOS)
    return arguments


def durations(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of load of each scenario; never less than it needs for all to happen."""
    short = {name: SCENARIOS[name].short for name in arguments.scenarios}
    if arguments.in_all is None:
        return {name: max(arguments.seconds or SECONDS, least) for name, least in short.items()}
    factor = max(arguments.in_all / sum(short.values()), 1.0)
    return {name: least * factor for name, least in short.items()}


def main() -> int:
    """Returns 1 when a level is missed or a scenario could not be run."""
    arguments = parse_arguments()
    build = arguments.build.resolve()
    place = Place(build, build / "poold")
    begin = time.monotonic()
    raise_descriptor_limit()
    results: list[Result] = []
    broken: dict[str, str] = {}
    try:
        for name, seconds in durations(arguments).items():
            print(f"{name}: {seconds:.3g} s ...", file=sys.stderr, flush=True)
            try:
                results.append(best_of_three(place, name, seconds))
            except (BenchError, OSError, subprocess.SubprocessError) as error:
                broken[name] = str(error).replace("\n", " ")[:200]
    finally:
        place.remove()
    folder = arguments.output or arguments.build / "load"
    load_report.write(folder, results, broken)
    print(load_report.summary(results, broken))
    print(f"\nreport: {folder / load_report.NAME}; {time.monotonic() - begin:.0f} s")
    return 1 if broken or any(result.verdict() == "MISSED" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
