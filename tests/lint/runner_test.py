"""run.py counts what programs say and lets nothing pass that ran nothing; t.py finds tests by name.

usage: runner_test.py
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import run  # noqa: E402
import t  # noqa: E402


class Run(unittest.TestCase):
    """What run.py makes of the output of a program."""

    def test_counts(self) -> None:
        for kind, command, expected in (
                ("exit", "true", (1, 0, 0)),
                ("exit", "exit 3", (0, 1, 0)),
                ("exit", "exit 77", (0, 0, 1)),
                ("lines", "echo 5 passed, 0 failed", (5, 0, 0)),
                ("lines", "echo 5 passed, 2 failed; exit 1", (5, 2, 0)),
                ("lines", "echo 5 passed, 0 failed; exit 1", (5, 1, 0)),
                ("lines", "true", (0, 1, 0)),
                ("check", "echo '50%: Checks: 4, Failures: 1, Errors: 1'; exit 1", (2, 2, 0)),
                ("check", "echo '100%: Checks: 0, Failures: 0, Errors: 0'", (0, 1, 0)),
                ("unittest", "echo Ran 7 tests in 1s; echo 'FAILED (errors=1, skipped=2)'; exit 1",
                 (4, 1, 2)),
                ("unittest", "echo Ran 0 tests in 1s; echo OK", (0, 1, 0)),
                ("unittest", "kill -SEGV $$", (0, 1, 0))):
            with self.subTest(kind=kind, command=command):
                tally = run.run(kind, command)
                self.assertEqual((tally.passed, tally.failed, tally.skipped), expected)

    def test_the_end_sums_up(self) -> None:
        done = subprocess.run(
            [sys.executable, str(TESTS / "run.py"), "--slowest", "1", "step:one:2", "exit:true", "exit:false",
             "step:two:1", "exit:sleep 1; exit 77"], check=False, text=True, stdout=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        *_, failed, slowest, times, counts = done.stdout.splitlines()
        self.assertEqual(failed, "failed: false")
        self.assertRegex(slowest, r"^ +\d+\.\d s, +\d+\.\d s of a processor: sleep 1; exit 77$")
        self.assertRegex(times, r"^one \d+ s, two \d+ s; \d+ s in all, \d+ s of a processor$")
        self.assertEqual(counts, "1 passed, 1 failed, 1 skipped")

    def test_a_step_beside_others(self) -> None:
        """It and those after it run at the same time, in any order; it makes way, they do not."""
        with tempfile.TemporaryDirectory() as directory:
            one, two = (f"nice >{directory}/{name}; {command}"
                        for name, command in (("one", f"cat {directory}/fifo"),
                                              ("two", f"echo >{directory}/fifo")))
            os.mkfifo(f"{directory}/fifo")
            done = subprocess.run(
                [sys.executable, str(TESTS / "run.py"), "beside:one:1", f"exit:{one}", "step:two:1", f"exit:{two}"],
                check=False, text=True, stdout=subprocess.PIPE, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(Path(directory, "one").read_text(), "19\n")
            self.assertEqual(Path(directory, "two").read_text(), f"{os.nice(0)}\n")

    def test_a_program_that_does_not_end(self) -> None:
        done = subprocess.run([sys.executable, str(TESTS / "run.py"), "step:one:1", "exit:sleep 1000"],
                              env={**os.environ, "POOLD_RUN_SECONDS": "1"}, check=False, text=True,
                              stdout=subprocess.PIPE, timeout=300)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it did not end in time", done.stdout)

    def test_a_test_that_does_not_end(self) -> None:
        """Where it hangs is said, and what it has started is ended though it is in a session of its own."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "test_hang.py").write_text(
                "import subprocess, threading, unittest\n"
                "class Hang(unittest.TestCase):\n"
                "    def test_a(self): pass\n"
                "    def test_b(self):\n"
                "        child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                f"        open('{directory}/child', 'w').write(str(child.pid))\n"
                "        threading.Event().wait()\n", encoding="utf-8")
            # A busy machine may need longer for the way to the second test.
            for seconds in ("2", "10", "60"):
                done = subprocess.run(
                    [sys.executable, str(TESTS / "run.py"), "step:one:1", f"file:{directory}/test_hang.py"],
                    env={**os.environ, "POOLD_TEST_SECONDS": seconds}, check=False, text=True,
                    stdout=subprocess.PIPE, timeout=300)
                self.assertEqual(done.returncode, 1)
                self.assertIn("it did not end in time", done.stdout)
                if "line 7 in test_b" in done.stdout:
                    break
            self.assertIn("line 7 in test_b", done.stdout)
            child = int(Path(directory, "child").read_text(encoding="ascii"))
            with contextlib.suppress(FileNotFoundError):
                self.assertIn(") Z ", Path(f"/proc/{child}/stat").read_text(encoding="ascii"))


class Names(unittest.TestCase):
    """What t.py finds."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.tests = t.all_tests()

    def commands(self, name: str) -> list[str]:
        """What runs under a name."""
        return [test.command for test in self.tests if name in test.names]

    def test_each_kind(self) -> None:
        for name, part in (
                ("workers_start", "CK_RUN_CASE=workers_start "),
                ("test_engine.workers_start", "CK_RUN_CASE=workers_start"),
                ("test_queue", "/unit/test_queue"),
                ("no attempt left", "POOLD_SCENARIO='no attempt left' CK_RUN_CASE="),
                ("layers", "tests/lint/layers.py"),
                ("TestTable", "-p test_errors.py -k '*.TestTable.*'"),
                ("tests/python/test_client.py", "-s tests/python -p test_client.py")):
            with self.subTest(name=name):
                found = self.commands(name)
                self.assertTrue(found)
                self.assertTrue(any(part in command for command in found), found)

    def test_every_golden_file_is_played(self) -> None:
        for path in (TESTS / "unit/golden").glob("*.txt"):
            self.assertTrue(self.commands(path.name), path)

    def test_names_near_one_that_is_not_there(self) -> None:
        self.assertEqual(self.commands("no attempt lef"), [])
        self.assertIn("no attempt left", t.near("no attempt lef", self.tests))
        self.assertIn("workers_start", t.near("worker_start", self.tests))


if __name__ == "__main__":
    sys.exit(unittest.main())
