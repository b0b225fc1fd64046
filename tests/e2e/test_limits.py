"""Limits of the configuration: past one comes a clear error, at once, and the daemon serves on."""

from __future__ import annotations

from clock import Timed, eventually
from harness import C_TOOLS, UNRULY, Daemon, DaemonTest, pool, worker
from raw import Answer, Closed, Raw, pack

# Seconds within which a refusal has to come: at once, but for the scheduler, and before anything that
# it might wait for.
AT_ONCE = 1.0

# Log lines about a full queue: its pool is degraded, and a request was refused.
FULL = "warning pool is degraded, was ok pool=tools|request failed: code=queue_full"


class Queue(DaemonTest):
    """queue_max and queue_bytes_max"""

    def check_full(self, client: Raw, answer_to: int) -> Answer:
        answer = client.read_of(answer_to, seconds=AT_ONCE)
        self.assert_code(answer, "queue_full")
        self.assertIs(answer.error["retryable"], True)
        self.assertGreaterEqual(answer.error["retry_after_ms"], 1)
        self.assertEqual(answer.error["executed"], "no")
        return answer

    def test_too_many_requests(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, queue_max=5, prefetch=0, cancel_grace="10s")
        )
        daemon.announced.append(FULL)
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        waiting = [client.ask_pool("tools", "echo", [step]) for step in range(5)]
        answer = self.check_full(client, client.ask_pool("tools", "echo", ["too many"]))
        self.assertRegex(answer.error["message"], r"^the queue of pool tools is full: 5 requests,")
        daemon.release()
        self.assertEqual(client.read().id, busy)
        self.assertEqual([client.read().id for _ in waiting], waiting)
        self.assertEqual(client.call_pool("tools", "echo", ["room again"]), "room again")

    def test_too_many_bytes(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, queue_bytes_max="64K", prefetch=0, cancel_grace="10s")
        )
        daemon.announced.append(FULL)
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        waiting = [client.ask_pool("tools", "length", [bytes(30_000)]) for _ in range(2)]
        answer = self.check_full(client, client.ask_pool("tools", "length", [bytes(30_000)]))
        self.assertRegex(answer.error["message"], r"^the queue of pool tools is full: 2 requests,")
        daemon.release()
        self.assertEqual(client.read().id, busy)
        self.assertEqual([client.read().id for _ in waiting], waiting)

    def test_too_late_by_what_waits(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0, cancel_grace="10s"))
        daemon.announced.append("request failed: code=queue_full")
        daemon.announced.append("pool is degraded, was ok pool=tools")
        client = daemon.connect(map_errors=True)
        for _ in range(3):
            client.call_pool("tools", "slow", [0.1])
        busy = daemon.occupy(client)
        waiting = [client.ask_pool("tools", "slow", [0.1]) for _ in range(8)]
        late = client.ask_pool("tools", "slow", [0.1], timeout_ms=500)
        answer = self.check_full(client, late)
        text = r"^pool tools would not answer in (500|4\d\d(\.\d+)?) ms: 8 requests wait$"
        self.assertRegex(answer.error["message"], text)
        daemon.release()
        self.assertEqual([client.read().id for _ in range(9)], [busy, *waiting])

    def test_too_late_whatever_waits(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0, cancel_grace="10s"))
        daemon.announced.append("request failed: code=queue_timeout")
        client = daemon.connect(map_errors=True)
        for _ in range(3):
            client.call_pool("tools", "slow", [0.5])
        busy = daemon.occupy(client)
        answer = client.answer_pool("tools", "slow", [0.5], timeout_ms=300)
        self.assert_code(answer, "queue_timeout")
        text = r"^(300|2\d\d(\.\d+)?) ms are too little for a run in pool tools$"
        self.assertRegex(answer.error["message"], text)
        self.assertNotIn("retry_after_ms", answer.error)
        self.assertEqual(answer.error["executed"], "no")
        daemon.release()
        self.assertEqual(client.read().id, busy)

    def test_a_more_important_one_takes_the_place_of_a_lesser(self) -> None:
        daemon = self.start(
            pool("tools", C_TOOLS, queue_max=2, prefetch=0, cancel_grace="10s")
        )
        daemon.announced.append(FULL)
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        first = client.ask_pool("tools", "echo", [1], priority="sheddable")
        second = client.ask_pool("tools", "echo", [2], priority="sheddable")
        third = client.ask_pool("tools", "echo", [3], priority="critical")
        shed = client.read(seconds=AT_ONCE)
        self.assert_code(shed, "shed")
        self.assertIn(shed.id, (first, second))
        kept = second if shed.id == first else first
        daemon.release()
        self.assertEqual([client.read().id for _ in range(3)], [busy, third, kept])


