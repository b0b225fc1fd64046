"""Programs that speak on standard input and output run as they are: these are two pipes, and what a
program does with two pipes it can do here."""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import signal
import sys
import unittest
from pathlib import Path

import poold

import procs
import public
from clients import ClientTest
from clock import eventually, ms
from harness import Daemon, pool, worker

IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
ORDINARY = (NOBODY.pw_uid, NOBODY.pw_gid) if IS_ROOT else (os.getuid(), os.getgid())

# What a pipe holds once a user has more than its share of them.
SMALL_PIPE = 8192

# A stock program that answers each request with its own name.
SED = shlex.join(
    ["sed", "-u", "-E", r's/^.*"id":([0-9]+),.*$/{"jsonrpc":"2.0","id":\1,"result":"sed"}/']
)


def piped(way: str, **options: object) -> str:
    return pool("t", worker("piped", way), **{"dialect": "jsonrpc", "ready_call": "pid", **options})


def ignores(pid: int, number: int) -> bool:
    """Whether the process ignores this signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (number - 1) & 1)


class Ways(ClientTest):
    """Programs that use their two pipes in different ways."""

    def check_way(self, way: str) -> None:
        """Twenty calls, large arguments and answers, and an end when its input ends."""
        daemon = self.start(piped(way, kill_grace="20s"))
        client = self.connect_client(daemon)
        (pid,) = daemon.worker_pids("t")
        for _ in range(20):
            self.assertEqual(client.call("t", "pid"), pid)
        for size in (100, 70_000, 3_000_000):
            self.assertEqual(client.call("t", "much", size), "x" * size)
            self.assertEqual(client.call("t", "size", "y" * size), size)
        self.assertEqual(client.call("t", "pid"), pid)

    def test_asyncio_on_both(self) -> None:
        self.check_way("both_asyncio")

    def test_asyncio_on_the_input_alone(self) -> None:
        self.check_way("reads_asyncio")

    def test_a_child_that_reads(self) -> None:
        self.check_way("with_helper")

    def test_nothing_unusual(self) -> None:
        self.check_way("plain")

    def test_an_input_that_does_not_block(self) -> None:
        self.check_way("nonblocking")

    def test_epoll(self) -> None:
        self.check_way("epoll")

    def test_opened_anew(self) -> None:
        self.check_way("reopened")

    def test_duplicates(self) -> None:
        self.check_way("duplicated")

    def test_a_smaller_pipe(self) -> None:
        self.check_way("small_pieces")

    def test_stock_programs(self) -> None:
        for command in (SED, shlex.join(["sh", "-c", "tee /dev/stderr | " + SED])):
            with self.subTest(command):
                daemon = self.start(pool("t", command, dialect="jsonrpc", ready_call="x"))
                daemon.announced.append("stream=stderr")
                client = self.connect_client(daemon)
                calls = [client.start("t", "x", n) for n in range(100)]
                self.assertEqual([call.result() for call in calls], ["sed"] * 100)

    def test_a_shell_script(self) -> None:
        """It redirects by path, as scripts do."""
        script = (
            'while read -r line; do id=${line#*\\"id\\":}; id=${id%%,*};'
            ' echo seen >/dev/stderr;'
            ' printf \'{"jsonrpc":"2.0","id":%s,"result":"sh"}\\n\' "$id" >/dev/stdout;'
            " done </dev/stdin"
        )
        daemon = self.start(pool("t", shlex.join(["sh", "-c", script]), dialect="jsonrpc"))
        client = self.connect_client(daemon)
        self.assertEqual([client.call("t", "x", n) for n in range(20)], ["sh"] * 20)
        daemon.log.wait_for("seen pool=t")

    def test_an_echo_is_no_server(self) -> None:
        """`cat` gives back each request, which no dialect takes for an answer."""
        for dialect in ("jsonrpc", "msgpack-rpc", "packet4-json"):
            with self.subTest(dialect):
                daemon = self.launch(
                    pool("t", "cat", dialect=dialect, ready_call="x", restart_delay_max="1s"),
                    start_timeout=ms(200),
                )
                daemon.announced.append("pool=t|start_timeout")
                daemon.wait_listening()
                eventually(lambda: daemon.counters("t")["worker_start_failures"] > 0, "it fails")


class Ends(ClientTest):
    """What the two pipes are, and what becomes of a worker that closes one of them."""

    def test_what_they_are(self) -> None:
        daemon = self.start(piped("plain"))
        found = self.connect_client(daemon).call("t", "files")
        self.assertEqual([each["pipe"] for each in found], [True, True, True])
        self.assertEqual([each["mine"] for each in found], [True, True, True])
        self.assertEqual([each["blocks"] for each in found], [True, True, True])
        self.assertEqual([each["access"] for each in found[:2]], [os.O_RDONLY, os.O_WRONLY])

    def test_who_ignores_sigpipe(self) -> None:
        """The daemon does; a program that writes to a pipe without a reader ends by it."""
        daemon = self.start(pool("t", SED, dialect="jsonrpc", ready_call="x"))
        self.assertTrue(ignores(daemon.pid, signal.SIGPIPE))
        self.assertFalse(ignores(daemon.worker_pids("t")[0], signal.SIGPIPE))

    def holders(self, daemon: Daemon, inode: int) -> list[int]:
        """The processes of the daemon's family that have this pipe open."""
        return sorted(
            pid for pid in daemon.family()
            if any(f"pipe:[{inode}]" in each for each in procs.descriptors(pid))
        )

    def test_nobody_else_holds_them(self) -> None:
        """Neither another worker nor the guard, also not one that is started later."""
        daemon = self.start(piped("plain", workers=3))
        daemon.announced.append("pool=t|guard")
        guards = [p for p in procs.children(daemon.pid) if procs.name(p) == "pguard"]
        for pid in guards:
            procs.kill(pid)
        eventually(
            lambda: any(procs.name(pid) == "pguard" and pid not in guards
                        for pid in procs.children(daemon.pid)),
            "there is another guard",
        )
        first = daemon.worker_pids("t")[0]
        procs.kill(first)
        for pid in daemon.wait_workers("t", 3, apart_from=(first,)):
            for fd in range(3):
                inode = os.stat(f"/proc/{pid}/fd/{fd}").st_ino
                eventually(
                    lambda i=inode, p=pid: self.holders(daemon, i) == sorted([daemon.pid, p]),
                    lambda i=inode: f"two hold it: {self.holders(daemon, i)}",
                )

    def test_it_closes_its_output(self) -> None:
        """Its request fails, and another process serves."""
        daemon = self.start(piped("closes_output"))
        daemon.announced.append("pool=t")
        client = self.connect_client(daemon)
        (before,) = daemon.worker_pids("t")
        error = self.failure("peer_closed", client, "t", "pid")
        self.assertIn("closed its standard output", error.raw["message"])
        daemon.wait_workers("t", 1, apart_from=(before,))

    def test_it_closes_its_input(self) -> None:
        """What it was sent is still answered; what comes next finds nobody who reads."""
        daemon = self.start(piped("closes_input"))
        daemon.announced.append("pool=t")
        client = self.connect_client(daemon)
        (before,) = daemon.worker_pids("t")
        self.assertEqual(client.call("t", "pid"), before)
        error = self.failure("peer_closed", client, "t", "pid")
        self.assertIn("closed its standard input", error.raw["message"])
        daemon.wait_workers("t", 1, apart_from=(before,))

    def test_its_death_is_noticed_though_a_child_holds_both(self) -> None:
        """The process's end counts, not that of its pipes."""
        script = "setsid sleep 600 & exec " + worker("piped", "plain")
        daemon = self.start(
            pool("t", shlex.join(["bash", "-c", script]), dialect="jsonrpc", ready_call="pid")
        )
        daemon.announced.append("pool=t")
        client = self.connect_client(daemon)
        (before,) = daemon.worker_pids("t")
        error = self.failure("worker_exited", client, "t", "leave", 7)
        self.assertIn("exit status 7", error.raw["message"])
        daemon.wait_workers("t", 1, apart_from=(before,))

    def test_a_worker_that_reads_nothing_holds_up_nobody(self) -> None:
        """More than two pipes hold waits for it in the daemon; the other pool serves."""
        sleeper = pool("s", "sleep 600", dialect="jsonrpc", attempt_timeout=ms(500))
        daemon = self.start(sleeper, piped("plain"))
        daemon.announced.append("pool=s")
        client = self.connect_client(daemon)
        waiting = client.start("s", "x", "y" * 4_000_000)
        for _ in range(20):
            client.call("t", "pid")
        with self.assertRaises(poold.Error) as raised:
            waiting.result()
        self.assertEqual(raised.exception.code, "attempt_timeout")


