"""Sessions: their state outlives workers, their requests come one at a time, and they end."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import poold

import procs
from clients import ClientTest, PoolctlTest, poolctl
from clock import Timed, eventually, ms, stretch
from harness import Daemon, pool, retry, worker

KEEPER = shlex.join([sys.executable, "-m", "poold.worker", "keeper"])


class SessionTest(ClientTest):
    """A pool of workers that keep something for sessions."""

    def start_keepers(
        self, *more: str, daemon_options: dict[str, object] | None = None, **options: object
    ) -> tuple[Daemon, poold.Client]:
        options = {"workers": 2, **options}
        daemon = self.start(pool("keep", KEEPER, **options), *more, **(daemon_options or {}))
        daemon.announced.append("pool=keep")
        return daemon, self.connect_client(daemon)

    def keeper_of(self, daemon: Daemon, session: str = "s") -> int:
        """The process that serves a session."""
        (entry,) = [each for each in self.sessions(daemon) if each["session"] == session]
        (worker,) = [each for each in daemon.workers("keep") if each["worker"] == entry["worker"]]
        return worker["pid"]

    @staticmethod
    def sessions(daemon: Daemon) -> list[dict[str, object]]:
        return daemon.ask("poold.sessions")["sessions"]

    def occupy_keeper(
        self, daemon: Daemon, client: poold.Client
    ) -> tuple[int, Callable[[], None]]:
        """Binds the session to a worker, gives that worker something else to do, and returns its
        process and what ends that.  Of those that are free, the one that was used last is taken."""
        kept, gate = client.call("keep", "pid", session="s"), daemon.directory / "gate"
        begun = daemon.directory / "begun"
        call = client.start("keep", "wait", str(gate), str(begun))
        eventually(begun.exists, "it is at work")
        busy = [each["pid"] for each in daemon.workers("keep") if each["in_flight"]]
        self.assertEqual(busy, [kept])

        def release() -> None:
            gate.touch()
            self.assertEqual(call.result(), kept)

        return kept, release

    def kill(self, daemon: Daemon, pid: int) -> None:
        """Kills a worker and waits for the next one."""
        procs.kill(pid)
        daemon.wait_workers("keep", 2, apart_from=(pid,))


class State(SessionTest):
    """What a worker hands back is the next one's to go on with."""

    def test_it_is_carried_over_deaths(self) -> None:
        daemon, client = self.start_keepers()
        for counter in range(1, 6):
            reply = client.call("keep", "count", session="s", meta=True)
            self.assertEqual((reply.result, reply.meta["state_lost"]), (counter, False))
            self.kill(daemon, self.keeper_of(daemon))
        self.assertEqual(client.call("keep", "count", session="other"), 1)

    def test_it_is_carried_over_to_another_worker(self) -> None:
        """The one that had it is busy with something else."""
        daemon, client = self.start_keepers(prefetch=0)
        self.assertEqual(client.call("keep", "count", session="s"), 1)
        kept, release = self.occupy_keeper(daemon, client)
        self.assertEqual(client.call("keep", "count", session="s"), 2)
        self.assertNotEqual(self.keeper_of(daemon), kept)
        release()

    def test_only_success_commits_it(self) -> None:
        daemon, client = self.start_keepers(attempt_timeout=ms(800))
        self.assertEqual(client.call("keep", "count", session="s"), 1)
        cases = {"raise": "exception", "kill": "worker_killed", "hang": "attempt_timeout"}
        for how, code in cases.items():
            with self.subTest(how):
                self.failure(code, client, "keep", "count_then", how, session="s")
                self.assertEqual(client.call("keep", "read", session="s"), b"1")
        self.assertEqual(client.call("keep", "count", session="s"), 2)

    def test_a_retry_begins_with_what_was_committed(self) -> None:
        daemon, client = self.start_keepers(retry("keep", backoff="none"), idempotent=True)
        self.assertEqual(client.call("keep", "count", session="s"), 1)
        path = str(daemon.directory / "died")
        reply = client.call("keep", "count_but_die_once", path, session="s", meta=True)
        self.assertEqual((reply.result, reply.meta["attempts"]), (2, 2))

    def test_what_the_dead_have_handed_back_does_not_count(self) -> None:
        """Not even when the retry hands back nothing."""
        daemon = self.start(
            pool("rude", worker("rude"), workers=2, idempotent=True), retry("rude", backoff="none")
        )
        daemon.announced.append("pool=rude")
        client = self.connect_client(daemon)
        self.assertEqual(client.call("rude", "two_states", session="s"), "well")
        self.assertEqual(client.call("rude", "session_state", session="s"), b"second")
        reply = client.call("rude", "state_then_death", session="s", meta=True)
        self.assertEqual((reply.result, reply.meta["attempts"]), ("well", 2))
        self.assertEqual(client.call("rude", "session_state", session="s"), b"second")

    def test_a_worker_that_hands_back_the_state_of_another_request(self) -> None:
        daemon = self.start(pool("rude", worker("rude")))
        daemon.announced.append("pool=rude")
        client = self.connect_client(daemon)
        client.call("rude", "two_states", session="s")
        error = self.failure("protocol_violation", client, "rude", "foreign_state", session="s")
        self.assertIn("state of a request that it does not have", error.message)
        self.assertEqual(client.call("rude", "session_state", session="s"), b"second")

    def test_without_a_session_none_is_kept(self) -> None:
        daemon = self.start(pool("rude", worker("rude")))
        client = self.connect_client(daemon)
        self.assertEqual(client.call("rude", "two_states"), "well")
        self.assertIsNone(client.call("rude", "session_state"))
        self.assertEqual(client.sessions()["count"], 0)

    def test_it_can_be_cleared(self) -> None:
        _, client = self.start_keepers()
        client.call("keep", "count", session="s")
        self.assertIsNone(client.call("keep", "forget", session="s"))
        self.assertIsNone(client.call("keep", "read", session="s"))
        self.assertEqual(client.call("keep", "count", session="s"), 1)

    def test_one_that_is_too_large_fails_the_request(self) -> None:
        daemon, client = self.start_keepers(daemon_options={"session_state_max": "1K"})
        self.assertEqual(client.call("keep", "fill", 1024, session="s"), 1024)
        error = self.failure("session_limit", client, "keep", "fill", 1025, session="s")
        self.assertEqual((error.executed, error.session), ("yes", "s"))
        self.assertEqual(len(client.call("keep", "read", session="s")), 1024)
        (entry,) = self.sessions(daemon)
        self.assertEqual(entry["state_bytes"], 1024)

    def test_all_states_together_have_a_limit(self) -> None:
        """The session that has been idle for longest goes."""
        daemon, client = self.start_keepers(
            daemon_options={"session_state_max": "1K", "session_bytes_max": "2K"}
        )
        for name in ("one", "two"):
            client.call("keep", "fill", 1000, session=name)
        client.call("keep", "fill", 1000, session="three")
        self.assertEqual({each["session"] for each in self.sessions(daemon)}, {"two", "three"})
        self.failure("session_expired", client, "keep", "read", session="one")

    def test_what_was_never_handed_back_is_said_to_be_lost(self) -> None:
        daemon, client = self.start_keepers()
        self.assertEqual(client.call("keep", "touch", session="s"), 1)
        self.kill(daemon, self.keeper_of(daemon))
        eventually(lambda: self.sessions(daemon)[0]["state_lost"], "it is told")
        lost = client.call("keep", "touch", session="s", meta=True)
        self.assertEqual((lost.result, lost.meta["state_lost"]), (1, True))
        found = client.call("keep", "touch", session="s", meta=True)
        self.assertIs(found.meta["state_lost"], False)
        self.assertNotIn("state_lost", client.call("keep", "pid", meta=True).meta)


