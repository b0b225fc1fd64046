"""The table that the bench prints: one row a line of the design, met or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# Above so many percent of all processors for others, what is measured in time is not judged.
BUSY_PERCENT = 10.0


@dataclass
class Row:
    """One figure.

    Attributes:
        line: what was measured.
        value: what came out, in words.
        figure: the number that is held against the goals: a ratio, or what `value` says; None when
            the row only informs, or when the measurement failed.
        at_least, aim: the goals.
        more_is_better: whether the figure should lie above them (else below).
        unit: what the figure and the goals are counted in.
        is_counted: other load does not change it, so that it is judged on a busy machine too.
        data: the single figures behind it, for who draws or tabulates them.
        busy: percent of the processors that others used meanwhile.
    """

    line: str
    value: str
    figure: float | None = None
    at_least: float | None = None
    aim: float | None = None
    more_is_better: bool = True
    unit: str = "x"
    failed: bool = False
    is_counted: bool = False
    data: dict[str, Any] = field(default_factory=dict)
    busy: float = 0.0

    def reaches(self, goal: float) -> bool:
        """Whether the figure is as good as that."""
        if self.figure is None:
            return False
        return self.figure >= goal if self.more_is_better else self.figure <= goal

    def is_spoilt(self) -> bool:
        """Whether others had so much of the machine that the figure says little."""
        return self.busy > BUSY_PERCENT and not self.is_counted

    def verdict(self) -> str:
        """`aim`, `yes`, `NO`, `failed`, `busy` where the machine was too busy to judge, or nothing
        where there is no goal."""
        if self.failed:
            return "failed"
        if self.at_least is None:
            return ""
        if self.is_spoilt():
            return "busy"
        if self.aim is not None and self.reaches(self.aim):
            return "aim"
        return "yes" if self.reaches(self.at_least) else "NO"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"verdict": self.verdict()}


def number(value: float | None, unit: str) -> str:
    """A figure with three digits that mean something."""
    if value is None:
        return ""
    text = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text}{unit}" if unit in ("", "x") else f"{text} {unit}"


HEADER = ("line", "measured", "figure", "at least", "aim", "met")


def cells(row: Row) -> tuple[str, ...]:
    """The columns of a row."""
    goals = (number(row.at_least, row.unit), number(row.aim, row.unit))
    return (row.line, row.value, number(row.figure, row.unit), *goals, row.verdict())


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown that is readable as it is."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    out = []
    for position, line in enumerate(lines):
        padded = (text.ljust(width) for text, width in zip(line, widths))
        out.append("| " + " | ".join(padded) + " |")
        if position == 0:
            out.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(out)


def render(rows: Iterable[Row]) -> str:
    """The whole table of the bench."""
    return table(HEADER, [cells(row) for row in rows])
