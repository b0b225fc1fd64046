"""Plots as SVG, with nothing but the standard library: panels one above the other that share an
axis, of seconds or of something else.  The colours follow the reader's light or dark scheme."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

Points = list[tuple[float, float]]

WIDTH = 880
LEFT, RIGHT = 92, 20
TITLE, HEAD, PLOT, FOOT = 58, 44, 130, 24
AXIS = 30

# Above the first panel stands what happened, in so many rows of this height.
NOTE_ROWS, NOTE = 3, 14

# Eight colours each, that differ for people who see fewer of them too, and in their dashes.
LIGHT = ("#0b62a8", "#c2410c", "#0f7b53", "#8b3fa0", "#8a6d00", "#b3204d", "#3d6b7d", "#5f5f5f")
DARK = ("#6cb4f5", "#ff9b5e", "#5fd3a2", "#d29be6", "#e3c34a", "#ff7fa3", "#8fc3d6", "#b8b8b8")
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "none", "7 3", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Series:
    """A line: its name in the legend, and its points as (seconds, value) in order of time; where a
    value is `math.nan`, the line has a gap."""

    name: str
    points: Points


@dataclass(frozen=True)
class Panel:
    """One plot.

    Attributes:
        title: what it shows.
        unit: what stands at its upright axis.
        series: its lines.
        is_step: a value holds until the next one.
        is_log: the upright axis is logarithmic.
        names: texts for values of the upright axis; with them there are no other ticks.
    """

    title: str
    unit: str
    series: tuple[Series, ...]
    is_step: bool = False
    is_log: bool = False
    names: dict[float, str] | None = None


@dataclass(frozen=True)
class Mark:
    """Something that happened: a line through all panels."""

    at: float
    text: str


def number(value: float) -> str:
    """A tick's text: 1500 as 1,500; no more digits than are needed."""
    return f"{value:,.6g}" if value < 1e6 else f"{value:.3g}"