class Order(SessionTest):
    """The requests of a session run one at a time, in the order they came."""

    THREADS = 8
    EACH = 25

    def test_nothing_is_lost_or_doubled_under_threads(self) -> None:
        daemon, client = self.start_keepers(workers=3)

        def work(thread: int) -> list[list[str]]:
            return [
                client.call("keep", "append", f"{thread}.{n}", session="s")
                for n in range(self.EACH)
            ]

        with ThreadPoolExecutor(self.THREADS) as threads:
            answers = [each for part in threads.map(work, range(self.THREADS)) for each in part]
        answers.sort(key=len)
        self.assertEqual([len(each) for each in answers], list(range(1, len(answers) + 1)))
        last = answers[-1]
        for each in answers:
            self.assertEqual(each, last[: len(each)])
        for thread in range(self.THREADS):
            mine = [text for text in last if text.startswith(f"{thread}.")]
            self.assertEqual(mine, [f"{thread}.{n}" for n in range(self.EACH)])

    def test_they_wait_for_the_one_before(self) -> None:
        daemon, client = self.start_keepers(workers=3, prefetch=0)
        gate = daemon.directory / "gate"
        first = client.start("keep", "wait", str(gate), session="s")
        others = [client.start("keep", "append", str(n), session="s") for n in range(5)]
        eventually(lambda: self.sessions(daemon)[0]["waiting"] == 5, "five wait")
        self.assertEqual(client.call("keep", "count", session="other"), 1)
        gate.touch()
        first.result()
        self.assertEqual([len(call.result()) for call in others], [1, 2, 3, 4, 5])

    def test_one_that_waits_too_long_is_answered_in_time(self) -> None:
        daemon, client = self.start_keepers(prefetch=0)
        gate = daemon.directory / "gate"
        first = client.start("keep", "wait", str(gate), session="s")
        with Timed() as timed:
            self.failure("queue_timeout", client, "keep", "count", session="s", timeout=0.1)
        self.assert_in_time(timed, 0.1)
        gate.touch()
        first.result()
        self.assertEqual(client.call("keep", "count", session="s"), 1)


