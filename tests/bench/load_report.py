"""The report of the load with failures: a table, and for each scenario its levels and a plot over
time, as Markdown and SVG."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import svg
from load_scenarios import Outcome, Scenario
from offered import share
from service_levels import (
    LAG_MS,
    OTHERS_PERCENT,
    P50_MS,
    P99_MS,
    Level,
    merge,
    percentile,
    verdict,
)
from svg import Panel, Series
from table import table
from watch import Sample

NAME = "report.md"

# Buckets of the load client in a second.
BUCKETS = 10

BREAKER_STATES = {"closed": 0.0, "half_open": 1.0, "open": 2.0}
BREAKER_NAMES = {0.0: "closed", 1.0: "half open", 2.0: "open"}


@dataclass(frozen=True)
class Result:
    """A scenario that has run.

    Attributes:
        seconds: how long the load lasted.
        start: when it began (monotonic), as the load client says.
        others: percent of the machine's processors that other programs used.
        lag_ms: the latest that the load client handed out a call.
    """

    name: str
    seconds: float
    scenario: Scenario
    levels: list[Level]
    outcome: Outcome
    start: float
    others: float
    lag_ms: float

    def is_busy(self) -> bool:
        """Whether times may be those of the machine rather than of the daemon."""
        return self.others > OTHERS_PERCENT or self.lag_ms > LAG_MS

    def verdict(self) -> str:
        """Of all levels."""
        return verdict(self.levels, self.is_busy())

    def is_late_only(self) -> bool:
        """Whether all levels that are missed are those of time."""
        missed = [each for each in self.levels if each.verdict(self.is_busy()) == "MISSED"]
        return bool(missed) and all(each.is_of_time for each in missed)

    def codes(self) -> Counter[str]:
        """How many calls failed with each code."""
        codes: Counter[str] = Counter()
        for calls in self.outcome.classes.values():
            codes.update(calls["codes"])
        return codes

    def about_machine(self) -> str:
        """How busy it was, in words."""
        text = (
            f"others used {self.others:.0f} % of the processors; "
            f"the load client was at most {self.lag_ms:.0f} ms late"
        )
        return f"the machine was busy: {text}" if self.is_busy() else text


# --- tables --------------------------------------------------------------------------------------

HEADER = ("scenario", "requests", "answered", "success", "p50 / p99 without a fault",
          "attempts per request", "errors", "verdict")


def cells(result: Result) -> tuple[str, ...]:
    """A scenario's line."""
    outcome = result.outcome
    sent, answered = outcome.total("sent"), outcome.total("sent") - outcome.total("unanswered")
    spared = outcome.spared(result.scenario.slowed)
    apart = result.scenario.failing
    success = f"{share(outcome.total('succeeded', apart), outcome.total('sent', apart)):.5g} %"
    if apart:
        success += f" ({share(outcome.total('succeeded'), sent):.3g} % with phase {apart[0]})"
    codes = ", ".join(f"{count} {code}" for code, count in result.codes().most_common())
    words = result.verdict()
    if words == "not judged":
        words = "times not judged: the machine was busy"
    return (
        result.name, str(sent), f"{share(answered, sent):.6g} %",
        success,
        f"{percentile(spared, 50):.1f} / {percentile(spared, 99):.1f} ms",
        f"{outcome.attempts_per_call():.3f}", codes or "none", words,
    )


def missed(results: list[Result]) -> list[str]:
    """A line for each level that was missed."""
    return [
        f"{result.name}: {' '.join(level.figure.cells()[1:4])}: MISSED"
        for result in results for level in result.levels
        if level.verdict(result.is_busy()) == "MISSED"
    ]


def summary(results: list[Result], broken: dict[str, str]) -> str:
    """The table of all, what was missed, and where the machine was busy."""
    lines = [table(HEADER, [cells(result) for result in results])] if results else []
    notes = [f"{name}: could not be run: {text}" for name, text in broken.items()]
    notes += missed(results)
    notes += [f"{result.name}: {result.about_machine()}" for result in results if result.is_busy()]
    return "\n".join(lines + [""] * bool(notes) + [f"- {note}" for note in notes])


def level_table(result: Result) -> str:
    """All levels of a scenario."""
    is_busy = result.is_busy()
    rows = [(*level.figure.cells()[1:4], level.verdict(is_busy)) for level in result.levels]
    return table(("what", "figure", "limit", "verdict"), rows)


# --- plots ---------------------------------------------------------------------------------------


