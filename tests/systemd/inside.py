"""poold as a service under a real systemd; runs as root in the machine that boot.sh boots.

Nothing here waits by the clock: `systemctl` returns when its job is done, and what happens by
itself is awaited as a line in the journal.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import select
import signal
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import poold

CONFIG = Path("/etc/poold/poold.conf")
SOCKET = "/run/poold/poold.sock"
DROP_IN = Path("/run/systemd/system/poold.service.d/test.conf")
MODULE = Path("/opt/poold-boot/chores.py")

# How long anything may take; a test fails after it, and none waits for it.
PATIENCE = 60.0

# From systemd's catalog: a unit's start is done.
UNIT_STARTED = "39f53479d3a045ac8e11786248231fbf"

CHORES = '''
import os, sys, time

def pid():
    return os.getpid()

def environment():
    return dict(os.environ)

def identity():
    return [os.getuid(), os.getgid(), os.getgroups()]

def nap(seconds):
    print("begun", file=sys.stderr, flush=True)
    time.sleep(seconds)
    return "slept"

def write(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return type(error).__name__
    return "written"

def grandchild():
    import subprocess
    return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid
'''

CONFIGURATION = """
[daemon]
drain_timeout = 20s
start_timeout = 5s
[pool chores]
command = /usr/bin/python3 -m poold.worker chores
workers = 2
env.PYTHONPATH = /opt/poold-boot
idempotent = yes
"""

BROKEN_POOL = """
[pool broken]
command = /bin/false
restart_delay = 1ms
restart_delay_max = 1ms
"""


def run(*command: str, user: str | None = None, status: int = 0) -> str:
    """Run a program to its end; its standard output. Fails when its exit status is another one."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, user=user,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != status:
        output = done.stdout + done.stderr
        raise AssertionError(f"{command}: exit status {done.returncode}\n{output}")
    return done.stdout


def shown(name: str, unit: str = "poold.service") -> str:
    """A property of a unit."""
    return run("systemctl", "show", "--value", "--property", name, unit).strip()


def is_alive(pid: int) -> bool:
    """Does the process exist, other than as a zombie?"""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def processes_of_poold() -> list[int]:
    """All that run as the user poold."""
    uid = pwd.getpwnam("poold").pw_uid
    return [int(path.name) for path in Path("/proc").iterdir()
            if path.name.isdigit() and path.stat().st_uid == uid]