class Affinity(SessionTest):
    """Which worker serves a session whose own one is busy, or gone."""

    def test_hint_takes_another(self) -> None:
        daemon, client = self.start_keepers(prefetch=0, affinity="hint")
        kept, release = self.occupy_keeper(daemon, client)
        self.assertNotEqual(client.call("keep", "pid", session="s"), kept)
        release()

    def test_hint_takes_its_own_when_that_is_free(self) -> None:
        daemon, client = self.start_keepers(workers=4)
        kept = client.call("keep", "pid", session="s")
        for _ in range(10):
            client.call("keep", "pid")
            self.assertEqual(client.call("keep", "pid", session="s"), kept)

    def test_queue_waits_for_its_own(self) -> None:
        daemon, client = self.start_keepers(prefetch=0, affinity="queue")
        kept, release = self.occupy_keeper(daemon, client)
        waiting = client.start("keep", "pid", session="s")
        eventually(lambda: daemon.pool("keep")["queue"]["length"] == 1, "it waits")
        release()
        self.assertEqual(waiting.result(), kept)

    def test_queue_goes_on_elsewhere_when_its_own_is_gone(self) -> None:
        daemon, client = self.start_keepers(affinity="queue")
        self.assertEqual(client.call("keep", "count", session="s"), 1)
        self.kill(daemon, self.keeper_of(daemon))
        self.assertEqual(client.call("keep", "count", session="s"), 2)

    def test_strict_refuses_when_its_own_is_gone(self) -> None:
        daemon, client = self.start_keepers(affinity="strict", prefetch=0)
        kept = client.call("keep", "pid", session="s")
        self.assertEqual(client.call("keep", "pid", session="s"), kept)
        self.kill(daemon, kept)
        for _ in range(2):
            error = self.failure("session_lost", client, "keep", "pid", session="s")
            self.assertEqual((error.executed, error.session), ("no", "s"))
        self.assertNotEqual(client.call("keep", "pid", session="another"), kept)

    def test_strict_refuses_those_that_wait_when_its_own_dies(self) -> None:
        daemon, client = self.start_keepers(affinity="strict", prefetch=0)
        kept, release = self.occupy_keeper(daemon, client)
        waiting = client.start("keep", "pid", session="s")
        eventually(lambda: daemon.pool("keep")["queue"]["length"] == 1, "it waits")
        self.kill(daemon, kept)
        with self.assertRaises(poold.SessionError) as raised:
            waiting.result()
        self.assertEqual(raised.exception.code, "session_lost")
        with self.assertRaises(poold.PoolConnectionError):
            release()


