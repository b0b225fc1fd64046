"""Control groups, on a real tree where the machine has one that root may divide."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import unittest
from pathlib import Path

import procs
from clock import eventually
from harness import Daemon, DaemonTest, pool

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])


def find_tree() -> Path | None:
    """Where version 2 is mounted, if groups can be made and killed there."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        if not tail.startswith("cgroup2 "):
            continue
        tree = Path(head.split()[4])
        group = tree / f"poold-e2e-try-{os.getpid()}"
        try:
            group.mkdir()
            usable = (group / "cgroup.kill").exists()
            group.rmdir()
        except OSError:
            return None
        return tree if usable else None
    return None


TREE = find_tree()


class GroupedDaemon(Daemon):
    """A daemon that is started in a group of its own."""

    group: Path

    def command(self) -> list[str]:
        enter = f"echo 0 >{self.group}/cgroup.procs && exec \"$@\""
        return ["sh", "-c", enter, "sh", *super().command()]


@unittest.skipUnless(TREE, "no control groups of version 2 that may be divided")
class Groups(DaemonTest):
    """Each worker has one."""

    def start_in_group(self, *pools: str, **options: object) -> GroupedDaemon:
        GroupedDaemon.group = TREE / f"poold-e2e-{os.getpid()}"
        GroupedDaemon.group.mkdir()
        self.addCleanup(self.remove, GroupedDaemon.group)
        daemon = GroupedDaemon(pools, {"cgroups": True, **options})
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        return daemon

    def remove(self, group: Path) -> None:
        (group / "cgroup.kill").write_text("1")
        for folder in [*group.iterdir(), group]:
            if folder.is_dir():
                eventually(lambda: self.try_rmdir(folder), f"{folder} is empty")

    @staticmethod
    def try_rmdir(folder: Path) -> bool:
        try:
            folder.rmdir()
        except OSError:
            return False
        return True

    def workers_groups(self, daemon: GroupedDaemon) -> dict[str, list[int]]:
        """The groups of workers, and what is in them."""
        return {
            group.name: [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
            for group in daemon.group.glob("worker-*")
        }

    def test_the_daemon_stands_beside_its_workers(self) -> None:
        daemon = self.start_in_group(pool("grouped", UNQUIET, workers=2))
        self.assertEqual((daemon.group / "cgroup.procs").read_text(), "")
        inside = (daemon.group / "daemon" / "cgroup.procs").read_text().split()
        self.assertIn(str(daemon.pid), inside)
        self.assertEqual(len(inside), 2)  # and its guard
        groups = self.workers_groups(daemon)
        pids = sorted(pid for members in groups.values() for pid in members)
        self.assertEqual(pids, sorted(daemon.worker_pids("grouped")))
        self.assertEqual(len(groups), 2)

    def test_a_group_ends_with_its_worker(self) -> None:
        daemon = self.start_in_group(pool("grouped", UNQUIET))
        daemon.announced.append("pool=grouped")
        client = daemon.connect(map_errors=True)
        (before,) = self.workers_groups(daemon)
        left = [client.call_pool("grouped", "daemonize", [True])]
        left += client.call_pool("grouped", "sessions", [3])
        self.assertEqual(len(self.workers_groups(daemon)[before]), 5)
        answer = client.answer_pool("grouped", "kill", [signal.SIGKILL])
        self.assert_code(answer, "worker_killed")
        self.assertEqual(procs.wait_gone(left, 5.0), [])
        daemon.wait_workers("grouped", 1)
        eventually(lambda: before not in self.workers_groups(daemon), f"{before} is gone")
        self.assertEqual(len(self.workers_groups(daemon)), 1)

    def test_a_group_ends_with_the_daemon(self) -> None:
        """Also what the guard has not seen yet, whatever it has done to be overlooked."""
        daemon = self.start_in_group(pool("grouped", UNQUIET))
        left = daemon.connect().call_pool("grouped", "disguised", ["empty", True])
        daemon.signal(signal.SIGKILL)
        daemon.wait_ended()
        self.assertEqual(procs.wait_gone([left], 5.0), [])

    def test_a_limit_that_cannot_be_had_is_said(self) -> None:
        controllers = (TREE / "cgroup.controllers").read_text().split()
        if "memory" in controllers:
            self.skipTest("there is a controller of memory")
        launched = pool("grouped", UNQUIET, memory_max="64M")
        daemon = self.start_in_group(launched)
        daemon.announced.append("memory_max does nothing")
        daemon.log.wait_for(r"\[pool grouped\] memory_max does nothing: the control groups lack")


class NoGroups(DaemonTest):
    """Where there are none."""

    @unittest.skipUnless(TREE, "no control groups of version 2")
    def test_they_are_missed_where_they_are_wanted(self) -> None:
        """The root of all groups belongs to nobody."""
        GroupedDaemon.group = TREE
        daemon = GroupedDaemon((pool("plain", UNQUIET),), {"cgroups": True})
        self.addCleanup(daemon.finish)
        daemon.announced.append("workers get no control groups")
        daemon.wait_ready()
        daemon.log.wait_for(r"workers get no control groups, though cgroups = yes: .* \(see Delegate= in the unit\)")
        self.assertIsNone(daemon.workers("plain")[0]["last_out_of_memory"])

    def test_a_limit_is_said_to_do_nothing(self) -> None:
        daemon = self.start(pool("plain", UNQUIET, memory_max="64M", cpu_weight=50), cgroups=False)
        daemon.announced.append("does nothing: workers have no control groups")
        daemon.log.wait_for(r"\[pool plain\] memory_max does nothing: workers have no control")
        daemon.log.wait_for(r"\[pool plain\] cpu_weight does nothing: workers have no control")
        self.assertIsNone(daemon.workers("plain")[0]["last_out_of_memory"])
