"""Who is connected, which requests are open, and the end of one by an operator."""

from __future__ import annotations

import grp
import os
import subprocess
import unittest

import poold

from clients import PoolctlTest, poolctl
from clock import HANGS, eventually
from harness import BUILD, C_TOOLS, UNRULY, Daemon, pool, static_pool
from raw import Raw
from shapes import NUMBER, shape_faults
from test_rights import ANNE, BERT, IS_ROOT, RightsTest
from test_vectors import differences, load

GROUP = grp.getgrnam("daemon")
NONE = type(None)

CLIENT = {
    "client": int, "uid": int, "pid": int, "name": (str, NONE), "version": (str, NONE),
    "age_ms": NUMBER, "idle_ms": NUMBER, "in_flight": int, "queued": int, "calls": int,
    "bytes_in": int, "bytes_out": int, "unread_bytes": int, "subscribed": [str],
    "paused": (str, NONE), "control_only": bool,
}
REQUEST = {
    "id": int, "pool": str, "home": str, "method": str, "session": (str, NONE), "state": str,
    "age_ms": NUMBER, "left_ms": NUMBER, "attempts": int, "worker": (int, NONE),
    "run_ms": (int, NONE), "priority": str, "uid": int, "pid": int, "client": (str, NONE),
    "trace": (str, NONE),
}
# Escape sequences and a mark that turns text around: no terminal gets them.
NASTY = "\x1b[31mred\x07\u202egnp"


class Occupied(PoolctlTest):
    """A pool whose one worker is kept busy."""

    def start_busy(self, client: Raw, daemon: Daemon, **options: object) -> int:
        """Has the worker run a request until the file `gate` is removed; returns its message id."""
        gate = daemon.directory / "gate"
        number = client.ask_pool("tools", "occupy", [str(gate)], **options)
        eventually(gate.exists, "it runs")
        return number

    def open_gate(self, daemon: Daemon) -> None:
        (daemon.directory / "gate").unlink()

    def requests(self, client: Raw, **wish: object) -> list[dict]:
        found = client.call("poold.requests", wish)
        self.assertEqual(shape_faults(found, {"count": int, "more": bool, "requests": [REQUEST]}), [])
        return found["requests"]


