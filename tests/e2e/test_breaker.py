"""Circuit breakers: they open, refuse at once, probe, close, and obey the operator."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

import poold

import procs
import public
from clients import ClientTest, Listener, PoolctlTest, poolctl
from clock import Timed, eventually, ms, stretch
from harness import C_TOOLS, Daemon, breaker, pool, retry

# Five failures in a row open it, and it does not probe before its time.
QUICK = {"early_probe": "no", "success_threshold": 3}
# It stays open for the whole test.
LONG = {"open_timeout": "30s", "early_probe": "no"}

NOBODY = 65534


class BreakerTest(ClientTest):
    """A pool of tools with a breaker, and a client of it."""

    def start_tools(
        self, *more: str, workers: int = 3, pool_options: dict[str, object] | None = None,
        **options: object,
    ) -> tuple[Daemon, poold.Client]:
        daemon = self.start(
            pool("tools", C_TOOLS, workers=workers, **(pool_options or {})),
            breaker("tools", **{**LONG, **options}),
            *more,
        )
        daemon.announced.append("pool=tools")
        return daemon, self.connect_client(daemon)

    def kill_by_requests(self, client: poold.Client, count: int) -> None:
        """So many requests whose workers die of them."""
        for _ in range(count):
            self.failure("worker_killed", client, "tools", "die", 9)

    def one(self, client: poold.Client, method: str | None = None) -> dict[str, object]:
        """What poold.breakers says of the pool's breaker, or of that of a method."""
        (found,) = [each for each in client.breakers() if each["method"] == method]
        return found