class Ends(SessionTest, PoolctlTest):
    """Sessions expire, are closed, or make room; then they are gone."""

    def test_one_that_is_not_used_expires(self) -> None:
        daemon, client = self.start_keepers(daemon_options={"session_ttl": ms(800)})
        heard = self.listen(daemon, "session")
        self.assertEqual(client.call("keep", "count", session="s"), 1)
        heard.wait_for(session="s", what="created")
        ended = heard.wait_for(session="s", what="ended")
        self.assertEqual(ended["reason"], "expired")
        error = self.failure("session_expired", client, "keep", "count", session="s")
        self.assertEqual((error.executed, error.severity), ("no", "minor"))
        self.assertEqual(client.sessions()["tombstones"], 1)
        eventually(lambda: client.sessions()["tombstones"] == 0, "its tombstone goes")
        self.assertEqual(client.call("keep", "count", session="s"), 1)

    def test_use_keeps_it(self) -> None:
        _, client = self.start_keepers(daemon_options={"session_ttl": ms(1000)})
        counts = itertools.count(1)

        def is_old() -> bool:
            self.assertEqual(client.call("keep", "count", session="s"), next(counts))
            return client.sessions()["sessions"][0]["age_ms"] > stretch(1500)

        with Timed() as timed:
            eventually(is_old, "it has lived for longer than it would without use")
        self.assertGreaterEqual(timed.seconds, stretch(1.5) - 0.4)  # it was there before

    def test_one_that_has_to_be_there_already(self) -> None:
        _, client = self.start_keepers()
        options = {"session": "s", "session_create": False}
        error = self.failure("session_not_found", client, "keep", "count", **options)
        self.assertEqual(error.executed, "no")
        self.assertEqual(client.sessions()["count"], 0)
        client.call("keep", "count", session="s")
        self.assertEqual(client.call("keep", "count", **options), 2)

    def test_closing(self) -> None:
        """Its name is nobody's until its tombstone is gone."""
        daemon, client = self.start_keepers(daemon_options={"session_ttl": ms(1200)})
        client.call("keep", "count", session="s")
        self.assertIs(client.session_close("s"), True)
        self.assertEqual((client.sessions()["count"], client.sessions()["tombstones"]), (0, 1))
        with self.assertRaises(poold.SessionError) as raised:
            client.session_close("s")
        self.assertEqual(raised.exception.code, "session_not_found")
        self.failure("session_not_found", client, "keep", "count", session="s")
        eventually(lambda: client.sessions()["tombstones"] == 0, "its tombstone goes")
        self.assertEqual(client.call("keep", "count", session="s"), 1)

    def test_closing_with_poolctl(self) -> None:
        daemon, client = self.start_keepers()
        client.call("keep", "count", session="s")
        self.assertIn("s", self.succeed(daemon, "sessions"))
        self.assertEqual(self.json(daemon, "sessions")["sessions"][0]["session"], "s")
        self.succeed(daemon, "session", "close", "s")
        done = poolctl(daemon, "session", "close", "s")
        self.assertEqual(done.returncode, 1)
        self.assertIn("session_not_found", done.stderr)
        self.assertEqual(client.sessions()["count"], 0)

    def test_closing_in_the_middle_of_a_request(self) -> None:
        daemon, client = self.start_keepers(prefetch=0)
        gate = daemon.directory / "gate"
        running = client.start("keep", "wait", str(gate), session="s")
        waiting = client.start("keep", "count", session="s")
        eventually(lambda: self.sessions(daemon) and self.sessions(daemon)[0]["waiting"] == 1,
                   "one runs, one waits")
        self.assertIs(client.session_close("s"), True)
        with self.assertRaises(poold.SessionError) as raised:
            waiting.result()
        self.assertEqual(raised.exception.code, "session_not_found")
        self.failure("session_not_found", client, "keep", "count", session="s")
        gate.touch()
        running.result()
        self.assertEqual((client.sessions()["count"], client.sessions()["tombstones"]), (0, 1))

    def test_the_one_that_has_been_idle_for_longest_makes_room(self) -> None:
        daemon, client = self.start_keepers(daemon_options={"sessions_max": 3})
        heard = self.listen(daemon, "session")
        for name in ("one", "two", "three", "one", "four"):
            client.call("keep", "count", session=name)
        evicted = heard.wait_for(what="ended")
        self.assertEqual((evicted["session"], evicted["reason"]), ("two", "evicted"))
        self.failure("session_expired", client, "keep", "count", session="two")
        self.assertEqual(client.call("keep", "count", session="one"), 3)

    def test_none_makes_room_while_it_is_at_work(self) -> None:
        daemon, client = self.start_keepers(prefetch=0, daemon_options={"sessions_max": 2})
        gate = daemon.directory / "gate"
        calls = [client.start("keep", "wait", str(gate), session=name) for name in ("1", "2")]
        eventually(lambda: daemon.pool("keep")["running"] == 2, "both are at work")
        error = self.failure("session_limit", client, "keep", "count", session="3")
        self.assertEqual(error.executed, "no")
        gate.touch()
        for call in calls:
            call.result()
        self.assertEqual(client.call("keep", "count", session="3"), 1)