class Requests(DaemonTest):
    """in_flight_max and requests_max"""

    def test_too_many_of_one_connection(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, cancel_grace="10s"), in_flight_max=4)
        client = daemon.connect(map_errors=True)
        daemon.occupy(client)
        for step in range(3):
            client.ask_pool("tools", "echo", [step])
        extra = client.ask_pool("tools", "echo", ["too many"])
        answer = client.read_of(extra, seconds=AT_ONCE)
        self.assert_code(answer, "queue_full")
        other = daemon.connect()
        number = other.ask_pool("tools", "echo", ["other"])
        daemon.release()
        self.assertEqual(other.read_of(number).result, "other")
        self.assertEqual(len([client.read() for _ in range(4)]), 4)
        client.check_quiet()

    def test_too_many_of_all_connections(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, cancel_grace="10s", queue_max=4), requests_max=4)
        clients = [daemon.connect(map_errors=True) for _ in range(5)]
        daemon.occupy(clients[0])
        for client in clients[1:4]:
            client.ask_pool("tools", "echo", [1])
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 3, "three are waiting")
        answer = clients[4].answer_pool("tools", "echo", ["too many"])
        self.assertIn(answer.code, ("queue_full", "memory_limit"))
        self.assertIs(answer.error["retryable"], True)
        daemon.release()
        for client in clients[:4]:
            self.assertIsNone(client.read().error)
        self.assertEqual(clients[4].call_pool("tools", "echo", [1]), 1)


class Connections(DaemonTest):
    """connections_max and control_reserve: asking what is wrong works when nothing else does."""

    OPTIONS = {"connections_max": 12, "control_reserve": 4}

    def fill(self, daemon: Daemon) -> list[Raw]:
        """Connects until no place is left for anybody but the operator; none of them is idle."""
        clients = [daemon.connect() for _ in range(8)]
        for client in clients:
            client.call("poold.subscribe", ["alert"])
        return clients

    def check_control(self, daemon: Daemon) -> None:
        """Status and health come in time on a new connection."""
        with Timed() as timed, Raw(daemon.path) as client:
            self.assertIn("status", client.call("poold.health"))
            self.assertIn("pools", client.call("poold.status"))
        self.assert_in_time(timed, 0)

    def test_the_reserve_serves_control_only(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), **self.OPTIONS)
        clients = self.fill(daemon)
        self.check_control(daemon)
        with Raw(daemon.path) as extra:
            answer = extra.answer("tools.echo", 1)
            self.assertIsNotNone(answer.code)
        self.assertEqual(clients[0].call("tools.echo", 1), 1)
        clients.pop().close()
        eventually(lambda: self.can_call(daemon), "a place is free again")

    @staticmethod
    def can_call(daemon: Daemon) -> bool:
        with Raw(daemon.path) as client:
            try:
                return client.answer("tools.echo", 1).error is None
            except Closed:
                return False

    def test_past_the_reserve_nothing_breaks(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), **self.OPTIONS)
        clients = self.fill(daemon)
        reserve = [daemon.connect() for _ in range(4)]
        for client in reserve:
            client.call("poold.version")
        extra = [Raw(daemon.path) for _ in range(10)]
        for client in extra:
            client.close()
        self.assertEqual(clients[0].call("tools.echo", 1), 1)
        for client in reserve:
            client.close()
        eventually(lambda: daemon.ask("poold.status")["connections"] <= 9, "they are gone")

    def test_every_worker_hangs_and_every_place_is_taken(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2, timeout="30s"), **self.OPTIONS)
        daemon.announced.append("pool=tools")
        clients = self.fill(daemon)
        for client in clients:
            client.ask("tools.busy_hang")
        eventually(lambda: daemon.pool("tools")["workers"]["busy"] == 2, "both hang")
        self.check_control(daemon)
        for client in clients:
            client.close()

    def test_no_worker_ever_gets_ready(self) -> None:
        daemon = self.launch(
            pool("late", worker("rude", "never_ready"), init_timeout="60s"), **self.OPTIONS
        )
        daemon.wait_listening()
        self.fill(daemon)
        self.check_control(daemon)
        self.assertEqual(daemon.ask("poold.health")["ready"], False)
        self.assertEqual(daemon.ask("poold.health")["pools"]["late"]["status"], "down")

    def test_thousands_that_come_and_go(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        for _ in range(2000):
            with Raw(daemon.path) as client:
                client.send(pack([0, 1, "raw.echo", [1]])[:3])
        self.assertEqual(daemon.connect().call("raw.echo", 1), [1])
