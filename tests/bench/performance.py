#!/usr/bin/env python3
"""Writes docs/PERFORMANCE.md and its plots from what run.py measured: the prose is that of
performance.md.in, and every figure is one of the JSON.

    performance.py [--results FILE] [--docs FOLDER]

In the template stands, where a part is to be put: {{table LINE...}} for the rows of these lines of
run.py, or {{NAME}} for one of PARTS.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import svg
from servers import BENCH, TREE
from svg import Across, Panel, Series
from table import Row, number, table

TEMPLATE = BENCH / "performance.md.in"
DOCS = TREE / "docs"
PAGE = "PERFORMANCE.md"
FOLDER = "performance"
RESULTS = "results.json"

NOTHING = "Not measured in this run."


class Results:
    """What run.py measured.

    Attributes:
        report: its JSON as it is.
        lines: the rows of each line.
    """

    def __init__(self, report: dict[str, Any]) -> None:
        self.report = report
        self.lines: dict[str, list[Row]] = {}
        for line in report["lines"]:
            rows = [{k: v for k, v in row.items() if k != "verdict"} for row in line["rows"]]
            self.lines[line["name"]] = [Row(**row) for row in rows]

    def rows(self, *names: str) -> list[Row]:
        """The rows of these lines, of all without a name."""
        return [row for name in names or self.lines for row in self.lines.get(name, [])]

    def data(self, key: str) -> list[dict[str, Any]]:
        """What is behind the rows that have this in their data."""
        return [row.data for row in self.rows() if key in row.data]

    def points(self, name: str) -> list[dict[str, Any]]:
        """Those of a curve; none where it was not measured."""
        for row in self.rows(name):
            found: list[dict[str, Any]] = row.data.get("points", [])
            return found
        return []


# --- tables --------------------------------------------------------------------------------------


def goal(row: Row) -> str:
    """Minimum and aim."""
    goals = [number(each, row.unit) for each in (row.at_least, row.aim)]
    return ", aim ".join(each for each in goals if each)


def rows_table(results: Results, *names: str) -> str:
    """The rows of some lines."""
    rows = results.rows(*names)
    if not rows:
        return NOTHING
    cells = [
        (row.line, row.value, number(row.figure, row.unit), goal(row), row.verdict())
        for row in rows
    ]
    return table(("line", "measured", "figure", "goal", "met"), cells)


def peers_table(results: Results) -> str:
    """The other programs; the better rate and latency of each row are in bold."""
    cells = []
    for data in results.data("peer"):
        ours, theirs = data["ours"], data["theirs"]
        rates = pair(ours["rate"], theirs["rate"], more_is_better=True)
        p99 = pair(ours["p99_us"], theirs["p99_us"], more_is_better=False)
        cells.append((
            data["peer"], data["work"], data["client"], str(data["connections"]), *rates, *p99,
            f"{ours['cpu_us']:.0f}", f"{theirs['cpu_us']:.0f}",
        ))
    missing = [row.value for row in results.rows() if "is not installed" in row.value]
    header = ("program", "work", "client", "in flight", "poold, calls/s", "it, calls/s",
              "poold, p99 us", "it, p99 us", "poold, CPU us/call", "it, CPU us/call")
    parts = [table(header, cells)] if cells else [NOTHING]
    return "\n\n".join([*parts, *missing])


def pair(ours: float, theirs: float, more_is_better: bool) -> tuple[str, str]:
    """Two figures, the better one in bold."""
    texts = [f"{value:,.0f}" for value in (ours, theirs)]
    better = 0 if (ours > theirs) == more_is_better else 1
    texts[better] = f"**{texts[better]}**"
    return texts[0], texts[1]


def behind(results: Results) -> str:
    """All that did not come out as it should: goals that are missed, and other programs that are
    faster or sooner."""
    cells = []
    for row in results.rows():
        if "peer" not in row.data and row.verdict() in ("NO", "failed"):
            cells.append((row.line, row.value, goal(row) or "to be measured"))
    for data in results.data("peer"):
        ours, theirs = data["ours"], data["theirs"]
        worse = [
            f"{ours[key]:,.0f} {unit}, it {theirs[key]:,.0f}"
            for key, unit, more_is_better in (("rate", "calls/s", True), ("p99_us", "us (p99)", False))
            if ours[key] != theirs[key] and (theirs[key] > ours[key]) == more_is_better
        ]
        if worse:
            line = f"{data['peer']}, {data['connections']} in flight"
            cells.append((line, "; ".join(worse), "as good as it"))
    if not cells:
        return "Nothing, in this run."
    return table(("line", "measured", "should be"), cells)


def calls_table(results: Results) -> str:
    """What one call costs who makes it."""
    cells = [
        (f"{data['client']}", f"{data['worker']}", data["payload"], f"{data['p50_us']:.1f}",
         f"{data['cpu_us']:.1f}")
        for data in results.data("payload")
    ]
    if not cells:
        return NOTHING
    return table(("client", "worker", "argument and answer", "a call takes, us (p50)",
                  "of these the client's CPU, us"), cells)


def modes_table(results: Results) -> str:
    """How far apart runs of the same load are."""
    cells = []
    for data in results.data("slow"):
        cells.append((
            f"{data['shape']}, {data['server']}",
            f"{data['slow']:,} to {data['fast']:,}",
            f"{data['fast'] / data['slow']:.2f}",
            f"{data['slow_flowing']:,} to {data['fast_flowing']:,}",
            f"{data['fast_flowing'] / data['slow_flowing']:.2f}",
            f"{data['slow_waited_ms']} and {data['fast_waited_ms']}",
        ))
    if not cells:
        return NOTHING
    header = ("load", "calls/s, slowest and fastest run", "times",
              "the same while answers come", "times", "waited for a core, ms in 1 s")
    return table(header, cells)


# --- words ---------------------------------------------------------------------------------------


def about(results: Results) -> str:
    """When, where, and how busy it was."""
    report, rows = results.report, results.rows()
    seconds = sorted({line["seconds"] for line in report["lines"]})
    runs = sorted({line["runs"] for line in report["lines"]})
    spoilt = sum(row.is_spoilt() for row in rows)
    text = (
        f"Measured {report['date']} on {report['machine']}, in {report['took']} s: each figure is "
        f"the median of {span(runs)} runs of {span(seconds)} s, unless its line says more. The load "
        f"average was {report['load_average']:g} before; other programs used up to "
        f"{max(row.busy for row in rows):g} % of the processors meanwhile."
    )
    if spoilt:
        text += (
            f"\n\n**{spoilt} of {len(rows)} rows were disturbed**: others used more than "
            f"{report['busy_percent']:g} % of the processors in each try. They are marked `busy` where "
            "they have a goal, and say little."
        )
    return text


def span(values: list[float]) -> str:
    """The least and the greatest, once if they are the same."""
    ends = dict.fromkeys(f"{value:g}" for value in (values[0], values[-1]))
    return " to ".join(ends)


PARTS: dict[str, Callable[[Results], str]] = {
    "about": about,
    "peers": peers_table,
    "behind": behind,
    "calls": calls_table,
    "modes": modes_table,
}


def page(results: Results, template: str) -> str:
    """The page."""

    def part(match: re.Match[str]) -> str:
        name, *arguments = match[1].split()
        return rows_table(results, *arguments) if name == "table" else PARTS[name](results)

    return re.sub(r"\{\{(.*?)\}\}", part, template)


# --- plots ---------------------------------------------------------------------------------------


def both(points: list[dict[str, Any]], key: str) -> tuple[Series, ...]:
    """A figure of the two sides."""
    return tuple(
        Series(name, [(point["at"], point[side][key]) for point in points])
        for side, name in (("ours", "poold"), ("theirs", "forwarder"))
    )


def cost_plot(points: list[dict[str, Any]], title: str, words: str, text: str) -> str:
    """Rate and processor time; equal factors have equal distances."""
    panels = (
        Panel("Calls per second, as fast as they are answered", "calls/s", both(points, "rate")),
        Panel("Processor time of the server itself for a call", "us", both(points, "cpu_us")),
    )
    ticks = tuple(float(point["at"]) for point in points)
    return svg.draw(title, words, panels, (), ticks[-1], Across(text, ticks, is_log=True))


def load_plot(points: list[dict[str, Any]]) -> str:
    """Latency by load."""
    panels = tuple(
        Panel(f"{words} of the latencies, from when a call was due", "us", both(points, key),
              is_log=True)
        for words, key in (("Half (p50)", "p50_us"), ("99 % (p99)", "p99_us"))
    )
    across = Across("offered, as a part of the most that poold does", (0.0, 0.25, 0.5, 0.75, 1.0))
    return svg.draw("Latency by load", "four workers in C, 64 B; both are offered the same rates",
                    panels, (), 1.0, across)


def plots(results: Results) -> dict[str, str]:
    """The files of the plots that can be drawn."""
    drawn: dict[str, str] = {}
    connections, workers, load = map(results.points, ("by-connections", "by-workers", "by-load"))
    if connections:
        drawn["by-connections.svg"] = cost_plot(
            connections, "Rate and CPU by connections",
            "one call in flight on each, four workers in C, 64 B", "connections")
    if workers:
        drawn["by-workers.svg"] = cost_plot(
            workers, "Rate and CPU by workers",
            "64 connections with one call in flight each, workers in C, 64 B", "workers")
    if load:
        drawn["by-load.svg"] = load_plot(load)
    return drawn


def files(results: Results) -> dict[str, str]:
    """All files that are made, by their paths below docs/."""
    made = {f"{FOLDER}/{name}": text for name, text in plots(results).items()}
    return made | {PAGE: page(results, TEMPLATE.read_text(encoding="utf-8"))}


def main() -> int:
    """Writes all files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, help="docs/performance/results.json")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to write: docs/")
    arguments = parser.parse_args()
    source = arguments.results or arguments.docs / FOLDER / RESULTS
    results = Results(json.loads(source.read_text(encoding="utf-8")))
    (arguments.docs / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, text in files(results).items():
        (arguments.docs / name).write_text(text, encoding="utf-8")
        print(arguments.docs / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