class Journal:
    """The lines of the journal from a moment on, as they come."""

    def __init__(self) -> None:
        self._follow = subprocess.Popen(["journalctl", "--follow", "--lines=0", "--output=json"],
                                        stdout=subprocess.PIPE)
        self._read = b""
        # It follows once it has shown a line that was written after its start.
        mark = f"mark {time.monotonic_ns()}"
        while True:
            subprocess.run(["logger", mark], check=True)
            if any(entry.get("MESSAGE") == mark for entry in self._entries(0.1)):
                break

    def _entries(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Those that come, until none has come for so long."""
        stream = self._follow.stdout
        while select.select([stream], [], [], seconds)[0]:
            self._read += os.read(stream.fileno(), 1 << 16)
            *lines, self._read = self._read.split(b"\n")
            for line in lines:
                yield json.loads(line)

    def wait(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next entry that matches."""
        for entry in self._entries(PATIENCE):
            if matches(entry):
                return entry
        raise AssertionError("the journal has no such entry")

    def wait_text(self, text: str) -> dict[str, Any]:
        return self.wait(lambda entry: text in str(entry.get("MESSAGE")))

    def wait_started(self) -> None:
        self.wait(lambda entry: entry.get("MESSAGE_ID") == UNIT_STARTED
                  and entry.get("UNIT") == "poold.service")

    def close(self) -> None:
        self._follow.kill()
        self._follow.wait()
        self._follow.stdout.close()


class ServiceTest(unittest.TestCase):
    def setUp(self) -> None:
        MODULE.write_text(CHORES, encoding="utf-8")
        CONFIG.write_text(CONFIGURATION, encoding="utf-8")
        self.journal = Journal()
        self.addCleanup(self.journal.close)
        self.addCleanup(self.stop)

    def stop(self) -> None:
        run("systemctl", "stop", "poold.socket", "poold.service")
        subprocess.run(["systemctl", "reset-failed", "poold.service"], check=False,
                       capture_output=True)
        if DROP_IN.exists():
            DROP_IN.unlink()
            run("systemctl", "daemon-reload")
        self.assertEqual(processes_of_poold(), [])

    def start(self) -> int:
        """Start the service; returns when it says that it is ready. The daemon's process."""
        run("systemctl", "start", "poold.service")
        self.journal.wait_started()
        self.assertEqual(shown("ActiveState"), "active")
        return int(shown("MainPID"))

    def drop_in(self, text: str) -> None:
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text(text, encoding="utf-8")
        run("systemctl", "daemon-reload")

    def workers(self, client: poold.Client) -> list[int]:
        return [worker["pid"] for worker in client.request("poold.workers")]

    def restarts(self, client: poold.Client) -> int:
        """How often the workers of the pool `broken` were started again."""
        return next(pool["restarts"] for pool in client.request("poold.status")["pools"]
                    if pool["name"] == "broken")

    def test_ready_means_that_every_worker_is(self) -> None:
        self.start()
        with poold.Client(SOCKET) as client:
            workers = client.request("poold.workers")
        self.assertEqual([worker["state"] for worker in workers], ["ready", "ready"])
        self.assertTrue(shown("StatusText").startswith("ok"), shown("StatusText"))

    def test_poolctl(self) -> None:
        self.start()
        run("poolctl", "health")
        self.assertEqual(run("poolctl", "call", "chores", "nap", "[0]").strip(), '"slept"')

    def test_the_group_may_connect_and_others_may_not(self) -> None:
        self.start()
        group = grp.getgrnam("poold").gr_gid
        ask = ["/usr/bin/python3", "-c",
               f"import poold; poold.Client('{SOCKET}').call('chores', 'pid')"]
        run("setpriv", "--reuid=games", "--regid=games", f"--groups={group}", *ask)
        with self.assertRaisesRegex(AssertionError, "PermissionError|Permission denied"):
            run("setpriv", "--reuid=games", "--regid=games", "--clear-groups", *ask)

    def test_workers_are_shut_off(self) -> None:
        self.start()
        user = pwd.getpwnam("poold")
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "identity")[:2], [user.pw_uid, user.pw_gid])
            self.assertEqual(client.call("chores", "write", "/var/lib/x"), "OSError")
            self.assertEqual(client.call("chores", "write", "/tmp/x"), "written")
            self.assertFalse(Path("/tmp/x").exists())
            environment = client.call("chores", "environment")
        meant_for_the_daemon = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID",
                                "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM"}
        self.assertEqual(meant_for_the_daemon & environment.keys(), set())

    def test_errors_outlive_a_restart(self) -> None:
        self.start()
        with poold.Client(SOCKET) as client:
            with self.assertRaises(poold.Error):
                client.call("chores", "nothing")
            before = client.errors()
        run("systemctl", "restart", "poold.service")
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.errors(), before)
        place = Path("/var/lib/poold").stat()
        self.assertEqual((place.st_uid, place.st_mode & 0o7777), (pwd.getpwnam("poold").pw_uid, 0o700))

    def test_stop_leaves_nothing(self) -> None:
        self.start()
        with poold.Client(SOCKET) as client:
            grandchild = client.call("chores", "grandchild")
        self.assertTrue(is_alive(grandchild))
        run("systemctl", "stop", "poold.service")
        self.assertEqual(shown("Result"), "success")
        self.assertEqual(processes_of_poold(), [])
        self.assertFalse(Path(SOCKET).exists())

    def test_stop_answers_what_is_in_hand(self) -> None:
        self.start()
        with poold.Client(SOCKET) as client:
            call = client.start("chores", "nap", 1.5)
            self.journal.wait_text("begun")
            run("systemctl", "stop", "poold.service")
            self.assertEqual(call.result(), "slept")

    def test_each_worker_has_a_control_group(self) -> None:
        daemon = self.start()
        base = Path("/sys/fs/cgroup") / shown("ControlGroup").lstrip("/")
        self.assertIn(str(daemon), (base / "daemon/cgroup.procs").read_text().split())
        with poold.Client(SOCKET) as client:
            self.assertEqual(len(list(base.glob("worker-*"))), 2)
            grandchild = client.call("chores", "grandchild")
            (group,) = [group for group in base.glob("worker-*")
                        if str(grandchild) in (group / "cgroup.procs").read_text().split()]
            (victim,) = [pid for pid in self.workers(client)
                         if str(pid) in (group / "cgroup.procs").read_text().split()]
            os.kill(victim, signal.SIGKILL)
            self.journal.wait_text("worker ready")
            self.assertFalse(is_alive(grandchild))
            self.assertFalse(group.exists())
            self.assertEqual(len(list(base.glob("worker-*"))), 2)

    def test_workers_run_as_another_user(self) -> None:
        """The drop-in of docs/WORKERS.md is enough for it."""
        self.drop_in("[Service]\nUser=root\n"
                     "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE "
                     "CAP_CHOWN\n"
                     "SystemCallFilter=@setuid @chown\n")
        CONFIG.write_text(CONFIGURATION + "user = games\n", encoding="utf-8")
        self.start()
        games = pwd.getpwnam("games")
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "identity"),
                             [games.pw_uid, games.pw_gid, [games.pw_gid]])
            grandchild = client.call("chores", "grandchild")
            for victim in self.workers(client):
                os.kill(victim, signal.SIGKILL)
            self.journal.wait_text("worker ready")
            self.assertEqual(client.call("chores", "identity")[0], games.pw_uid)
            self.assertFalse(is_alive(grandchild))

    def test_a_user_without_the_right_to_it_is_refused(self) -> None:
        CONFIG.write_text(CONFIGURATION + "user = games\n", encoding="utf-8")
        run("systemctl", "start", "poold.service", status=1)
        self.assertEqual(shown("ExecMainStatus"), "78")
        self.journal.wait_text("[pool chores] user = games: the daemon may not")

    def test_output_is_in_the_journal(self) -> None:
        self.start()
        with poold.Client(SOCKET) as client:
            client.call("chores", "nap", 0)
        entry = self.journal.wait_text("begun")
        self.assertRegex(entry["MESSAGE"], r"^chores/[12]: begun$")
        self.assertEqual((entry["POOLD_POOL"], entry["POOLD_STREAM"]), ("chores", "stderr"))
        self.assertEqual(entry["PRIORITY"], "5")
        self.assertIn("POOLD_REQUEST", entry)

    def test_killed_daemon_comes_back_without_its_old_workers(self) -> None:
        daemon = self.start()
        with poold.Client(SOCKET) as client:
            old = self.workers(client)
        os.kill(daemon, signal.SIGKILL)
        self.journal.wait_started()
        self.assertEqual([pid for pid in old if is_alive(pid)], [])
        self.assertEqual(shown("NRestarts"), "1")
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "nap", 0), "slept")

    def test_watchdog_restarts_a_daemon_that_hangs(self) -> None:
        self.drop_in("[Service]\nWatchdogSec=2s\n")
        daemon = self.start()
        with poold.Client(SOCKET) as client:
            old = self.workers(client)
        os.kill(daemon, signal.SIGSTOP)
        self.journal.wait_text("Failed with result 'watchdog'")
        self.journal.wait_started()
        self.assertEqual([pid for pid in old + [daemon] if is_alive(pid)], [])
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "nap", 0), "slept")

    def test_watchdog_is_fed(self) -> None:
        self.drop_in("[Service]\nWatchdogSec=1s\n")
        daemon = self.start()
        with poold.Client(SOCKET) as client:
            client.call("chores", "nap", 3)  # three times the watchdog's patience
        self.assertEqual(int(shown("MainPID")), daemon)
        self.assertEqual(shown("NRestarts"), "0")

    def test_socket_starts_the_daemon(self) -> None:
        run("systemctl", "start", "poold.socket")
        self.assertEqual(shown("ActiveState"), "inactive")
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "nap", 0), "slept")
        self.journal.wait_started()
        self.assertEqual(shown("ActiveState"), "active")

    def test_socket_outlives_the_daemon(self) -> None:
        run("systemctl", "start", "poold.socket")
        daemon = self.start()
        os.kill(daemon, signal.SIGKILL)
        # The connection waits in the socket's queue until the next daemon takes it.
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "nap", 0), "slept")
        self.assertNotEqual(int(shown("MainPID")), daemon)
        run("systemctl", "restart", "poold.service")
        with poold.Client(SOCKET) as client:
            self.assertEqual(client.call("chores", "nap", 0), "slept")

    def test_wrong_configuration_is_final(self) -> None:
        CONFIG.write_text("[daemon]\nsocket = here\n", encoding="utf-8")
        run("systemctl", "start", "poold.service", status=1)
        self.assertEqual(shown("ExecMainStatus"), "78")
        self.assertEqual(shown("ActiveState"), "failed")
        self.assertEqual(shown("NRestarts"), "0")
        entry = self.journal.wait_text("socket: found")
        self.assertIn('/etc/poold/poold.conf:2: [daemon] socket: found "here"', entry["MESSAGE"])

    def test_log_is_structured(self) -> None:
        self.start()
        with poold.Client(SOCKET) as client:
            victim = self.workers(client)[0]
        os.kill(victim, signal.SIGKILL)
        entry = self.journal.wait(lambda entry: entry.get("POOLD_PID") == str(victim))
        self.assertEqual(entry["_TRANSPORT"], "journal")
        self.assertEqual(entry["_SYSTEMD_UNIT"], "poold.service")
        self.assertEqual(entry["SYSLOG_IDENTIFIER"], "poold")
        self.assertEqual(entry["PRIORITY"], "4")
        self.assertEqual(entry["POOLD_POOL"], "chores")

    def test_a_stalled_journal_stops_nobody(self) -> None:
        # A pool that can't start is noisy: three lines in each of its short lives.
        CONFIG.write_text(CONFIGURATION + BROKEN_POOL, encoding="utf-8")
        self.drop_in("[Service]\nWatchdogSec=3s\n")
        daemon = self.start()
        journald = int(shown("MainPID", "systemd-journald.service"))
        os.kill(journald, signal.SIGSTOP)
        try:
            with poold.Client(SOCKET) as client:
                end = self.restarts(client) + 2000  # a stopped journal takes less than 300 lines
                while self.restarts(client) < end:
                    self.assertEqual(client.call("chores", "nap", 0.01), "slept")
        finally:
            os.kill(journald, signal.SIGCONT)
        self.journal.wait_text("lines of this log were lost")
        self.assertEqual(int(shown("MainPID")), daemon)


def prepare() -> None:
    """What a package's installation does: the user, the folder, the units."""
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create")
    run("systemctl", "daemon-reload")


if __name__ == "__main__":
    prepare()
    unittest.main(argv=[sys.argv[0], "-v", *(f"ServiceTest.{name}" for name in sys.argv[1:])])