class Circle(BreakerTest):
    """Closed, open, half open, closed."""

    def test_it_opens_after_failures_in_a_row(self) -> None:
        daemon, client = self.start_tools()
        self.kill_by_requests(client, 4)
        self.assertEqual((self.one(client)["state"], self.one(client)["run"]), ("closed", 4))
        self.kill_by_requests(client, 1)
        found = self.one(client)
        self.assertEqual((found["state"], found["opened"], found["calls"]), ("open", 1, 5))
        self.assertEqual((found["failures"], found["failure_percent"]), (5, 100.0))
        self.assertLessEqual(found["open_left_ms"], 30_000)
        self.assertGreater(found["open_left_ms"], 20_000)
        daemon.log.wait_for("warning breaker is open, was closed: ")
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["status"], "down")

    def test_open_it_refuses_at_once_and_says_when_to_come_again(self) -> None:
        daemon, client = self.start_tools()
        self.kill_by_requests(client, 4)
        opened = time.monotonic()
        self.kill_by_requests(client, 1)
        daemon.wait_workers("tools", 3)
        attempts = daemon.counters("tools")["attempts"]
        with Timed() as timed:
            error = self.failure("circuit_open", client, "tools", "echo", 1, timeout=stretch(10))
        self.assert_in_time(timed, 0)
        self.assertIsInstance(error, poold.CircuitOpen)
        self.assertEqual((error.executed, error.attempt, error.circuit), ("no", 0, "open"))
        self.assertEqual((error.severity, error.strategy), ("warning", "failover"))
        self.assertIs(error.retryable, True)
        since = time.monotonic() - opened
        self.assertTrue(30 - since - 0.01 <= error.retry_after <= 30, (error.retry_after, since))
        self.assertEqual(daemon.counters("tools")["attempts"], attempts)

    def test_what_waited_is_refused_when_it_opens(self) -> None:
        """At once, though no worker is free for long: the only one does not hear that it is to
        end."""
        options = {"prefetch": 0, "attempt_timeout": ms(200), "kill_grace": "60s"}
        daemon, client = self.start_tools(workers=1, failure_threshold=1, pool_options=options)
        bad = client.start("tools", "busy_hang")
        waiting = [client.start("tools", "echo", n) for n in range(5)]
        with self.assertRaises(poold.PoolTimeoutError):
            bad.result()
        with Timed() as timed:
            for call in waiting:
                with self.assertRaises(poold.CircuitOpen):
                    call.result()
        self.assert_in_time(timed, 0)
        (hanging,) = daemon.workers("tools")
        procs.kill(hanging["pid"])

    def test_it_probes_and_closes(self) -> None:
        daemon, client = self.start_tools(**QUICK, open_timeout="150ms")
        heard = self.listen(daemon, "breaker")
        self.kill_by_requests(client, 5)
        opened = heard.wait_for(to="open")
        self.assertEqual(
            {key: opened[key] for key in ("kind", "pool", "method", "from", "by")},
            {"kind": "breaker", "pool": "tools", "method": None, "from": "closed", "by": None},
        )
        heard.wait_for(**{"from": "open", "to": "half_open"})
        self.assertEqual(self.one(client)["state"], "half_open")
        daemon.wait_workers("tools", 3)
        health = daemon.ask("poold.health")["pools"]["tools"]
        self.assertEqual(health["status"], "degraded")
        for n in range(3):
            self.assertEqual(self.one(client)["state"], "half_open")
            self.assertEqual(client.call("tools", "echo", n), n)
        heard.wait_for(**{"from": "half_open", "to": "closed"})
        self.assertEqual([event["seq"] for event in heard.heard],
                         sorted(event["seq"] for event in heard.heard))
        self.assertEqual(self.one(client)["state"], "closed")
        daemon.wait_workers("tools", 3)
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["status"], "ok")

    def test_no_more_probes_at_once_than_allowed(self) -> None:
        daemon, client = self.start_tools(**QUICK, open_timeout="150ms", half_open_requests=2)
        self.kill_by_requests(client, 5)
        daemon.wait_workers("tools", 3)
        eventually(lambda: self.one(client)["state"] == "half_open", "it probes")
        gate = daemon.directory / "gate"
        arguments = [str(daemon.directory / "notes"), 0, "exit", None, str(gate)]
        probes = [client.start("tools", "trial", *arguments) for _ in range(2)]
        eventually(lambda: self.one(client)["probes"] == 2, "two probes are out")
        error = self.failure("circuit_open", client, "tools", "echo", 1)
        self.assertEqual(error.circuit, "half_open")
        gate.touch()
        for probe in probes:
            probe.result()
        self.assertEqual(self.one(client)["probes"], 0)
        self.assertEqual(client.call("tools", "echo", 1), 1)
        self.assertEqual(self.one(client)["state"], "closed")

    def test_a_probe_that_fails_opens_it_again(self) -> None:
        daemon, client = self.start_tools(**QUICK, open_timeout=ms(150), open_multiplier=1000)
        self.kill_by_requests(client, 5)
        daemon.wait_workers("tools", 3)
        eventually(lambda: self.one(client)["state"] == "half_open", "it probes")
        self.kill_by_requests(client, 1)
        found = self.one(client)
        self.assertEqual((found["state"], found["opened"]), ("open", 2))
        first = round(stretch(150))  # as the configuration has it
        self.assertGreater(found["open_left_ms"], first)
        self.assertLessEqual(found["open_left_ms"], 10 * first)

    def test_it_probes_early_when_a_new_worker_is_well(self) -> None:
        daemon, client = self.start_tools(early_probe="yes", open_timeout=ms(20_000))
        heard = self.listen(daemon, "breaker")
        with Timed() as timed:
            self.kill_by_requests(client, 5)
            heard.wait_for(to="half_open")
        self.assertTrue(0.99 <= timed.seconds < stretch(5), timed.seconds)
        for n in range(3):
            self.assertEqual(client.call("tools", "echo", n), n)
        self.assertEqual(self.one(client)["state"], "closed")


