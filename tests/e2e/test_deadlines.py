"""Deadlines, giving up and priorities."""

from __future__ import annotations

import time
from statistics import median

import procs
from clock import Timed, eventually, ms
from harness import C_TOOLS, UNRULY, Daemon, DaemonTest, pool
from raw import Answer, pack

# Seconds by which the daemon may be later than its tick, by its own clock: it has to be woken, too.
# That can be asked of most of many only.
WOKEN = 0.03


class Timeouts(DaemonTest):
    """An answer comes when its deadline has come, and says what it was waiting for."""

    def check_on_time(self, timed: Timed, answer: Answer, seconds: float) -> None:
        """The answer came at its deadline, by the daemon's clock and by the client's."""
        self.assertGreaterEqual(answer.error["elapsed_ms"] / 1000, seconds)
        self.assertGreaterEqual(timed.seconds, seconds - 0.001)
        self.assert_in_time(timed, seconds)

    def check_exact(self, late: list[float]) -> None:
        """Most answers came within a tick of their deadlines; `late` is in seconds, by the daemon's clock."""
        self.assertGreaterEqual(min(late), 0)
        self.assert_in_time(Timed(median(late)), 0, late=WOKEN)

    def start_tools(self, **options: object) -> Daemon:
        daemon = self.start(pool("tools", C_TOOLS, **options))
        daemon.announced.append("pool=tools")
        return daemon

    def test_a_worker_that_hangs(self) -> None:
        daemon = self.start_tools(attempt_timeout="200ms")
        client = daemon.connect(map_errors=True)
        (before,) = daemon.worker_pids()
        with Timed() as timed:
            answer = client.answer_pool("tools", "hang")
        self.assert_code(answer, "attempt_timeout")
        self.assertEqual(answer.error["executed"], "maybe")
        self.assertEqual((answer.error["attempt"], answer.error["worker"]), (1, 1))
        self.check_on_time(timed, answer, 0.2)
        daemon.wait_workers("tools", 1, apart_from=(before,))
        self.assertEqual(daemon.counters("tools")["worker_kills"], 1)

    def test_a_worker_that_hangs_and_hears_no_signal(self) -> None:
        daemon = self.start_tools(kill_grace="100ms", attempt_timeout="200ms")
        (before,) = daemon.worker_pids()
        with Timed() as timed:
            client = daemon.connect(map_errors=True)
            answer = client.answer_pool("tools", "busy_hang")
        self.assert_code(answer, "attempt_timeout")
        self.check_on_time(timed, answer, 0.2)
        daemon.wait_workers("tools", 1, apart_from=(before,))

    def test_a_worker_that_is_stopped(self) -> None:
        daemon = self.start_tools(kill_grace="100ms", attempt_timeout="200ms")
        (before,) = daemon.worker_pids()
        answer = daemon.connect().answer_pool("tools", "stop")
        self.assert_code(answer, "attempt_timeout")
        daemon.wait_workers("tools", 1, apart_from=(before,))

    def test_a_deadline_in_mid_run_is_not_the_workers_fault(self) -> None:
        """Neither is the worker ended, nor does the breaker count it, however often."""
        daemon = self.start_tools(admission=False)  # whose runs took longer than it has is let in
        before = daemon.worker_pids()
        client = daemon.connect(map_errors=True)
        self.assertEqual(client.call_pool("tools", "slow", [0.05, 1]), 1)
        late = []
        for _ in range(6):
            with Timed() as timed:
                answer = client.answer_pool("tools", "slow", [0.5, 1], timeout_ms=100)
            self.assert_code(answer, "deadline_exceeded")
            self.assertEqual(answer.error["executed"], "maybe")
            self.check_on_time(timed, answer, 0.1)
            late.append(answer.error["elapsed_ms"] / 1000 - 0.1)
            self.assertEqual(client.call_pool("tools", "slow", [0.01, 2]), 2)
        self.check_exact(late)
        self.assertEqual(daemon.worker_pids(), before)
        self.assertEqual(daemon.counters("tools")["worker_kills"], 0)
        self.assertEqual(daemon.counters("tools")["late_answers"], 6)

    def test_a_run_that_nobody_waits_for_is_ended_in_the_end(self) -> None:
        daemon = self.start_tools(timeout="400ms", cancel_grace="50ms")
        (before,) = daemon.worker_pids()
        answer = daemon.connect().answer_pool("tools", "hang", timeout_ms=100)
        self.assert_code(answer, "deadline_exceeded")
        daemon.wait_workers("tools", 1, apart_from=(before,))
        self.assertEqual(daemon.ask("poold.breakers")[0]["state"], "closed")

    def test_no_worker_comes_free(self) -> None:
        daemon = self.start_tools()
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        with Timed() as timed:
            answer = client.answer_pool("tools", "echo", [1], timeout_ms=150)
        self.assert_code(answer, "queue_timeout")
        self.assertEqual(answer.error["executed"], "no")
        self.check_on_time(timed, answer, 0.15)
        client.cancel(busy)
        self.assert_code(client.read_of(busy), "cancelled")

    def test_the_pool_has_a_timeout_of_its_own(self) -> None:
        daemon = self.start_tools(timeout="150ms")
        with Timed() as timed:
            answer = daemon.connect(map_errors=True).answer("tools.hang")
        # The attempt has the same time, and may have begun a moment later than the request.
        self.assertIn(answer.code, ("attempt_timeout", "deadline_exceeded"))
        self.check_on_time(timed, answer, 0.15)

    def test_a_request_may_not_ask_for_more_than_the_pool_allows(self) -> None:
        daemon = self.start_tools(timeout="100ms", timeout_max="200ms")
        client = daemon.connect(map_errors=True)
        with Timed() as timed:
            answer = client.answer_pool("tools", "hang", timeout_ms=60_000)
        self.assertIn(answer.code, ("attempt_timeout", "deadline_exceeded", "invalid_request"))
        self.check_on_time(timed, answer, 0.2)

    def test_many_deadlines_at_once(self) -> None:
        daemon = self.start_tools(workers=1)
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        asked = {}
        for step in range(100):
            seconds = 0.05 + (step * 37 % 100) / 500
            begin = time.monotonic()
            number = client.ask_pool("tools", "echo", [step], timeout_ms=round(seconds * 1000))
            asked[number] = (begin, round(seconds, 3))
        late = []
        for _ in range(100):
            answer = client.read()
            begin, seconds = asked.pop(answer.id)
            self.assert_code(answer, "queue_timeout")
            self.check_on_time(Timed(time.monotonic() - begin), answer, seconds)
            late.append(answer.error["elapsed_ms"] / 1000 - seconds)
        self.check_exact(late)
        client.cancel(busy)
        self.assert_code(client.read_of(busy), "cancelled")

    def test_a_worker_in_time_is_left_alone(self) -> None:
        daemon = self.start_tools()
        daemon.announced.clear()
        before = daemon.worker_pids()
        client = daemon.connect()
        for _ in range(5):
            self.assertEqual(client.call_pool("tools", "slow", [0.02, 1], timeout_ms=5000), 1)
        self.assertEqual(daemon.worker_pids(), before)


