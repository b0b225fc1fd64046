"""Workers that store in a page which request they begin: what the daemon makes of it when they end, and of those
that store what is not true."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import procs
from harness import Daemon, DaemonTest, pool, program, worker
from raw import Answer, Raw

PYTHON = shlex.join([sys.executable, "-m", "poold.worker", "counted"])
ASYNC = shlex.join([sys.executable, "-m", "poold.worker", "async_counted"])
IN_C = program("workers/ledger")


def has_page(pid: int) -> bool:
    return "/memfd:poold-begun" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


class WhoHasOne(DaemonTest):
    def check(self, command: str, has: bool = True, **options: object) -> None:
        daemon = self.start(pool("work", command, workers=1, **options))
        (pid,) = daemon.worker_pids()
        self.assertIs(has_page(pid), has)
        maps = Path(f"/proc/{daemon.pid}/maps").read_text(encoding="utf-8")
        shown = [line.split()[1] for line in maps.splitlines() if "poold-begun" in line]
        # The daemon can read it only, and keeps no descriptor.
        self.assertEqual(shown, [] if options.get("prefetch") == 0 else ["r--s"])
        self.assertFalse([each for each in procs.descriptors(daemon.pid) if "poold-begun" in each])

    def test_python(self) -> None:
        self.check(PYTHON)

    def test_prefork(self) -> None:
        self.check(PYTHON, prefork=True)

    def test_c(self) -> None:
        self.check(IN_C)

    def test_not_one_that_runs_several_at_a_time(self) -> None:
        self.check(ASYNC, has=False)

    def test_not_where_nothing_waits_at_a_worker(self) -> None:
        self.check(PYTHON, has=False, prefetch=0)


class Stored(DaemonTest):
    def start_pager(self, *arguments: str) -> tuple[Daemon, Raw]:
        folder = Path(self.enterContext(TemporaryDirectory()))
        self.path = str(folder / "died")
        daemon = self.start(pool("work", worker("pager", *arguments), workers=1))
        daemon.announced.append("pool=work")
        return daemon, daemon.connect(map_errors=True)

    def run_note(self, client: Raw, note: str) -> Answer:
        return client.answer_pool("work", "run", [note, self.path])

    def check_well(self, client: Raw, note: str) -> None:
        answer = self.run_note(client, note)
        self.assertIsNone(answer.error)
        self.assertEqual(answer.result, note)

    def test_what_had_begun_may_have_run(self) -> None:
        _, client = self.start_pager()
        self.check_well(client, "honest")
        answer = self.run_note(client, "dies")
        self.assertEqual((answer.code, answer.error["executed"]), ("worker_exited", "maybe"))
        self.check_well(client, "dies")

    def test_what_had_not_begun_is_run_by_another(self) -> None:
        daemon, client = self.start_pager()
        self.check_well(client, "honest")
        self.check_well(client, "dies before")
        self.assertEqual(daemon.counters("work")["requeued"], 1)

    def test_what_is_not_true(self) -> None:
        for note in ("stays", "back", "jumps", "high", "started", "hole"):
            with self.subTest(note):
                daemon, client = self.start_pager()
                self.check_well(client, "honest")
                (pid,) = daemon.worker_pids()
                answer = self.run_note(client, note)
                self.assertEqual(
                    (answer.code, answer.error["executed"]), ("protocol_violation", "maybe")
                )
                self.assertEqual(procs.wait_gone([pid], 2.0), [])
                self.check_well(client, "honest")

    def test_what_is_not_true_at_the_end(self) -> None:
        for note in ("ends back", "ends ahead", "ends high"):
            with self.subTest(note):
                _, client = self.start_pager()
                self.check_well(client, "honest")
                answer = self.run_note(client, note)
                self.assertEqual(
                    (answer.code, answer.error["executed"]), ("protocol_violation", "maybe")
                )
                self.assertIn("its page says that it has begun message", answer.error["message"])
                self.check_well(client, "honest")

    def test_one_that_does_not_use_it(self) -> None:
        for argument in ("unsaid", "several"):
            with self.subTest(argument):
                _, client = self.start_pager(argument)
                for note in ("honest", "jumps", "started", "back"):
                    self.check_well(client, note)
