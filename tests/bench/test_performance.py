"""docs/PERFORMANCE.md is what its template and its JSON make, nothing else; and the lines of the bench
share the time that there is."""

from __future__ import annotations

import json
import re
import unittest
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import performance
import run
from performance import DOCS, FOLDER, PAGE, RESULTS, TEMPLATE, Results
from servers import BenchError, Unavailable
from speed import Pace
from table import BUSY_PERCENT, Row

AGAIN = "make performance, or tests/bench/performance.py for the page alone, writes it anew"


def side(rate: float, p99: float) -> dict[str, float]:
    """What one side of a comparison did."""
    return {"rate": rate, "p50_us": 10.0, "p99_us": p99, "cpu_us": 7.0}


def peer(title: str, connections: int, ours: dict[str, float], theirs: dict[str, float]) -> Row:
    """A row of another program."""
    return Row(title, "", ours["rate"] / theirs["rate"], 1.0, data={
        "peer": title, "work": "echo", "client": "C", "workers": 4, "connections": connections,
        "ours": ours, "theirs": theirs,
    })


def sample(**lines: list[Row]) -> Results:
    """The report of a small run."""
    report: dict[str, Any] = {
        "machine": "a machine", "date": "2026-01-02", "load_average": 0.25, "took": 61,
        "busy_percent": BUSY_PERCENT,
        "lines": [
            {"name": name, "runs": 5, "seconds": 0.5, "took": 1.0,
             "rows": [row.as_dict() for row in rows]}
            for name, rows in lines.items()
        ],
    }
    return Results(json.loads(json.dumps(report)))


POINTS = [{"at": at, "ours": side(100 * at, 9), "theirs": side(200 * at, 8)} for at in (1, 10)]


class Committed(unittest.TestCase):
    """The page in the tree."""

    results = Results(json.loads((DOCS / FOLDER / RESULTS).read_text(encoding="utf-8")))

    def test_is_what_template_and_results_make(self) -> None:
        for name, text in performance.files(self.results).items():
            with self.subTest(name):
                self.assertEqual((DOCS / name).read_text(encoding="utf-8"), text, AGAIN)

    def test_has_a_place_for_every_line(self) -> None:
        template = TEMPLATE.read_text(encoding="utf-8")
        shown = {name for words in re.findall(r"\{\{table (.*?)\}\}", template)
                 for name in words.split()}
        parts = set(re.findall(r"\{\{(\w+)\}\}", template))
        self.assertEqual(parts, set(performance.PARTS))
        elsewhere = {"one-call", "modes", "by-connections", "by-workers", "by-load"}
        self.assertEqual(shown | elsewhere, set(run.LINES))

    def test_every_plot_is_shown(self) -> None:
        page = (DOCS / PAGE).read_text(encoding="utf-8")
        shown = re.findall(r"!\[.*?\]\((.*?)\)", page)
        self.assertEqual(sorted(shown),
                         sorted(f"{FOLDER}/{name}" for name in performance.plots(self.results)))


class Pages(unittest.TestCase):
    def test_prose_stays_and_parts_are_filled_in(self) -> None:
        results = sample(
            depth1=[Row("depth 1", "3 to 2 us", 1.5, 1.25, 1.1, more_is_better=False)],
            killed=[Row("three killed", "0 of 10", 0, 500, 0, more_is_better=False, unit="")],
        )
        page = performance.page(results, "# Title\n\nProse {{about}}\n\n{{table depth1}}\n\nEnd.\n")
        self.assertTrue(page.startswith("# Title\n\nProse Measured 2026-01-02 on a machine, in 61 s"))
        self.assertTrue(page.endswith("\n\nEnd.\n"))
        self.assertRegex(page, r"\| depth 1 \| 3 to 2 us \| 1.5x +\| 1.25x, aim 1.1x \| NO +\|")
        self.assertNotIn("three killed", page)

    def test_what_was_not_measured_is_said(self) -> None:
        self.assertEqual(performance.page(sample(), "{{table depth1}}"), performance.NOTHING)
        for name, part in performance.PARTS.items():
            if name not in ("about", "behind"):
                self.assertEqual(part(sample()), performance.NOTHING, name)

    def test_an_unknown_part_is_an_error(self) -> None:
        with self.assertRaises(KeyError):
            performance.page(sample(), "{{nonsense}}")

    def test_disturbed_rows_are_said_and_not_judged(self) -> None:
        rows = [Row("a", "", 0.1, 1.0, busy=50.0), Row("b", "", 0.1, 1.0, busy=50.0, is_counted=True)]
        results = sample(depth1=rows)
        self.assertIn("1 of 2 rows were disturbed", performance.about(results))
        self.assertEqual([row.verdict() for row in rows], ["busy", "NO"])
        self.assertNotIn("disturbed", performance.about(sample(depth1=[Row("a", "", 2.0, 1.0)])))


