"""What happened in a pool lately: the windows of poold.status, pools and stats, and their columns."""

from __future__ import annotations

from typing import Any

from clients import PoolctlTest
from clock import eventually
from harness import C_TOOLS, TOOLBOX, Daemon, pool, retry
from raw import Raw, pack


class Windows(PoolctlTest):
    def start_full(self) -> Daemon:
        """A pool whose worker is occupied and whose queue is full."""
        daemon = self.start(pool("tools", C_TOOLS, workers=1, queue_max=1, prefetch=0))
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        daemon.occupy(client)
        client.ask_pool("tools", "echo", ["waits"])
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 1, "one waits")
        return daemon

    def fail_call(self, client: Raw, code: str, *call: object, **options: object) -> None:
        self.assert_code(client.answer_pool(*call, **options), code)

    def last_minute(self, daemon: Daemon) -> dict[str, Any]:
        return daemon.ask("poold.status")["pools"][0]["last_minute"]

    def test_outcomes_are_apart(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        client = daemon.connect()
        for number in range(6):
            client.call_pool("tools", "echo", [number])
        for _ in range(2):
            self.fail_call(client, "exception", "tools", "divide", [1, 0])
        found = self.last_minute(daemon)
        self.assertEqual(
            {key: found[key] for key in ("answered", "failed", "refused", "cancelled")},
            {"answered": 6, "failed": 2, "refused": 0, "cancelled": 0},
        )
        self.assertEqual(found["errors"], {"exception": 2})
        self.assertEqual(found["ok_percent"], 75)
        self.assertGreater(found["rate"], 0)
        for name in ("queue", "run"):
            latency = found["latency_ms"][name]
            self.assertEqual(latency["count"], 8)
            self.assertGreaterEqual(latency["p99"], latency["p50"])
        for windows in (daemon.pool("tools")["windows"], daemon.counters("tools")["windows"]):
            for name in ("5m", "15m", "start"):
                self.assertEqual((windows[name]["answered"], windows[name]["failed"]), (6, 2))

    def test_refusals_do_not_count_as_run_times(self) -> None:
        """Thirty requests that find no room, while one runs for a while."""
        daemon = self.start_full()
        client = daemon.connect()
        for _ in range(30):
            self.fail_call(client, "queue_full", "tools", "echo", [0])
        found = self.last_minute(daemon)
        self.assertEqual((found["refused"], found["failed"], found["ok_percent"]), (30, 0, 0))
        self.assertEqual(found["latency_ms"]["run"], {"count": 0, "p50": None, "p99": None})
        self.assertEqual(daemon.pool("tools")["latency_ms"]["total"]["max"], 0)
        columns = self.columns(daemon, "status")
        self.assertEqual((columns["OK%"], columns["P50"], columns["P99"]), ("0.0", "-", "-"))
        daemon.release()
        eventually(lambda: self.last_minute(daemon)["answered"] == 2, "both are answered")
        found = self.last_minute(daemon)
        self.assertEqual(found["latency_ms"]["run"]["count"], 2)
        # The one that waited had another one before it.
        waits = found["latency_ms"]["queue"]
        self.assertEqual(waits["count"], 2)
        self.assertGreater(waits["p99"], waits["p50"])

    def test_a_request_that_waited_for_all_its_time_has_failed(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1, prefetch=0, admission=False))
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        daemon.occupy(client)
        self.fail_call(client, "queue_timeout", "tools", "echo", [0], timeout_ms=50)
        found = self.last_minute(daemon)
        self.assertEqual((found["failed"], found["refused"]), (1, 0))
        self.assertEqual(found["errors"], {"queue_timeout": 1})
        daemon.release()

    def test_one_that_is_given_up_is_neither_good_nor_bad(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1, cancel_grace="50ms"))
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        client.cancel(daemon.occupy(client))
        eventually(lambda: self.last_minute(daemon)["cancelled"] == 1, "it is cancelled")
        found = self.last_minute(daemon)
        self.assertEqual((found["failed"], found["ok_percent"], found["errors"]), (0, None, {}))
        self.assertEqual(self.columns(daemon, "pools")["OK%"], "-")
        daemon.release()

    def columns(self, daemon: Daemon, command: str) -> dict[str, str]:
        """The line of a table about the first pool: each cell by its head."""
        lines = self.succeed(daemon, command).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("POOL"))
        return cells(lines[at], lines[at + 1])

    def test_the_columns(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        for command in ("status", "pools"):
            columns = self.columns(daemon, command)
            found = [columns[name] for name in ("RATE", "OK%", "P50", "P99", "WAIT")]
            self.assertEqual(found, ["-"] * 5)
        client = daemon.connect()
        for number in range(3):
            client.call_pool("tools", "echo", [number])
        for command in ("status", "pools"):
            columns = self.columns(daemon, command)
            self.assertEqual(columns["OK%"], "100")
            self.assertRegex(columns["RATE"], r"^\d+(\.\d)?/s$")
            for name in ("P50", "P99", "WAIT"):
                self.assertRegex(columns[name], r"^[\d.e+-]+ m?s$")


def cells(head: str, line: str) -> dict[str, str]:
    """The cells of a table whose columns are two spaces apart."""
    names, found = ([cell.strip() for cell in text.split("  ") if cell.strip()] for text in (head, line))
    assert len(names) == len(found), (names, found)
    return dict(zip(names, found))


class Methods(PoolctlTest):
    """poold.methods and poolctl methods"""

    def found(self, asker: Raw) -> dict[tuple[str, str | None], dict[str, Any]]:
        return {(each["pool"], each["method"]): each["windows"] for each in asker.call("poold.methods")}

    def test_each_method_has_its_own_counts(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1), pool("idle", C_TOOLS, workers=1))
        client = daemon.connect()
        for number in range(3):
            client.call_pool("tools", "echo", [number])
        client.call_pool("tools", "slow", [1.0])
        # One that only fails is known as well, and one that there is not is not.
        self.assert_code(client.answer_pool("tools", "divide", [1, 0]), "exception")
        self.assert_code(client.answer_pool("tools", "nothing_like_it"), "unknown_method")
        found = self.found(client)
        self.assertEqual(set(found), {("tools", name) for name in ("echo", "slow", "divide", None)})
        for name, answered, failed in (("echo", 3, 0), ("slow", 1, 0), ("divide", 0, 1), (None, 0, 1)):
            for length in ("1m", "5m", "15m", "start"):
                window = found["tools", name][length]
                self.assertEqual((window["answered"], window["failed"]), (answered, failed), (name, length))
                self.assertEqual(window["latency_ms"]["run"]["count"], answered + failed)
        self.assertEqual(found["tools", "divide"]["1m"]["ok_percent"], 0)
        slow = found["tools", "slow"]["1m"]["latency_ms"]["run"]
        self.assertGreaterEqual(slow["p50"], 200)
        self.assertLess(found["tools", "echo"]["start"]["latency_ms"]["run"]["p50"], slow["p50"])
        lines = self.succeed(daemon, "methods", "tools").splitlines()
        rows = {cells(lines[0], line)["METHOD"]: cells(lines[0], line) for line in lines[1:]}
        self.assertEqual(list(rows), ["echo", "slow", "divide", "(others)"])
        self.assertEqual((rows["echo"]["REQUESTS"], rows["echo"]["FAILED"], rows["echo"]["OK%"]), ("3", "0", "100"))
        self.assertEqual((rows["divide"]["FAILED"], rows["divide"]["OK%"]), ("1", "0.0"))
        self.assertEqual(len(self.succeed(daemon, "methods", "idle").splitlines()), 1)

    def test_invented_names_stand_together(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1))
        client = daemon.connect()
        for number in range(100):
            self.assert_code(client.answer_pool("tools", f"invented{number}"), "unknown_method")
        client.call_pool("tools", "echo", [1])
        found = self.found(client)
        self.assertEqual(set(found), {("tools", "echo"), ("tools", None)})
        self.assertEqual(found["tools", None]["start"]["failed"], 100)