class Rules(BreakerTest):
    """What counts, and what does not."""

    def test_exceptions_and_refusals_do_not_count(self) -> None:
        _, client = self.start_tools()
        for n in range(10):
            self.failure("exception", client, "tools", "divide", n, 0)
            self.failure("rejected", client, "tools", "fail", "Rejected", "no")
            self.failure("unknown_method", client, "tools", "nothing")
        found = self.one(client)
        self.assertEqual((found["state"], found["run"], found["failures"]), ("closed", 0, 0))
        self.assertEqual(client.call("tools", "echo", 1), 1)

    def test_an_exception_counts_when_the_worker_says_that_it_is_broken(self) -> None:
        daemon, client = self.start_tools()
        for _ in range(5):
            self.failure("exception", client, "tools", "fail", "Fatal", "broken")
        self.assertEqual(self.one(client)["state"], "open")

    def test_hangs_count(self) -> None:
        daemon, client = self.start_tools(
            workers=5, failure_threshold=2, pool_options={"attempt_timeout": "40ms"}
        )
        for _ in range(2):
            self.failure("attempt_timeout", client, "tools", "hang")
        self.assertEqual(self.one(client)["state"], "open")

    def test_a_success_begins_a_new_row(self) -> None:
        _, client = self.start_tools()
        for _ in range(3):
            self.kill_by_requests(client, 4)
            self.assertEqual(client.call("tools", "echo", 1), 1)
        self.assertEqual(self.one(client)["state"], "closed")

    def test_a_request_counts_once_however_often_it_fails(self) -> None:
        _, client = self.start_tools(
            retry("tools", backoff="none"),
            workers=5,
            pool_options={"idempotent": True, "max_crash_retries": 3},
        )
        error = self.failure("worker_killed", client, "tools", "die", 9)
        self.assertEqual(error.attempt, 4)
        self.assertEqual((self.one(client)["run"], self.one(client)["state"]), (1, "closed"))

    def test_slow_calls_open_it_where_that_is_a_rule(self) -> None:
        _, client = self.start_tools(
            slow_call_rate=50, slow_call_duration="20ms", minimum_calls=4
        )
        for n in range(4):
            self.assertEqual(client.call("tools", "slow", 0.03, n), n)
        self.assertEqual((self.one(client)["state"], self.one(client)["slow"]), ("open", 4))

    def test_each_method_has_its_own_where_that_is_asked(self) -> None:
        daemon, client = self.start_tools(per_method="yes")
        self.kill_by_requests(client, 5)
        self.assertEqual(self.one(client, "die")["state"], "open")
        self.assertEqual(self.one(client)["state"], "closed")
        error = self.failure("circuit_open", client, "tools", "die", 9)
        self.assertEqual(error.circuit, "open")
        self.assertEqual(client.call("tools", "echo", 1), 1)
        daemon.log.wait_for("warning breaker of method die is open, was closed: ")
        client.breaker_reset("tools", "die")
        self.kill_by_requests(client, 1)

    def test_one_that_observes_lets_everything_through(self) -> None:
        daemon, client = self.start_tools(mode="observe")
        heard = self.listen(daemon, "breaker")
        self.kill_by_requests(client, 6)
        found = self.one(client)
        self.assertEqual((found["state"], found["would_open"]), ("observing", 1))
        heard.wait_for(**{"from": "observing", "to": "observing"})
        self.assertEqual(client.call("tools", "echo", 1), 1)

    def test_one_that_is_off_does_nothing(self) -> None:
        _, client = self.start_tools(mode="off")
        self.kill_by_requests(client, 7)
        self.assertEqual(self.one(client)["state"], "disabled")
        self.assertEqual(client.call("tools", "echo", 1), 1)


