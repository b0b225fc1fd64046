"""What happens between a failed attempt and the answer: retries, their delays and their budget."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import poold

import procs
from clients import ClientTest, PoolctlTest, poolctl
from clock import Timed, eventually, ms, stretch
from harness import C_TOOLS, Daemon, breaker, error_row, pool, retry

AT_ONCE = retry("tools", backoff="none")
LINEAR = retry("tools", backoff="linear", base="20ms")


# The error of requests that waited for another one with the same key.
OF_ANOTHER = (
    "the request that ran with the same key failed: the worker was killed while it had the request"
)


class RetryTest(ClientTest):
    """A pool of tools that fail, and a client of it."""

    def start_tools(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(pool("tools", C_TOOLS, **options), *more)
        daemon.announced.append("pool=tools")
        return daemon, self.connect_client(daemon)

    @staticmethod
    def runs(notes: Path) -> list[float]:
        """When each run of a trial began."""
        return [float(line) for line in notes.read_text().splitlines()]


class Retries(RetryTest):
    """Who is tried again, and when."""

    def test_the_log_of_a_failed_attempt(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2, idempotent=True), LINEAR, log_level="debug")
        daemon.announced.append("pool=tools")
        self.connect_client(daemon).call("tools", "trial", str(daemon.directory / "notes"), 1, "exit")
        daemon.log.wait_for(r"warning attempt failed, tried again: code=worker_exited .*pool=tools")

    def test_an_idempotent_request_after_a_crash(self) -> None:
        for how in ("exit", "kill"):
            with self.subTest(how):
                daemon, client = self.start_tools(LINEAR, workers=2, idempotent=True)
                notes = str(daemon.directory / "notes")
                reply = client.call("tools", "trial", notes, 1, how, meta=True)
                self.assertEqual(reply.meta["attempts"], 2)
                first, second = reply.result
                self.assertGreaterEqual(second - first, 0.020)
                self.assertEqual(daemon.counters("tools")["retried"], 1)
                recoveries = client.recoveries()
                counters = recoveries["counters"]
                self.assertEqual((counters["initiated"], counters["succeeded"]), (1, 1))
                self.assertEqual(recoveries["by_category"]["connection_error"]["succeeded"], 1)
                self.assertEqual(recoveries["by_strategy"]["backoff_retry"]["succeeded"], 1)
                self.assertGreaterEqual(recoveries["mean_ms"], 20)

    def test_no_other_request_after_a_crash(self) -> None:
        daemon, client = self.start_tools(LINEAR, workers=2)
        notes = daemon.directory / "notes"
        error = self.failure("worker_killed", client, "tools", "trial", str(notes), 1, "kill")
        self.assertEqual((error.attempt, error.executed), (1, "maybe"))
        self.assertEqual(len(self.runs(notes)), 1)
        self.assertEqual(client.recoveries()["counters"]["initiated"], 0)

    def test_after_an_exception_that_asks_for_it(self) -> None:
        """Its worker has the last word on when, and the answer comes soon after that."""
        daemon, client = self.start_tools(idempotent=True)
        notes = str(daemon.directory / "notes")
        with Timed() as timed:
            first, second = client.call("tools", "trial", notes, 1, "Retryable", 0.2,
                                        timeout=stretch(10))
        self.assertGreaterEqual(second - first, 0.2)
        self.assert_in_time(timed, 0.2)

    def test_such_an_exception_of_a_request_that_may_not_run_twice(self) -> None:
        daemon, client = self.start_tools()
        notes = daemon.directory / "notes"
        error = self.failure("exception", client, "tools", "trial", str(notes), 1, "Retryable")
        self.assertEqual((error.attempt, error.retryable), (1, True))
        self.assertEqual(len(self.runs(notes)), 1)

    def test_an_exception_is_retried_three_times(self) -> None:
        daemon, client = self.start_tools(idempotent=True)
        notes = daemon.directory / "notes"
        arguments = [str(notes), 9, "Retryable", 0.02]
        error = self.failure("exception", client, "tools", "trial", *arguments)
        self.assertEqual(error.attempt, 4)
        self.assertEqual([each["delay_ms"] for each in error.attempts], [0, 20, 20, 20])
        self.assertEqual(error.retry_after, 0.02)
        self.assertEqual(len(self.runs(notes)), 4)

    def test_never_what_was_rejected_nor_what_raised_otherwise(self) -> None:
        daemon, client = self.start_tools(idempotent=True)
        for kind, code in (("Rejected", "rejected"), ("ValueError", "exception")):
            with self.subTest(kind):
                notes = daemon.directory / kind
                error = self.failure(code, client, "tools", "trial", str(notes), 1, kind)
                self.assertEqual((error.attempt, error.retryable), (1, False))
                self.assertEqual(len(self.runs(notes)), 1)

    def test_no_more_attempts_than_the_request_allows(self) -> None:
        daemon, client = self.start_tools(
            AT_ONCE, idempotent=True, workers=3, max_crash_retries=9
        )
        for most in (1, 2, 3):
            with self.subTest(max_attempts=most):
                notes = daemon.directory / str(most)
                error = self.failure(
                    "worker_exited", client, "tools", "trial", str(notes), 9, "exit",
                    max_attempts=most,
                )
                self.assertEqual(error.attempt, most)
                self.assertEqual(len(error.attempts), most if most > 1 else 0)
                self.assertEqual(len(self.runs(notes)), most)

    def test_another_worker_answers_when_one_hangs(self) -> None:
        daemon, client = self.start_tools(
            AT_ONCE, idempotent=True, workers=2, attempt_timeout=ms(600)
        )
        notes = str(daemon.directory / "notes")
        with Timed() as timed:
            reply = client.call("tools", "trial", notes, 1, "hang", meta=True, timeout=stretch(10))
        self.assertEqual(reply.meta["attempts"], 2)
        first, second = reply.result
        self.assertGreaterEqual(second - first, stretch(0.6) - 0.3)  # the first one may have begun late
        self.assert_in_time(timed, stretch(0.6))

    def test_a_hang_of_a_request_that_may_not_run_twice(self) -> None:
        daemon, client = self.start_tools(workers=2, attempt_timeout=ms(100))
        notes = daemon.directory / "notes"
        with Timed() as timed:
            error = self.failure(
                "attempt_timeout", client, "tools", "trial", str(notes), 1, "hang",
                timeout=stretch(10),
            )
        self.assertEqual(error.attempt, 1)
        self.assert_in_time(timed, stretch(0.1))
        self.assertIn("no answer from worker", error.message)

    def test_the_deadline_holds_for_all_attempts_together(self) -> None:
        daemon, client = self.start_tools(
            AT_ONCE, idempotent=True, workers=3, attempt_timeout=ms(400)
        )
        with Timed() as timed:
            error = self.failure("deadline_exceeded", client, "tools", "hang", timeout=stretch(1.0))
        self.assert_in_time(timed, stretch(1.0))
        self.assertIn(error.attempt, (2, 3))

    def test_no_retry_is_begun_that_cannot_end_in_time(self) -> None:
        """The delay alone would take longer than is left: the answer comes at once."""
        daemon, client = self.start_tools(
            retry("tools", backoff="linear", base=ms(20_000), cap=ms(20_000)),
            idempotent=True, workers=2,
        )
        notes = str(daemon.directory / "notes")
        with Timed() as timed:
            error = self.failure(
                "worker_exited", client, "tools", "trial", notes, 1, "exit", timeout=stretch(10)
            )
        self.assertEqual(error.attempt, 1)
        self.assert_in_time(timed, 0)


class Delays(RetryTest):
    """The curves of section [retry]."""

    def check_delays(self, wanted: list[float], **options: object) -> None:
        _, client = self.start_tools(
            retry("tools", **options), idempotent=True, workers=2, max_crash_retries=9
        )
        error = self.failure("worker_exited", client, "tools", "leave", 3)
        self.assertEqual([each["delay_ms"] for each in error.attempts], wanted)

    def test_exponential(self) -> None:
        self.check_delays([0, 5, 10, 20, 40, 80], backoff="exponential", base="5ms")

    def test_exponential_with_a_cap(self) -> None:
        self.check_delays([0, 5, 10, 15, 15, 15], backoff="exponential", base="5ms", cap="15ms")

    def test_fibonacci(self) -> None:
        self.check_delays([0, 5, 5, 10, 15, 25], backoff="fibonacci", base="5ms")

    def test_custom(self) -> None:
        self.check_delays([0, 0, 10, 30, 30, 30], backoff="custom", delays="0 10ms 30ms")

    def test_jitter_stays_within_its_bounds(self) -> None:
        for backoff, least in (("full_jitter", 0.0), ("equal_jitter", 0.5)):
            with self.subTest(backoff):
                _, client = self.start_tools(
                    retry("tools", backoff=backoff, base="8ms"),
                    idempotent=True,
                    workers=2,
                    max_crash_retries=9,
                )
                error = self.failure("worker_exited", client, "tools", "leave", 3)
                for n, each in enumerate(error.attempts[1:]):
                    most = 8 * 2**n
                    self.assertTrue(least * most <= each["delay_ms"] <= most, error.attempts)


class Budget(RetryTest):
    """Retries never make a storm of an outage."""

    REQUESTS = 200

    def test_attempts_stay_few_under_total_failure(self) -> None:
        """Every attempt fails, all would be retried, and the breaker is off."""
        daemon, client = self.start_tools(
            breaker("tools", mode="off"),
            retry("tools", backoff="none", budget=20, budget_per_second=0),
            error_row("exception", strategy="immediate_retry", retries=5),
            idempotent=True,
            workers=2,
        )
        daemon.announced.append("incident: code=retry_budget_exhausted")
        outcomes: Counter[tuple[int, bool]] = Counter()
        for n in range(self.REQUESTS):
            error = self.failure("exception", client, "tools", "divide", n, 0)
            outcomes[error.attempt, "retry budget is spent" in error.raw["message"]] += 1
        counters = daemon.counters("tools")
        self.assertEqual(counters["retried"], 20)
        self.assertEqual(counters["attempts"], self.REQUESTS + 20)
        self.assertLessEqual(counters["attempts"], 1.25 * self.REQUESTS)
        self.assertGreater(counters["budget_spent"], 0)
        self.assertEqual(outcomes[1, True], self.REQUESTS - 4)
        (told, *_) = [each for each in client.errors() if each["kind"] == "incident"]
        self.assertEqual((told["code"], told["pool"]), ("retry_budget_exhausted", "tools"))

    def test_success_fills_it_again(self) -> None:
        daemon, client = self.start_tools(
            retry("tools", backoff="none", budget=1, budget_per_success=50, budget_per_second=0),
            error_row("exception", strategy="immediate_retry", retries=1),
            idempotent=True,
        )
        daemon.announced.append("incident: code=retry_budget_exhausted")
        self.assertEqual(self.failure("exception", client, "tools", "divide", 1, 0).attempt, 2)
        self.assertEqual(self.failure("exception", client, "tools", "divide", 1, 0).attempt, 1)
        client.call("tools", "echo")
        self.assertEqual(self.failure("exception", client, "tools", "divide", 1, 0).attempt, 1)
        client.call("tools", "echo")
        self.assertEqual(self.failure("exception", client, "tools", "divide", 1, 0).attempt, 2)

    def test_what_never_ran_costs_nothing(self) -> None:
        """Behind a worker's death: those are sent again even where no retry can be paid."""
        daemon, client = self.start_tools(retry("tools", budget=0), prefetch=8, idempotent=True)
        daemon.occupy(busy := daemon.connect())
        waiting = [client.start("tools", "echo", n) for n in range(8)]
        eventually(lambda: daemon.counters("tools")["requests"] == 9, "all have come")
        (pid,) = daemon.worker_pids("tools")
        procs.kill(pid)
        self.assertEqual([call.result() for call in waiting], list(range(8)))
        self.assert_code(busy.read(), "worker_killed")
        self.assertEqual(daemon.counters("tools")["retried"], 0)