class Waits(PoolctlTest):
    """What requests waited for, and how busy the pool was."""

    def window(self, daemon: Daemon, length: str = "1m") -> dict[str, Any]:
        return daemon.pool("tools")["windows"][length]

    def waited(self, daemon: Daemon) -> set[str]:
        return {name for name, wait in self.window(daemon)["waits"].items() if wait["count"] > 0}

    def test_for_a_busy_worker(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=1, prefetch=0))
        client = daemon.connect()
        first = [daemon.occupy(client)]
        first += [client.ask_pool("tools", "echo", [number]) for number in range(3)]
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 3, "three wait")
        # It is known while it lasts.
        eventually(lambda: self.window(daemon)["all_busy_ms"] > 0, "no worker is free")
        self.assertEqual((self.window(daemon)["queue_high"], self.window(daemon)["busy_high"]), (3, 1))
        daemon.release()
        for number in first:
            client.read_of(number)
        self.assertEqual(self.waited(daemon), {"workers_busy"})
        for length in ("1m", "start"):
            window = self.window(daemon, length)
            self.assertEqual(window["waits"]["workers_busy"]["count"], 3)
            self.assertEqual((window["queue_high"], window["busy_high"]), (3, 1))
            self.assertGreater(window["all_busy_ms"], 0)
        self.assertIn("workers_busy 100%", self.succeed(daemon, "pools"))

    def test_for_a_start(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers="0..1"))
        daemon.connect().call_pool("tools", "echo", [1])
        daemon.take_measure()
        self.assertEqual(self.waited(daemon), {"worker_starting"})
        self.assertGreater(self.window(daemon)["waits"]["worker_starting"]["sum_ms"], 0)

    def test_for_its_turn(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2))
        client = daemon.connect()
        begun = daemon.directory / "begun"
        first = client.ask_pool("tools", "occupy", [str(begun)], session="cart")
        eventually(begun.exists, "the first one runs")
        second = client.ask_pool("tools", "echo", [1], session="cart")
        eventually(lambda: daemon.ask("poold.requests")["count"] == 2, "the second one waits")
        begun.unlink()
        for number in (first, second):
            self.assertIsNone(client.read_of(number).error)
        self.assertEqual(self.waited(daemon), {"turn"})

    def test_for_a_retry(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=1, idempotent=True, spares=1),
                            retry("tools", base="50ms", backoff="linear"))
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        flag = daemon.directory / "flag"
        client.call_pool("tools", "leave_once", [str(flag)])
        found = self.window(daemon)["waits"]["retry_delay"]
        self.assertEqual(found["count"], 1)
        self.assertGreaterEqual(found["sum_ms"], 25)

    def test_gauges_stand_beside_their_limits(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers="1..3", queue_max=7))
        lines = self.succeed(daemon, "status").splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("POOL"))
        columns = cells(lines[at], lines[at + 1])
        self.assertEqual((columns["BUSY"], columns["QUEUED"]), ("0 of 3", "0 of 7"))

    def test_the_most_connections_and_memory(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        self.assertLess(daemon.ask("poold.status")["peaks"]["start"]["connections"], 5)
        crowd = [daemon.connect() for _ in range(20)]
        crowd[0].send(pack([0, 1, "tools.echo", [bytes(3 << 20)]])[:-1])
        eventually(lambda: daemon.ask("poold.status")["memory"]["buffers"] > 3 << 20, "it holds most of it")
        for client in crowd:
            client.close()
        eventually(lambda: daemon.ask("poold.status")["connections"] == 1, "they are gone")
        status = daemon.ask("poold.status")
        self.assertLess(status["memory"]["buffers"], 1 << 20)
        for length in ("5m", "15m", "start"):
            peaks = status["peaks"][length]
            self.assertIn(peaks["connections"], range(20, 30))
            self.assertGreater(peaks["buffers"], 3 << 20)
        shown = self.succeed(daemon, "status")
        self.assertRegex(shown, r"\nconnections  1 of 1024; at most 2\d in the last minute, 2\d since the start\n")
        self.assertRegex(shown, r"\nbuffers      .* of 1.0 GiB; at most 3\.\d MiB in the last minute, 3\.\d MiB since the start\n")
