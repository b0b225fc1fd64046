"""prefork = yes: workers that are forked from a fork server."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import procs
from clock import Timed, eventually, measure_scenario, ms, stretch
from harness import LOAD, START_TIMEOUT, Daemon, DaemonTest, pool, retry

HEAVY = shlex.join([sys.executable, "-m", "poold.worker", "heavy"])
UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


def prefork_pool(**options: object) -> str:
    return pool("heavy", HEAVY, **{"prefork": True, **options})


def slow_to_import(seconds: float) -> dict[str, object]:
    return {"env.HEAVY_SECONDS": seconds}


def server_of(daemon: Daemon) -> int:
    """The process of the only fork server."""
    (pid,) = servers_of(daemon)
    return pid


def servers_of(daemon: Daemon) -> list[int]:
    """Every fork server: who has the number that is no worker's."""
    return [
        pid for pid in daemon.family() if procs.variable(pid, "POOLD_WORKER") == "0" * 10
    ]


def private_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_")) * 1024


class Served(DaemonTest):
    """Forked workers are workers like any other."""

    def test_they_are_the_daemons_own(self) -> None:
        daemon = self.start(prefork_pool(workers=3))
        client = daemon.connect()
        server = server_of(daemon)
        numbers, seeds = set(), set()
        for _ in range(9):
            client.ask("heavy.who")
        answers = [client.read().result for _ in range(9)]
        for who in answers:
            self.assertEqual(who["parent"], daemon.pid)
            self.assertEqual(who["imported_by"], server)
            self.assertEqual((who["session"], who["group"]), (who["pid"], who["pid"]))
            self.assertEqual(who["pool"], "heavy")
            self.assertFalse(who["control"])
            self.assertEqual(len(who["files"]), 6, "standard files, the channel, the recall socket, the page")
            numbers.add(who["number"])
            seeds.add(who["random"])
        self.assertLessEqual(numbers, {"1", "2", "3"})
        self.assertEqual(len(seeds), len(answers))
        self.assertEqual(procs.children(server), [])

    def test_each_carries_the_daemons_mark(self) -> None:
        daemon = self.start(prefork_pool(workers=2))
        marks = {procs.variable(pid, "POOLD_INSTANCE") for pid in daemon.worker_pids()}
        self.assertEqual(len(marks), 1)
        numbers = [procs.variable(pid, "POOLD_WORKER") for pid in daemon.worker_pids()]
        self.assertCountEqual(numbers, ["1", "2"])
        self.assertIsNotNone(marks.pop())

    def test_limits_and_directory_are_the_pools(self) -> None:
        directory = str(Path(__file__).parent.resolve())
        daemon = self.start(prefork_pool(directory=directory, **{"env.COLOUR": "blue"}))
        (pid,) = daemon.worker_pids()
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), directory)
        self.assertEqual(procs.variable(pid, "COLOUR"), "blue")

    def test_they_are_stopped_and_started_as_needed(self) -> None:
        daemon = self.start(prefork_pool(workers="1..3", prefetch=0, idle_timeout="200ms"))
        client = daemon.connect()
        paths = [str(daemon.directory / f"wait-{number}") for number in range(3)]
        for path in paths:
            client.ask("heavy.wait", path)
        eventually(lambda: all(map(os.path.exists, paths)), "three work at once")
        for path in paths:
            os.unlink(path)
        self.assertEqual([client.read().result for _ in paths], ["waited"] * 3)
        daemon.wait_workers("heavy", 1)
        self.assertEqual(daemon.counters("heavy")["worker_crashes"], 0)

    def test_a_death_has_its_cause(self) -> None:
        daemon = self.start(prefork_pool())
        daemon.announced.append("pool=heavy")
        answer = daemon.connect(map_errors=True).answer("heavy.die", 9)
        self.assert_code(answer, "worker_exited")
        self.assertIn("exit status 9", answer.error["message"])

    def test_one_that_overruns_is_killed_with_its_children(self) -> None:
        daemon = self.start(prefork_pool(attempt_timeout=ms(200)))
        daemon.announced.append("pool=heavy")
        (before,) = daemon.worker_pids()
        client = daemon.connect(map_errors=True)
        path = str(daemon.directory / "wait")
        answer = client.answer_pool("heavy", "wait", [path])
        self.assert_code(answer, "attempt_timeout")
        daemon.wait_workers("heavy", 1, apart_from=(before,))

    def test_orphans_are_reaped(self) -> None:
        """The daemon is the parent of what workers leave behind."""
        daemon = self.start(prefork_pool())
        orphan = daemon.connect().call("heavy.leave_orphan")
        eventually(lambda: not os.path.exists(f"/proc/{orphan}"), "it is gone, and no zombie")


    def test_what_one_leaves_behind_ends_with_it(self) -> None:
        """A daemon that it has forked, in a session of its own, without another program."""
        daemon = self.start(pool("noisy", UNQUIET, workers=2, prefork=True))
        daemon.announced.append("pool=noisy")
        clients = [daemon.connect(), daemon.connect()]
        left: dict[int, int] = {}  # of each worker, what it left behind
        while len(left) < 2:
            asked = [client.ask_pool("noisy", "linger") for client in clients]
            for client, number in zip(clients, asked):
                pid, orphan = client.read_of(number).result
                if pid in left:
                    procs.kill(orphan)
                left.setdefault(pid, orphan)
        (victim, gone), (other, stays) = left.items()
        procs.kill(victim)
        eventually(lambda: not procs.is_alive(gone), "it is gone")
        self.assertTrue(procs.is_alive(stays))
        self.assertIn(other, daemon.worker_pids())