class Users(ClientTest):
    """Workers of another user, and a daemon of an ordinary one."""

    @unittest.skipUnless(IS_ROOT, "only root becomes another user")
    def test_another_user_owns_its_pipes(self) -> None:
        place = public.folder(self)
        piped_py = public.module("piped", place)
        for way in ("reopened", "both_asyncio"):
            command = shlex.join([sys.executable, str(piped_py), way])
            daemon = self.start(
                pool("t", command, dialect="jsonrpc", ready_call="pid", user="nobody",
                     directory=str(place))
            )
            client = self.connect_client(daemon)
            self.assertEqual(len(client.call("t", "much", 300_000)), 300_000)
            if way != "reopened":
                self.assertTrue(all(each["mine"] for each in client.call("t", "files")))

    @unittest.skipUnless(IS_ROOT, "only root becomes another user")
    def test_another_user_redirects_by_path(self) -> None:
        script = f"echo heard >/dev/stderr; exec {SED} </dev/stdin >/dev/stdout"
        daemon = self.start(
            pool("t", shlex.join(["sh", "-c", script]), dialect="jsonrpc", user="nobody",
                 directory="/")
        )
        self.assertEqual(self.connect_client(daemon).call("t", "x", 1), "sed")
        daemon.log.wait_for("heard pool=t")

    def start_with(self, privileges: list[str], *pools: str) -> Daemon:
        """A daemon with the privileges that setpriv(1) leaves it."""
        poold_program = public.program("poold", public.folder(self))

        class Reduced(Daemon):
            def command(self) -> list[str]:
                os.chown(self.directory, *ORDINARY)
                self.config.chmod(0o644)
                os.chmod(self.notices.path, 0o777)
                return ["setpriv", *privileges, str(poold_program), "-c", str(self.config)]

        kind = Reduced if privileges else Daemon
        daemon = kind(pools, {"start_timeout": "60s", "workers_max": 300})
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        return daemon

    def start_ordinary(self, *pools: str) -> Daemon:
        """A daemon of a user without privileges."""
        reduced = [f"--reuid={ORDINARY[0]}", f"--regid={ORDINARY[1]}", "--clear-groups",
                   "--inh-caps=-all", "--bounding-set=-all"]
        return self.start_with(reduced if IS_ROOT else [], *pools)

    @unittest.skipUnless(IS_ROOT, "only root becomes another user")
    def test_a_daemon_that_may_not_give_its_pipes_away(self) -> None:
        """All works but opening them anew."""
        daemon = self.start_with(
            ["--bounding-set=-chown", "--inh-caps=-chown"],
            pool("t", SED, dialect="jsonrpc", user="nobody", directory="/"),
        )
        (pid,) = daemon.worker_pids("t")
        self.assertEqual(os.stat(f"/proc/{pid}/fd/0").st_uid, 0)
        self.assertEqual(self.connect_client(daemon).call("t", "x", 1), "sed")

    def test_three_hundred_workers(self) -> None:
        daemon = self.start_ordinary(
            pool("t", SED, dialect="jsonrpc", ready_call="x", workers=300, directory="/")
        )
        client = self.connect_client(daemon)
        calls = [client.start("t", "x", n) for n in range(1000)]
        self.assertEqual({call.result() for call in calls}, {"sed"})
        self.assertEqual(len(daemon.worker_pids("t")), 300)

    def test_small_pipes(self) -> None:
        """A user that has many pipes gets small ones, which do as well."""
        piped_py = public.module("piped", public.folder(self))
        self.use_up_pipes()
        command = shlex.join([sys.executable, str(piped_py), "both_asyncio"])
        daemon = self.start_ordinary(
            pool("t", command, dialect="jsonrpc", ready_call="pid", workers=2, directory="/")
        )
        client = self.connect_client(daemon)
        sizes = [each["bytes"] for each in client.call("t", "files")]
        self.assertTrue(all(0 < size <= SMALL_PIPE for size in sizes), sizes)
        calls = [client.start("t", "much", 500_000) for _ in range(10)]
        self.assertEqual({len(call.result()) for call in calls}, {500_000})
        calls = [client.start("t", "size", "y" * 500_000) for _ in range(10)]
        self.assertEqual({call.result() for call in calls}, {500_000})

    def use_up_pipes(self) -> None:
        """Has a process of the daemon's user hold so many pipes that it gets no more large ones."""
        told, tell = os.pipe()
        stay, go = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if IS_ROOT:
                    os.setgroups([])
                    os.setgid(ORDINARY[1])
                    os.setuid(ORDINARY[0])
                os.close(go)
                while fcntl.fcntl(os.pipe()[0], 1032) > SMALL_PIPE:
                    pass
                os.write(tell, b"1")
                os.read(stay, 1)
            finally:
                os._exit(0)
        os.close(tell)
        os.close(stay)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.close, go)
        self.addCleanup(os.close, told)
        self.assertEqual(os.read(told, 1), b"1", "there is no limit of pipes here")


if __name__ == "__main__":
    unittest.main()
