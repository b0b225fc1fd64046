"""The metrics: both text formats, sums that equal what a client counted, series that stay bounded."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import unittest
from collections import Counter
from typing import Any

import procs
from clock import eventually
from harness import BUILD, C_TOOLS, LOAD, UNRULY, Daemon, DaemonTest, breaker, pool
from raw import Refused

SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# Older than the rule that names have base units; poold_stalled_seconds_total is beside it.
LINT_KNOWN = ("poold_stalled_ms_total",)


def samples(text: str, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """The samples of that name whose labels have these values, by the values of all labels."""
    found = {}
    for match in SAMPLE.finditer(text):
        if match["name"] != name:
            continue
        have = dict(LABEL.findall(match["labels"] or ""))
        if labels.items() <= have.items():
            found[tuple(have.values())] = float(match["value"])
    return found


def metrics(daemon: Daemon, *params: str) -> str:
    text = daemon.ask("poold.metrics", *params)
    assert isinstance(text, str)
    return text


def openmetrics_faults(text: str) -> list[str]:
    """Where a text breaks the rules of OpenMetrics 1.0 that the other format does not have."""
    if not text.endswith("\n# EOF\n") or text.count("# EOF") != 1:
        return ["the end is missing"]
    faults = []
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    units = dict(re.findall(r"^# UNIT (\w+) (\w+)$", text, re.MULTILINE))
    faults += [f"no unit at its end: {name}" for name, unit in units.items()
               if not name.endswith(f"_{unit}")]
    faults += [f"a counter called {name}" for name, kind in kinds.items()
               if kind == "counter" and name.endswith("_total")]
    for match in SAMPLE.finditer(text):
        name = match["name"]
        family = next((end for end in (name, *(name.removesuffix(f"_{suffix}") for suffix in
                                               ("total", "bucket", "sum", "count")))
                       if end in kinds), "")
        if not family:
            faults.append(f"of no family: {name}")
        elif kinds[family] == "counter" and name != f"{family}_total":
            faults.append(f"no sample of a counter: {name}")
    return faults


class Text(DaemonTest):
    def setUp(self) -> None:
        self.daemon = self.start(pool("one", C_TOOLS, workers=2))

    def test_openmetrics(self) -> None:
        self.daemon.connect().call_pool("one", "echo", [1])
        text = metrics(self.daemon, "openmetrics")
        self.assertEqual(openmetrics_faults(text), [])
        self.assertEqual(samples(text, "poold_succeeded_total"), {("one",): 1})
        self.assertIn("\n# UNIT poold_buffer_bytes bytes\n", text)

    def test_exemplars_are_for_openmetrics(self) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        self.daemon.announced.extend(["request failed", "pool"])
        client = self.daemon.connect(map_errors=True)
        client.call_pool("one", "echo", [1], trace=f"00-{trace[::-1]}-00f067aa0ba902b7-00")
        client.call_pool("one", "echo", [1], trace="an id of ours")
        # Nor has the time of a refusal, which is not measured, one.
        self.daemon.ask("poold.drain", "one")
        client.answer_pool("one", "echo", [1], trace=f"00-{trace[::-1]}-00f067aa0ba902b7-01")
        self.daemon.ask("poold.resume", "one")
        self.assertNotIn("trace_id", metrics(self.daemon, "openmetrics"))
        client.answer_pool("one", "divide", [1, 0], trace=f"00-{trace}-00f067aa0ba902b7-01")
        (line,) = re.findall(r"^.*trace_id.*$", metrics(self.daemon, "openmetrics"), re.MULTILINE)
        found = re.fullmatch(r'poold_request_seconds_bucket\{pool="one",le="(\S+)"\} [123] '
                             rf'# \{{trace_id="{trace}"\}} (\d+\.\d{{6}}) (\d+\.\d{{6}})', line)
        assert found is not None, line
        self.assertLessEqual(float(found[2]), float(found[1]))
        self.assertAlmostEqual(float(found[3]), time.time(), delta=60)
        self.assertNotIn("trace_id", metrics(self.daemon, "prometheus"))

    def test_the_default_is_the_format_of_prometheus(self) -> None:
        text = metrics(self.daemon, "prometheus")
        heads = re.findall(r"^# .*$", metrics(self.daemon), re.MULTILINE)
        self.assertEqual(re.findall(r"^# .*$", text, re.MULTILINE), heads)
        self.assertNotIn("# EOF", text)
        self.assertIn("\n# TYPE poold_succeeded_total counter\n", text)

    def test_other_params_are_refused(self) -> None:
        for params in (["json"], [1], ["prometheus", "openmetrics"]):
            with self.assertRaises(Refused) as refused:
                self.daemon.ask("poold.metrics", *params)
            self.assertEqual(refused.exception.answer.code, "invalid_request", params)

    def test_poolctl_prints_both(self) -> None:
        for arguments, end in (([], "\n"), (["openmetrics"], "\n# EOF\n")):
            shown = subprocess.run(
                [str(BUILD / "poolctl"), "-s", self.daemon.path, "metrics", *arguments],
                capture_output=True, text=True, check=True).stdout
            self.assertTrue(shown.endswith(end), shown[-100:])

    def test_every_metric_is_in_the_document_and_explained(self) -> None:
        table = subprocess.run([str(BUILD / "poold"), "--help-metrics"], capture_output=True,
                               text=True, check=True).stdout
        documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
        written = set(re.findall(r"^# TYPE (\w+) ", metrics(self.daemon), re.MULTILINE))
        self.assertEqual(documented, written)
        explained = subprocess.run([str(BUILD / "poolctl"), "explain"], capture_output=True,
                                   text=True, check=True).stdout
        self.assertEqual([name for name in sorted(written) if name not in explained.split()], [])

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_no_fault(self) -> None:
        self.daemon.connect().call_pool("one", "echo", [1])
        checked = subprocess.run(["promtool", "check", "metrics"], input=metrics(self.daemon),
                                 capture_output=True, text=True, check=False)
        faults = [line for line in (checked.stdout + checked.stderr).splitlines()
                  if line and not line.startswith(LINT_KNOWN)]
        self.assertEqual(faults, [])


class Truth(DaemonTest):
    def test_sums_equal_what_a_client_counted(self) -> None:
        daemon = self.start(pool("one", C_TOOLS), pool("two", C_TOOLS, max_crash_retries=0))
        daemon.announced += ["worker_exited", "no_such_method", "exit status 3", "pool is down"]
        client = daemon.connect(map_errors=True)
        counted: Counter[tuple[str, ...]] = Counter()
        calls: list[tuple[str, str, list[Any]]] = [
            ("one", "echo", [1]), ("one", "no_such_method", []), ("one", "echo", [2]),
            ("one", "no_such_method", []), ("two", "leave", [3]), ("two", "echo", [3])]
        for name, method, args in calls:
            answer = client.answer_pool(name, method, args)
            if answer.error:
                counted[name, answer.error["code"], answer.error["category"]] += 1
        text = metrics(daemon)
        errors = samples(text, "poold_errors_total")
        self.assertEqual({series: count for series, count in errors.items() if count}, counted)
        self.assertIn(("one", "shed", "resource_error"), errors)
        self.assertGreater(len(counted), 1)
        self.assertEqual(sum(samples(text, "poold_succeeded_total").values()),
                         len(calls) - counted.total())
        self.assertEqual(sum(samples(text, "poold_requests_total").values()), len(calls))
        self.assertEqual(sum(samples(text, "poold_failed_total").values()), counted.total())


class Series(DaemonTest):
    def test_those_of_a_worker_go_with_it(self) -> None:
        daemon = self.start(pool("one", C_TOOLS, workers="1..2", idle_timeout="10ms"))
        daemon.announced.append("pool is degraded")

        def alive() -> set[tuple[str, ...]]:
            return set(samples(metrics(daemon), "poold_worker_in_flight"))

        self.assertEqual(alive(), {("one", "1")})
        daemon.ask("poold.resize", "one", 2, 2)
        eventually(lambda: alive() == {("one", "1"), ("one", "2")}, "a second worker")
        daemon.ask("poold.resize", "one", 1, 1)
        eventually(lambda: len(alive()) == 1, "one worker less")

    def test_no_client_makes_series(self) -> None:
        daemon = self.start(pool("one", C_TOOLS))

        def names() -> int:
            return len(SAMPLE.findall(metrics(daemon)))

        client = daemon.connect()
        before = names()
        for i in range(300):
            self.assertIsNotNone(client.answer_pool("one", f"method-{i}", [], session=f"s-{i}").error)
        self.assertEqual(names(), before)

    def test_thousands_of_names_and_hundreds_of_lives_leave_the_series_of_the_first(self) -> None:
        """One pool knows every method, the other none of them; all workers of both are killed again and again."""
        daemon = self.start(pool("all", UNRULY, workers=4), pool("none", C_TOOLS, workers=1),
                            breaker("all", per_method=True, mode="observe"))
        daemon.announced += ["pool=", "worker ", "request failed"]
        client = daemon.connect()

        def serve(first: int, count: int) -> None:
            for number in range(first, first + count):
                client.call_pool("all", f"method-{number}", number)
                self.assertIsNotNone(client.answer_pool("none", f"method-{number}", []).error)

        def kill() -> None:
            before = tuple(daemon.wait_workers("all", 4))
            for pid in before:
                procs.kill(pid)
            daemon.wait_workers("all", 4, apart_from=before)

        numbers: set[int] = set()  # of workers, as the series name them

        def series() -> Counter[str]:
            """Their names and labels without those numbers: which of its slots a pool uses differs."""
            text = metrics(daemon)
            numbers.update(int(number) for _, number in samples(text, "poold_worker_in_flight"))
            heads = [line.rpartition(" ")[0] for line in text.splitlines()]
            return Counter(re.sub(r'worker="\d+"', "", head) for head in heads)

        def rows() -> tuple[int, int]:
            return len(client.call("poold.methods")), len(client.call("poold.breakers"))

        serve(0, 200)
        kill()
        series_before, rows_before = series(), rows()
        daemon.take_measure()
        for step in range(60 * LOAD):
            serve(200 + 50 * step, 50)
            kill()
            series()
        self.assertEqual(series() - series_before, Counter())
        self.assertLessEqual(max(numbers), 3 * 4)
        self.assertEqual(rows(), rows_before)
        self.assertGreaterEqual(daemon.counters("all")["worker_starts"], 4 + 4 * 61)
        # How much memory they left is looked at with the end of the test.
        daemon.growth_max = 2 << 20


if __name__ == "__main__":
    unittest.main()