class Cancelling(DaemonTest):
    """Giving a request up, by saying so and by leaving."""

    def start_tools(self, **options: object) -> Daemon:
        options = {"cancel_grace": "100ms", "timeout": ms(2000), **options}
        daemon = self.start(pool("tools", C_TOOLS, **options))
        daemon.announced.append("pool=tools")
        return daemon

    def test_a_request_that_runs(self) -> None:
        daemon = self.start_tools()
        client = daemon.connect(map_errors=True)
        (before,) = daemon.worker_pids()
        busy = daemon.occupy(client)
        with Timed() as timed:
            client.cancel(busy)
            answer = client.read_of(busy)
        self.assert_code(answer, "cancelled")
        self.assertEqual(answer.error["executed"], "maybe")
        self.assert_in_time(timed, 0)
        daemon.wait_workers("tools", 1, apart_from=(before,))
        client.check_quiet()
        self.assertEqual(daemon.counters("tools")["cancelled"], 1)

    def test_a_request_that_waits(self) -> None:
        daemon = self.start_tools()
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        waiting = client.ask_pool("tools", "echo", [1])
        client.cancel(waiting)
        answer = client.read_of(waiting)
        self.assert_code(answer, "cancelled")
        self.assertEqual(answer.error["executed"], "no")
        client.cancel(busy)
        self.assert_code(client.read_of(busy), "cancelled")
        client.check_quiet()
        self.assertEqual(daemon.counters("tools")["cancelled"], 2)

    def test_cancelling_in_the_same_write(self) -> None:
        daemon = self.start_tools()
        client = daemon.connect()
        asked = pack([0, 5, "tools.slow", [10]])
        client.send(asked + pack([2, "poold.cancel", [5]]))
        self.assert_code(client.read_of(5), "cancelled")
        client.check_quiet()

    def test_what_cannot_be_cancelled_is_ignored(self) -> None:
        daemon = self.start_tools()
        client = daemon.connect()
        number = client.ask("tools.echo", 1)
        self.assertEqual(client.read_of(number).result, 1)
        for params in ([number], [12345], [], ["x"], [None], [-1], [2**40], [{}], [1, 2]):
            client.notify("poold.cancel", *params)
        client.check_quiet()
        daemon.announced.clear()

    def test_a_connection_cannot_cancel_for_another(self) -> None:
        daemon = self.start_tools()
        daemon.announced.clear()
        client, other = daemon.connect(), daemon.connect()
        number = client.ask("tools.slow", 0.2, "done")
        other.cancel(number)
        other.check_quiet()
        self.assertEqual(client.read_of(number).result, "done")

    def test_leaving_gives_up_everything(self) -> None:
        daemon = self.start_tools()
        (before,) = daemon.worker_pids()
        leaver = daemon.connect()
        daemon.occupy(leaver)
        for step in range(10):
            leaver.ask_pool("tools", "echo", [step])
        leaver.close()
        eventually(
            lambda: daemon.counters("tools")["cancelled"] == 11,
            lambda: f"cancelled: {daemon.counters('tools')}",
        )
        daemon.wait_workers("tools", 1, apart_from=(before,))
        self.assertEqual(daemon.connect().call_pool("tools", "echo", ["next"]), "next")
        counters = daemon.counters("tools")
        found = [counters[name] for name in ("requests", "succeeded", "failed")]
        self.assertEqual(found, [12, 1, 0])

    def test_a_quick_one_costs_the_worker_nothing(self) -> None:
        """What ends within cancel_grace lets its worker live."""
        daemon = self.start(pool("tools", C_TOOLS, cancel_grace="10s"))
        before = daemon.worker_pids()
        client = daemon.connect()
        busy = daemon.occupy(client)
        client.cancel(busy)
        self.assert_code(client.read_of(busy), "cancelled")
        daemon.release()
        self.assertEqual(client.call_pool("tools", "echo", ["next"]), "next")
        self.assertEqual(daemon.worker_pids(), before)


