"""Workers and the daemon itself are killed under load: every request is answered exactly once, both
sides count the same, and nothing is left behind."""

from __future__ import annotations

import itertools
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgpack

import procs
from clock import eventually
from harness import LOAD, TOOLBOX, UNRULY, Daemon, DaemonTest, pool, program
from raw import Answer, Raw
from swarm import Question, Swarm

CONNECTIONS = 64
KILLS = 200 * LOAD
WORKERS = 4


class Killer:
    """Kills random workers of a daemon, each time one that lives; then says that it is done."""

    def __init__(self, daemon: Daemon, count: int, draw: random.Random) -> None:
        self._daemon = daemon
        self._draw = draw
        self._left = count
        self.killed: set[int] = set()
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fault: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._fault is not None:
            raise AssertionError("the killer failed") from self._fault

    def _run(self) -> None:
        try:
            with Raw(self._daemon.path) as client:
                while self._left:
                    self._kill_one(client)
        except BaseException as fault:
            self._fault = fault
        finally:
            self.done.set()

    def _kill_one(self, client: Raw) -> None:
        """One worker, drawn from those at work once every earlier victim has been replaced."""

        def candidates() -> list[int]:
            workers = client.call("poold.workers")
            pids = {entry["pid"] for entry in workers if entry["state"] in ("ready", "busy")}
            is_whole = len(pids) == len(workers) and not pids & self.killed
            return [entry["pid"] for entry in workers if entry["state"] == "busy"] * is_whole

        pid = self._draw.choice(eventually(candidates, "all are at work"))
        self.killed.add(pid)
        self._left -= procs.kill(pid)


class Tally:
    """What a swarm's clients have seen: answers by pool and code, and every fault."""

    def __init__(self) -> None:
        self.codes: dict[str, Counter[str]] = {"safe": Counter(), "once": Counter()}
        self.faults: list[str] = []

    def take(self, question: Question, answer: Answer) -> None:
        self.codes[question.pool][answer.code or "result"] += 1
        if answer.error is None and answer.result != question.args:
            self.faults.append(f"{question} was answered {answer}")


class WorkersKilled(DaemonTest):
    """200 random kills of workers under 64 connections."""

    def questions(self, killer: Killer, draw: random.Random) -> Iterator[Question]:
        """Numbered questions to both pools in random order, until the last worker is killed."""
        for number in itertools.count():
            if killer.done.is_set():
                return
            yield Question(number, draw.choice(["safe", "once"]), "work", number, {})

    def test_every_request_is_answered_exactly_once(self) -> None:
        draw = self.random(1)
        journal = Path(self.enterContext(TemporaryDirectory())) / "journal"
        once = program("workers/unruly", str(journal))
        daemon = self.start(
            pool("safe", UNRULY, workers=WORKERS, idempotent=True),
            pool("once", once, workers=WORKERS),
        )
        daemon.announced.append("pool=(safe|once)")
        tally, killer = Tally(), Killer(daemon, KILLS, draw)
        with Swarm(daemon.path, CONNECTIONS, self.questions(killer, draw), tally.take) as swarm:
            killer.start()
            swarm.run(60 * LOAD)
            killer.join()
        self.assertEqual(tally.faults, [])
        self.check_answers(tally)
        self.check_counters(daemon, tally)
        self.check_never_twice(journal.read_bytes())
        for name in ("safe", "once"):
            daemon.wait_workers(name, WORKERS, apart_from=tuple(killer.killed))
        self.assertEqual(procs.wait_gone(killer.killed, 2.0), [])

    def check_answers(self, tally: Tally) -> None:
        """Kills fail few: at most the one request that the victim ran, and of those that may be
        tried again only what was hit twice."""
        self.assertLessEqual(set(tally.codes["once"]), {"result", "worker_killed"})
        self.assertLessEqual(set(tally.codes["safe"]), {"result", "worker_killed"})
        self.assertLessEqual(tally.codes["once"]["worker_killed"], KILLS)
        self.assertLessEqual(tally.codes["safe"]["worker_killed"], KILLS // 10)
        self.assertGreater(tally.codes["once"]["worker_killed"], 0)
        self.assertGreater(tally.codes["once"]["result"], KILLS)
        self.assertGreater(tally.codes["safe"]["result"], KILLS)

    def check_counters(self, daemon: Daemon, tally: Tally) -> None:
        """The daemon has counted what its clients have."""
        stats = daemon.ask("poold.stats")["pools"]
        for name, codes in tally.codes.items():
            wanted = {
                "requests": codes.total(),
                "succeeded": codes["result"],
                "failed": codes["worker_killed"],
                "cancelled": 0,
            }
            self.assertEqual({key: stats[name][key] for key in wanted}, wanted, name)
        crashes = sum(daemon.counters(name)["worker_crashes"] for name in tally.codes)
        self.assertEqual(crashes, KILLS)

    def check_never_twice(self, journal: bytes) -> None:
        """No request that may not run twice did."""
        unpacker = msgpack.Unpacker()
        unpacker.feed(journal)
        ran = Counter(unpacker)
        self.assertEqual([number for number, times in ran.items() if times > 1], [])


class DaemonKilled(DaemonTest):
    """kill -9 of the daemon: nobody below it survives."""

    def check_nobody_survives(self, daemon: Daemon) -> None:
        family = daemon.family()
        self.assertGreater(len(family), 2)
        daemon.signal(signal.SIGKILL)
        self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)
        self.assertEqual(procs.wait_gone(family, 2.0), [])
        self.assertEqual(daemon.family(), [])

    def test_while_idle(self) -> None:
        self.check_nobody_survives(self.start(pool("tools", TOOLBOX, workers=3)))

    def test_with_grandchildren(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2))
        client = daemon.connect()
        for _ in range(3):
            client.call("tools.spawn_child")
            client.call("tools.spawn_daemon")
        self.check_nobody_survives(daemon)

    def test_with_workers_that_hear_no_signal(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2))
        client = daemon.connect()
        client.ask("tools.busy_hang")
        client.ask("tools.busy_hang")
        eventually(lambda: daemon.pool("tools")["workers"]["busy"] == 2, "both hang")
        self.check_nobody_survives(daemon)

    def test_under_load(self) -> None:
        draw = self.random(2)
        daemon = self.start(pool("safe", UNRULY, workers=WORKERS), pool("tools", TOOLBOX))
        with Raw(daemon.path) as client:
            client.call("tools.spawn_daemon")
        tally = Tally()
        family = daemon.family()
        wanted = draw.randrange(1000, 3000)

        def questions() -> Iterator[Question]:
            for number in itertools.count():
                if number == wanted:
                    daemon.signal(signal.SIGKILL)
                yield Question(number, "safe", "work", number, {})

        with Swarm(daemon.path, CONNECTIONS, questions(), tally.take) as swarm:
            lost = swarm.run_until_closed(60)
        self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)
        self.assertEqual(tally.faults, [])
        self.assertEqual(set(tally.codes["safe"]), {"result"})
        self.assertTrue(0 < lost <= CONNECTIONS, lost)
        self.assertEqual(procs.wait_gone(family, 2.0), [])
