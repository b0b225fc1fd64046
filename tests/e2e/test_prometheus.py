"""docs/prometheus: the rules fire when they must and only then; Prometheus reads what a client counted."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clock import HANGS, eventually
from harness import BUILD, C_TOOLS, ROOT, DaemonTest, pool, section
from http_client import Http

FOLDER = ROOT / "docs/prometheus"
RULES = ("recording.yml", "alerts.yml")

needs_promtool = unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
needs_prometheus = unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")


def text_of(file: str) -> str:
    return (FOLDER / file).read_text(encoding="utf-8")


def promtool(*arguments: str, folder: Path = FOLDER) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=HANGS, check=False)


def known_metrics() -> set[str]:
    """Every name that a rule or a panel may use."""
    table = subprocess.run([str(BUILD / "poold"), "--help-metrics"], capture_output=True,
                           text=True, check=True).stdout
    names = set()
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE):
        names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" \
            else {name}
    return names | set(re.findall(r"- record: (\S+)", text_of("recording.yml")))


def used_metrics(text: str) -> set[str]:
    return set(re.findall(r"\b(?:poold_\w+|poold:[\w:]+)", text))


class Rules(unittest.TestCase):
    @needs_promtool
    def test_they_are_rules(self) -> None:
        checked = promtool("check", "rules", *RULES)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    @needs_promtool
    def test_each_fires_when_it_must_and_only_then(self) -> None:
        checked = promtool("test", "rules", "alerts_test.yml")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_each_has_both_cases(self) -> None:
        alerts = re.findall(r"- alert: (\w+)", text_of("alerts.yml"))
        self.assertGreater(len(alerts), 20)
        cases = re.findall(r"- name: (\w+) (fires|is silent)$", text_of("alerts_test.yml"), re.M)
        self.assertEqual(cases, [(name, case) for name in alerts for case in ("fires", "is silent")])

    def test_they_use_what_there_is(self) -> None:
        for file in (*RULES, "grafana.json"):
            text = re.sub(r"^ *#.*$|- alert: .*|- name: .*|record: .*", "", text_of(file), flags=re.M)
            self.assertEqual(used_metrics(text) - known_metrics(), set(), file)

    def test_each_has_a_page(self) -> None:
        runbook = (ROOT / "docs/RUNBOOK.md").read_text(encoding="utf-8")
        titles = re.findall(r"^## (.*)$", runbook, re.MULTILINE)
        pages = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        for page in re.findall(r"runbook: RUNBOOK.md#(\S+)", text_of("alerts.yml")):
            self.assertIn(page, pages)

    def test_each_names_a_command_that_there_is(self) -> None:
        for command in set(re.findall(r'command: "poolctl (\w+)', text_of("alerts.yml"))):
            helped = subprocess.run([str(BUILD / "poolctl"), command, "--help"],
                                    capture_output=True, text=True, check=False)
            self.assertEqual(helped.returncode, 0, command)


class Dashboard(unittest.TestCase):
    def setUp(self) -> None:
        self.dashboard = json.loads(text_of("grafana.json"))

    def test_panels_do_not_overlap(self) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertEqual(cells & taken, set(), panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells

    @needs_promtool
    def test_every_question_can_be_asked(self) -> None:
        asked = [target["expr"] for panel in self.dashboard["panels"] for target in panel["targets"]]
        asked += [each["expr"] for each in self.dashboard["annotations"]["list"]]
        rules = [{"record": f"a{i}", "expr": text} for i, text in enumerate(asked)]
        # JSON is YAML.
        path = Path(self.enterContext(temporary_folder())) / "asked.yml"
        path.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))
        checked = promtool("check", "rules", str(path))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


@contextlib.contextmanager
def temporary_folder() -> Iterator[str]:

    with tempfile.TemporaryDirectory() as folder:
        yield folder


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@needs_prometheus
class Scraped(DaemonTest):
    """A real Prometheus beside a daemon."""

    def setUp(self) -> None:
        self.port, own = free_port(), free_port()
        self.daemon = self.start(section("http", {"listen": f"127.0.0.1:{self.port}"}),
                                 pool("one", C_TOOLS), pool("two", C_TOOLS, max_crash_retries=0))
        self.daemon.announced += ["pool=two", "pool is", "request failed"]
        folder = Path(self.enterContext(temporary_folder()))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "poold",
                                "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}],
            "rule_files": [str(FOLDER / each) for each in RULES],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.address = ("127.0.0.1", own)
        self.enterContext(self.running([
            "prometheus", f"--config.file={folder / 'prometheus.yml'}", "--enable-feature=exemplar-storage",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{own}"]))

    @staticmethod
    @contextlib.contextmanager
    def running(command: list[str]) -> Iterator[None]:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()

    def get(self, what: str, **params: object) -> Any:
        """The data of a request to Prometheus; None: it does not answer yet."""
        request = f"/api/v1/{what}?{urllib.parse.urlencode(params)}"
        try:
            with Http(self.address) as http:
                http.send(f"GET {request} HTTP/1.0\r\n\r\n".encode())
                text = b"".join(iter(lambda: http.socket.recv(65536), b""))
        except OSError:
            return None
        head, _, body = text.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            return None
        return json.loads(body)["data"]

    def ask(self, query: str) -> dict[tuple[str, ...], float]:
        """The values of a query by their labels `pool` and `code`; empty: it does not answer yet."""
        found = (self.get("query", query=query) or {"result": []})["result"]
        return {tuple(each["metric"][name] for name in ("pool", "code") if name in each["metric"]):
                float(each["value"][1]) for each in found}

    def test_its_numbers_are_those_of_a_client(self) -> None:
        eventually(lambda: self.ask("up") == {(): 1}, "Prometheus has read the daemon", 60.0)
        client = self.daemon.connect(map_errors=True)
        counted: dict[tuple[str, ...], float] = {}
        for name, method, args, times in (("one", "echo", [1], 20), ("one", "fail", ["x"], 5),
                                          ("one", "none", [], 3), ("two", "leave", [3], 2)):
            for _ in range(times):
                answer = client.answer_pool(name, method, args)
                key = (name, answer.error["code"] if answer.error else "")
                counted[key] = counted.get(key, 0) + 1
        errors = {key: count for key, count in counted.items() if key[1]}
        self.assertEqual(len(errors), 3)
        eventually(lambda: self.ask("poold_errors_total > 0") == errors,
                   lambda: f"{errors}: {self.ask('poold_errors_total > 0')}", 30.0)
        eventually(lambda: self.ask("sum(poold_requests_total)") == {(): 30}, "all requests", 30.0)
        eventually(lambda: self.ask('sum(poold_succeeded_total{pool="one"})') == {(): 20},
                   "those that succeeded", 30.0)

    def exemplars(self) -> list[dict[str, Any]]:
        """The exemplars of pool one's latency that Prometheus has, with the bucket's bound as `le`."""
        found = self.get("query_exemplars", query='poold_request_seconds_bucket{pool="one"}',
                         start=time.time() - 600, end=time.time() + 600) or []
        return [{**exemplar, "le": series["seriesLabels"]["le"]}
                for series in found for exemplar in series["exemplars"]]

    def test_its_exemplars_lead_to_a_trace(self) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        client, began = self.daemon.connect(map_errors=True), time.time()
        for flags in ("00", "01"):
            client.call_pool("one", "slow", [0.2], trace=f"00-{trace}-00f067aa0ba902b7-{flags}")
            client.call_pool("one", "slow", [0.0], trace=f"00-{trace.replace('4', '5')}-00f067aa0ba902b7-00")
        ended = time.time()
        eventually(self.exemplars, "Prometheus has read an exemplar", 60.0)
        (exemplar,) = self.exemplars()
        self.assertEqual(exemplar["labels"], {"trace_id": trace})
        self.assertLessEqual(0.2, float(exemplar["value"]))
        self.assertLessEqual(float(exemplar["value"]), float(exemplar["le"]))
        # Its time is that of the answer, not of the reading.
        self.assertLessEqual(began, exemplar["timestamp"])
        self.assertLessEqual(exemplar["timestamp"], ended)

    def test_an_alert_becomes_pending(self) -> None:
        eventually(lambda: self.ask("up") == {(): 1}, "Prometheus has read the daemon", 60.0)
        self.daemon.ask("poold.drain", "two")
        eventually(lambda: self.ask('ALERTS{alertname="PooldPoolDown"}') == {("two",): 1},
                   "the alert", 30.0)
        self.daemon.ask("poold.resume", "two")
        eventually(lambda: not self.ask('ALERTS{alertname="PooldPoolDown"}'), "it is over", 30.0)


if __name__ == "__main__":
    unittest.main()
