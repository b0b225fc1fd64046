"""Who may do and see what: users among each other, and workers towards the daemon."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import signal
import socket
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import public
from clients import poolctl
from clock import HANGS, eventually
from harness import C_TOOLS, PYTHON_PATH, Daemon, DaemonTest, pool
from raw import Raw, unpack

IS_ROOT = os.geteuid() == 0
# Two users and a group of nobody's.
ANNE, BERT = 61001, 61002
GROUP = grp.getgrnam("daemon")
# A user that workers may have.
USER = pwd.getpwnam("daemon")

KEEPER = shlex.join([sys.executable, "-m", "poold.worker", "keeper"])
INTRUDER = shlex.join([sys.executable, "-m", "poold.worker", "intruder"])

NAMESAKE = "each has its own"


@contextmanager
def become(uid: int, *groups: int) -> Iterator[None]:
    """This process connects as somebody else meanwhile."""
    old = os.getgroups()
    os.setgroups(list(groups))
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(old)


class RightsTest(DaemonTest):
    """A daemon that everybody may connect to."""

    def open(self, *pools: str, **options: object) -> Daemon:
        daemon = self.start(*pools, socket_mode="0666", **options)
        daemon.directory.chmod(0o755)
        return daemon

    def connect(self, daemon: Daemon, uid: int, *groups: int) -> Raw:
        with become(uid, *groups):
            return daemon.connect(map_errors=True)


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Named(RightsTest):
    def test_a_client_that_fills_the_queue(self) -> None:
        """Everybody may know that there is one; who it is, those who control the pool."""
        daemon = self.open(pool("tools", C_TOOLS, queue_max=20, prefetch=0), alerts=True)
        daemon.announced.append("alert client_flood")
        bystander, listener = self.connect(daemon, BERT), self.connect(daemon, BERT)
        listener.call("poold.subscribe", ["alert"])
        daemon.occupy(daemon.connect())
        flooder = self.connect(daemon, ANNE)
        for _ in range(15):
            flooder.ask_pool("tools", "echo", [1])
        eventually(lambda: daemon.ask("poold.status")["pools"][0]["problems"], "it is known", 20.0)
        whole = rf"client \d+ \(process \d+, user {ANNE}\) has most of the queue"
        for who, cause in ((daemon.connect(), whole), (bystander, "one client has most of the queue")):
            status = who.call("poold.status")["pools"][0]
            texts = (
                status["problems"][0]["text"],
                *status["reasons"],
                *who.call("poold.pools")[0]["reasons"],
                *who.call("poold.health")["pools"]["tools"]["reasons"],
                *(one["text"] for one in who.call("poold.alerts")["active"] if one["name"] == "client_flood"),
            )
            self.assertEqual(len(texts), 5)
            for text in texts:
                self.assertRegex(text, cause)
        _, _, (event,) = unpack(listener.read_message())
        self.assertRegex(event["text"], "one client has most of the queue")
        daemon.log.wait_for(rf"user {ANNE}\) has most of the queue")
        daemon.release()

    def test_a_user_whose_clients_fill_the_queue(self) -> None:
        daemon = self.open(pool("tools", C_TOOLS, queue_max=20, prefetch=0), alerts=True)
        daemon.announced.append("alert client_flood")
        bystander = self.connect(daemon, BERT)
        daemon.occupy(daemon.connect())
        crowd = [self.connect(daemon, ANNE) for _ in range(3)]
        for each in (*crowd, bystander):
            for _ in range(4):
                each.ask_pool("tools", "echo", [1])
        whole = rf"user {ANNE} has most of the queue"
        eventually(lambda: daemon.ask("poold.status")["pools"][0]["problems"], "it is known", 20.0)
        for who, cause in ((daemon.connect(), whole), (self.connect(daemon, BERT), "one user has most of the queue")):
            self.assertRegex(who.call("poold.status")["pools"][0]["problems"][0]["text"], cause)
        daemon.release()


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Names(RightsTest):
    """To each user its sessions and keys are its own."""

    def test_a_session_is_its_users(self) -> None:
        daemon = self.open(pool("keeper", KEEPER))
        daemon.announced.append(NAMESAKE)
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        for text in ("a", "b"):
            anne.call_pool("keeper", "append", [text], session="cart")
        self.assertIsNone(bert.call_pool("keeper", "read", session="cart"))
        self.assertEqual(bert.call_pool("keeper", "append", ["c"], session="cart"), ["c"])
        self.assertEqual(anne.call_pool("keeper", "append", ["d"], session="cart"), ["a", "b", "d"])
        # The same worker keeps something for both, and does not confuse them.
        self.assertEqual([anne.call_pool("keeper", "touch", session="cart") for _ in range(2)], [1, 2])
        self.assertEqual(bert.call_pool("keeper", "touch", session="cart"), 1)
        # A name that looks as workers see Anne's is no way in, not even for the daemon's own user.
        with daemon.connect() as own:
            for name in (f"{ANNE}:cart", "cart"):
                self.assertIsNone(own.call_pool("keeper", "read", session=name))
                self.assertEqual(own.call_pool("keeper", "touch", session=name), 1)

    def test_only_who_controls_closes_anothers(self) -> None:
        daemon = self.open(pool("keeper", KEEPER))
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        anne.call_pool("keeper", "append", ["a"], session="cart")
        self.assert_code(bert.answer("poold.session_close", "cart"), "session_not_found")
        self.assert_code(bert.answer("poold.session_close", "cart", ANNE), "permission_denied")
        self.assertEqual(anne.call_pool("keeper", "append", ["b"], session="cart"), ["a", "b"])
        own = daemon.connect(map_errors=True)
        answer = own.answer("poold.session_close", "cart")
        self.assert_code(answer, "session_not_found")
        self.assertIn("uid", answer.error["message"])
        self.assertIs(own.call("poold.session_close", "cart", ANNE), True)
        self.assert_code(anne.answer_pool("keeper", "read", session="cart"), "session_not_found")
        anne.call_pool("keeper", "append", ["a"], session="mine")
        self.assertIs(anne.call("poold.session_close", "mine"), True)
        anne.call_pool("keeper", "append", ["a"], session="last")
        self.assertIs(anne.call("poold.session_close", "last", ANNE), True)
        anne.call_pool("keeper", "append", ["a"], session="poolctl")
        self.assertEqual(poolctl(daemon, "session", "close", "poolctl").returncode, 1)
        done = poolctl(daemon, "session", "close", "poolctl", str(ANNE))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_names_are_shown_to_their_user(self) -> None:
        daemon = self.open(pool("keeper", KEEPER))
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        anne.call_pool("keeper", "pid", session="hers")
        bert.call_pool("keeper", "pid", session="his")

        def names(client: Raw) -> set[tuple[str | None, int | None]]:
            return {(each["session"], each["uid"]) for each in client.call("poold.sessions")["sessions"]}

        self.assertEqual(names(anne), {("hers", ANNE), (None, None)})
        self.assertEqual(names(bert), {("his", BERT), (None, None)})
        self.assertEqual(names(daemon.connect()), {("hers", ANNE), ("his", BERT)})

    def test_shared_sessions(self) -> None:
        daemon = self.open(pool("keeper", KEEPER), sessions_shared=True)
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        anne.call_pool("keeper", "append", ["a"], session="cart")
        self.assertEqual(bert.call_pool("keeper", "append", ["b"], session="cart"), ["a", "b"])
        self.assertEqual(bert.call("poold.sessions")["sessions"][0]["session"], "cart")
        self.assertIs(bert.call("poold.session_close", "cart"), True)

    def test_a_key_is_its_users(self) -> None:
        daemon = self.open(pool("own", C_TOOLS), pool("shared", C_TOOLS, keys_shared=True))
        daemon.announced.append(NAMESAKE)
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        self.assertEqual(anne.call_pool("own", "echo", ["hers"], key="order"), "hers")
        self.assertEqual(bert.call_pool("own", "echo", ["his"], key="order"), "his")
        self.assertEqual(anne.call_pool("own", "echo", ["again"], key="order"), "hers")
        self.assertEqual(anne.call_pool("shared", "echo", ["hers"], key="order"), "hers")
        self.assertEqual(bert.call_pool("shared", "echo", ["his"], key="order"), "hers")

    def test_a_name_met_from_a_second_user_is_told_once(self) -> None:
        daemon = self.open(pool("keeper", KEEPER))
        daemon.announced.append(NAMESAKE)
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        for name in ("one", "two", "three"):
            anne.call_pool("keeper", "pid", session=name)
            bert.call_pool("keeper", "pid", session=name, key=name)
            anne.call_pool("keeper", "pid", key=name)
        told = [line for line in str(daemon.log).splitlines() if " uses " in line]
        self.assertEqual(len(told), 2, told)
        self.assertIn("sessions_shared", told[0])
        self.assertIn("keys_shared", told[1])

        def findings(client: Raw) -> dict[str, dict[str, Any]]:
            return {each["check"]: each for each in client.call("poold.doctor")}

        found = findings(daemon.connect())
        self.assertIn("3 times", found["sessions"]["text"])
        self.assertIn(f"uid {BERT}", found["sessions"]["text"])
        self.assertEqual(found["keys"]["pool"], "keeper")
        # That a name is taken is nothing that one user may ask about another.
        self.assertNotIn("sessions", findings(bert))


    def test_of_many_users_some_are_told(self) -> None:
        daemon = self.open(pool("keeper", KEEPER))
        daemon.announced.append(NAMESAKE)
        for uid in range(ANNE, ANNE + 40):
            with become(uid), Raw(daemon.path) as client:
                client.call_pool("keeper", "pid", session="same")
        told = [line for line in str(daemon.log).splitlines() if " uses " in line]
        found = [each for each in daemon.ask("poold.doctor") if each["check"] == "sessions"]
        self.assertEqual((len(told), len(found)), (16, 16))


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Texts(RightsTest):
    """Messages and names are for who asked, and for who controls."""

    SECRET = "the secret of Anne"

    def test_errors(self) -> None:
        daemon = self.open(pool("tools", INTRUDER))
        daemon.announced.append("request failed")
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        anne.answer_pool("tools", "fail", [self.SECRET], session="her cart")
        for client in (anne, daemon.connect()):
            (entry,) = client.call("poold.errors")
            self.assertEqual((entry["message"], entry["session"]), (f"ValueError: {self.SECRET}", "her cart"))
            self.assertIn("Traceback", entry["detail"]["traceback"])
        (entry,) = bert.call("poold.errors")
        self.assertEqual((entry["code"], entry["pool"], entry["kind"]), ("exception", "tools", "request"))
        self.assertEqual(entry["detail"], {"type": "ValueError"})
        for trace in ("secret", "Traceback", "cart", "request\"", "'fail'"):
            self.assertNotIn(trace, str(entry))
        self.assertEqual(bert.call("poold.stats")["pools"]["tools"]["errors"], {"exception": 1})

    def test_what_a_failing_pool_says(self) -> None:
        daemon = self.open(pool("tools", INTRUDER, degraded_min=2))
        daemon.announced += ["request failed", "pool is degraded"]
        anne, bert = self.connect(daemon, ANNE), self.connect(daemon, BERT)
        for _ in range(2):
            anne.answer_pool("tools", "fail", [self.SECRET])
        for client in (anne, daemon.connect()):
            failing = client.call("poold.status")["pools"][0]["failing"]
            self.assertEqual(failing["text"], f"ValueError: {self.SECRET}")
            self.assertIn(self.SECRET, str(client.call("poold.doctor")))
        failing = bert.call("poold.status")["pools"][0]["failing"]
        self.assertEqual((failing["code"], failing["type"], failing["text"]), ("exception", "ValueError", None))
        for method in ("poold.status", "poold.health", "poold.doctor"):
            found = str(bert.call(method))
            self.assertIn("ValueError", found)
            self.assertNotIn("secret", found)

    def test_events(self) -> None:
        daemon = self.open(pool("tools", INTRUDER))
        daemon.announced.append("request failed")
        clients = [self.connect(daemon, ANNE), self.connect(daemon, BERT), daemon.connect(map_errors=True)]
        for client in clients:
            client.call("poold.subscribe", ["error", "session"])
        asker = self.connect(daemon, ANNE)
        asker.answer_pool("tools", "fail", [self.SECRET], session="her cart")
        heard = [[unpack(client.read_message())[2][0] for _ in range(2)] for client in clients]
        for created, failed in (heard[0], heard[2]):
            self.assertEqual((created["session"], created["what"]), ("her cart", "created"))
            self.assertIn(self.SECRET, failed["message"])
        created, failed = heard[1]
        self.assertEqual((created["kind"], created["what"]), ("session", "created"))
        self.assertEqual((failed["kind"], failed["code"]), ("error", "exception"))
        self.assertNotIn("session", created)
        self.assertNotIn("message", failed)

    def test_what_workers_wrote(self) -> None:
        noisy = shlex.join([sys.executable, "-c", "import sys; sys.exit('no module named secret')"])
        daemon = self.launch(pool("closed", noisy, call_group=GROUP.gr_name),
                             pool("open", noisy), socket_mode="0666", start_timeout="1s")
        daemon.announced += ["pool=", "start_timeout"]
        daemon.directory.chmod(0o755)
        daemon.wait_listening()
        root, anne = daemon.connect(), self.connect(daemon, ANNE)
        member = self.connect(daemon, BERT, GROUP.gr_gid)

        def words(client: Raw) -> dict[str, str]:
            found = {"open": "", "closed": ""}
            for method in ("poold.workers", "poold.doctor", "poold.errors", "poold.pools"):
                for each in client.call(method):
                    name = each.get("pool") or each.get("name")
                    if name:
                        found[name] += str(each)
            return found

        eventually(lambda: words(root)["closed"].count("secret") > 3, lambda: f"it is told: {words(root)}")
        self.assertIn("secret", words(anne)["open"])
        self.assertNotIn("secret", words(anne)["closed"])
        self.assertIn("secret", words(member)["closed"])
        self.assertIn("secret", words(member)["open"])

    def test_what_a_worker_said_at_work_is_for_control(self) -> None:
        daemon = self.open(pool("tools", C_TOOLS))
        daemon.announced.append("pool=tools")
        anne = self.connect(daemon, ANNE)
        before = daemon.worker_pids("tools")
        anne.call_pool("tools", "say", [self.SECRET])
        os.kill(before[0], 9)
        daemon.wait_workers("tools", 1, tuple(before))
        (seen,) = anne.call("poold.workers")
        self.assertIsNone(seen["last_stderr"])
        (seen,) = daemon.workers("tools")
        self.assertIn(self.SECRET, seen["last_stderr"])

    def test_who_changed_a_breaker(self) -> None:
        daemon = self.open(pool("tools", C_TOOLS))
        daemon.announced.append("pool=tools")
        daemon.ask("poold.breaker_disable", "tools")
        self.assertIsNone(self.connect(daemon, ANNE).call("poold.breakers")[0]["by"])
        self.assertEqual(daemon.ask("poold.breakers")[0]["by"]["uid"], 0)


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Groups(RightsTest):
    """call_group and admin_group, of the daemon and of a pool."""

    def test_who_may_call(self) -> None:
        daemon = self.open(pool("closed", C_TOOLS, call_group=GROUP.gr_name), pool("open", C_TOOLS))
        anne, member = self.connect(daemon, ANNE), self.connect(daemon, BERT, GROUP.gr_gid)
        answer = anne.answer_pool("closed", "echo", [1], key="k", session="s")
        self.assert_code(answer, "permission_denied")
        for word in ("closed", GROUP.gr_name, "call_group"):
            self.assertIn(word, answer.error["message"])
        self.assert_code(anne.answer("closed.echo", 1), "permission_denied")
        # It has left nothing.
        self.assertEqual(daemon.counters("closed")["requests"], 0)
        self.assertEqual(daemon.ask("poold.sessions")["count"], 0)
        self.assertEqual({each["kind"] for each in daemon.ask("poold.errors")}, {"refusal"})
        self.assertEqual(anne.call_pool("open", "echo", [1]), 1)
        self.assertEqual(member.call_pool("closed", "echo", [1]), 1)
        self.assertEqual(daemon.connect().call_pool("closed", "echo", [1]), 1)
        self.assertIsNone(next(each for each in anne.call("poold.pools") if each["name"] == "closed")["command"])

    def test_the_daemons_group_and_one_that_is_not_there(self) -> None:
        daemon = self.open(pool("one", C_TOOLS), pool("two", C_TOOLS, call_group="no-such-group"),
                           call_group=GROUP.gr_name)
        daemon.announced.append("there is no such group")
        anne, member = self.connect(daemon, ANNE), self.connect(daemon, BERT, GROUP.gr_gid)
        answer = anne.answer_pool("one", "echo", [1])
        self.assert_code(answer, "permission_denied")
        self.assertIn(GROUP.gr_name, answer.error["message"])
        self.assertEqual(member.call_pool("one", "echo", [1]), 1)
        answer = member.answer_pool("two", "echo", [1])
        self.assert_code(answer, "permission_denied")
        self.assertIn("does not exist", answer.error["message"])
        self.assertEqual(daemon.connect().call_pool("two", "echo", [1]), 1)
        found = {each["pool"]: each["status"] for each in daemon.ask("poold.doctor") if each["check"] == "call group"}
        self.assertEqual(found, {None: "ok", "two": "warning"})

    def test_who_controls_a_pool(self) -> None:
        daemon = self.open(pool("ours", C_TOOLS, admin_group=GROUP.gr_name, call_group=GROUP.gr_name),
                           pool("theirs", C_TOOLS))
        daemon.announced.append("pool=ours")
        anne, member = self.connect(daemon, ANNE), self.connect(daemon, BERT, GROUP.gr_gid)
        for method in ("poold.drain", "poold.resume", "poold.restart_workers", "poold.breaker_open"):
            answer = anne.answer(method, "ours")
            self.assert_code(answer, "permission_denied")
            for word in ("ours", GROUP.gr_name, "admin_group"):
                self.assertIn(word, answer.error["message"])
            self.assert_code(member.answer(method, "theirs"), "permission_denied")
            self.assert_code(member.answer(method, "no such pool"), "permission_denied")
        self.assertIs(member.call("poold.drain", "ours")["drained"], True)
        self.assertIs(member.call("poold.resume", "ours")["drained"], False)
        self.assert_code(member.answer("poold.recovery_cancel", 1), "permission_denied")
        self.assert_code(member.answer("poold.session_close", "s", ANNE), "permission_denied")


class Workers(RightsTest):
    """A worker controls nothing, though it may have the daemon's user."""

    def answers(self, daemon: Daemon, name: str) -> dict[str, str]:
        """What processes of a pool's worker are told that ask for control."""
        client = daemon.connect(map_errors=True)
        found = {"itself": client.call_pool(name, "ask", [daemon.path, "poold.resume", [name]])}
        for how in ("ask_as_child", "ask_from_afar"):
            path = daemon.directory / f"{name}-{how}"
            client.call_pool(name, how, [daemon.path, name, str(path)])
            eventually(path.exists, f"{how} is answered")
            found[how] = path.read_text()
        return found

    def check_refused(self, **options: object) -> None:
        daemon = self.start(pool("tools", INTRUDER, **options))
        self.assertEqual(set(self.answers(daemon, "tools").values()), {"permission_denied"})
        client = daemon.connect()
        self.assertEqual(client.call_pool("tools", "ask", [daemon.path, "poold.status", []]), "done")
        # Who started the daemon is nobody's worker, nor is what else it has started.
        self.assertIs(daemon.ask("poold.resume", "tools")["drained"], False)
        self.assertEqual(poolctl(daemon, "resume", "tools").returncode, 0)

    def test_plain(self) -> None:
        self.check_refused()

    def test_prefork(self) -> None:
        self.check_refused(prefork=True)

    def test_a_pool_that_may(self) -> None:
        daemon = self.start(pool("tools", INTRUDER, control=True), pool("forked", INTRUDER, control=True, prefork=True))
        for name in ("tools", "forked"):
            found = self.answers(daemon, name)
            # Of an orphan nobody knows whose it was.
            self.assertEqual(found, {"itself": "done", "ask_as_child": "done", "ask_from_afar": "permission_denied"})

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_a_worker_in_the_admin_group(self) -> None:
        daemon = self.open(pool("tools", INTRUDER, group=GROUP.gr_name), admin_group=GROUP.gr_name)
        self.assertEqual(set(self.answers(daemon, "tools").values()), {"permission_denied"})
        self.assertIs(self.connect(daemon, ANNE, GROUP.gr_gid).call("poold.resume", "tools")["drained"], False)

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_who_has_ended_may_have_been_one(self) -> None:
        """Nobody can say any more where a process came from that has handed its connection on and ended before the
        daemon looked.  It is taken for a worker's where workers may have its user."""
        # A program that any user can run, wherever the tree stands.
        workers = pool("tools", "/bin/cat", dialect="jsonrpc", user=USER.pw_name, group=GROUP.gr_name)
        daemon = self.open(workers, admin_group=GROUP.gr_name)
        self.assert_code(self.handed_on(daemon, USER.pw_uid).answer("poold.resume", "tools"), "permission_denied")
        self.assertIs(self.handed_on(daemon, ANNE).call("poold.resume", "tools")["drained"], False)

    def handed_on(self, daemon: Daemon, uid: int) -> Raw:
        """A connection that a process of that user, in the admin group, has made and left to us."""
        ours, theirs = socket.socketpair()
        taken = daemon.connect()
        daemon.signal(signal.SIGSTOP)
        try:
            with ours, theirs:
                child = os.fork()
                if child == 0:
                    try:
                        os.setgroups([GROUP.gr_gid])
                        os.setgid(uid)
                        os.setuid(uid)
                        made = Raw(daemon.path)
                        socket.send_fds(theirs, [b"-"], [made.socket.fileno()])
                    finally:
                        os._exit(0)
                theirs.close()
                os.waitpid(child, 0)
                (descriptor,) = socket.recv_fds(ours, 1, 1)[1]
        finally:
            daemon.signal(signal.SIGCONT)
        taken.close()
        taken.socket = socket.socket(fileno=descriptor)
        taken.socket.settimeout(HANGS)
        taken.call("poold.hello", {"client": "e2e", "version": "0", "errors": "map"})
        return taken

    def test_its_environment_has_nothing_of_the_service_managers(self) -> None:
        daemon = self.start(pool("tools", INTRUDER))
        found = daemon.connect().call_pool("tools", "environment")
        names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
                 "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "INVOCATION_ID", "JOURNAL_STREAM")
        self.assertEqual([name for name in names if name in found], [])


