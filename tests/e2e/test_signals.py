"""Signals to the daemon: those without a meaning are a line in its log, and never its end."""

from __future__ import annotations

import os
import signal
import subprocess
import unittest
from pathlib import Path

import procs
from clock import eventually, stretch
from harness import TOOLBOX, DaemonTest, pool, static_pool

# What tools and people send by habit, and a real-time signal.
IGNORED = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGWINCH",
           "SIGSTKFLT", "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX"]
SHOWN = {"SIGRTMIN": "SIGRTMIN.0", "SIGRTMAX": "SIGRTMIN.30", "SIGIO": "SIGPOLL"}
SILENT = ["SIGPIPE", "SIGURG", "SIGCHLD", "SIGCONT"]


def masks(pid: int) -> dict[str, int]:
    """What a process blocks and ignores: the masks of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line[:6]: int(line[7:], 16) for line in lines if line[:6] in ("SigBlk", "SigIgn")}


class Ignored(DaemonTest):
    """SIGUSR1 and its like."""

    def test_each_is_a_line_with_its_sender(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        busy = daemon.occupy(client)
        for name in IGNORED:
            daemon.signal(getattr(signal, name))
            shown = SHOWN.get(name, name)
            sender = f"from the process {os.getpid()} of the user {os.geteuid()}"
            daemon.log.wait_for(f"notice {shown}, {sender}, is ignored")
        for name in SILENT:
            daemon.signal(getattr(signal, name))
        daemon.release()
        self.assertIsNone(client.read_of(busy).error)

    def test_a_flood_is_a_few_lines(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        client = daemon.connect()
        for _ in range(500):
            daemon.signal(signal.SIGUSR1)
            client.call("s.x")
        self.assertLessEqual(sum("is ignored" in line for line in daemon.log.lines), 50)

    def test_before_it_listens_and_after_it_has_stopped(self) -> None:
        """They are sent without a pause from the first moment of its life to the last."""
        daemon = self.start(pool("tools", TOOLBOX))
        command = [*daemon.command()[:-1], str(daemon.directory / "early.conf")]
        path = daemon.directory / "early"
        Path(command[-1]).write_text(f"[daemon]\nsocket = {path}\nlog_target = stderr\n"
                                     "[pool s]\nadapter = static\nanswer = 1\n")
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            self.addCleanup(process.kill)
            eventually(
                lambda: process.poll() is not None or masks(process.pid)["SigBlk"], "it runs"
            )
            while not path.exists() and process.poll() is None:
                for name in ("SIGUSR1", "SIGALRM", "SIGRTMIN"):
                    process.send_signal(getattr(signal, name))
            process.terminate()
            while process.poll() is None:
                process.send_signal(signal.SIGUSR2)
                process.send_signal(signal.SIGHUP)
        self.assertEqual(process.returncode, 0)

    def test_workers_have_none_of_it(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), pool("forked", TOOLBOX, prefork=True))
        for pid in daemon.worker_pids():
            self.assertEqual(masks(pid)["SigBlk"], 0, procs.describe(pid))
            # Python ignores SIGPIPE and SIGXFSZ by itself.
            own = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
            # The C library keeps 32 and 33 for itself; make starts programs that ignore them.
            own |= 1 << 32 - 1 | 1 << 33 - 1
            self.assertEqual(masks(pid)["SigIgn"] & ~own, 0, procs.describe(pid))


class Meant(DaemonTest):
    """SIGTERM, SIGINT, SIGHUP, SIGQUIT"""

    def test_a_stop_says_who_has_sent_it(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        daemon.log.wait_for(f"SIGTERM: draining .from the process {os.getpid()} of the user")

    def test_hangup_is_a_line(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        daemon.announced.append("SIGHUP")
        daemon.signal(signal.SIGHUP)
        daemon.log.wait_for("SIGHUP: the configuration is read at start only")
        self.assertEqual(daemon.connect().call("s.x"), 1)

    def test_quit_leaves_nothing(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX))
        family = daemon.family()
        daemon.signal(signal.SIGQUIT)
        self.assertEqual(daemon.wait_ended(), -signal.SIGQUIT)
        self.assertEqual(procs.wait_gone(family, stretch(3.0)), [])


if __name__ == "__main__":
    unittest.main()
