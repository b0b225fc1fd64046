"""What is reported of a failure: the whole error map, the list of the latest errors, the log."""

from __future__ import annotations

import time
from typing import Any

import poold

from clients import ClientTest
from clock import eventually, stretch
from harness import C_TOOLS, START_TIMEOUT, Daemon, error_row, pool, retry, static_pool, worker
from shapes import NUMBER, shape_faults

ERROR = {
    "code": str,
    "category": str,
    "severity": str,
    "strategy": str,
    "message": str,
    "retryable": bool,
    "executed": str,
    "request": int,
    "pool": str,
    "adapter": str,
    "worker": int,
    "pid": int,
    "session": str,
    "method": str,
    "attempt": int,
    "elapsed_ms": NUMBER,
    "queue_ms": NUMBER,
    "run_ms": NUMBER,
    "circuit": str,
    "queue_depth": int,
    "outcome": str,
    "attempts": [
        {
            "pool": str,
            "worker": int,
            "code": str,
            "message": str,
            "started_ms": NUMBER,
            "run_ms": NUMBER,
            "delay_ms": NUMBER,
        }
    ],
    "detail": dict,
}

# The retries of pool tools wait 20 ms, 40 ms and so on.
LINEAR = retry("tools", backoff="linear", base="20ms")


class ErrorTest(ClientTest):
    """A pool of tools that fail, and a client of it."""

    def start_tools(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(pool("tools", C_TOOLS, **options), *more)
        daemon.announced.append("pool=tools")
        return daemon, self.connect_client(daemon)


class Map(ErrorTest):
    """The error map has all that is known."""

    def test_every_field(self) -> None:
        daemon, client = self.start_tools(LINEAR, idempotent=True, workers=4)
        error = self.failure("worker_exited", client, "tools", "leave", 4, session="s")
        self.assertEqual(shape_faults(error.raw, ERROR), [])
        self.assertEqual(
            (error.category, error.severity, error.strategy, error.executed),
            ("connection_error", "major", "backoff_retry", "maybe"),
        )
        self.assertEqual((error.pool, error.adapter, error.method), ("tools", "process", "leave"))
        self.assertEqual((error.session, error.circuit, error.queue_depth), ("s", "closed", 0))
        self.assertNotIn(error.pid, [0, *daemon.worker_pids("tools")])
        self.assertEqual(error.attempt, 3)
        self.assertEqual(error.detail["end"], "exit status 4")

    def test_each_attempt_with_its_times(self) -> None:
        _, client = self.start_tools(LINEAR, idempotent=True, workers=3, max_crash_retries=2)
        error = self.failure("worker_exited", client, "tools", "leave", 4)
        attempts = error.attempts
        self.assertEqual([each["code"] for each in attempts], ["worker_exited"] * 3)
        self.assertEqual([each["delay_ms"] for each in attempts], [0, 20, 40])
        self.assertEqual(attempts[-1]["worker"], error.worker)
        for each, following in zip(attempts, attempts[1:]):
            earliest = each["started_ms"] + each["run_ms"] + following["delay_ms"]
            self.assertGreaterEqual(following["started_ms"], earliest - 0.001)
        ended = attempts[-1]["started_ms"] + attempts[-1]["run_ms"]
        self.assertAlmostEqual(error.raw["elapsed_ms"], ended, delta=0.01)

    def test_a_request_that_no_worker_had(self) -> None:
        daemon, client = self.start_tools(prefetch=0)
        daemon.occupy(busy := daemon.connect())
        waiting = busy.ask_pool("tools", "echo", [1])
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 1, "one waits")
        error = self.failure("queue_timeout", client, "tools", "echo", 1, timeout=0.05)
        self.assertEqual((error.attempt, error.executed, error.attempts), (0, "no", []))
        self.assertIsNone(error.worker)
        self.assertEqual(error.queue_depth, 1)
        self.assertEqual(error.raw["queue_ms"], error.raw["elapsed_ms"])
        self.assertNotIn("run_ms", error.raw)
        daemon.release()
        busy.read()
        busy.read_of(waiting)

    def test_a_pool_that_has_no_breaker_says_none(self) -> None:
        client = self.connect_client(self.start(static_pool("mock", **{"answer.echo": 1})))
        error = self.failure("unknown_method", client, "mock", "other")
        self.assertIsNone(error.circuit)