class OrdinaryDaemon(Daemon):
    """A daemon of an ordinary user, without capabilities; started by root or by that user."""

    def _launch(self) -> None:
        if IS_ROOT:
            public.program("poold", self.directory)
            public.module("intruder", self.directory)
            self.config.chmod(0o644)
            self.directory.chmod(0o777)
            self.notices.path.chmod(0o777)
        super()._launch()

    def command(self) -> list[str]:
        if not IS_ROOT:
            return super().command()
        return ["setpriv", "--reuid", str(ANNE), "--regid", str(ANNE), "--clear-groups", "--inh-caps=-all",
                "--bounding-set=-all", "--no-new-privs", str(self.directory / "bin" / "poold"),
                "-c", str(self.config)]

    def environment(self) -> dict[str, str]:
        path = public.package(self.directory) if IS_ROOT else {"PYTHONPATH": PYTHON_PATH}
        return {**super().environment(), **path, "PYTHONDONTWRITEBYTECODE": "1",
                "WATCHDOG_USEC": "600000000", "CREDENTIALS_DIRECTORY": "/run/credentials/poold"}


class Ordinary(DaemonTest):
    """A worker of an ordinary user's daemon sees nothing of it, and has no say in it."""

    def open(self, **options: object) -> Daemon:
        home = {"directory": "/", "env.PYTHONDONTWRITEBYTECODE": "1"}
        daemon = OrdinaryDaemon((pool("tools", INTRUDER, **home),), options)
        self.addCleanup(daemon.finish)
        daemon.wait_ready()
        return daemon

    def test_it_can_t_look_into_the_daemon(self) -> None:
        daemon = self.open(core_dumps=False)
        # What it would have to count may be seen by root alone.
        daemon.descriptors = ["any"] * 1000 if not IS_ROOT else daemon.descriptors
        client = daemon.connect(map_errors=True)
        self.assertEqual(client.call_pool("tools", "daemon"), daemon.pid)
        found = client.call_pool("tools", "spy", [daemon.pid, True])
        self.assertEqual(set(found), {"environ", "mem", "maps", "fd", "process_vm_readv", "ptrace"})
        self.assertEqual(set(found.values()) - {"Permission denied", "Operation not permitted"}, set(), found)
        self.assertEqual(client.call_pool("tools", "ask", [daemon.path, "poold.resume", ["tools"]]),
                         "permission_denied")
        environment = client.call_pool("tools", "environment")
        self.assertFalse({"NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"} & set(environment))

    def test_with_core_dumps_it_can(self) -> None:
        daemon = self.open(core_dumps=True)
        found = daemon.connect().call_pool("tools", "spy", [daemon.pid, False])
        self.assertEqual((found["environ"], found["fd"]), ("done", "done"))
        self.assertEqual(daemon.connect().call_pool("tools", "ask", [daemon.path, "poold.resume", ["tools"]]),
                         "permission_denied")

    def test_its_own_workers_may_be_looked_at(self) -> None:
        daemon = self.open(core_dumps=False)
        daemon.descriptors = ["any"] * 1000 if not IS_ROOT else daemon.descriptors
        pid = daemon.worker_pids("tools")[0]
        found = daemon.connect().call_pool("tools", "spy", [pid, False])
        self.assertEqual(found["environ"], "done")


if __name__ == "__main__":
    unittest.main()