class Keys(RetryTest):
    """The option `key`: at most once to success."""

    def test_a_repeat_gets_the_stored_answer(self) -> None:
        daemon, client = self.start_tools(workers=2)
        notes = daemon.directory / "notes"
        arguments = ["tools", "trial", str(notes), 0, "exit"]
        first = client.call(*arguments, key="k", meta=True)
        second = client.call(*arguments, key="k", meta=True)
        self.assertEqual((first.meta["stored"], second.meta["stored"]), (False, True))
        self.assertEqual(first.result, second.result)
        self.assertEqual(second.meta["attempts"], 0)
        other = client.call(*arguments, key="other", meta=True)
        self.assertIs(other.meta["stored"], False)
        self.assertEqual(len(self.runs(notes)), 2)
        self.assertNotIn("stored", client.call("tools", "echo", meta=True).meta)

    def test_a_key_belongs_to_its_pool(self) -> None:
        daemon, client = self.start_tools(pool("more", C_TOOLS))
        self.assertEqual(client.call("tools", "echo", 1, key="k"), 1)
        self.assertEqual(client.call("more", "echo", 2, key="k"), 2)
        self.assertEqual(client.call("tools", "echo", 3, key="k"), 1)

    def test_it_is_kept_for_its_time(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), key_ttl="100ms")
        client = self.connect_client(daemon)
        self.assertEqual(client.call("tools", "echo", 1, key="k"), 1)
        eventually(lambda: client.call("tools", "echo", 2, key="k") == 2, "it is forgotten")

    def test_duplicates_at_the_same_time_run_once(self) -> None:
        daemon, _ = self.start_tools(workers=4)
        notes, gate = daemon.directory / "notes", daemon.directory / "gate"
        clients = [self.connect_client(daemon) for _ in range(8)]
        options = {"gate": str(gate), "key": "k", "meta": True}
        calls = [
            client.start("tools", "trial", path=str(notes), failures=0, how="exit", **options)
            for client in clients
        ]
        eventually(lambda: daemon.counters("tools")["requests"] == 8, "all have come")
        gate.touch()
        replies = [call.result() for call in calls]
        self.assertEqual([reply.result for reply in replies], [self.runs(notes)] * 8)
        self.assertEqual(sorted(reply.meta["stored"] for reply in replies), [False] + [True] * 7)
        self.assertEqual(len(self.runs(notes)), 1)

    def test_a_failure_is_not_kept(self) -> None:
        """What certainly failed may be asked again; and no idempotent flag is needed for that."""
        daemon, client = self.start_tools()
        arguments = ["tools", "trial", str(daemon.directory / "notes"), 1, "ValueError"]
        self.failure("exception", client, *arguments, key="k")
        reply = client.call(*arguments, key="k", meta=True)
        self.assertEqual((len(reply.result), reply.meta["stored"]), (2, False))

    def test_another_leads_when_the_leader_fails_for_certain(self) -> None:
        daemon, client = self.start_tools(workers=2)
        notes, gate = daemon.directory / "notes", daemon.directory / "gate"
        arguments = ["tools", "trial", str(notes), 1, "ValueError", None, str(gate)]
        leader = client.start(*arguments, key="k")
        eventually(notes.exists, "the leader is at work")
        others = [client.start(*arguments, key="k", meta=True) for _ in range(3)]
        eventually(lambda: daemon.counters("tools")["requests"] == 4, "all have come")
        gate.touch()
        with self.assertRaises(poold.WorkerException):
            leader.result()
        replies = [call.result() for call in others]
        self.assertEqual([len(reply.result) for reply in replies], [2, 2, 2])
        self.assertEqual([reply.meta["stored"] for reply in replies], [False, True, True])

    def test_who_waits_for_another_one_is_told_for_which(self) -> None:
        daemon, client = self.start_tools(workers=2)
        path = daemon.directory / "gate"
        leader = client.start("tools", "occupy", str(path), key="k")
        eventually(path.exists, "the leader is at work")
        self.assertIn(
            "another request with its key did not end in 200 ms",
            str(self.failure("queue_timeout", client, "tools", "echo", 1, key="k", timeout=0.2)),
        )
        path.unlink()
        leader.result()

    def test_all_fail_with_a_leader_that_may_have_succeeded(self) -> None:
        """Its worker died: nobody knows whether the work was done, and twice is too often."""
        daemon, client = self.start_tools(workers=2)
        notes, gate = daemon.directory / "notes", daemon.directory / "gate"
        arguments = ["tools", "trial", str(notes), 9, "kill", None, str(gate)]
        calls = [client.start(*arguments, key="k")]
        eventually(notes.exists, "the leader is at work")
        calls += [client.start(*arguments, key="k") for _ in range(3)]
        eventually(lambda: daemon.counters("tools")["requests"] == 4, "all have come")
        gate.touch()
        told: list[str] = []
        for call in calls:
            with self.assertRaises(poold.PoolConnectionError) as raised:
                call.result()
            self.assertEqual(raised.exception.code, "worker_killed")
            self.assertEqual(raised.exception.executed, "maybe")
            told.append(raised.exception.message)
        self.assertIn("signal 9", told[0])
        self.assertEqual(set(told[1:]), {OF_ANOTHER})
        self.assertEqual(len(self.runs(notes)), 1)