class Renewed(DaemonTest):
    """A rolling restart."""

    def test_a_restart_loads_what_is_on_disk_now(self) -> None:
        place = Path(self.enterContext(TemporaryDirectory()))
        module = place / "changing.py"
        module.write_text("def version():\n    return 1\n", encoding="ascii")
        command = shlex.join([sys.executable, "-B", "-m", "poold.worker", "changing"])
        daemon = self.start(pool("p", command, workers=2, prefork=True, directory=str(place)))
        client, before = daemon.connect(), tuple(daemon.worker_pids())
        self.assertEqual(client.call_pool("p", "version"), 1)
        module.write_text("def version():\n    return 2\n", encoding="ascii")
        daemon.ask("poold.restart_workers", "p")
        daemon.wait_workers("p", 2, apart_from=before)
        eventually(lambda: daemon.pool("p")["roll"]["state"] == "done", "the restart is done")
        self.assertEqual(client.call_pool("p", "version"), 2)


class Fast(DaemonTest):
    """What it is for."""

    def test_a_killed_worker_is_back_at_once(self) -> None:
        cold_start = 1 + stretch(1)
        daemon = self.start(
            prefork_pool(workers=2, init_timeout="10min", **slow_to_import(cold_start)),
            start_timeout="10min",
        )
        daemon.announced.append("pool=heavy")
        spans = []
        for _ in range(5):
            before = tuple(daemon.worker_pids())
            with Timed() as timed:
                procs.kill(before[0])
                eventually(
                    lambda gone=before[0]: len({*daemon.worker_pids()} - {gone}) == 2,
                    "two work again",
                )
            spans.append(timed.seconds)
        print(f"\nback after {', '.join(f'{span * 1000:.1f}' for span in sorted(spans))} ms")
        self.assertLess(sorted(spans)[2], 0.25 * measure_scenario())
        self.assertLess(max(spans), cold_start, "as long as a cold start")

    def test_memory_is_shared(self) -> None:
        options = {"env.HEAVY_MB": 50}
        daemon = self.start(
            prefork_pool(workers=2, **options), pool("cold", HEAVY, workers=2, **options)
        )
        forked = max(map(private_bytes, daemon.worker_pids("heavy")))
        cold = min(map(private_bytes, daemon.worker_pids("cold")))
        print(f"\nprivate memory: forked {forked >> 10} KiB, cold {cold >> 10} KiB")
        self.assertGreater(cold, 50 << 20)
        self.assertLess(forked, 10 << 20)