class Priorities(DaemonTest):
    """Who waits is served in the order of priority, then of arrival."""

    def test_order(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0, cancel_grace="10s"))
        client = daemon.connect()
        busy = daemon.occupy(client)
        asked = {}
        for step, priority in enumerate(["sheddable", "normal", "critical"] * 2):
            asked[client.ask_pool("tools", "echo", [priority], priority=priority)] = step
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 6, "all wait")
        daemon.release()
        self.assertEqual(client.read().id, busy)
        answers = [client.read() for _ in asked]
        self.assertEqual([asked[answer.id] for answer in answers], [2, 5, 1, 4, 0, 3])

    def test_normal_is_the_default(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0))
        client = daemon.connect()
        daemon.occupy(client)
        client.ask_pool("tools", "echo", ["sheddable"], priority="sheddable")
        client.ask_pool("tools", "echo", ["plain"])
        client.ask_pool("tools", "echo", ["critical"], priority="critical")
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 3, "all wait")
        daemon.release()
        order = [client.read().result for _ in range(4)][1:]
        self.assertEqual(order, ["critical", "plain", "sheddable"])


class Idle(DaemonTest):
    """Waiting costs nothing."""

    def test_no_processor_time_while_nothing_happens(self) -> None:
        daemon = self.start(pool("raw", UNRULY, workers=2))
        clients = [daemon.connect() for _ in range(20)]
        for client in clients:
            self.assertEqual(client.call("raw.echo", 1), [1])
        before = procs.cpu_seconds(daemon.pid)
        with self.assertRaises(TimeoutError):
            clients[0].read_message(seconds=0.5)
        self.assertLessEqual(procs.cpu_seconds(daemon.pid) - before, 0.02)