class ByOperator(BreakerTest, PoolctlTest):
    """An operator opens and closes them, with poolctl."""

    def check_by_us(self, client: poold.Client, heard: Listener, state: str) -> None:
        """It is in that state, and it is said by whom."""
        by = self.one(client)["by"]
        self.assertEqual(by["uid"], os.getuid())
        self.assertGreater(by["pid"], 1)
        self.assertGreaterEqual(by["ago_ms"], 0)
        self.assertEqual(self.one(client)["reason"], "by_hand")
        event = heard.wait_for(to=state)
        self.assertEqual((event["reason"], event["by"]["uid"]), ("by_hand", os.getuid()))
        self.assertEqual(event["by"]["pid"], by["pid"])

    def test_open_and_reset(self) -> None:
        daemon, client = self.start_tools()
        heard = self.listen(daemon, "breaker")
        self.succeed(daemon, "breaker", "open", "tools")
        self.check_by_us(client, heard, "forced_open")
        error = self.failure("circuit_open", client, "tools", "echo", 1)
        self.assertEqual((error.circuit, error.retry_after), ("forced_open", None))
        self.assertIn("forced_open", self.succeed(daemon, "breakers"))
        self.succeed(daemon, "breaker", "reset", "tools")
        self.check_by_us(client, heard, "closed")
        self.assertEqual(client.call("tools", "echo", 1), 1)

    def test_disable_and_observe(self) -> None:
        daemon, client = self.start_tools()
        heard = self.listen(daemon, "breaker")
        self.succeed(daemon, "breaker", "disable", "tools")
        self.check_by_us(client, heard, "disabled")
        self.kill_by_requests(client, 6)
        (found,) = self.json(daemon, "breakers")
        self.assertEqual((found["state"], found["failures"], found["opened"]), ("disabled", 6, 0))
        self.succeed(daemon, "breaker", "observe", "tools")
        self.check_by_us(client, heard, "observing")
        self.kill_by_requests(client, 6)
        self.assertEqual(self.one(client)["would_open"], 1)

    def test_what_there_is_not(self) -> None:
        daemon, client = self.start_tools()
        for words in (["open", "none"], ["open", "tools", "none"], ["close", "tools"], ["open"]):
            with self.subTest(words=words):
                done = poolctl(daemon, "breaker", *words)
                self.assertIn(done.returncode, (1, 64), done)
                self.assertNotEqual(done.stderr, "")
        self.assertEqual(self.one(client)["state"], "closed")

    def test_the_client_sets_it_too(self) -> None:
        _, client = self.start_tools()
        told = client.breaker_open("tools")
        self.assertEqual(told, {"pool": "tools", "method": None, "state": "forced_open"})
        self.assertEqual(client.breaker_reset("tools")["state"], "closed")


# Asks for what only an operator may do, and prints the code it gets.
INTRUDER = """
import sys
import poold

with poold.Client(sys.argv[1]) as client:
    assert client.call("tools", "echo", 1) == 1
    assert client.breakers()[0]["state"] == "closed"
    for ask in (client.breaker_open, client.breaker_reset, client.breaker_disable,
                client.breaker_observe):
        try:
            ask("tools")
            print("done")
        except poold.Error as error:
            print(error.code)
    try:
        client.recovery_cancel(1)
        print("done")
    except poold.Error as error:
        print(error.code)
"""


@unittest.skipIf(os.getuid() != 0, "only root can become another user")
class Permission(BreakerTest):
    """Others may call and look, no more."""

    def run_as_nobody(self, daemon: Daemon, groups: tuple[int, ...] = ()) -> list[str]:
        """What the intruder is answered, as another user."""
        daemon.directory.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", INTRUDER, daemon.path],
            env=public.package(daemon.directory),
            user=NOBODY,
            group=NOBODY,
            extra_groups=groups,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def start_open_to_all(self, **options: object) -> Daemon:
        daemon = self.start(pool("tools", C_TOOLS), socket_mode="0666", **options)
        daemon.announced.append("pool=tools")
        return daemon

    def test_another_user_may_not(self) -> None:
        daemon = self.start_open_to_all()
        self.assertEqual(self.run_as_nobody(daemon), ["permission_denied"] * 5)
        self.assertEqual(daemon.ask("poold.breakers")[0]["state"], "closed")
        self.assertIsNone(daemon.ask("poold.breakers")[0]["by"])

    def test_a_member_of_the_admin_group_may(self) -> None:
        group = "daemon"
        number = next(
            int(line.split(":")[2])
            for line in Path("/etc/group").read_text().splitlines()
            if line.startswith(f"{group}:")
        )
        daemon = self.start_open_to_all(admin_group=group)
        told = self.run_as_nobody(daemon, (number,))
        self.assertEqual(told, ["done"] * 4 + ["invalid_request"])
        self.assertEqual(daemon.ask("poold.breakers")[0]["by"]["uid"], NOBODY)