def ticks(top: float, parts: int = 4) -> list[float]:
    """Round values at even distances from 0 to at least `top`: about so many parts, no more."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / parts
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(step * index, 9) for index in range(math.ceil(top / step - 1e-9) + 1)]


def log_ticks(least: float, top: float) -> list[float]:
    """Powers of ten around these values."""
    first = math.floor(math.log10(max(least, 1e-3)))
    last = max(math.ceil(math.log10(max(top, 1e-3))), first + 1)
    return [10.0**power for power in range(first, last + 1)]


@dataclass(frozen=True)
class Across:
    """The axis that all panels share.

    Attributes:
        text: what stands at it.
        ticks: where a number stands, in order; empty: at even distances from 0.
        is_log: equal factors have equal distances; the least tick is at the left.
    """

    text: str
    ticks: tuple[float, ...] = ()
    is_log: bool = False


SECONDS = Across("seconds since the load began")


class Scale:
    """Where a value stands on the upright axis of a panel, and the ticks of it."""

    def __init__(self, panel: Panel) -> None:
        values = [value for series in panel.series for _, value in series.points
                  if not math.isnan(value)]
        self._log = panel.is_log
        if panel.names:
            self.ticks = sorted(panel.names)
        elif panel.is_log:
            positive = [value for value in values if value > 0]
            self.ticks = log_ticks(min(positive, default=1), max(positive, default=10))
        else:
            self.ticks = ticks(max(values, default=0))
        self._texts = panel.names or {tick: number(tick) for tick in self.ticks}

    def text(self, tick: float) -> str:
        """What stands at a tick."""
        return self._texts[tick]

    def share(self, value: float) -> float:
        """0 at the foot of the panel, 1 at its top."""
        low, high = self.ticks[0], self.ticks[-1]
        if self._log:
            value, low, high = (math.log10(max(each, low)) for each in (value, low, high))
        return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5


class Drawing:
    """A plot in the making."""

    def __init__(self, panels: tuple[Panel, ...], marks: tuple[Mark, ...], end: float,
                 across: Across = SECONDS) -> None:
        self._across = across
        self._panels = panels
        self._marks = marks
        self._end = end
        self._out: list[str] = []

    def x(self, at: float) -> float:
        """From a value of the axis to where it stands, which is always inside."""
        share = at / self._end
        if self._across.is_log:
            least = self._across.ticks[0]
            share = math.log(max(at, least) / least) / math.log(self._end / least)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0)

    def put(self, text: str) -> None:
        self._out.append(text)

    def text(self, x: float, y: float, kind: str, text: str, anchor: str = "start") -> None:
        self.put(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
                 f"{escape(text)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.put(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def legend(self, panel: Panel, y: float) -> None:
        """The names of its lines, each behind a piece of its line."""
        x = float(LEFT)
        for index, series in enumerate(panel.series):
            self.line(x, y - 4, x + 26, y - 4, f"s{index % 8}")
            self.text(x + 31, y, "small", series.name)
            x += 31 + 6.6 * len(series.name) + 18

    def grid(self, panel: Panel, scale: Scale, foot: float, is_last: bool) -> None:
        """Both axes with their ticks."""
        for tick in scale.ticks:
            y = foot - PLOT * scale.share(tick)
            self.line(LEFT, y, WIDTH - RIGHT, y, "grid")
            self.text(LEFT - 8, y + 4, "small", scale.text(tick), "end")
        self.put(f'<text transform="translate(14 {foot - PLOT / 2:.1f}) rotate(-90)" class="small" '
                 f'text-anchor="middle">{escape(panel.unit)}</text>')
        for tick in self._across.ticks or ticks(self._end, 10):
            if tick <= self._end:
                self.line(self.x(tick), foot, self.x(tick), foot + 4, "axis")
                self.text(self.x(tick), foot + 16, "small", number(tick), "middle")
        self.line(LEFT, foot, WIDTH - RIGHT, foot, "axis")
        if is_last:
            middle = (LEFT + WIDTH - RIGHT) / 2
            self.text(middle, foot + 34, "small", self._across.text, "middle")

    def mark_all(self, head: float, foot: float) -> None:
        """The lines of what happened."""
        for mark in self._marks:
            self.line(self.x(mark.at), head, self.x(mark.at), foot, "mark")

    def note_all(self, foot: float) -> None:
        """The texts of what happened, in rows, so that neighbours do not overlap."""
        for index, mark in enumerate(self._marks):
            x, y = self.x(mark.at), foot - NOTE * (NOTE_ROWS - index % NOTE_ROWS) + 10
            self.line(x, y - 9, x, foot, "mark")
            anchor = "end" if x > WIDTH * 0.75 else "start"
            self.text(x + (4 if anchor == "start" else -4), y, "note", mark.text, anchor)

    def draw_series(self, panel: Panel, scale: Scale, foot: float) -> None:
        """All lines of a panel, each as one path with its gaps."""
        for index, series in enumerate(panel.series):
            path: list[str] = []
            is_begun = False
            for at, value in series.points:
                if math.isnan(value):
                    is_begun = False
                    continue
                x, y = self.x(at), foot - PLOT * scale.share(value)
                if is_begun and panel.is_step:
                    path.append(f"H{x:.1f}")
                path.append(f"{'L' if is_begun else 'M'}{x:.1f} {y:.1f}")
                is_begun = True
            self.put(f'<path d="{"".join(path)}" class="s{index % 8}"/>')

    def draw(self, title: str, about: str) -> str:
        """The whole file."""
        each = HEAD + PLOT + FOOT
        notes = NOTE * NOTE_ROWS if self._marks else 0
        height = TITLE + notes + each * len(self._panels) + AXIS
        self.text(LEFT, 24, "title", title)
        self.text(LEFT, 43, "head2", about)
        self.note_all(TITLE + notes)
        for index, panel in enumerate(self._panels):
            head = TITLE + notes + each * index
            foot = head + HEAD + PLOT
            scale = Scale(panel)
            self.text(LEFT, head + 14, "head", panel.title)
            self.legend(panel, head + 32)
            self.grid(panel, scale, foot, index == len(self._panels) - 1)
            self.mark_all(head + HEAD, foot)
            self.draw_series(panel, scale, foot)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">\n'
            f"<title>{escape(title)}: {escape(about)}</title>\n"
            f"<style>{style()}</style>\n"
            f'<rect width="{WIDTH}" height="{height}" class="paper"/>\n'
            + "\n".join(self._out) + "\n</svg>\n"
        )


def style() -> str:
    """Fonts and colours, for light and dark."""
    lines = [f".s{index}{{fill:none;stroke:{LIGHT[index]};stroke-width:1.8;"
             f"stroke-dasharray:{DASHES[index]}}}" for index in range(8)]
    dark = "".join(f".s{index}{{stroke:{colour}}}" for index, colour in enumerate(DARK))
    return (
        "text{font-family:system-ui,sans-serif;fill:#1c1e21}"
        ".title{font-size:17px;font-weight:600}.head{font-size:13px;font-weight:600}"
        ".head2{font-size:13px}.small{font-size:11px}.note{font-size:11px;font-style:italic}"
        ".paper{fill:#ffffff}.grid{stroke:#d9dce0}.axis{stroke:#1c1e21}"
        ".mark{stroke:#6b7076;stroke-dasharray:3 3}" + "".join(lines) +
        "@media (prefers-color-scheme:dark){text{fill:#e6e8eb}.paper{fill:#14171a}"
        ".grid{stroke:#34393f}.axis{stroke:#e6e8eb}.mark{stroke:#9aa1a9}" + dark + "}"
    )


def draw(title: str, about: str, panels: Iterable[Panel], marks: Iterable[Mark],
         end: float, across: Across = SECONDS) -> str:
    """An SVG file of these panels, whose axis goes to `end`."""
    return Drawing(tuple(panels), tuple(marks), end, across).draw(title, about)
