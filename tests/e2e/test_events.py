"""Events: kept ones, slow readers, many subscribers, a restart, and who may read what."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
import unittest
from typing import Any

import procs
from bystander import Bystander
from clients import PoolctlTest, poolctl
from clock import eventually, measure_scenario, ms
from harness import BUILD, C_TOOLS, SANITIZED, UNRULY, Daemon, DaemonTest, pool, static_pool
from raw import Raw, unpack
from test_rights import ANNE, BERT, IS_ROOT, RightsTest

Event = dict[str, Any]

# The daemon sends no more events to who has so much unread (bytes).
WINDOW = 64 * 1024


def read_events(client: Raw, count: int) -> list[Event]:
    """The next so many messages, which must be events."""
    found = []
    for _ in range(count):
        kind, name, (event,) = unpack(client.read_message())
        assert (kind, name) == (2, "poold.event"), (kind, name)
        found.append(event)
    return found


def seqs(events: list[Event]) -> list[int]:
    return [event["seq"] for event in events]


class EventsTest(DaemonTest):
    """A pool whose breaker is disabled and set to observe: each time there is one event, and no other."""

    changes = 0

    def serve(self, **options: object) -> Daemon:
        daemon = self.start(pool("tools", C_TOOLS), **options)
        daemon.announced += ["breaker is", "lines of this log were lost"]
        return daemon

    def change(self, daemon: Daemon, count: int) -> None:
        """Makes so many events of the kind breaker."""
        with daemon.connect(map_errors=True) as client:
            actions = ("poold.breaker_disable", "poold.breaker_observe")
            asked = [client.ask(actions[(self.changes + i) % 2], "tools") for i in range(count)]
            self.changes += count
            for number in asked:
                self.assertIsNone(client.read_of(number).error)


class Kept(EventsTest):
    """Who subscribes with `since` gets what was kept, and then goes on."""

    def test_replay_without_gap_or_double(self) -> None:
        daemon = self.serve()
        self.change(daemon, 6)
        client = daemon.connect(map_errors=True)
        found = client.call("poold.subscribe", ["breaker"], {"since": 0})
        self.assertEqual((found["kinds"], found["lost"]), (["breaker"], 0))
        self.change(daemon, 2)
        events = read_events(client, 8)
        self.assertEqual(seqs(events), sorted(set(seqs(events))))
        self.assertEqual([event["seq"] > found["seq"] for event in events], [False] * 6 + [True] * 2)
        self.assertEqual({event["epoch"] for event in events}, {found["epoch"]})
        self.assertEqual([event["to"] for event in events], ["disabled", "observing"] * 4)
        self.assertEqual([event["at_ms"] for event in events], sorted(event["at_ms"] for event in events))
        # From the middle on, and of no other start.
        for options in ({"since": events[4]["seq"]}, {"since": events[4]["seq"], "epoch": found["epoch"]}):
            again = client.call("poold.subscribe", ["breaker"], options)
            self.assertEqual(again["lost"], 0)
            self.assertEqual(read_events(client, 3), events[5:])
        client.call("poold.subscribe", ["breaker"], {"since": events[7]["seq"], "epoch": 1})
        self.assertEqual(read_events(client, 8), events)
        # Without `since` nothing of the past comes.
        client.call("poold.subscribe", ["breaker"])
        client.check_quiet()

    def test_without_any_they_are_counted_all_the_same(self) -> None:
        """Whoever subscribes later sees by the numbers that something happened."""
        daemon = self.start(
            pool("tools", C_TOOLS, fallback="spare"), pool("spare", UNRULY),
            events_kept=0,
        )
        daemon.announced += ["breaker", "pool is", "requests start at", "request failed", "worker", "connection"]
        listener = daemon.connect(map_errors=True)
        before = listener.call("poold.subscribe", ["alert"])["seq"]
        client = daemon.connect(map_errors=True)
        client.answer_pool("tools", "fail", ["ValueError", "oh"])
        client.answer_pool("tools", "leave", [3], idempotent=True)
        for method in ("breaker_open", "breaker_reset", "restart_workers"):
            self.assertIsNone(client.answer(f"poold.{method}", "tools").error)
        self.assertIsNone(client.answer("poold.resize", "tools", 1, 2).error)
        client.send(b"\xc1")
        client.read_to_end()
        after = listener.call("poold.subscribe", ["alert"])["seq"]
        self.assertGreaterEqual(after, before + 6)
        listener.check_quiet()

    def test_kinds_and_options_that_are_none(self) -> None:
        client = self.serve().connect(map_errors=True)
        for params in (
            [["weather"]], ["breaker"], [["breaker", 1]], [None, {"since": -1}], [None, {"since": "x"}],
            [None, {"epoch": None}], [None, 1], [None, {1: 2}], [None, {}, 3],
        ):
            answer = client.answer("poold.subscribe", *params)
            self.assertEqual(answer.code, "invalid_request", params)
            self.assertIn("the kinds are breaker failover", answer.error["message"])
        self.assertEqual(client.call("poold.subscribe", [], {"later": [1]})["kinds"][-1], "gap")
        self.assertEqual(client.call("poold.subscribe", None)["kinds"][0], "breaker")
        client.check_quiet()

    def test_what_is_gone(self) -> None:
        daemon = self.serve(events_kept=4)
        self.change(daemon, 10)
        client = daemon.connect(map_errors=True)
        found = client.call("poold.subscribe", ["breaker"], {"since": 0})
        events = read_events(client, 4)
        # Not every lost one was of that kind: the worker has started before.
        self.assertEqual(found["seq"] - found["lost"], 4)
        self.assertEqual(seqs(events), list(range(found["seq"] - 3, found["seq"] + 1)))
        # Of the other kinds none is gone: they are kept apart.
        self.assertEqual(client.call("poold.subscribe", ["error"], {"since": 0})["lost"], 0)
        client.check_quiet()

    def test_restart_of_the_daemon(self) -> None:
        daemon = self.serve()
        self.change(daemon, 3)
        first = daemon.ask("poold.subscribe")
        daemon.signal(15)
        daemon.wait_ended()
        daemon.relaunch()
        daemon.wait_ready()
        self.change(daemon, 1)
        with daemon.connect(map_errors=True) as client:
            # Its number is larger than that of any event since.
            known = {"since": first["seq"] + 100, "epoch": first["epoch"]}
            found = client.call("poold.subscribe", ["breaker"], known)
            self.assertGreater(found["epoch"], first["epoch"])
            self.assertEqual(found["lost"], 0)
            (event,) = read_events(client, 1)
            self.assertEqual(event["epoch"], found["epoch"])
            self.assertLessEqual(event["seq"], found["seq"])


class Kinds(DaemonTest):
    """Each kind comes when what it tells of happens; gaps, alerts and spans are tested elsewhere."""

    def test_each_kind(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, fallback="mock", queue_max=1, prefetch=0, idempotent="yes"),
            static_pool("mock", answer="1"),
            session_ttl=ms(300),
        )
        daemon.announced += ["request failed", "breaker is", "requests start", "pool is", "worker ended",
                             "the daemon stood still", "SIGHUP", "gets SIG", "killed"]
        self.client = daemon.connect(map_errors=True)
        self.listener = daemon.connect(map_errors=True)
        self.listener.call("poold.subscribe", [], {"since": 0})
        self.heard: list[Event] = []
        self.fresh: list[Event] = []
        self.wait(kind="worker", what="ready", pool="tools")
        self.wait(kind="daemon", what="ready")
        self.check_requests(daemon)
        self.check_operator(daemon)
        self.check_daemon(daemon)
        kinds = set(self.client.call("poold.subscribe", [])["kinds"])
        self.assertEqual({event["kind"] for event in self.heard}, kinds - {"gap", "alert"})
        daemon.signal(signal.SIGTERM)
        stopping = self.wait(kind="daemon", what="stopping")
        self.assertIn("SIGTERM", stopping["text"])
        self.assertEqual(daemon.wait_ended(), 0)

    def wait(self, **wanted: object) -> Event:
        """Reads until this event has come, none that was waited for before."""
        while True:
            for event in self.fresh:
                if wanted.items() <= event.items():
                    self.fresh.remove(event)
                    return event
            try:
                self.fresh += read_events(self.listener, 1)
            except TimeoutError:
                self.fail(f"no event with {wanted}: {self.heard}")
            self.heard.append(self.fresh[-1])

    def check_requests(self, daemon: Daemon) -> None:
        self.client.answer_pool("tools", "fail", ["ValueError", "oh"], session="cart")
        self.assertIn("oh", self.wait(kind="error", code="exception", pool="tools")["message"])
        expired = self.wait(kind="session", reason="expired")
        self.assertEqual((expired["what"], expired["session"]), ("ended", "cart"))
        self.client.answer_pool("tools", "leave_once", [str(daemon.directory / "left")])
        again = self.wait(kind="retry", pool="tools", code="worker_exited")
        self.assertEqual((again["to"], again["attempt"]), ("tools", 1))
        self.assertIn("exit", again["message"])
        self.wait(kind="recovery", result="succeeded", cause="worker_exited")
        busy = daemon.occupy(self.client)
        with daemon.connect(map_errors=True) as other:
            for _ in range(3):
                other.ask_pool("tools", "echo", [1], fallback=False)
            for _ in range(2):
                self.assertEqual(other.read().code, "queue_full")
            begun = self.wait(kind="overload", pool="tools", what="begins")
            self.assertEqual((begun["code"], begun["refused"]), ("queue_full", 1))
            # Only a daemon that has something to do can be late.
            procs.stop(daemon.pid)
            began = time.monotonic()
            eventually(lambda: time.monotonic() - began > 0.5, "the daemon stood still for long")
            procs.kill(daemon.pid, signal.SIGCONT)
            self.wait(kind="stall")
            daemon.release()
            self.client.read_of(busy)
            self.assertEqual(other.read().result, 1)
        ended = self.wait(kind="overload", pool="tools", what="ends")
        self.assertEqual(ended["refused"], 2)
        self.assertGreaterEqual(ended["duration_ms"], 5000)

    def check_operator(self, daemon: Daemon) -> None:
        self.client.call("poold.breaker_open", "tools")
        self.wait(kind="breaker", pool="tools", to="forced_open")
        self.client.call_pool("tools", "echo", [1])
        self.wait(kind="failover", pool="tools", to="mock")
        self.client.call("poold.breaker_reset", "tools")
        self.wait(kind="health", pool="tools", to="ok")
        self.client.call("poold.resize", "tools", 1, 2)
        self.assertIn("1 to 2 workers", self.wait(kind="config", what="resized", pool="tools")["text"])
        self.client.call("poold.drain", "tools")
        self.wait(kind="config", what="drained", pool="tools")
        self.client.call("poold.resume", "tools")
        self.wait(kind="config", what="resumed", pool="tools")

    def check_daemon(self, daemon: Daemon) -> None:
        rude = daemon.connect()
        rude.send(b"\xc1")
        rude.read_to_end()
        self.assertEqual(self.wait(kind="connection")["reason"], "malformed")
        daemon.signal(signal.SIGHUP)
        self.wait(kind="config", what="not reloaded", pool=None)


class Slow(EventsTest):
    """Who does not read costs the others nothing, and is told what it has lost."""

    KEPT = 300

    def fill(self, daemon: Daemon, stuck: Raw) -> int:
        """Makes events until the daemon sends it none any more; returns how many."""
        (number,) = (one["client"] for one in daemon.ask("poold.clients")["clients"] if one["subscribed"])
        count = 0

        def is_full() -> bool:
            nonlocal count
            self.change(daemon, self.KEPT)
            count += self.KEPT
            clients = daemon.ask("poold.clients")["clients"]
            return any(one["client"] == number and one["unread_bytes"] > WINDOW for one in clients)

        eventually(is_full, "too much is unread")
        return count

    def test_gap(self) -> None:
        daemon = self.serve(events_kept=self.KEPT)
        stuck = daemon.connect(map_errors=True, read_buffer=4096)
        stuck.call("poold.subscribe", ["breaker"])
        count = self.fill(daemon, stuck)
        self.change(daemon, 2 * self.KEPT)
        events = self.check_gap(daemon, stuck, count + 2 * self.KEPT)
        # From now on it hears at once.
        self.change(daemon, 1)
        self.assertEqual(read_events(stuck, 1)[0]["seq"], events[-1]["seq"] + 1)

    def check_gap(self, daemon: Daemon, stuck: Raw, count: int) -> list[Event]:
        """Who has not read gets the first and the last of so many events, and in between is told how
        many are lost.  Returns what it gets."""
        events: list[Event] = []
        heard = 0
        while heard < count:
            events += read_events(stuck, 1)
            heard += events[-1].get("lost", 1)
        self.assertEqual(heard, count)
        gaps = [event for event in events if event["kind"] == "gap"]
        self.assertEqual(len(gaps), 1)
        self.assertGreaterEqual(gaps[0]["lost"], self.KEPT)
        self.assertEqual(seqs(events), sorted(set(seqs(events))))
        place = events.index(gaps[0])
        # What else happened meanwhile, a loop that stood still on a busy machine, has a number and a place too.
        self.assertGreaterEqual(events[place + 1]["seq"] - events[place - 1]["seq"] - 1, gaps[0]["lost"])
        kept = len(events) - place - 1
        stalls = daemon.ask("poold.stats")["daemon"]["stalls"]
        self.assertTrue(self.KEPT - stalls <= kept <= self.KEPT, (kept, stalls))
        return events

    def test_those_that_are_not_kept_are_lost(self) -> None:
        """Sessions that begin: who has not read is told how many there were."""
        daemon = self.serve(sessions_max=100_000)
        stuck, client = daemon.connect(map_errors=True, read_buffer=4096), daemon.connect(map_errors=True)
        stuck.call("poold.subscribe", ["session"])
        count = 0

        def is_full() -> bool:
            nonlocal count
            asked = [client.ask_pool("tools", "echo", [1], session=f"session-{count + i}") for i in range(200)]
            count += len(asked)
            for number in asked:
                self.assertIsNone(client.read_of(number).error)
            return any(one["unread_bytes"] > WINDOW for one in daemon.ask("poold.clients")["clients"])

        eventually(is_full, "too much is unread")
        is_full()
        events = read_events(stuck, 1)
        while sum(event.get("lost", 1) for event in events) < count:
            events += read_events(stuck, 1)
        self.assertEqual({event["kind"] for event in events}, {"session", "gap"})
        self.assertGreaterEqual(max(event.get("lost", 1) for event in events), 200)

    def test_nothing_is_lost_that_is_kept(self) -> None:
        daemon = self.serve(events_kept=20000)
        stuck = daemon.connect(map_errors=True, read_buffer=4096)
        stuck.call("poold.subscribe", ["breaker"])
        count = self.fill(daemon, stuck)
        self.change(daemon, 10)
        events = read_events(stuck, count + 10)
        self.assertEqual({event["kind"] for event in events}, {"breaker"})
        self.assertEqual(seqs(events), sorted(set(seqs(events))))

    def test_a_thousand_and_one_is_stuck(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            self.skipTest("not enough descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        daemon = self.start(
            pool("tools", C_TOOLS), pool("well", UNRULY), connections_max=2048, events_kept=self.KEPT
        )
        daemon.announced += ["breaker is", "lines of this log were lost"]
        daemon.growth_max *= 4
        stuck = daemon.connect(map_errors=True, read_buffer=4096)
        stuck.call("poold.subscribe", ["breaker"])
        count = self.fill(daemon, stuck) + 2 * self.KEPT
        self.change(daemon, 2 * self.KEPT)
        others = [daemon.connect() for _ in range(999)]
        for other in others:
            other.call("poold.subscribe", ["breaker"])
        before = procs.resident_bytes(daemon.pid)
        with Bystander(daemon) as honest:
            for _ in range(5):
                self.change(daemon, 20)
                heard = [seqs(read_events(other, 20)) for other in others]
                self.assertEqual(heard, [heard[0]] * len(others))
                self.assertEqual(heard[0], sorted(set(heard[0])))
                served = honest.count
                eventually(lambda: honest.count > served, "the honest client is served")
        self.assertLess(max(honest.latencies), 2.0 * measure_scenario())
        if not SANITIZED:  # a sanitizer keeps what was given back
            eventually(lambda: procs.resident_bytes(daemon.pid) < before + (16 << 20), "they cost no memory")
        unread = [one["unread_bytes"] for one in daemon.ask("poold.clients")["clients"]]
        self.assertLess(max(unread), 2 * WINDOW)
        self.check_gap(daemon, stuck, count + 100)


class Logged(EventsTest):
    """Where fields are stored apart, each event's line has its number, message id and pool."""

    def test_last_words(self) -> None:
        daemon = self.serve(log_format="json")
        daemon.announced.append(".")
        client = daemon.connect(map_errors=True)
        for words in ("a few words", "x" * 3000):
            client.call_pool("tools", "say", [words])
            client.answer_pool("tools", "leave", [3])

        def last() -> list[str]:
            records = [json.loads(line) for line in str(daemon.log).splitlines() if line.startswith("{")]
            return [record["stderr"] for record in records if "stderr" in record]

        eventually(lambda: len(last()) == 2, lambda: str(daemon.log))
        few, many = last()
        self.assertIn("a few words", few)
        # Its end is kept.
        self.assertRegex(many, "^x{900,}[^x]*$")

    def test_lines(self) -> None:
        # A line of JSON has no level in front: all that comes is expected.
        daemon = self.serve(log_format="json")
        daemon.announced.append(".")
        listener = daemon.connect(map_errors=True)
        listener.call("poold.subscribe", ["breaker", "worker", "error", "connection"])
        self.change(daemon, 1)
        client = daemon.connect(map_errors=True)
        client.answer_pool("tools", "fail", ["ValueError", "oh"])
        client.answer_pool("tools", "leave", [3])
        client.send(b"\xc1")
        events = []
        while not events or events[-1]["kind"] != "connection":
            events += read_events(listener, 1)
        lines: dict[int, dict[str, str]] = {}

        def collect() -> bool:
            for line in str(daemon.log).splitlines():
                if line.startswith("{"):
                    record = json.loads(line)
                    if "seq" in record:
                        lines[int(record["seq"])] = record
            return all(event["seq"] in lines for event in events)

        eventually(collect, lambda: f"not all of {seqs(events)} are in {lines}")
        words = {}
        for event in events:
            line = lines[event["seq"]]
            self.assertRegex(line["message_id"], "^[0-9a-f]{32}$")
            words.setdefault(event["kind"], set()).add(line["message_id"])
            worker = f"/{line['worker']}" if line.get("worker") else ""
            subject = f"tools{worker}: " if line.get("pool") else ""
            self.assertEqual(line["message"][: len(subject)], subject)
            self.assertEqual(bool(subject), event["kind"] != "connection")
        self.assertEqual(sorted(words), ["breaker", "connection", "error", "worker"])
        # One id for each kind, and another one for each other kind.
        self.assertEqual([len(ids) for ids in words.values()], [1] * 4)
        self.assertEqual(len(set.union(*words.values())), 4)