class Severity(ErrorTest):
    """How grave an error is."""

    def test_the_worker_has_the_last_word(self) -> None:
        _, client = self.start_tools()
        for severity in ("warning", "minor", "major", "critical"):
            with self.subTest(severity):
                arguments = ["Retryable", "not now", stretch(10.0), severity]
                error = self.failure(
                    "exception", client, "tools", "fail", *arguments, timeout=stretch(1.0)
                )
                self.assertEqual(error.severity, severity)
        error = self.failure("rejected", client, "tools", "fail", "Rejected", "no", None, "major")
        self.assertEqual(error.severity, "major")

    def test_it_is_critical_when_all_workers_are_affected(self) -> None:
        for end, arguments in (("leave", [4]), ("die", [9])):
            for workers, severity in ((1, "critical"), (2, "major")):
                with self.subTest(end, workers=workers):
                    _, client = self.start_tools(workers=workers)
                    with self.assertRaises(poold.PoolConnectionError) as raised:
                        client.call("tools", end, *arguments)
                    self.assertEqual(raised.exception.severity, severity)

    def test_it_rises_after_the_third_attempt(self) -> None:
        options = {"idempotent": True, "max_crash_retries": 5, "workers": 6}
        daemon, client = self.start_tools(retry("tools", backoff="none"), **options)
        for attempts, severity in ((3, "major"), (4, "critical")):
            with self.subTest(attempts=attempts):
                daemon.wait_workers("tools", 6)
                error = self.failure(
                    "worker_exited", client, "tools", "leave", 4, max_attempts=attempts
                )
                self.assertEqual((error.attempt, error.severity), (attempts, severity))

    def test_a_minor_one_is_major_for_a_critical_request(self) -> None:
        _, client = self.start_tools()
        for priority, severity in (("normal", "minor"), ("critical", "major")):
            with self.subTest(priority):
                options = {"session": "none", "session_create": False, "priority": priority}
                error = self.failure("session_not_found", client, "tools", "echo", **options)
                self.assertEqual(error.severity, severity)

    def test_the_configuration_says_another(self) -> None:
        _, client = self.start_tools(
            error_row("exception", severity="minor", strategy="abandon"),
            error_row("request_error", severity="major"),
        )
        error = self.failure("exception", client, "tools", "divide", 1, 0)
        self.assertEqual((error.severity, error.strategy), ("minor", "abandon"))
        error = self.failure("rejected", client, "tools", "fail", "Rejected", "no")
        self.assertEqual(error.severity, "major")


class Matrix(ErrorTest):
    """Rows that the operator has changed."""

    def test_an_exception_is_retried_where_the_row_says_so(self) -> None:
        row = error_row("exception", strategy="backoff_retry", retries=2, backoff="exponential")
        times = retry("tools", backoff="exponential", base="20ms")
        daemon, client = self.start_tools(row, times, idempotent=True)
        arguments = [str(daemon.directory / "good"), 2, "ValueError"]
        reply = client.call("tools", "trial", *arguments, meta=True)
        self.assertEqual(reply.meta["attempts"], 3)
        first, second, third = reply.result
        self.assertGreaterEqual(second - first, 0.020)
        self.assertGreaterEqual(third - second, 0.040)
        arguments = [str(daemon.directory / "bad"), 3, "ValueError"]
        error = self.failure("exception", client, "tools", "trial", *arguments)
        self.assertEqual((error.attempt, error.strategy), (3, "backoff_retry"))

    def test_an_error_is_not_retried_where_the_row_says_so(self) -> None:
        _, client = self.start_tools(
            error_row("worker_exited", strategy="abandon"), idempotent=True, workers=2
        )
        error = self.failure("worker_exited", client, "tools", "leave", 3)
        self.assertEqual((error.attempt, error.strategy), (1, "abandon"))

    def test_the_row_of_a_code_wins_over_that_of_its_category(self) -> None:
        _, client = self.start_tools(
            error_row("worker_exited", retries=2),
            error_row("connection_error", retries=1),
            retry("tools", backoff="none"),
            idempotent=True,
            workers=4,
            max_crash_retries=5,
        )
        error = self.failure("worker_exited", client, "tools", "leave", 3)
        self.assertEqual(error.attempt, 3)
        error = self.failure("worker_killed", client, "tools", "die", 9)
        self.assertEqual(error.attempt, 2)