class Faults(DaemonTest):
    """Servers that fail."""

    def test_a_killed_server_is_replaced_and_its_workers_go_on(self) -> None:
        daemon = self.start(prefork_pool(workers=2, **slow_to_import(0.3)))
        daemon.announced.append("fork server ended.*pool=heavy")
        client = daemon.connect()
        path = str(daemon.directory / "wait")
        client.ask("heavy.wait", path)
        eventually(lambda: os.path.exists(path), "it is at work")
        workers, server = daemon.worker_pids(), server_of(daemon)
        eventually(lambda: procs.is_alive(server), "it lives")
        daemon.log.wait_for("fork server ready")
        # One that ends within a second after it got ready is replaced only when it is needed.
        time.sleep(1.2)
        procs.kill(server)
        daemon.log.wait_for("fork server ended: signal 9")
        daemon.log.wait_for("fork server ready", count=2)
        self.assertEqual(daemon.worker_pids(), workers)
        os.unlink(path)
        self.assertEqual(client.read().result, "waited")
        self.assertNotEqual(server_of(daemon), server)
        daemon.announced.append("pool=heavy")
        procs.kill(workers[0])
        daemon.wait_workers("heavy", 2, apart_from=(workers[0],))
        self.assertEqual(daemon.counters("heavy")["worker_start_failures"], 0)

    def test_a_server_killed_in_its_first_moment_is_started_when_needed(self) -> None:
        daemon = self.start(prefork_pool())
        daemon.announced.append("pool=heavy")
        (before,) = daemon.worker_pids()
        procs.kill(server_of(daemon))
        daemon.log.wait_for("fork server ended: signal 9")
        self.assertEqual(daemon.worker_pids(), [before])
        procs.kill(before)
        daemon.wait_workers("heavy", 1, apart_from=(before,))
        self.assertEqual(daemon.connect().call("heavy.echo", 1), 1)

    def test_a_server_that_hears_nothing_is_found_out(self) -> None:
        daemon = self.start(prefork_pool(init_timeout=ms(300)))
        daemon.announced.append("pool=heavy")
        server = server_of(daemon)
        procs.stop(server)
        (before,) = daemon.worker_pids()
        procs.kill(before)
        daemon.wait_workers("heavy", 1, apart_from=(before,))
        self.assertNotEqual(server_of(daemon), server)

    def test_a_module_that_cannot_be_imported(self) -> None:
        fault = Path(self.enterContext(TemporaryDirectory())) / "fault"
        fault.touch()
        daemon = self.launch(
            prefork_pool(workers=2, **{"env.HEAVY_FAULT": fault}), start_timeout="200ms"
        )
        daemon.announced += ["pool=heavy", START_TIMEOUT, "^Traceback", "^  ", "^RuntimeError"]
        daemon.wait_listening()
        daemon.log.wait_for("RuntimeError: the module is out of order")
        answer = daemon.connect(map_errors=True).answer_pool("heavy", "echo", [1])
        self.assert_code(answer, "pool_unavailable")
        ends = {entry["last_exit"] for entry in daemon.workers("heavy")}
        self.assertIn("its fork server ended: exit status 1", ends)
        self.assertEqual(daemon.pool("heavy")["status"], "down")
        fault.unlink()
        daemon.wait_workers("heavy", 2)
        daemon.take_measure()

    def test_a_module_that_is_not_there_is_not_tried_again(self) -> None:
        command = shlex.join([sys.executable, "-m", "poold.worker", "no_such_module"])
        daemon = self.launch(
            pool("heavy", command, prefork=True, restart_delay_max="30s"), start_timeout="200ms"
        )
        daemon.announced += ["pool=heavy", START_TIMEOUT, "^poold.worker: "]
        daemon.wait_listening()
        daemon.log.wait_for("there is no module 'no_such_module'")
        eventually(
            lambda: "exit status 78" in (daemon.workers("heavy")[0]["last_exit"] or ""),
            "it is told",
        )
        self.assertEqual(daemon.counters("heavy")["worker_starts"], 1)
        self.assert_code(
            daemon.connect(map_errors=True).answer_pool("heavy", "echo", [1]), "pool_unavailable"
        )
        daemon.take_measure()

    def test_an_import_that_takes_for_ever(self) -> None:
        daemon = self.launch(
            prefork_pool(init_timeout="150ms", **slow_to_import(3600)), start_timeout="200ms"
        )
        daemon.announced += ["pool=heavy", START_TIMEOUT]
        daemon.wait_listening()
        daemon.log.wait_for("fork server ended: signal 9", count=2)


class Ends(DaemonTest):
    """Nothing is left of it."""

    def test_stop_while_the_module_is_imported(self) -> None:
        daemon = self.launch(prefork_pool(workers=3, **slow_to_import(3600)))
        daemon.wait_listening()
        daemon.log.wait_for("fork server started")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)

    def test_the_daemon_is_killed(self) -> None:
        daemon = self.start(prefork_pool(workers=3))
        family = daemon.family()
        self.assertIn(server_of(daemon), family)
        self.assertLessEqual({*daemon.worker_pids()}, {*family})
        daemon.signal(signal.SIGKILL)
        self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)
        self.assertEqual(procs.wait_gone(family, 2.0), [])


class Storm(DaemonTest):
    """All of it at once."""

    def test_workers_and_servers_are_killed_under_load(self) -> None:
        """Every idempotent request is answered, and all is well in the end."""
        random = self.random(11)
        daemon = self.start(
            prefork_pool(workers=3, idempotent=True, max_crash_retries=10),
            retry("heavy", base="1ms", cap="5ms", budget=10000, budget_per_second=10000),
        )
        daemon.announced.append("pool=heavy")
        client = daemon.connect(map_errors=True)
        codes = []
        for step in range(60 * LOAD):
            for number in range(10):
                client.ask("heavy.echo", number)
            victims = daemon.worker_pids() or [0]
            if step % 3 == 0:
                victims += servers_of(daemon)
            victim = random.choice(victims)
            if victim:
                procs.kill(victim)
            codes += [client.read().code for _ in range(10)]
        self.assertEqual(set(codes), {None})
        daemon.wait_workers("heavy", 3)
        self.assertEqual(len(servers_of(daemon)), 1)

    def test_the_daemon_is_killed_at_any_moment(self) -> None:
        random = self.random(12)
        for _ in range(12 * LOAD):
            daemon = self.launch(prefork_pool(workers=4))
            daemon.log.wait_for("fork server started")
            moment = time.monotonic() + random.uniform(0.0, 0.1)
            while time.monotonic() < moment:
                pass
            daemon.signal(signal.SIGKILL)
            self.assertEqual(daemon.wait_ended(), -signal.SIGKILL)
            self.assertEqual(procs.wait_gone(daemon.family(), 2.0), [])