class Clients(Occupied):
    """poold.clients"""

    def test_who_is_connected(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0))
        client, asker = daemon.connect(), daemon.connect()
        client.call("poold.hello", {"client": NASTY, "version": "7.1" * 50})
        client.call("poold.subscribe", ["error", "worker"])
        busy = self.start_busy(client, daemon)
        others = [client.ask_pool("tools", "echo", [i]) for i in range(2)]
        found = asker.call("poold.clients")
        self.assertEqual(shape_faults(found, {"count": 2, "more": False, "clients": [CLIENT]}), [])
        first, second = found["clients"]
        self.assertLess(first["client"], second["client"])
        self.assertEqual((first["name"], first["version"]), (NASTY, ("7.1" * 50)[:31]))
        self.assertEqual((first["uid"], first["pid"]), (os.getuid(), os.getpid()))
        self.assertEqual((first["in_flight"], first["queued"], first["calls"]), (3, 2, 3))
        self.assertEqual(first["subscribed"], ["worker", "error"])
        self.assertEqual((first["paused"], first["control_only"]), (None, False))
        self.assertGreater(first["bytes_in"], 200)
        self.assertGreater(first["bytes_out"], 50)
        self.assertEqual((second["name"], second["version"], second["calls"]), (None, None, 0))
        shown = self.succeed(daemon, "clients")
        self.assertIn("?[31mred??gnp", shown)
        self.assertNotIn("\x1b", shown)
        self.assertIn("worker,error", shown)
        self.assertIn("poolctl", shown)
        self.assertEqual(self.json(daemon, "clients")["clients"][0]["name"], NASTY)
        self.open_gate(daemon)
        for number in (busy, *others):
            self.assertIsNone(client.read_of(number).error)
        (first, _) = asker.call("poold.clients")["clients"]
        self.assertEqual((first["in_flight"], first["queued"], first["calls"]), (0, 0, 3))
        client.close()
        eventually(lambda: len(asker.call("poold.clients")["clients"]) == 1, "it is gone")

    def test_at_most_so_many(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        client, _ = daemon.connect(), daemon.connect()
        found = client.call("poold.clients", 1)
        self.assertEqual((len(found["clients"]), found["count"], found["more"]), (1, 2, True))
        self.assertEqual(client.call("poold.clients", 0)["clients"], [])
        self.assertEqual(client.answer("poold.clients", "all").code, "invalid_request")

    def test_how_many_is_a_number(self) -> None:
        daemon = self.start(static_pool("s", answer="1"))
        client = daemon.connect(map_errors=True)
        for method in ("poold.clients", "poold.sessions"):
            for wrong in (["many"], [-1], [1, 2]):
                with self.subTest(method=method, wrong=wrong):
                    answer = client.answer(method, *wrong)
                    self.assertEqual((answer.code, answer.error["message"]),
                                     ("invalid_request", "[] or [max] is wanted"))

    def test_one_that_does_not_read_is_paused(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), output_pause="64K")
        lazy, asker = daemon.connect(read_buffer=4096), daemon.connect()
        number = lazy.ask_pool("tools", "big", [4_000_000])
        def state() -> dict:
            return asker.call("poold.clients")["clients"][0]
        eventually(lambda: state()["paused"] == "unread", "it is not read")
        self.assertGreater(state()["unread_bytes"], 65536)
        self.assertEqual(len(lazy.read_of(number).result), 4_000_000)
        eventually(lambda: state()["paused"] is None, "it is read again")
        self.assertEqual(state()["unread_bytes"], 0)
        self.assertGreater(state()["bytes_out"], 4_000_000)

    def test_a_place_of_the_reserve(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), connections_max=6, control_reserve=4)
        for client in (daemon.connect(), daemon.connect()):
            client.call("poold.subscribe", ["alert"])
        with Raw(daemon.path) as extra:
            places = [each["control_only"] for each in extra.call("poold.clients")["clients"]]
            self.assertEqual(places, [False, False, True])
            self.assertIn("control only", self.succeed(daemon, "clients"))


