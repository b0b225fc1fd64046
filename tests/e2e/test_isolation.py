"""What a worker may do is what its pool says; where that can't be had, the error says what it was."""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import procs
import public
from clock import HANGS
from harness import DaemonTest, pool

UNQUIET = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])
IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")


class Isolation(DaemonTest):
    """Options that hold for every worker of a pool."""

    def who(self, **options: object) -> dict[str, Any]:
        """What a worker of a pool with these options says of itself."""
        daemon = self.start(pool("boxed", UNQUIET, **options))
        return daemon.connect().call_pool("boxed", "who")

    def test_nothing_said_is_as_the_daemon(self) -> None:
        found = self.who()
        self.assertEqual(found["uid"], [os.getuid()] * 3)
        self.assertEqual(found["gid"], [os.getgid()] * 3)
        self.assertEqual(sorted(found["groups"]), sorted(os.getgroups()))
        self.assertEqual(found["nice"], os.getpriority(os.PRIO_PROCESS, 0))

    def test_nice(self) -> None:
        self.assertEqual(self.who(nice=7)["nice"], 7)

    def test_umask(self) -> None:
        self.assertEqual(self.who(umask="0027")["umask"], 0o027)

    def test_limits(self) -> None:
        found = self.who(
            limit_memory="2G",
            limit_cpu="100",
            limit_core="0",
            limit_files="64",
            limit_processes="5000",
            limit_file_size="1M",
        )["limits"]
        self.assertEqual(found["AS"], [2 << 30] * 2)
        self.assertEqual(found["CPU"], [100, 101])
        self.assertEqual(found["CORE"], [0, 0])
        self.assertEqual(found["NOFILE"], [64, 64])
        self.assertEqual(found["NPROC"], [5000, 5000])
        self.assertEqual(found["FSIZE"], [1 << 20] * 2)

    def test_memory_is_limited(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, limit_memory="512M"))
        daemon.announced.append("request failed")
        client = daemon.connect(map_errors=True)
        self.assertEqual(client.call_pool("boxed", "hoard", [1 << 20]), 1 << 20)
        answer = client.answer_pool("boxed", "hoard", [1 << 30])
        self.assert_code(answer, "exception")
        self.assertEqual(answer.error["detail"]["type"], "MemoryError")

    def test_processor_time_is_limited(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, limit_cpu="1", limit_core="0"))
        daemon.announced.append("pool=boxed")
        answer = daemon.connect(map_errors=True).answer_pool("boxed", "burn")
        self.assert_code(answer, "worker_exited")
        self.assertEqual(answer.error["detail"]["signal"], signal.SIGXCPU)


@unittest.skipUnless(IS_ROOT, "only root becomes another user")
class Identity(DaemonTest):
    """A worker that runs as somebody else, who may not be able to read where this file lies."""

    def setUp(self) -> None:
        place = public.folder(self)
        public.module("unquiet", place)
        environment = {f"env.{name}": value for name, value in public.package(place).items()}
        self.public = {"directory": str(place), **environment}

    def test_a_user(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, user="nobody", **self.public))
        client = daemon.connect(map_errors=True)
        found = client.call_pool("boxed", "who")
        self.assertEqual(found["uid"], [NOBODY.pw_uid] * 3)
        self.assertEqual(found["gid"], [NOBODY.pw_gid] * 3)
        self.assertEqual(found["groups"], [NOBODY.pw_gid])
        self.assertEqual((found["home"], found["user"]), (NOBODY.pw_dir, "nobody"))

    def test_a_daemon_that_may_not_become_another_user(self) -> None:
        place = public.folder(self)
        place.chmod(0o777)
        for option in ("user = root", "group = root"):
            with self.subTest(option):
                path = Path(place, "poold.conf")
                path.write_text(f"[daemon]\nsocket = {place}/s\n[pool boxed]\ncommand = /bin/true\n{option}\n")
                path.chmod(0o644)
                done = subprocess.run([str(public.program("poold", place)), "-c", str(path)], user=NOBODY.pw_uid, group=NOBODY.pw_gid,
                                      extra_groups=[], capture_output=True, text=True, timeout=HANGS, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(f"[pool boxed] {option}: the daemon may not change groups: it is not root", done.stderr)

    def test_it_still_dies_with_the_daemon(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, user="nobody", **self.public))
        client = daemon.connect()
        self.assertEqual(client.call_pool("boxed", "death_signal"), signal.SIGKILL)
        # The daemon itself can still be looked at.
        self.assertNotEqual(procs.descriptors(daemon.pid), [])

    def test_what_it_leaves_behind_goes_too(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, user="nobody", **self.public))
        daemon.announced.append("pool=boxed")
        client = daemon.connect(map_errors=True)
        left = [client.call_pool("boxed", "daemonize"), *client.call_pool("boxed", "sessions", [3])]
        client.answer_pool("boxed", "kill", [signal.SIGKILL])
        self.assertEqual(procs.wait_gone(left, 5.0), [])

    def test_a_group_alone(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, group="daemon", **self.public))
        found = daemon.connect().call_pool("boxed", "who")
        self.assertEqual(found["uid"], [0] * 3)
        self.assertEqual((found["gid"], found["groups"]), ([1] * 3, [1]))

    def test_a_group_of_its_own_choice(self) -> None:
        daemon = self.start(pool("boxed", UNQUIET, user="nobody", group="daemon", **self.public))
        found = daemon.connect().call_pool("boxed", "who")
        self.assertEqual((found["uid"], found["gid"]), ([NOBODY.pw_uid] * 3, [1] * 3))


class Refused(DaemonTest):
    """What can't be had is said at the start, or in the error of the start that failed."""

    def refuse(self, words: str, **options: object) -> None:
        """A worker that can't be started, and why."""
        daemon = self.launch(
            pool("boxed", UNQUIET, **{**options, "restart_delay": "10s", "restart_delay_max": "10s"})
        )
        daemon.announced.append("pool=boxed|start_timeout|pool is")
        daemon.wait_listening()
        daemon.log.wait_for(f"spawn_failed.*command could not be started: {words}")
        self.assertIn(words, daemon.workers("boxed")[0]["last_exit"])

    def test_a_directory(self) -> None:
        self.refuse("directory /nonexistent: No such file or directory", directory="/nonexistent")

    def test_a_directory_that_its_user_may_not_enter(self) -> None:
        if not IS_ROOT:
            self.skipTest("only root becomes another user")
        self.refuse("directory /root: Permission denied", directory="/root", user="nobody")

    def test_a_user_that_does_not_exist(self) -> None:
        daemon = self.launch(pool("boxed", UNQUIET, user="no_such_user"))
        daemon.announced.append("there is no user")
        self.assertEqual(daemon.wait_ended(), 78)
        daemon.log.wait_for(r"\[pool boxed\] user = no_such_user: there is no user no_such_user")

    def test_a_group_that_does_not_exist(self) -> None:
        daemon = self.launch(pool("boxed", UNQUIET, group="no_such_group"))
        daemon.announced.append("there is no group")
        self.assertEqual(daemon.wait_ended(), 78)