class Behind(unittest.TestCase):
    def test_is_all_that_is_worse(self) -> None:
        text = performance.behind(sample(
            depth1=[Row("missed", "", 0.5, 1.0), Row("met", "", 1.5, 1.0), Row("told", "only")],
            broken=[Row("broken", "it ended", failed=True)],
            uwsgi=[peer("slower", 1, side(200, 5), side(100, 9)),
                   peer("faster", 8, side(1100, 5), side(2200, 9)),
                   peer("sooner", 64, side(200, 33), side(100, 11))],
        ))
        lines = [line.split("|")[1].strip() for line in text.splitlines()[2:]]
        self.assertEqual(lines, ["missed", "broken", "faster, 8 in flight", "sooner, 64 in flight"])
        self.assertIn("| 1,100 calls/s, it 2,200 |", text)
        self.assertIn("| 33 us (p99), it 11 ", text)

    def test_nothing(self) -> None:
        self.assertIn("Nothing", performance.behind(sample(depth1=[Row("met", "", 1.5, 1.0)])))


class Peers(unittest.TestCase):
    def test_the_better_one_is_bold(self) -> None:
        text = performance.peers_table(sample(uwsgi=[peer("it", 8, side(1100, 50), side(2200, 90))]))
        self.assertRegex(text, r"\| 1,100 +\| \*\*2,200\*\* +\| \*\*50\*\* +\| 90 ")

    def test_what_is_not_installed_is_said(self) -> None:
        text = performance.peers_table(sample(uwsgi=[Row("uwsgi", "not measured: uwsgi is not installed (p)")]))
        self.assertIn("uwsgi is not installed (p)", text)


class Plots(unittest.TestCase):
    def test_are_drawn_of_what_was_measured(self) -> None:
        curves = {name: [Row(name, "", data={"points": POINTS})]
                  for name in ("by-connections", "by-workers", "by-load")}
        drawn = performance.plots(sample(**curves))
        self.assertEqual(set(drawn), {f"{name}.svg" for name in curves})
        for text in drawn.values():
            ElementTree.fromstring(text)
        self.assertIn(">connections<", drawn["by-connections.svg"])
        self.assertEqual(performance.plots(sample()), {})

    def test_equal_factors_have_equal_distances(self) -> None:
        points = [{"at": at, "ours": side(1, 9), "theirs": side(1, 8)} for at in (1, 10, 100)]
        path = re.findall(r'<path d="(.*?)"', performance.cost_plot(points, "", "", ""))[0]
        first, second, third = (float(x) for x in re.findall(r"[ML]([\d.]+)", path))
        self.assertAlmostEqual(second - first, third - second, delta=0.2)


class Busy(unittest.TestCase):
    def measured(self, *others: float, may_repeat: bool = True) -> tuple[float, int]:
        """The load that the rows are of, and how many tries there were."""
        tries = iter(others)
        line = run.Line(lambda place, pace: [Row("a", "", 1.0, 1.0)], 0, 0)
        with (
            mock.patch.dict(run.LINES, {"a": line}),
            mock.patch("run.reap"),
            mock.patch("run.print", create=True),
            mock.patch("run.Machine.others", side_effect=tries) as looked,
        ):
            rows = run.run_line("a", mock.Mock(), Pace(1, 1), lambda: may_repeat)
            return rows[0].busy, looked.call_count

    def test_a_disturbed_line_is_measured_again(self) -> None:
        self.assertEqual(self.measured(50.0, 1.0), (1.0, 2))

    def test_the_quietest_try_counts(self) -> None:
        self.assertEqual(self.measured(50.0, 30.0, 40.0), (30.0, 3))

    def test_a_quiet_line_is_measured_once(self) -> None:
        self.assertEqual(self.measured(BUSY_PERCENT), (BUSY_PERCENT, 1))

    def test_without_time_it_stays_disturbed(self) -> None:
        self.assertEqual(self.measured(50.0, may_repeat=False), (50.0, 1))

    def test_what_cannot_be_measured_is_said(self) -> None:
        for error, failed in ((Unavailable("why"), False), (BenchError("why"), True)):
            line = run.Line(mock.Mock(side_effect=error), 0, 0)
            with mock.patch.dict(run.LINES, {"a": line}), mock.patch("run.reap"):
                (row,) = run.run_once("a", mock.Mock(), Pace(1, 1))
            self.assertIn("why", row.value)
            self.assertEqual(row.failed, failed)


class Budgets(unittest.TestCase):
    def paces(self, minutes: float, slowness: float) -> tuple[list[Pace], float]:
        """The paces of all lines, where each takes so many times what was thought, and what all
        takes."""
        names = [*run.LINES, *run.PEERS]
        now = 0.0
        paces = []
        with mock.patch("run.time.monotonic", side_effect=lambda: now):
            budget = run.Budget(minutes, names)
            for name in names:
                paces.append(budget.pace())
                budget.take(name)
                now += slowness * run.line_of(name).seconds(paces[-1])
        return paces, now / 60

    def test_all_lines_fit_into_the_time(self) -> None:
        paces, took = self.paces(12, 1.0)
        self.assertAlmostEqual(took, 12, delta=0.5)
        self.assertTrue(all(run.SHORTEST <= pace.seconds <= run.USUAL.seconds for pace in paces))

    def test_slow_lines_leave_less_to_the_others(self) -> None:
        paces, took = self.paces(14, 1.2)
        self.assertLess(paces[-1].seconds, paces[0].seconds)
        self.assertLess(took, 15)

    def test_without_a_limit_all_runs_are_usual(self) -> None:
        self.assertEqual(set(self.paces(1e6, 1.0)[0]), {run.USUAL})


if __name__ == "__main__":
    unittest.main()