class Latest(ErrorTest):
    """poold.errors"""

    def test_the_newest_comes_first(self) -> None:
        daemon, client = self.start_tools()
        begin = time.time()
        raised = [self.failure("exception", client, "tools", "divide", n, 0) for n in range(3)]
        raised.append(self.failure("rejected", client, "tools", "fail", "Rejected", "no"))
        found = client.errors()
        self.assertEqual([each["request"] for each in found],
                         [each.request for each in reversed(raised)])
        self.assertEqual([each["kind"] for each in found], ["request"] * 4)
        times = [each["at_ms"] / 1000 for each in found]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertTrue(begin - 0.002 <= times[-1] <= times[0] <= time.time() + 0.002, times)
        for each, error in zip(found, reversed(raised)):
            self.assertEqual({**each, **error.raw}, each)
        self.assertEqual(client.errors(2), found[:2])
        self.assertEqual(client.errors(0), [])

    def test_no_more_are_kept_than_allowed(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), errors_kept=3)
        client = self.connect_client(daemon)
        raised = [self.failure("exception", client, "tools", "divide", n, 0) for n in range(5)]
        self.assertEqual([each["request"] for each in client.errors()],
                         [each.request for each in raised[:1:-1]])

    def incidents(self, client: poold.Client, code: str, least: int) -> list[dict[str, Any]]:
        """Waits for so many incidents of this code."""

        def found() -> list[dict[str, Any]]:
            told = [each for each in client.errors() if each["kind"] == "incident"]
            told = [each for each in told if each["code"] == code]
            return told if len(told) >= least else []

        return eventually(found, lambda: f"{least} of {code}: {client.errors()}")

    def test_starts_that_fail_are_incidents(self) -> None:
        cases = {
            "init_failed": pool("bad", worker("rude", "exit_at_once")),
            "init_timeout": pool("bad", worker("rude", "never_ready"), init_timeout="30ms"),
            "spawn_failed": pool("bad", "/nonexistent/command"),
        }
        for code, bad in cases.items():
            with self.subTest(code):
                daemon = self.launch(bad, start_timeout="100ms")
                daemon.announced += ["pool=bad", "^rude: ", START_TIMEOUT]
                daemon.wait_listening()
                found = self.incidents(self.connect_client(daemon), code, 2)
                for each in found:
                    self.assertEqual((each["pool"], each["adapter"]), ("bad", "process"))
                    self.assertEqual((each["worker"], each["circuit"]), (1, "closed"))
                    self.assertEqual(each["severity"], "critical")
                    self.assertNotIn("request", each)
                    self.assertNotIn("attempts", each)
                daemon.log.wait_for(f"incident: code={code} .* request=N/A .* attempt=1 ")

    def test_health_checks_without_an_answer_are_incidents(self) -> None:
        deaf = worker("rude", "ready_then_deaf")
        daemon = self.start(pool("deaf", deaf, ping_interval="10ms", ping_timeout="20ms"))
        daemon.announced.append("pool=deaf")
        client = self.connect_client(daemon)
        found = self.incidents(client, "health_check_timeout", 3)
        self.assertEqual({each["severity"] for each in found}, {"minor"})
        self.assertGreaterEqual(len({each["pid"] for each in found}), 1)
        daemon.log.wait_for("notice incident: code=health_check_timeout ", count=3)


class Lines(ErrorTest):
    """A failure in the log is one line with every field."""

    def test_what_is_not_known_is_said(self) -> None:
        daemon, client = self.start_tools(prefetch=0)
        daemon.occupy(busy := daemon.connect())
        error = self.failure("queue_timeout", client, "tools", "echo", 1, timeout=0.05)
        line = daemon.log.wait_for("request failed: code=queue_timeout ")
        self.assertRegex(
            line,
            r"warning request failed: code=queue_timeout category=timeout_error severity=major "
            rf"strategy=abandon executed=no request={error.request} pool=tools worker=N/A "
            r"pid=N/A session=N/A method=echo attempt=1 elapsed_ms=\d+\.\d+ queue_ms=\d+\.\d+ "
            r"run_ms=N/A circuit=closed outcome=TQ arrived_ms=\d+ uid=\d+ peer_pid=\d+ client=\S+ trace=N/A span=N/A attempt_span=N/A: no worker of pool tools was free in 50 ms",
        )
        daemon.release()
        busy.read()

    def test_what_is_known_is_said(self) -> None:
        daemon, client = self.start_tools(workers=2)
        error = self.failure("worker_exited", client, "tools", "leave", 4, session="a b")
        line = daemon.log.wait_for("request failed: code=worker_exited ")
        self.assertRegex(
            line,
            r"warning request failed: code=worker_exited category=connection_error "
            r"severity=major strategy=backoff_retry executed=maybe "
            rf"request={error.request} pool=tools worker={error.worker} pid={error.pid} "
            r"session=a b method=leave attempt=1 elapsed_ms=\d+\.\d+ queue_ms=\d+\.\d+ "
            r"run_ms=\d+\.\d+ circuit=closed outcome=WA arrived_ms=\d+ uid=\d+ peer_pid=\d+ client=\S+ trace=N/A span=N/A attempt_span=N/A: worker \d ended .*exit status 4",
        )

    def test_the_faults_of_callers_and_their_code_are_no_alarm(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        client = self.connect_client(daemon)
        self.failure("exception", client, "tools", "divide", 1, 0)
        self.failure("rejected", client, "tools", "fail", "Rejected", "no")
        self.failure("unknown_method", client, "tools", "nothing")
        for code in ("exception", "rejected", "unknown_method"):
            daemon.log.wait_for(f" info request failed: code={code} ")

    def test_a_name_cannot_break_the_line(self) -> None:
        daemon, client = self.start_tools()
        error = self.failure(
            "exception", client, "tools", "divide", 1, 0, session="x\nerror: code=internal"
        )
        self.assertEqual(error.session, "x\nerror: code=internal")
        line = daemon.log.wait_for("request failed: code=exception ")
        self.assertRegex(line, r"session=x\S+error: code=internal method=divide ")