class Poolctl(EventsTest, PoolctlTest):
    """poolctl events and poolctl history."""

    def follow(self, daemon: Daemon, *words: str) -> subprocess.Popen[str]:
        command = [str(BUILD / "poolctl"), "-s", daemon.path, "--json", "events", "--follow", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        return process

    def test_events(self) -> None:
        daemon = self.serve()
        self.change(daemon, 3)
        lines = self.succeed(daemon, "events", "breaker").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^ +\d+  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  breaker   "
                                   r"tools: closed -> disabled, by_hand$")
        found = [json.loads(line) for line in
                 self.succeed(daemon, "--json", "events", "--kind", "breaker", "tools").splitlines()]
        self.assertEqual([event["to"] for event in found], ["disabled", "observing", "disabled"])
        after = self.succeed(daemon, "events", "--since", str(found[0]["seq"]), "breaker")
        self.assertEqual(after.splitlines(), lines[1:])
        self.assertEqual(len(self.succeed(daemon, "events", "--since", "1h", "--count", "2").splitlines()), 2)
        self.assertEqual(self.succeed(daemon, "events", "--since", "2100-01-01"), "")
        everything = self.succeed(daemon, "events")
        for part in ("worker 1", "tools: down -> ok", "the daemon is ready"):
            self.assertIn(part, everything)

    def test_words_that_are_wrong(self) -> None:
        daemon = self.serve()
        for words, part in (
            (("events", "--kind", "weather"), "weather\" is no kind of event; they are breaker"),
            (("events", "one", "two"), "only one can be a pool"),
            (("events", "--since", "5m"), "is not the number of an event"),
            (("history", "--kind", "error"), "history takes no option --kind; events does"),
        ):
            done = poolctl(daemon, *words)
            self.assertEqual((done.returncode, done.stdout), (64, ""), words)
            self.assertIn(part, done.stderr)
        done = poolctl(daemon, "events", "tolls")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no pool \"tolls\"", done.stderr)

    def test_follow_survives_a_restart(self) -> None:
        daemon = self.serve()
        self.change(daemon, 1)
        process = self.follow(daemon, "--since", "0", "breaker", "daemon")
        assert process.stdout and process.stderr
        heard = [json.loads(process.stdout.readline()) for _ in range(2)]
        self.assertEqual([event["kind"] for event in heard], ["daemon", "breaker"])
        self.change(daemon, 1)
        self.assertEqual(json.loads(process.stdout.readline())["to"], "observing")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(json.loads(process.stdout.readline())["what"], "stopping")
        daemon.wait_ended()
        self.assertIn("the connection to the daemon ended", process.stderr.readline())
        self.changes = 0
        daemon.relaunch()
        daemon.wait_ready()
        self.assertIn("the daemon was restarted", process.stderr.readline())
        again = json.loads(process.stdout.readline())
        self.assertEqual((again["kind"], again["what"]), ("daemon", "ready"))
        self.assertGreater(again["epoch"], heard[0]["epoch"])
        self.change(daemon, 1)
        self.assertEqual(json.loads(process.stdout.readline())["to"], "disabled")

    def test_many_kept_ones(self) -> None:
        daemon = self.serve(events_kept=20000)
        self.change(daemon, 2000)
        self.assertEqual(len(self.succeed(daemon, "events", "breaker").splitlines()), 2000)

    def test_history(self) -> None:
        daemon = self.serve()
        daemon.announced += ["worker ended", "request failed", "pool is"]
        client = daemon.connect(map_errors=True)
        for _ in range(2):
            client.answer_pool("tools", "leave", [3])
            eventually(lambda: daemon.pool("tools")["status"] == "ok", "a worker is ready again")
        self.change(daemon, 4)
        for _ in range(2):
            self.assert_code(client.answer("nowhere.echo"), "unknown_pool")
        text = self.succeed(daemon, "history")
        self.assertRegex(text, r"(?m)^- +error unknown_pool +2 +\d")
        self.assertRegex(text, r"(?m)^POOL +EVENT +TIMES +FIRST +LAST$")
        for what, times in (("worker ended", 2), ("error worker_exited", 2), ("breaker disabled", 2),
                            ("worker ready", 3)):
            self.assertRegex(text, rf"(?m)^tools +{what} +{times} +\d")
        self.assertRegex(text, r"(?m)^- +daemon ready +1 ")
        listed = text.split("\n\n")[1].splitlines()
        self.assertEqual(sum("ended: exit status 3" in line for line in listed), 2)
        self.assertEqual(sum("request" in line for line in listed), 0)
        self.assertEqual(listed, sorted(listed))
        found = self.json(daemon, "history", "tools", "--since", "1h")
        self.assertEqual({entry["pool"] for entry in found["summary"]}, {"tools"})
        self.assertEqual(self.json(daemon, "history", "--since", "2100-01-01")["events"], [])
        self.assertEqual(self.succeed(daemon, "history", "--since", "2100-01-01"), "Nothing has happened.\n")


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Owners(RightsTest):
    """What is kept of a request is shown to those who may read it, later as at once."""

    SECRET = "what Anne alone may read"

    def test_replay(self) -> None:
        daemon = self.open(pool("tools", C_TOOLS), session_ttl="200ms")
        daemon.announced.append("request failed")
        asker = self.connect(daemon, ANNE)
        asker.answer_pool("tools", "fail", ["ValueError", self.SECRET], session="her cart")
        root = daemon.connect(map_errors=True)
        root.call("poold.subscribe", ["session", "error"], {"since": 0})
        self.assertEqual([event["kind"] for event in read_events(root, 2)], ["error", "session"])
        heard = {}
        for name, client in (("anne", asker), ("bert", self.connect(daemon, BERT)), ("root", root)):
            client.call("poold.subscribe", ["session", "error"], {"since": 0})
            heard[name] = read_events(client, 2)
        for name in ("anne", "root"):
            failed, expired = heard[name]
            self.assertIn(self.SECRET, failed["message"])
            self.assertEqual((expired["session"], expired["reason"]), ("her cart", "expired"))
        failed, expired = heard["bert"]
        self.assertEqual((failed["code"], failed["pool"]), ("exception", "tools"))
        self.assertEqual((expired["what"], expired["reason"]), ("ended", "expired"))
        for trace in ("Anne", "cart"):
            self.assertNotIn(trace, str(heard["bert"]))
