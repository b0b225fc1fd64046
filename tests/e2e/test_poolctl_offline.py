"""What poolctl says beside the daemon's answers: explain, report, logs, and the completion for bash."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

import public
from clients import PoolctlTest, poolctl
from clock import HANGS
from harness import BUILD, ROOT, TOOLBOX, Daemon, pool, section
from test_rights import ANNE, IS_ROOT, RightsTest, become

POOLCTL = str(BUILD / "poolctl")
COMPLETION = ROOT / "client/poolctl/poolctl.bash-completion"


def offline(*words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """poolctl where no daemon is."""
    environment = {**os.environ, "POOLD_SOCKET": "/nonexistent/poold.sock"}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run([POOLCTL, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=HANGS, check=False, env=environment)


class Explain(unittest.TestCase):
    """No daemon is needed, and nothing lacks its explanation."""

    def words(self, pattern: str, file: str) -> list[str]:
        found = re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        self.assertGreater(len(found), 5, file)
        return found

    @classmethod
    def setUpClass(cls) -> None:
        cls.all = json.loads(offline("--json", "explain").stdout)

    def explained(self, word: str) -> list[dict]:
        return [each for each in self.all if each["word"] == word]

    def test_every_error_code(self) -> None:
        for code in self.words(r"^CODE\((\w+),", "protocol/errcode.def"):
            (found,) = [each for each in self.explained(code) if each["kind"] == "error code"]
            for part in ("category ", "severity ", "strategy ", "retries "):
                self.assertIn(part, found["facts"], code)
            self.assertGreater(len(found["text"]), 40, code)
            self.assertNotIn("](", found["text"], code)

    def test_every_kind_of_event(self) -> None:
        for kind in self.words(r"^EVENT\((\w+),", "daemon/io/driver/event.def"):
            (found,) = [each for each in self.explained(kind) if each["kind"] == "event"]
            self.assertGreater(len(found["text"]), 20, kind)

    def test_every_counter_and_state(self) -> None:
        for file in ("daemon/core/stats.h", "daemon/io/driver/stats.h"):
            for name in self.words(r"^\tCOUNTER\((\w+),", file):
                (found,) = self.explained(f"poold_{name}_total")
                self.assertEqual(found["kind"], "metric")
                self.assertGreater(len(found["text"]), 8, name)
        table = ROOT / "daemon/io/observe/metrics.def"
        for name in re.findall(r"^METRIC\((\w+),", table.read_text() if table.exists() else "", re.MULTILINE):
            self.assertTrue(self.explained(f"poold_{name}") or self.explained(f"poold_{name}_total"), name)
        for file in ("request", "worker", "breaker"):
            for state in self.words(r'^\tSTATE\(\w+, "(\w+)",', f"daemon/core/{file}.h"):
                self.assertTrue(any(each["text"] for each in self.explained(state)), state)

    def test_every_entry_of_the_journals_catalog(self) -> None:
        catalog = (ROOT / "systemd/poold.catalog").read_text(encoding="utf-8")
        entries = re.findall(r"^-- (\w+)\nSubject: (.*)$", catalog, re.MULTILINE)
        self.assertGreater(len(entries), 0)
        for identifier, subject in entries:
            (found,) = self.explained(identifier)
            self.assertEqual((found["kind"], found["facts"]), ("journal entry", subject))
            self.assertGreater(len(found["text"]), 40)

    def test_the_runbook_has_its_pages(self) -> None:
        runbook = (ROOT / "docs/RUNBOOK.md").read_text(encoding="utf-8")
        pages = {each["runbook"] for each in self.all} - {None}
        self.assertGreater(len(pages), 5)
        for page in pages:
            self.assertIn(f"\n## {page}\n", runbook)

    def test_for_people(self) -> None:
        shown = offline("explain", "worker_exited").stdout
        for part in ("worker_exited (error code)", "severity major", "runbook: A worker died, or does not start"):
            self.assertIn(part, shown)
        self.assertIn("circuit breaker", offline("explain", "half_open").stdout)
        self.assertEqual(json.loads(offline("--json", "explain", "half_open").stdout), self.explained("half_open"))
        self.assertIn("poold_requests_total", offline("explain").stdout)
        wrong = offline("explain", "no\x1bsuch")
        self.assertEqual((wrong.returncode, wrong.stdout), (64, ""))
        self.assertIn("no?such", wrong.stderr)


class Report(PoolctlTest):
    """A support bundle."""

    def test_it_has_everything_but_secrets(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX) + "env.API_TOKEN = dont-tell\n")
        daemon.announced.append("request failed")
        daemon.connect().answer_pool("tools", "divide", [1, 0], session="my-cart")
        daemon.connect().call_pool("tools", "echo", [1], session="my-cart")
        with tempfile.TemporaryDirectory(prefix="poold-report-") as folder:
            path = Path(folder) / "report.json"
            self.assertIn(str(path), self.succeed(daemon, "report", str(path)))
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            text = path.read_text(encoding="utf-8")
            again = poolctl(daemon, "report", str(path))
            self.assertEqual(again.returncode, 73, again)
            self.assertEqual(path.read_text(encoding="utf-8"), text)
        report = json.loads(text)
        self.assertEqual(report["status"]["pools"][0]["name"], "tools")
        self.assertEqual((report["errors"][0]["code"], report["errors"][0]["session"]), ("exception", "(not shown)"))
        self.assertIn("poold_requests_total", report["metrics"])
        self.assertEqual(report["config"][0]["section"], "daemon")
        self.assertIn("poolctl", report)
        self.assertIn("journal", report)
        self.assertNotIn("dont-tell", text)
        self.assertNotIn("my-cart", text)
        self.assertEqual(self.json(daemon, "report").keys(), report.keys())

    def test_where_no_daemon_is(self) -> None:
        done = offline("report")
        self.assertEqual(done.returncode, 69, done)
        self.assertIn("/nonexistent/poold.sock", done.stderr)
        self.assertEqual(done.stdout, "")


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class ReportRights(RightsTest):
    def test_it_has_what_its_reader_may_see(self) -> None:
        daemon = self.open(pool("tools", TOOLBOX))
        program = public.program("poolctl", public.folder(self))
        with become(ANNE):
            done = poolctl(daemon, "--json", "report", program=program)
        report = json.loads(done.stdout)
        self.assertEqual(report["config"]["error"]["code"], "permission_denied")
        self.assertEqual(report["status"]["status"], "ok")


class Logs(unittest.TestCase):
    """journalctl is given the fields that the daemon sets."""

    def run_with(self, script: str | None, *words: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="poold-logs-") as folder:
            if script is not None:
                journalctl = Path(folder) / "journalctl"
                journalctl.write_text(script)
                journalctl.chmod(0o755)
            return offline(*words, path=folder)

    def test_the_fields(self) -> None:
        script = '#!/bin/sh\nprintf "%s|" "$@"\n'
        self.assertEqual(self.run_with(script, "logs", "tools").stdout,
                         "SYSLOG_IDENTIFIER=poold|POOLD_POOL=tools|")
        self.assertEqual(self.run_with(script, "--json", "logs", "--follow", "tools", "2").stdout,
                         "SYSLOG_IDENTIFIER=poold|POOLD_POOL=tools|POOLD_WORKER=2|--output=json|--follow|")
        self.assertEqual(self.run_with(script, "logs", "tools", "two").returncode, 64)
        self.assertEqual(self.run_with("#!/bin/sh\nexit 5\n", "logs", "tools").returncode, 5)

    def test_no_journal(self) -> None:
        done = self.run_with(None, "logs", "tools")
        self.assertEqual(done.returncode, 69, done)
        self.assertIn("no journalctl", done.stderr)


class Completion(PoolctlTest):
    """The file is what the table of commands says, and bash takes it."""

    def test_the_file_is_that_of_the_table(self) -> None:
        self.assertEqual(COMPLETION.read_text(encoding="utf-8"), offline("completion").stdout,
                         "make docs writes it anew")

    def test_every_option_is_offered(self) -> None:
        commands = re.findall(r"^  (\w+) ", offline("--help").stdout.partition("Commands:")[2].partition("\n\n")[0], re.M)
        self.assertGreater(len(commands), 20)
        for command in commands:
            own = offline(command, "--help").stdout.partition("\nOptions:\n")[0]
            options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", own, re.M))
            for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+) [A-Z]+\b", own, re.M):
                # What follows it is its value, and no command.
                self.assertEqual(self.complete(None, "poolctl", option, "value", "clie"), ["clients"], option)
                self.assertEqual(self.complete(None, "poolctl", option, ""), [], option)
            offered = set(self.complete(None, "poolctl", command, "--"))
            self.assertEqual(offered - {"--socket", "--wait", "--json", "--help", "--version"}, options, command)

    def complete(self, daemon: Daemon | None, *words: str) -> list[str]:
        """What bash offers for the last word."""
        script = f"""
            source "$1"; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            PATH={BUILD}:$PATH
            _poolctl
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        environment = {**os.environ, "POOLD_SOCKET": "/nonexistent/poold.sock"}
        done = subprocess.run(["bash", "-c", script, "bash", str(COMPLETION), *words], capture_output=True,
                              text=True, timeout=HANGS, check=True, env=environment)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_words(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), pool("other", TOOLBOX))
        self.assertIn("clients", self.complete(None, "poolctl", "cl"))
        self.assertEqual(self.complete(None, "poolctl", "breaker", "re"), ["reset"])
        self.assertEqual(self.complete(None, "poolctl", "kill", "tools", "1", "T"), ["TERM"])
        self.assertEqual(self.complete(None, "poolctl", "events", "error", "wor"), ["worker"])
        self.assertEqual(self.complete(None, "poolctl", "explain", "worker_k"), ["worker_killed"])
        self.assertEqual(self.complete(None, "poolctl", "drain", ""), [])
        for option in ("-s", "--socket"):
            with self.subTest(option):
                found = self.complete(daemon, "poolctl", option, daemon.path, "drain", "")
                self.assertEqual(sorted(found), ["other", "tools"])
        found = self.complete(daemon, "poolctl", "--socket", daemon.path, "breaker", "open", "t")
        self.assertEqual(found, ["tools"])

    def test_names_of_alerts(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), section("alert burn_slow", {"enabled": False}),
                            section("alert burning", {"kind": "burn_fast", "pool": "tools"}), alerts=True)
        for action in ("test", "silence"):
            found = self.complete(daemon, "poolctl", "-s", daemon.path, "alert", action, "bur")
            self.assertEqual(sorted(found), ["burn_fast", "burning"])
        self.assertEqual(self.complete(None, "poolctl", "alert", "test", ""), [])


if __name__ == "__main__":
    unittest.main()
