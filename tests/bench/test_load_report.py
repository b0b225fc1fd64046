"""What the report of the load with failures is made of: percentiles, verdicts, and plots."""

from __future__ import annotations

import math
import unittest
from unittest import mock
from xml.etree import ElementTree

import load_with_failures
import svg
import watch
from load_scenarios import SCENARIOS
from offered import at_least, at_most, told
from service_levels import Level, back_after, failures_allowed, merge, percentile, verdict
from svg import Mark, Panel, Series

SVG = "{http://www.w3.org/2000/svg}"


class Percentiles(unittest.TestCase):
    def test_of_merged_histograms(self) -> None:
        merged = merge([[(1000, 90), (2000, 5)], [(1000, 4), (500_000, 1)]])
        self.assertEqual(merged, {1000: 94, 2000: 5, 500_000: 1})
        self.assertEqual(percentile(merged, 50), 1.0)
        self.assertEqual(percentile(merged, 94), 1.0)
        self.assertEqual(percentile(merged, 95), 2.0)
        self.assertEqual(percentile(merged, 99), 2.0)
        self.assertEqual(percentile(merged, 100), 500.0)

    def test_of_nothing(self) -> None:
        self.assertEqual(percentile(merge([]), 99), 0.0)


class Again(unittest.TestCase):
    """A scenario is run again when time alone was missed."""

    def runs(self, *late_only: bool) -> int:
        results = [mock.Mock(**{"is_late_only.return_value": each}) for each in late_only]
        with mock.patch.object(load_with_failures, "run", side_effect=results) as run:
            found = load_with_failures.best_of_three(mock.Mock(), "kills", 1.0)
        self.assertIs(found, results[run.call_count - 1])
        return run.call_count

    def test_until_it_is_in_time(self) -> None:
        self.assertEqual(self.runs(False), 1)
        self.assertEqual(self.runs(True, False), 2)

    def test_three_times_at_most(self) -> None:
        self.assertEqual(self.runs(True, True, True), 3)


class Verdicts(unittest.TestCase):
    SLOW = Level(at_most("", "p99", 101, 100, "ms"), is_of_time=True)
    LOST = Level(at_least("", "answered", 99.9, 100, "%"))
    GOOD = Level(at_most("", "left", 0, 0))
    TOLD = Level(told("", "calls", 5))

    def test_of_one_level(self) -> None:
        for level, idle, busy in (
            (self.SLOW, "MISSED", "not judged"),
            (self.LOST, "MISSED", "MISSED"),
            (self.GOOD, "met", "met"),
            (self.TOLD, "", ""),
        ):
            self.assertEqual((level.verdict(False), level.verdict(True)), (idle, busy), level)

    def test_of_all_is_the_worst(self) -> None:
        self.assertEqual(verdict([self.TOLD, self.GOOD], True), "met")
        self.assertEqual(verdict([self.SLOW, self.GOOD], True), "not judged")
        self.assertEqual(verdict([self.SLOW, self.GOOD], False), "MISSED")
        self.assertEqual(verdict([self.SLOW, self.LOST], True), "MISSED")

    def test_a_thousandth_may_fail_or_two(self) -> None:
        self.assertEqual([failures_allowed(calls) for calls in (10, 2999, 30_000)], [2, 2, 30])


class Back(unittest.TestCase):
    def test_after_the_last_bad_part(self) -> None:
        sent = [100] * 20
        good = [100] * 10 + [0, 0, 100, 94, 95] + [100] * 5
        self.assertAlmostEqual(back_after(sent, good, 1.0), 0.4)

    def test_at_once(self) -> None:
        self.assertEqual(back_after([100] * 20, [0] * 10 + [100] * 10, 1.0), 0.0)

    def test_never(self) -> None:
        self.assertAlmostEqual(back_after([100] * 20, [100] * 10, 1.0), 1.0)


class Durations(unittest.TestCase):
    def of(self, *arguments: str) -> dict[str, float]:
        with mock.patch("sys.argv", ["load_with_failures.py", *arguments]):
            return load_with_failures.durations(load_with_failures.parse_arguments())

    def test_all_take_as_long(self) -> None:
        self.assertEqual(self.of("--seconds", "7"), dict.fromkeys(SCENARIOS, 7.0))
        self.assertEqual(set(self.of().values()), {load_with_failures.SECONDS})

    def test_none_is_shorter_than_it_needs(self) -> None:
        least = {name: scenario.short for name, scenario in SCENARIOS.items()}
        self.assertEqual(self.of("--seconds", "0.1"), least)
        self.assertEqual(self.of("--in-all", "1"), least)

    def test_all_together(self) -> None:
        durations = self.of("cascade", "hung", "--in-all", "50")
        self.assertEqual(list(durations), ["cascade", "hung"])
        self.assertAlmostEqual(sum(durations.values()), 50)