class Recoveries(RetryTest, PoolctlTest):
    """What is being tried again is listed, and can be given up."""

    def start_recovery(self) -> tuple[Daemon, poold.Client, poold.Call, dict[str, Any]]:
        """A request that waits for its next try for long, and the entry of its recovery."""
        daemon, client = self.start_tools(
            retry("tools", backoff="linear", base="20s"), idempotent=True, workers=2
        )
        call = client.start("tools", "leave", 3, timeout=stretch(60))
        eventually(lambda: self.connect_client(daemon).recoveries()["active"], "it is listed")
        (entry,) = self.connect_client(daemon).recoveries()["active"]
        return daemon, client, call, entry

    def test_an_active_one_is_listed(self) -> None:
        daemon, _, call, entry = self.start_recovery()
        self.assertEqual(
            {key: entry[key] for key in ("pool", "method", "cause", "category", "strategy")},
            {
                "pool": "tools",
                "method": "leave",
                "cause": "worker_exited",
                "category": "connection_error",
                "strategy": "backoff_retry",
            },
        )
        self.assertEqual((entry["severity"], entry["state"]), ("major", "delayed"))
        self.assertEqual(entry["attempts"], 1)
        self.assertLessEqual(entry["left_ms"], 30_000)
        self.assertGreater(entry["left_ms"], 25_000)
        call.cancel()
        with self.assertRaises(poold.Cancelled):
            call.result()
        counters = self.connect_client(daemon).recoveries()["counters"]
        self.assertEqual((counters["active"], counters["cancelled"]), (0, 1))

    def test_it_is_given_up_by_an_operator(self) -> None:
        daemon, client, call, entry = self.start_recovery()
        heard = self.listen(daemon, "recovery")
        with self.assertRaises(poold.RequestError) as raised:
            client.recovery_cancel(entry["id"] + 1)
        self.assertEqual(raised.exception.code, "invalid_request")
        self.assertIs(client.recovery_cancel(entry["id"]), True)
        with self.assertRaises(poold.PoolConnectionError) as failed:
            call.result()
        self.assertEqual((failed.exception.code, failed.exception.attempt), ("worker_exited", 1))
        self.assertIn("exit status 3", failed.exception.message)
        self.assertEqual(client.recoveries()["active"], [])
        event = heard.wait_for(id=entry["id"], result="cancelled")
        self.assertEqual(
            (event["request"], event["cause"]), (entry["request"], "worker_exited")
        )

    def test_poolctl_does_the_same(self) -> None:
        daemon, client, call, entry = self.start_recovery()
        self.assertIn("worker_exited", self.succeed(daemon, "recoveries"))
        self.assertEqual(self.json(daemon, "recoveries")["active"][0]["id"], entry["id"])
        self.assertEqual(poolctl(daemon, "recovery", "cancel", "999").returncode, 1)
        self.succeed(daemon, "recovery", "cancel", str(entry["id"]))
        with self.assertRaises(poold.PoolConnectionError):
            call.result()

    def test_it_ends_when_its_time_is_over(self) -> None:
        """A grave error of an urgent request is recovered from for 2.5 s: no worker comes in that
        time, as the next one does not get ready."""
        slow = Path(self.enterContext(TemporaryDirectory())) / "slow"
        command = shlex.join(["sh", "-c", f"test -e {slow} && exec sleep 60; exec {C_TOOLS}"])
        daemon = self.start(
            pool("tools", command, idempotent=True),
            retry("tools", backoff="none"),
            error_row("connection_error", severity="critical"),
        )
        daemon.announced.append("pool=tools")
        heard = self.listen(daemon, "recovery")
        slow.touch()
        with self.connect_client(daemon) as client, Timed() as timed:
            call = client.start("tools", "leave", 3, timeout=60, priority="critical")
            heard.wait_for(result="started")
            (entry,) = daemon.ask("poold.recoveries")["active"]
            self.assertEqual((entry["state"], entry["severity"]), ("queued", "critical"))
            self.assertLessEqual(entry["left_ms"], 2500)
            with self.assertRaises(poold.PoolConnectionError) as raised:
                call.result()
        self.assertGreaterEqual(timed.seconds, 2.5)
        self.assert_in_time(timed, 2.5)
        self.assertEqual((raised.exception.code, raised.exception.attempt), ("worker_exited", 1))
        heard.wait_for(result="expired", id=entry["id"])

    def test_no_more_at_once_than_allowed(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, idempotent=True, workers=2),
            retry("tools", backoff="linear", base="20s"),
            recoveries_max=1,
        )
        daemon.announced.append("pool=tools")
        client = self.connect_client(daemon)
        first = client.start("tools", "leave", 3, timeout=stretch(60))
        eventually(lambda: client.recoveries()["active"], "it is listed")
        with Timed() as timed:
            error = self.failure("worker_exited", client, "tools", "leave", 3, timeout=stretch(60))
        self.assertEqual(error.attempt, 1)
        self.assert_in_time(timed, 0)
        self.assertEqual(client.recoveries()["counters"]["refused"], 1)
        first.cancel()
