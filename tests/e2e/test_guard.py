"""The guard outlives whoever attacks it, and finds what hides; a fork server harms nobody else."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import procs
from clock import Timed, eventually
from harness import START_TIMEOUT, TOOLBOX, Daemon, DaemonTest, pool, worker

# Signals of faults keep their default.
FAULTS = (
    signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP
)

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


def guards(daemon: Daemon) -> list[int]:
    below = procs.children(daemon.pid)
    return [pid for pid in below if procs.name(pid) == "pguard" and procs.is_alive(pid)]


def status(pid: int, field: str) -> str:
    """What /proc says in that line of a process's status; "" of one that is gone."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return ""


def wakings(pid: int) -> int:
    """How often a process has waited for something."""
    return int(status(pid, "voluntary_ctxt_switches") or 0)


def wait_for_look(*daemons: Daemon) -> None:
    """The guard wakes up once a second for the daemon, and once to look at the processes."""
    watched = [guard for daemon in daemons for guard in guards(daemon)]
    enough = [wakings(guard) + 5 for guard in watched]
    assert len(watched) == len(daemons)
    eventually(
        lambda: all(wakings(guard) >= count for guard, count in zip(watched, enough)),
        "the guard has looked",
    )


class Found(DaemonTest):
    """The daemon is killed: whatever its workers have started ends."""

    def test_whatever_it_did_to_its_environment(self) -> None:
        """Also where the guard is not the first one."""
        daemon, other = (self.start(pool("wild", UNQUIET)) for _ in range(2))
        client = daemon.connect()
        seen = [
            client.call_pool("wild", "disguised", [disguise, True])
            for disguise in ("empty", "undumpable", "overwritten")
        ]
        seen_by_other = other.connect().call_pool("wild", "disguised", ["empty", True])
        self.replace_guard(other)
        wait_for_look(daemon, other)
        late = [
            client.call_pool("wild", "disguised", [disguise, False])
            for disguise in ("empty", "overwritten")
        ]
        for each in (daemon, other):
            each.signal(signal.SIGKILL)
            each.wait_ended()
        left = procs.wait_gone([*seen, seen_by_other, *late], 5.0)
        self.assertEqual(left, [], [procs.describe(pid) for pid in left])

    def replace_guard(self, daemon: Daemon) -> None:
        daemon.announced.append("guard")
        (first,) = guards(daemon)
        procs.kill(first)
        eventually(lambda: guards(daemon) not in ([], [first]), "there is another")

    def test_it_has_another_name_than_the_daemon(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        (guard,) = guards(daemon)
        command = Path(f"/proc/{guard}/cmdline").read_bytes()
        self.assertTrue(command.startswith(b"pguard"), command)
        self.assertNotIn(b"poold", command)

    def test_it_ignores_signals_and_keeps_none(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        (guard,) = guards(daemon)
        for number in signal.valid_signals():
            if number not in (signal.SIGKILL, signal.SIGSTOP, *FAULTS):
                os.kill(guard, number)
        self.assertEqual(guards(daemon), [guard])
        self.assertEqual(int(status(guard, "SigBlk"), 16), 0)
        self.assertEqual(int(status(guard, "ShdPnd"), 16), 0)


class Attacked(DaemonTest):
    """A worker of the daemon's own user ends or stops the guard."""

    def test_another_comes_for_one_that_is_stopped_or_killed(self) -> None:
        stopped, killed = (self.start(pool("tools", TOOLBOX)) for _ in range(2))
        for daemon in (stopped, killed):
            daemon.announced.append("guard")
        (guard,) = guards(stopped)
        stopped.connect().call("tools.signal_process", guard, signal.SIGSTOP)
        self.check_killed(killed)
        eventually(lambda: guards(stopped) not in ([], [guard]), "there is another")
        stopped.log.wait_for("guard.* has not answered")
        eventually(lambda: stopped.ask("poold.health")["guard"], "health says that it lives")

    def check_killed(self, daemon: Daemon) -> None:
        """It comes back each time, though later."""
        killed: list[int] = []
        for _ in range(3):
            (guard,) = eventually(lambda: guards(daemon), "there is one")
            killed.append(guard)
            procs.kill(guard)
            eventually(lambda gone=guard: guards(daemon) != [gone], "it is gone")
        daemon.log.wait_for("guard.* soon, and until then nothing would end the workers")
        health = daemon.ask("poold.health")
        if not health["guard"]:  # a slow test may be late
            self.assertEqual(health["status"], "degraded")
        eventually(lambda: guards(daemon), "there is another")
        self.assertEqual(len({*killed, *guards(daemon)}), 4)
        eventually(lambda: daemon.ask("poold.health")["status"] == "ok", "all is well again")

    def test_a_stop_does_not_wait_for_one_that_is_stopped(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        (guard,) = guards(daemon)
        procs.stop(guard)
        with Timed() as timed:
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait_ended(), 0)
        self.assert_in_time(timed, 0)
        self.assertFalse(procs.is_alive(guard))


class Forged(DaemonTest):
    """A fork server names processes that it has not forked."""

    def test_nobody_else_is_harmed(self) -> None:
        count = Path(self.enterContext(TemporaryDirectory())) / "count"
        count.touch()
        lying = pool(
            "lying",
            worker("forger", str(count)),
            prefork=True,
            restart_delay="10ms",
            restart_delay_max="10ms",
        )
        daemon = self.launch(pool("calm", TOOLBOX, workers=2), lying, start_timeout="100ms")
        daemon.announced += ["pool=lying", START_TIMEOUT]
        daemon.wait_listening()
        calm = daemon.wait_workers("calm", 2)
        (guard,) = guards(daemon)
        for victim in (daemon.pid, 1, guard, *calm):
            daemon.log.wait_for(f"fork server broke the protocol: it named process {victim},")
        self.assertEqual(daemon.wait_workers("calm", 2), calm)
        self.assertEqual(guards(daemon), [guard])
        self.assertEqual(daemon.connect().call("calm.echo", 1), 1)
        ends = {entry["last_exit"] for entry in daemon.workers("lying")}
        self.assertTrue(any("its fork server ended: signal 9 (Killed)" in end for end in ends), ends)