class Others(unittest.TestCase):
    def test_are_what_is_not_ours(self) -> None:
        # In all, at work, and ours.
        times = [(1000.0, 300.0, 20.0), (1100.0, 370.0, 60.0)]
        with mock.patch("watch.machine_seconds", side_effect=times):
            self.assertAlmostEqual(watch.Machine().others(), 30.0)


class Ticks(unittest.TestCase):
    def test_are_round(self) -> None:
        self.assertEqual(svg.ticks(1200), [0, 500, 1000, 1500])
        self.assertEqual(svg.ticks(8), [0, 2, 4, 6, 8])
        self.assertEqual(svg.ticks(0.3), [0, 0.1, 0.2, 0.3])
        self.assertEqual(svg.ticks(0), [0, 1])
        self.assertEqual(svg.log_ticks(2, 150), [1, 10, 100, 1000])
        self.assertEqual(svg.log_ticks(1, 1), [1, 10])

    def test_hold_every_value(self) -> None:
        for top in (0.001, 0.7, 1, 3, 9.99, 10, 12_345, 1e7):
            marks = svg.ticks(top)
            self.assertGreaterEqual(marks[-1], top)
            self.assertLessEqual(len(marks), 6, marks)


class Plots(unittest.TestCase):
    def draw(self, *panels: Panel, marks: tuple[Mark, ...] = ()) -> ElementTree.Element:
        return ElementTree.fromstring(svg.draw("title", "about <it> & more", panels, marks, 10.0))

    def texts(self, drawing: ElementTree.Element) -> list[str]:
        return [element.text or "" for element in drawing.iter(f"{SVG}text")]

    def path(self, panel: Panel) -> str:
        (path,) = self.draw(panel).iter(f"{SVG}path")
        return path.get("d", "")

    def test_say_what_they_show(self) -> None:
        panel = Panel("Rate", "calls per second", (Series("a", [(0, 1)]), Series("b", [(0, 2)])))
        texts = self.texts(self.draw(panel, marks=(Mark(3, "killed"),)))
        for text in ("title", "about <it> & more", "Rate", "calls per second", "a", "b", "killed",
                     "seconds since the load began"):
            self.assertIn(text, texts)

    def test_values_stand_where_they_belong(self) -> None:
        panel = Panel("Rate", "calls", (Series("a", [(0, 0), (5, 2), (10, 4)]),))
        left, right = svg.LEFT, svg.WIDTH - svg.RIGHT
        foot = svg.TITLE + svg.HEAD + svg.PLOT
        self.assertEqual(
            self.path(panel),
            f"M{left:.1f} {foot:.1f}L{(left + right) / 2:.1f} {foot - svg.PLOT / 2:.1f}"
            f"L{right:.1f} {foot - svg.PLOT:.1f}",
        )

    def test_a_step_holds_and_a_gap_is_open(self) -> None:
        points = [(0.0, 1.0), (2.0, 2.0), (4.0, math.nan), (6.0, 1.0)]
        self.assertEqual([letter for letter in self.path(
            Panel("State", "state", (Series("a", points),), is_step=True)) if letter.isalpha()],
            ["M", "H", "L", "M"])

    def test_names_instead_of_numbers(self) -> None:
        names = {0.0: "closed", 2.0: "open"}
        panel = Panel("State", "state", (Series("a", [(0, 2)]),), names=names)
        texts = self.texts(self.draw(panel))
        self.assertIn("open", texts)
        self.assertIn("closed", texts)

    def test_nothing_to_show(self) -> None:
        self.draw(Panel("Rate", "calls", (Series("a", []),)),
                  Panel("Time", "ms", (Series("a", [(0, 0)]),), is_log=True))

    def test_both_schemes_have_all_colours(self) -> None:
        light, dark = svg.style().split("@media (prefers-color-scheme:dark)")
        for index in range(8):
            self.assertIn(f".s{index}{{", light)
            self.assertIn(f".s{index}{{", dark)


if __name__ == "__main__":
    unittest.main()
