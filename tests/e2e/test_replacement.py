"""Workers that are replaced, counted and ended by an operator, while others work on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import procs
from clients import ClientTest, poolctl
from clock import Timed, eventually, ms, stretch
from harness import C_TOOLS, TOOLBOX, Daemon, pool, static_pool, worker
from raw import Answer
from swarm import Question, Swarm


class StaffTest(ClientTest):
    """Commands of poolctl that must succeed."""

    def control(self, daemon: Daemon, *arguments: str) -> str:
        done = poolctl(daemon, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def wait_roll(self, daemon: Daemon, state: str, name: str = "tools") -> dict[str, Any]:
        """Waits until the rolling restart of the pool has come to that state."""
        eventually(lambda: daemon.pool(name)["roll"]["state"] == state, f"the restart is {state}")
        return daemon.pool(name)["roll"]


class Load:
    """Questions without end until `is_done` says so; every answer must be a result.

    Attributes:
        answered: how many were.
        fewest: the fewest workers that were at work whenever that was looked at.
    """

    def __init__(self, daemon: Daemon, method: str, args: list, **options: object) -> None:
        self._daemon = daemon
        self._question = (method, args, options)
        self.answered = 0
        self.fewest = 1000
        self.done = False

    def look(self) -> dict[str, Any]:
        found = self._daemon.pool("tools")
        at_work = found["workers"]["ready"] + found["workers"]["busy"]
        self.fewest = min(self.fewest, at_work)
        return found

    def questions(self) -> Iterator[Question]:
        method, args, options = self._question
        number = 0
        while not self.done:
            number += 1
            yield Question(number, "tools", method, args, options)

    def take(self, question: Question, answer: Answer) -> None:
        assert answer.code is None, answer
        self.answered += 1
        if self.answered % 10 == 0:
            self.step(self.look())

    def step(self, found: dict[str, Any]) -> None:
        raise NotImplementedError


class Restart(Load):
    """Restarts the pool when some were answered, and ends when that is through."""

    def __init__(self, daemon: Daemon, method: str, args: list, **options: object) -> None:
        super().__init__(daemon, method, args, **options)
        self.begun: list[int] = []

    def step(self, found: dict[str, Any]) -> None:
        if self.answered == 100:
            self.begun.append(poolctl(self._daemon, "restart", "tools").returncode)
        self.done = self.answered > 100 and found["roll"]["state"] != "running"


class RollingRestart(StaffTest):
    """poolctl restart POOL"""

    def check_restart(self, workers: int, method: str, args: list, **options: object) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=workers, **options))
        before = set(daemon.worker_pids("tools"))
        load = Restart(daemon, method, args)
        with Swarm(daemon.path, 2 * workers, load.questions(), load.take) as swarm:
            swarm.run(60.0)
        self.assertEqual(load.begun, [0])
        self.assertEqual(self.wait_roll(daemon, "done")["left"], 0)
        after = daemon.wait_workers("tools", workers)
        self.assertEqual(before & set(after), set())
        self.assertGreaterEqual(load.fewest, workers - 1)
        counters = daemon.counters("tools")
        self.assertEqual((counters["failed"], counters["worker_crashes"]), (0, 0))
        self.assertEqual(counters["succeeded"], load.answered)
        self.assertEqual(counters["worker_replacements"], workers)
        self.assertEqual(procs.wait_gone(list(before), 5.0), [])
        self.assertEqual(len(daemon.workers("tools")), workers)

    def test_under_load_it_loses_nothing_and_no_more_than_one_worker(self) -> None:
        self.check_restart(4, "slow", [0.005])

    def test_nor_while_requests_wait_at_the_workers(self) -> None:
        self.check_restart(2, "echo", [1], idempotent=True, prefetch=4)

    def test_a_long_request_is_finished_by_the_old_worker(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1))
        client, (old,) = daemon.connect(), daemon.worker_pids("tools")
        asked = daemon.occupy(client)
        self.assertIn("1 workers", self.control(daemon, "restart", "tools"))
        eventually(lambda: daemon.pool("tools")["workers"]["draining"] == 1, "the old one drains")
        self.assertIn("draining", self.control(daemon, "workers"))
        other = daemon.connect()
        self.assertNotEqual(other.call("tools.pid"), old)
        daemon.release()
        self.assertIsNone(client.read_of(asked).error)
        self.wait_roll(daemon, "done")
        self.assertIn("done 1 of 1", self.control(daemon, "pools"))

    def test_the_first_that_does_not_start_ends_it_and_the_old_ones_stay(self) -> None:
        with TemporaryDirectory() as directory:
            flag = Path(directory) / "broken"
            script = f"test -e {flag} && exit 3; exec {C_TOOLS}"
            command = shlex.join(["/bin/sh", "-c", script])
            daemon = self.start(pool("tools", command, workers=3))
            daemon.announced += ["rolling restart: stopped", "init_failed", "worker ended"]
            events = self.listen(daemon, "worker")
            before = daemon.worker_pids("tools")
            flag.touch()
            self.control(daemon, "restart", "tools")
            roll = self.wait_roll(daemon, "stopped")
            self.assertEqual((roll["total"], roll["left"]), (3, 3))
            self.assertEqual(roll["reason"], "init_failed")
            self.assertEqual(sorted(daemon.worker_pids("tools")), sorted(before))
            events.wait_for(what="rolling restart", text="0 of 3 workers replaced")
            told = events.wait_for(
                what="rolling restart",
                text="stopped after 0 of 3 workers, the others are kept: init_failed",
            )
            self.assertNotIn("worker", told)
            doctor = poolctl(daemon, "doctor", "tools").stdout
            self.assertIn("it stopped after 0 of 3 workers, the others are kept: init_failed", doctor)
            client = self.connect_client(daemon)
            self.assertEqual(client.call("tools", "echo", 1), 1)
            flag.unlink()
            self.control(daemon, "restart", "tools")
            self.wait_roll(daemon, "done")
            self.assertNotIn("rolling restart", poolctl(daemon, "doctor", "tools").stdout)


class Recycling(StaffTest):
    """max_requests, max_lifetime, max_memory"""

    def test_max_requests_under_load(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, workers=2, max_requests=50, idempotent=True, prefetch=4)
        )

        class Until(Load):
            def step(self, found: dict[str, Any]) -> None:
                self.done = found["counters"]["worker_starts"] >= 8

        load = Until(daemon, "echo", [1])
        with Swarm(daemon.path, 8, load.questions(), load.take) as swarm:
            swarm.run(60.0)
        self.assertGreaterEqual(load.fewest, 2)
        counters = daemon.counters("tools")
        self.assertEqual((counters["failed"], counters["worker_crashes"]), (0, 0))

    def test_max_lifetime(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2, max_lifetime="500ms"))
        before = tuple(daemon.worker_pids("tools"))
        daemon.wait_workers("tools", 2, apart_from=before)
        daemon.log.wait_for("max_lifetime")
        self.assertEqual(daemon.counters("tools")["worker_crashes"], 0)

    def test_max_memory(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2, max_memory="100M"))
        client = self.connect_client(daemon)
        (large,) = [client.call("tools", "grow", 150 << 20)]
        daemon.wait_workers("tools", 2, apart_from=(large,))
        self.assertEqual(procs.wait_gone([large], 10.0), [])
        self.assertEqual(daemon.counters("tools")["worker_crashes"], 0)

    def test_max_memory_below_the_size_at_the_start(self) -> None:
        """It is told once, and a worker is replaced when it has grown, not before."""
        for options in ({}, {"prefork": True}):
            with self.subTest(**options):
                self.check_small_limit(**options)

    def check_small_limit(self, **options: Any) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2, max_memory="4M", **options))
        daemon.announced.append("from its start on, more than max_memory = 4096 KiB")
        client = self.connect_client(daemon)
        before = set(daemon.worker_pids("tools"))
        daemon.log.wait_for("from its start on")
        for step in range(200):
            self.assertEqual(client.call("tools", "echo", step), step)
        self.assertEqual(set(daemon.worker_pids("tools")), before)
        self.assertEqual(daemon.counters("tools")["worker_starts"], 2)
        large = client.call("tools", "grow", 100 << 20)
        daemon.wait_workers("tools", 2, apart_from=(large,))
        self.assertEqual(sum("from its start on" in line for line in daemon.log.lines), 1)

    def test_max_memory_of_a_program_that_does_not_say_when_it_is_ready(self) -> None:
        """Its size after its first answer counts."""
        daemon = self.start(
            pool("late", worker("hoarder"), dialect="jsonrpc", workers=1, max_memory="20M")
        )
        daemon.announced.append("from its start on, more than max_memory")
        client = self.connect_client(daemon)
        for step in range(50):
            self.assertEqual(client.call("late", "f", step), [step])
        daemon.log.wait_for("from its start on")
        self.assertEqual(daemon.counters("late")["worker_starts"], 1)


class ByOperator(StaffTest):
    """poolctl resize, kill, drain, resume"""

    def test_resize(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2))
        daemon.announced.append("pool is degraded")
        self.assertIn("tools: 4..4 workers", self.control(daemon, "resize", "tools", "4"))
        daemon.wait_workers("tools", 4)
        client = daemon.connect()
        asked = [daemon.occupy(client) for _ in range(4)]
        self.assertEqual(daemon.pool("tools")["workers"]["busy"], 4)
        self.assertIn("tools: 1..1 workers", self.control(daemon, "resize", "tools", "1..1"))
        eventually(lambda: daemon.pool("tools")["workers"]["draining"] == 3, "three drain")
        daemon.release()
        self.assertEqual({client.read().id for _ in asked}, set(asked))
        eventually(lambda: len(daemon.workers("tools")) == 1, "one is left")
        self.assertEqual(daemon.counters("tools")["failed"], 0)

    def test_resize_beyond_the_bound(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2))
        done = poolctl(daemon, "resize", "tools", "5")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("max must be from 1 to 4", done.stderr)
        self.assertEqual(daemon.pool("tools")["workers"]["max"], 2)
        done = poolctl(daemon, "resize", "tools", "0..2")
        self.assertIn("min from 1 to max", done.stderr)
        self.assertEqual(poolctl(daemon, "resize", "tools", "two").returncode, 64)
        self.assertNotEqual(poolctl(daemon, "resize", "other", "1").returncode, 0)

    def test_resize_beyond_what_the_daemon_may_have(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2), workers_max=3)
        daemon.announced.append("pool is degraded")
        done = poolctl(daemon, "resize", "tools", "4")
        self.assertIn("above [daemon] workers_max = 3", done.stderr)
        self.control(daemon, "resize", "tools", "3")
        daemon.wait_workers("tools", 3)
        self.control(daemon, "resize", "tools", "2")
        daemon.wait_workers("tools", 2)

    def test_kill(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2))
        daemon.announced.append("pool is degraded")
        events = self.listen(daemon, "worker")
        before = daemon.worker_pids("tools")
        told = self.control(daemon, "kill", "tools", "2", "KILL")
        victim = next(pid for pid in before if f"process {pid}" in told)
        daemon.wait_workers("tools", 2, apart_from=(victim,))
        event = events.wait_for(worker=2, what="gets SIGKILL")
        daemon.log.wait_for(f"gets SIGKILL: {event['text']}")
        self.assertNotEqual(poolctl(daemon, "kill", "tools", "9").returncode, 0)
        self.assertNotEqual(poolctl(daemon, "kill", "tools", "1", "STOP").returncode, 0)

    def test_a_worker_without_a_process_can_not_be_killed(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers="0..1"))
        done = poolctl(daemon, "kill", "tools", "1")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("there is no process of that number", done.stderr)

    def test_a_request_of_a_killed_worker_fails_by_an_operator(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1))
        daemon.announced += ["worker_killed", "pool is down"]
        client = daemon.connect(map_errors=True)
        asked = daemon.occupy(client)
        self.control(daemon, "kill", "tools", "1")
        answer = client.read_of(asked)
        self.assert_code(answer, "worker_killed")
        self.assertEqual(answer.error["detail"]["cause"], "by_hand")

    def test_drain_and_resume(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1))
        daemon.announced += ["pool_unavailable", "pool is down"]
        client = daemon.connect(map_errors=True)
        asked = daemon.occupy(client)
        self.control(daemon, "drain", "tools")
        other = daemon.connect(map_errors=True)
        self.assert_code(other.answer_pool("tools", "echo", [1]), "pool_unavailable")
        self.assertEqual(poolctl(daemon, "health", "tools").returncode, 2)
        self.assertIn("taken out of service", self.control(daemon, "status"))
        daemon.release()
        self.assertIsNone(client.read_of(asked).error)
        self.control(daemon, "resume", "tools")
        self.assertEqual(other.answer_pool("tools", "echo", [1]).result, 1)
        self.assertEqual(poolctl(daemon, "health", "tools").returncode, 0)

    def test_drained_its_fallback_serves(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, workers=1, fallback="mock"), static_pool("mock", answer='"mock"')
        )
        daemon.announced += ["requests start at", "pool is degraded"]
        client = self.connect_client(daemon)
        client.drain("tools")
        self.assertEqual(client.call("tools", "echo", 1), "mock")


class Overrun(StaffTest):
    """A request that overruns at a worker that serves others at the same time."""

    def begin(self, method: str, cancel_grace: float) -> tuple[Daemon, Any, int, int]:
        """One request of that method that overruns, and one beside it that takes longer."""
        daemon = self.start(
            pool("tools", worker("juggler"), workers=1, prefetch=0, cancel_grace=ms(cancel_grace),
                 timeout=ms(600))
        )
        client = daemon.connect(map_errors=True)
        overruns = client.ask_pool("tools", method, [], timeout_ms=round(stretch(300)))
        beside = client.ask_pool(
            "tools", "after", [stretch(1.5), "well"], timeout_ms=round(stretch(10_000))
        )
        self.assert_code(client.read_of(overruns), "deadline_exceeded")
        return daemon, client, beside, daemon.worker_pids("tools")[0]

    def test_given_up_in_time_it_costs_the_other_nothing(self) -> None:
        daemon, client, beside, process = self.begin("yielding", 5000)
        daemon.announced.append("deadline_exceeded")
        self.assertEqual(client.read_of(beside).result, "well")
        self.assertEqual(daemon.worker_pids("tools"), [process])
        self.assertEqual(daemon.counters("tools")["worker_kills"], 0)

    def test_else_the_worker_drains_and_is_killed_when_the_other_is_through(self) -> None:
        daemon, client, beside, process = self.begin("stubborn", 200)
        daemon.announced += ["deadline_exceeded", "gets SIGTERM", "worker ended", "pool is"]
        eventually(lambda: daemon.pool("tools")["workers"]["draining"] == 1, "it drains")
        other = daemon.connect()
        self.assertEqual(other.call_pool("tools", "after", [0.01, "new"]), "new")
        self.assertEqual(client.read_of(beside).result, "well")
        daemon.wait_workers("tools", 1, apart_from=(process,))
        daemon.log.wait_for("gets SIGTERM: killed")
        self.assertEqual(procs.wait_gone([process], 5.0), [])
        self.assertEqual(daemon.counters("tools")["failed"], 1)


class Spares(StaffTest):
    """spares = N"""

    def test_one_takes_over_from_a_crash_at_once(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1, spares=1))
        daemon.announced += ["worker_killed", "worker ended"]
        daemon.wait_workers("tools", 2)
        daemon.take_measure()  # the spare starts when the daemon is ready already
        client = daemon.connect(map_errors=True)
        served = client.call_pool("tools", "pid")
        procs.kill(served)
        with Timed() as timed:
            eventually(lambda: client.call_pool("tools", "pid") != served, "another one serves")
        self.assert_in_time(timed, 0)
        daemon.wait_workers("tools", 2, apart_from=(served,))


class Slow(StaffTest):
    """slow_after = DURATION"""

    def test_what_runs_for_long_is_told_of_once(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1, slow_after="100ms"))
        daemon.announced.append("worker is slow")
        events = self.listen(daemon, "worker")
        client = daemon.connect()
        self.assertEqual(client.call("tools.slow", 0.4, "late"), "late")
        told = events.wait_for(what="is slow")
        self.assertEqual((told["pool"], told["worker"]), ("tools", 1))
        # As long as it had run when the daemon came to it.
        self.assertRegex(told["text"], r"^request \d+, method slow, for (0\.[1-9]|[1-9]\d*\.\d) s$")
        self.assertEqual([event["what"] for event in events.heard].count("is slow"), 1)