def by_second(counts: list[int], seconds: float) -> svg.Points:
    """A series of the load client as a rate, in parts of the time that can be seen."""
    width = max(round(BUCKETS * seconds / 60), 1)
    return [
        ((at + width / 2) / BUCKETS, sum(counts[at : at + width]) * BUCKETS / width)
        for at in range(0, min(len(counts), round(seconds * BUCKETS)) // width * width, width)
    ]


def throughput(result: Result) -> Panel:
    """What was offered, and what was answered in time."""
    outcome = result.outcome
    return Panel("Throughput", "calls per second", (
        Series("offered", by_second(outcome.series("sent_at"), result.seconds)),
        Series("results in time", by_second(outcome.series("good_at"), result.seconds)),
    ))


def latencies(result: Result) -> Panel:
    """Percentiles of each part of the time."""
    width = max(round(BUCKETS * result.seconds / 30), 1)
    points: dict[float, svg.Points] = {50: [], 90: [], 99: [], 100: []}
    rows = [calls["latency_at"] for calls in result.outcome.classes.values()]
    for at in range(0, max(len(row) for row in rows), width):
        merged = merge(bucket for row in rows for bucket in row[at : at + width])
        for percent, line in points.items():
            value = percentile(merged, percent) if merged else math.nan
            line.append(((at + width / 2) / BUCKETS, value))
    return Panel(
        "Latency of calls with a result, by when they were due", "milliseconds",
        tuple(Series(f"{percent:g} % within" if percent < 100 else "slowest", line)
              for percent, line in points.items()),
        is_log=True,
    )


def during(result: Result) -> list[Sample]:
    """The samples of the time of the load."""
    return [each for each in result.outcome.samples if each.at - result.start <= result.seconds]


def sampled(result: Result, value: Callable[[Sample], float]) -> svg.Points:
    """What the daemon said of something over time."""
    return [(sample.at - result.start, value(sample)) for sample in during(result)]


def rates(result: Result, count: Callable[[Sample], int]) -> svg.Points:
    """How fast a counter of the daemon grew between two samples."""
    samples = during(result)
    return [
        (after.at - result.start, (count(after) - count(before)) / (after.at - before.at))
        for before, after in zip(samples, samples[1:]) if after.at > before.at
    ]


def errors(result: Result) -> Panel:
    """Failed attempts, workers that ended, and answers by code."""
    last = result.outcome.samples[-1]
    codes = sorted({code for pool in last.counters.values() for code in pool["errors"]})

    def of(*keys: str) -> Callable[[Sample], int]:
        return lambda sample: sum(pool[key] for pool in sample.counters.values() for key in keys)

    def of_code(code: str) -> Callable[[Sample], int]:
        return lambda sample: sum(pool["errors"].get(code, 0) for pool in sample.counters.values())

    lines = [
        Series("attempts made again", rates(result, of("retried"))),
        Series("workers that died", rates(result, of("worker_crashes", "worker_kills"))),
    ]
    lines += [Series(f"answered {code}", rates(result, of_code(code))) for code in codes[:4]]
    return Panel("Errors", "per second", tuple(lines))


def breakers(result: Result) -> Panel:
    """The state of each pool's breaker."""
    def of(name: str) -> svg.Points:
        return sampled(result, lambda sample: BREAKER_STATES.get(sample.breakers[name], 0.0))

    names = result.outcome.samples[0].breakers
    return Panel(
        "Circuit breaker", "state", tuple(Series(f"pool {name}", of(name)) for name in names),
        is_step=True, names=BREAKER_NAMES,
    )


def level_panel(result: Result) -> Panel:
    """Where in its chain the requests of the pool start."""
    return Panel("Who serves the pool's requests", "level of the chain", (
        Series("level", sampled(result, lambda sample: float(sample.pools["work"]["level"]))),
    ), is_step=True, names={0.0: "the pool", 1.0: "its fallback"})


def workers(result: Result) -> Panel:
    """What the workers of the pool do."""
    def of(key: str) -> svg.Points:
        return sampled(result, lambda sample: float(sample.pools["work"]["workers"][key]))

    lines = [Series("all", of("total")), Series("idle", of("ready")), Series("busy", of("busy"))]
    others = [Series(key, of(key)) for key in ("starting", "stopping")]
    lines += [each for each in others if any(value for _, value in each.points)]
    return Panel("Workers of the pool", "workers", tuple(lines), is_step=True)


def plot(result: Result) -> str:
    """All that there is to see of a scenario over time."""
    panels = [throughput(result), latencies(result), errors(result), breakers(result)]
    if "spare" in result.outcome.samples[0].pools:
        panels.append(level_panel(result))
    panels.append(workers(result))
    return svg.draw(result.name, result.scenario.about, panels, result.outcome.marks,
                    result.seconds)


# --- files ---------------------------------------------------------------------------------------


def section(result: Result) -> str:
    """A scenario in the report."""
    return (
        f"## {result.name}\n\n{result.scenario.about[0].upper()}{result.scenario.about[1:]}: "
        f"{result.seconds:.3g} s of load; {result.about_machine()}.\n\n"
        f"![{result.name} over time]({result.name}.svg)\n\n{level_table(result)}\n"
    )


def head() -> str:
    """What the report is about."""
    return (
        "# Load with failures\n\n"
        f"{time.strftime('%Y-%m-%d %H:%M')}. All calls are idempotent. A call without a fault has "
        f"one attempt, which was not made slow; the limits of their latencies are p50 "
        f"{P50_MS:g} ms and p99 {P99_MS:g} ms. Times that are over their limit are not judged when "
        f"other programs used more than {OTHERS_PERCENT:g} % of the processors, or the load client "
        f"itself was more than {LAG_MS:g} ms late; what is counted is always judged.\n"
    )


def write(folder: Path, results: list[Result], broken: dict[str, str]) -> None:
    """Writes the report and its plots."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        (folder / f"{result.name}.svg").write_text(plot(result), encoding="utf-8")
    parts = [head(), summary(results, broken) + "\n", *map(section, results)]
    (folder / NAME).write_text("\n".join(parts), encoding="utf-8")
