"""The checks after each test find what they are there to find."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import unittest

import clock
import procs
from harness import MARK, SANITIZED, UNRULY, Daemon, DaemonTest, pool
from raw import Raw

# When a line of the daemon's log was written.
AT = "2026-01-31T12:00:00.000Z"


class Finds(DaemonTest):
    """Each test breaks one promise on purpose, and the check has to say so."""

    def launch_unchecked(self) -> Daemon:
        """A ready daemon that this test finishes itself."""
        daemon = Daemon((pool("raw", UNRULY),), {})
        daemon.wait_ready()
        daemon.settle_time = 0.2
        return daemon

    def check_found(self, daemon: Daemon, fault: str) -> None:
        with self.assertRaisesRegex(AssertionError, fault):
            daemon.finish()

    def test_nothing_where_nothing_is_wrong(self) -> None:
        self.launch_unchecked().finish()

    def test_a_process_that_is_left(self) -> None:
        daemon = self.launch_unchecked()
        left = subprocess.Popen(["sleep", "1000"], env={**os.environ, MARK: daemon.mark})
        self.check_found(daemon, f"left running: .*{left.pid}")
        self.assertFalse(procs.is_alive(left.pid))
        left.wait()

    def test_a_loud_line_of_the_log(self) -> None:
        daemon = self.launch_unchecked()
        daemon.signal(signal.SIGHUP)
        daemon.log.wait_for("SIGHUP")
        self.check_found(daemon, "did not announce")

    @unittest.skipIf(SANITIZED, "a sanitizer makes the loop slow")
    @unittest.skipIf(math.isinf(clock.pressure()), "the kernel does not tell what had to wait")
    def test_that_it_stood_still_though_nothing_had_to_wait(self) -> None:
        daemon = self.launch_unchecked()
        daemon.log.add(f"{AT} warning the daemon stood still for 0.550 s stalled_ms=550")
        daemon.pressure = clock.pressure() + 1000.0
        self.check_found(daemon, "did not announce")

    @unittest.skipIf(SANITIZED, "a sanitizer makes the loop slow")
    @unittest.skipIf(math.isinf(clock.pressure()), "the kernel does not tell what had to wait")
    def test_that_it_stood_still_twice_though_nothing_had_to_wait(self) -> None:
        daemon = self.launch_unchecked()
        for _ in range(2):
            daemon.log.add(f"{AT} warning the daemon stood still for 0.250 s stalled_ms=250")
        daemon.pressure = clock.pressure() + 1000.0
        self.check_found(daemon, "did not announce")

    def test_not_a_short_moment_of_which_the_kernel_does_not_know(self) -> None:
        daemon = self.launch_unchecked()
        daemon.log.add(f"{AT} warning the daemon stood still for 0.250 s stalled_ms=250")
        daemon.pressure = clock.pressure() + 1000.0
        daemon.finish()

    def test_not_that_the_machine_made_it_stand_still(self) -> None:
        daemon = self.launch_unchecked()
        daemon.log.add(f"{AT} warning the daemon stood still for 0.250 s stalled_ms=250")
        daemon.pressure -= 0.2
        daemon.finish()

    def test_that_it_stood_still_for_long(self) -> None:
        daemon = self.launch_unchecked()
        daemon.log.add(f"{AT} warning the daemon stood still for 999.250 s stalled_ms=999250")
        daemon.pressure -= 2.0
        self.check_found(daemon, "did not announce")

    def test_a_line_that_is_not_the_daemons(self) -> None:
        daemon = self.launch_unchecked()
        daemon.log.add("==1==ERROR: AddressSanitizer: heap-use-after-free")
        self.check_found(daemon, "heap-use-after-free")

    def test_a_connection_that_is_left(self) -> None:
        daemon = self.launch_unchecked()
        client = Raw(daemon.path)
        self.addCleanup(client.close)
        client.call("poold.version")
        self.check_found(daemon, "it is idle: .*'connections': 2")

    def test_a_descriptor_that_leaks(self) -> None:
        daemon = self.launch_unchecked()
        daemon.descriptors.pop()
        self.check_found(daemon, r"its descriptors are as they were: new \['.+'\], missing \[\]\n")

    @unittest.skipIf(SANITIZED, "a sanitizer keeps freed memory on purpose")
    def test_memory_that_grows(self) -> None:
        daemon = self.launch_unchecked()
        daemon.growth_max = -(1 << 40)
        self.check_found(daemon, "its memory grew")

    def test_a_daemon_that_dies(self) -> None:
        daemon = self.launch_unchecked()
        daemon.signal(signal.SIGABRT)
        self.assertEqual(procs.wait_gone([daemon.pid], 5.0), [])
        self.check_found(daemon, "it ended by itself, with status -6")