class Requests(Occupied):
    """poold.requests and poold.request_cancel"""

    def test_requests_and_the_end_of_two(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0, cancel_grace="1min"), pool("other", UNRULY))
        client = daemon.connect(map_errors=True)
        asker = daemon.connect(map_errors=True)
        daemon.announced.append("pool=tools")
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        running = self.start_busy(client, daemon, session="cart", trace=trace, timeout_ms=60_000)
        waiting = client.ask_pool("tools", "echo", [1], session="cart", priority="sheddable")
        queued = client.ask_pool("tools", "echo", [2])
        eventually(lambda: len(self.requests(asker)) == 3, "all have come")
        first, second, third = self.requests(asker)
        vectors = {case["name"]: case["message"] for case in load("client")}
        for found, name in ((asker.call("poold.requests"), "requests"), (asker.call("poold.clients"), "clients")):
            self.assertEqual(differences(found, vectors[f"{name}_result"][3]), [])
        self.assertEqual(
            [(each["method"], each["state"], each["session"], each["priority"]) for each in (first, second, third)],
            [("occupy", "running", "cart", "normal"), ("echo", "waiting", "cart", "sheddable"),
             ("echo", "queued", None, "normal")],
        )
        self.assertEqual((first["worker"], first["attempts"], first["trace"]), (1, 1, trace))
        self.assertEqual((second["worker"], second["run_ms"], second["trace"]), (None, None, None))
        self.assertEqual((first["uid"], first["pid"], first["client"]), (os.getuid(), os.getpid(), "e2e"))
        self.assertEqual((first["pool"], first["home"]), ("tools", "tools"))
        self.assertLess(first["left_ms"], 60_000)
        self.assertGreaterEqual(first["age_ms"], third["age_ms"])
        self.check_choice(daemon, asker, [first["id"], second["id"], third["id"]])
        # An operator ends the queued one, then the running one: it is cancelled at its worker too.
        self.assertEqual(asker.call("poold.request_cancel", third["id"]),
                         {"id": third["id"], "pool": "tools", "method": "echo"})
        self.check_cancelled(client.read_of(queued).error)
        self.assertIn(f"request {first['id']} (tools.occupy) is cancelled", self.succeed(daemon, "cancel", str(first["id"])))
        self.check_cancelled(client.read_of(running).error)
        self.open_gate(daemon)
        self.assertEqual(client.read_of(waiting).result, 1)
        self.assertEqual(self.requests(asker), [])
        gone = poolctl(daemon, "cancel", str(first["id"]))
        self.assertEqual(gone.returncode, 1, gone)
        self.assertIn("no request of that id is open", gone.stderr)
        self.assertEqual(asker.answer("poold.request_cancel").code, "invalid_request")
        self.assertEqual(asker.answer("poold.request_cancel", "7").code, "invalid_request")
        self.assertIn("no such request", self.succeed(daemon, "requests"))

    def check_cancelled(self, error: dict) -> None:
        self.assertEqual((error["code"], error["message"]), ("cancelled", "an operator cancelled the request"))

    def check_choice(self, daemon: Daemon, asker: Raw, ids: list[int]) -> None:
        def chosen(**wish: object) -> list[int]:
            return [each["id"] for each in self.requests(asker, **wish)]
        self.assertEqual(chosen(), ids)
        self.assertEqual(chosen(only="queued"), ids[1:])
        self.assertEqual(chosen(only="running", pool=None, max=None), ids[:1])
        self.assertEqual(chosen(pool="tools"), ids)
        self.assertEqual(chosen(pool="other"), [])
        self.assertEqual(chosen(max=2), ids[:2])
        self.assertIs(asker.call("poold.requests", {"max": 2})["more"], True)
        self.assertIs(asker.call("poold.requests", {"max": 3})["more"], False)
        self.assertEqual(asker.call("poold.requests")["count"], 3)
        self.assertEqual(asker.answer("poold.requests", {"pool": "none"}).code, "unknown_pool")
        for wrong in ([1], [{"only": "held"}], [{"max": "1"}], [{"pools": "tools"}], [{}, {}], [{1: 2}]):
            with self.subTest(wrong=wrong):
                self.assertEqual(asker.answer("poold.requests", *wrong).code, "invalid_request")
        self.assertEqual([each["id"] for each in self.json(daemon, "requests", "--queued")["requests"]], ids[1:])
        shown = self.succeed(daemon, "requests", "--running", "tools")
        self.assertIn("occupy", shown)
        self.assertNotIn("echo", shown)
        both = poolctl(daemon, "requests", "--queued", "--running")
        self.assertEqual(both.returncode, 64, both)

    def test_on_a_terminal_it_asks_first(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0))
        daemon.announced.append("pool=tools")
        client, asker = daemon.connect(map_errors=True), daemon.connect()
        self.start_busy(client, daemon)
        queued = client.ask_pool("tools", "echo", [1])
        eventually(lambda: len(self.requests(asker, only="queued")) == 1, "it is queued")
        (found,) = self.requests(asker, only="queued")
        for words, answer, status in ((["cancel"], b"n\n", 1), (["cancel"], b"\n", 1), (["cancel"], b"\x04", 1),
                                      (["cancel"], b"y\n", 0), (["cancel", "--yes"], b"", 1)):
            with self.subTest(words=words, answer=answer):
                done, said = self.on_terminal(daemon, [*words, str(found["id"])], answer)
                self.assertEqual(done, status, said)
                self.assertEqual("poold.request_cancel" in said, "--yes" not in words, said)
        self.check_cancelled(client.read_of(queued).error)
        self.open_gate(daemon)

    def on_terminal(self, daemon: Daemon, words: list[str], answer: bytes) -> tuple[int, str]:
        """The exit status of poolctl on a terminal where somebody types `answer`, and what it said."""
        master, slave = os.openpty()
        os.write(master, answer)
        done = subprocess.run([str(BUILD / "poolctl"), "--socket", daemon.path, *words], stdin=slave,
                              capture_output=True, text=True, timeout=HANGS, check=False)
        os.close(slave)
        os.close(master)
        return done.returncode, done.stderr

    def test_one_that_is_at_another_pool(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), pool("first", C_TOOLS, fallback="tools"))
        daemon.announced.append("pool=first")
        client, asker = daemon.connect(), daemon.connect()
        asker.call("poold.drain", "first")
        gate = daemon.directory / "gate"
        number = client.ask_pool("first", "occupy", [str(gate)])
        eventually(gate.exists, "it runs")
        (found,) = self.requests(asker, pool="tools")
        self.assertEqual((found["pool"], found["home"]), ("tools", "first"))
        self.assertEqual(self.requests(asker, pool="first"), [])
        self.assertIn("tools (for first)", self.succeed(daemon, "requests"))
        self.open_gate(daemon)
        self.assertIsNone(client.read_of(number).error)

    def test_from_python(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0))
        daemon.announced.append("pool=tools")
        raw, client = daemon.connect(), self.connect_client(daemon)
        self.start_busy(raw, daemon)
        future = client.start("tools", "echo", 1)
        eventually(lambda: len(client.requests("tools")["requests"]) == 2, "both have come")
        (queued,) = client.requests(only="queued", limit=5)["requests"]
        self.assertEqual(client.request_cancel(queued["id"])["method"], "echo")
        with self.assertRaises(poold.Error) as raised:
            future.result(timeout=20)
        self.assertEqual(raised.exception.code, "cancelled")
        names = [each["name"] for each in client.clients()["clients"]]
        self.assertEqual(len(names), 2)
        self.assertEqual(len(client.clients(1)["clients"]), 1)
        self.open_gate(daemon)


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Rights(RightsTest):
    """Who sees what of others, and who may end it."""

    def test_own_and_others(self) -> None:
        daemon = self.open(pool("ours", C_TOOLS, admin_group=GROUP.gr_name, prefetch=0,
                                cancel_grace="50ms"), pool("theirs", C_TOOLS, cancel_grace="50ms"))
        daemon.announced.append("pool=ours")
        anne, root = self.connect(daemon, ANNE), daemon.connect(map_errors=True)
        member, bert = self.connect(daemon, BERT, GROUP.gr_gid), self.connect(daemon, BERT)
        number = anne.ask_pool("ours", "slow", [60], session="s")
        other = root.ask_pool("theirs", "slow", [60])
        asker = daemon.connect(map_errors=True)
        eventually(lambda: len(asker.call("poold.requests")["requests"]) == 2, "both run")
        own = self.connect(daemon, ANNE).call("poold.requests")
        self.assertEqual([(each["uid"], each["session"]) for each in own["requests"]], [(ANNE, "s")])
        self.assertEqual(own["count"], 2)
        self.assertEqual(bert.call("poold.requests")["requests"], [])
        (seen,) = member.call("poold.requests")["requests"]
        self.assertEqual((seen["uid"], seen["session"]), (ANNE, None))
        uids = [each["uid"] for each in asker.call("poold.clients")["clients"]]
        self.assertEqual(sorted(set(uids)), sorted({0, ANNE, BERT}))
        self.assertEqual({each["uid"] for each in member.call("poold.clients")["clients"]}, {BERT})
        theirs = next(each["id"] for each in asker.call("poold.requests")["requests"] if each["pool"] == "theirs")
        for who in (anne, bert):
            for id in (seen["id"], theirs, 10_000):
                answer = who.read_of(who.ask("poold.request_cancel", id))
                self.assertEqual(answer.code, "permission_denied")
        self.assertEqual(member.answer("poold.request_cancel", theirs).code, "permission_denied")
        self.assertEqual(member.answer("poold.request_cancel", 10_000).code, "permission_denied")
        self.assertEqual(member.call("poold.request_cancel", seen["id"])["pool"], "ours")
        self.assertEqual(anne.read_of(number).code, "cancelled")
        asker.call("poold.request_cancel", theirs)
        self.assertEqual(root.read_of(other).code, "cancelled")
        daemon.announced.append("pool=theirs")


if __name__ == "__main__":
    unittest.main()