class Told(SessionTest):
    """A worker is told when what it keeps for a session can go."""

    def test_why_it_ended(self) -> None:
        daemon, client = self.start_keepers(
            workers=1, daemon_options={"session_ttl": ms(1000), "sessions_max": 2}
        )
        client.call("keep", "touch", session="closed")
        client.session_close("closed")
        for name in ("evicted", "expired", "last"):
            client.call("keep", "touch", session=name)
        eventually(lambda: client.sessions()["count"] == 0, "all are over")
        self.assertEqual(
            client.call("keep", "ended"),
            [["closed", "closed"], ["evicted", "evicted"], ["expired", "expired"],
             ["last", "expired"]],
        )

    def test_that_it_moved(self) -> None:
        daemon, client = self.start_keepers(prefetch=0)
        heard = self.listen(daemon, "session")
        self.assertEqual(client.call("keep", "touch", session="s"), 1)
        first, release = self.occupy_keeper(daemon, client)
        self.assertEqual(client.call("keep", "touch", session="s"), 1)
        heard.wait_for(session="s", what="moved")
        self.assertNotEqual(self.keeper_of(daemon), first)
        release()
        self.assertEqual(client.call("keep", "pid", session="another"), first)
        self.assertEqual(client.call("keep", "ended", session="another"), [["s", "moved"]])


class Shown(SessionTest):
    """poold.sessions"""

    def test_the_truth(self) -> None:
        daemon, client = self.start_keepers(daemon_options={"session_ttl": "60s"})
        client.call("keep", "count", session="one")
        client.call("keep", "touch", session="two")
        client.call("keep", "touch", session="two")
        found = {each["session"]: each for each in self.sessions(daemon)}
        one, two = found["one"], found["two"]
        self.assertEqual((one["pool"], one["requests"], one["state_bytes"]), ("keep", 1, 1))
        self.assertEqual((two["requests"], two["state_bytes"], two["waiting"]), (2, 0, 0))
        self.assertGreaterEqual(one["idle_ms"], two["idle_ms"])
        self.assertAlmostEqual(one["idle_ms"] + one["expires_ms"], 60_000, delta=2)
        self.assertEqual(client.sessions()["count"], 2)
        self.assertEqual(len(client.sessions(1)["sessions"]), 1)
        self.assertEqual(client.sessions(1)["count"], 2)
