"""Alerts: raised and resolved in the log, as events, in reports; tested and silenced by an operator."""

from __future__ import annotations

import json
import signal
import socket
import socketserver
import tempfile
import threading
import time
import unittest
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import procs
from clients import PoolctlTest, poolctl
from clock import eventually
from harness import LOAD, TOOLBOX, Daemon, breaker, pool, section
from raw import Raw, unpack

# What warnings about alerts look like in the log.
ALERTS = r"(warning|error) (\w+: )?alert "


def alert(name: str, **options: object) -> str:
    """The section about a rule of alerts."""
    return section(f"alert {name}", options)


def quick_share(**options: object) -> str:
    """Half of the requests fail, and the alert is resolved as soon as fewer do."""
    return alert("error_share", threshold="50%", resolve_after="0", **options)


# Others that would fire too when all requests fail.
NO_OTHERS = tuple(alert(name, enabled=False) for name in ("burn_fast", "burn_slow", "method_errors"))


def fail(client: Raw, count: int) -> None:
    """So many requests that raise."""
    for _ in range(count):
        client.answer_pool("tools", "divide", [1, 0])


def succeed(client: Raw, count: int) -> None:
    for _ in range(count):
        client.call_pool("tools", "echo", [1])


def next_event(listener: Raw) -> dict[str, Any]:
    _, _, (event,) = unpack(listener.read_message())
    return event


class AlertsTest(PoolctlTest):

    def start_watched(self, *sections: str, **options: object) -> Daemon:
        """A daemon with the pool tools, whose alerts are on."""
        daemon = self.start(
            pool("tools", TOOLBOX), breaker("tools", mode="off"), *sections, alerts=True, **options
        )
        daemon.announced.append(ALERTS)
        return daemon

    def find(self, daemon: Daemon, name: str, **fields: object) -> list[dict[str, Any]]:
        """The active alerts of that rule that have these values."""
        return [
            one
            for one in daemon.ask("poold.alerts")["active"]
            if one["name"] == name and all(one[key] == value for key, value in fields.items())
        ]


class Alerts(AlertsTest):

    def test_whole_life(self) -> None:
        daemon = self.start_watched(quick_share(), *NO_OTHERS)
        client, listener = daemon.connect(), daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        self.assertEqual(daemon.ask("poold.alerts")["active"], [])
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])

        fail(client, 12)
        raised = next_event(listener)
        self.assertEqual((raised["kind"], raised["name"], raised["what"]), ("alert", "error_share", "raised"))
        self.assertEqual((raised["pool"], raised["severity"], raised["test"]), ("tools", "warning", False))
        self.assertEqual(raised["threshold"], 50.0)
        daemon.log.wait_for(r"warning alert error_share: .*threshold is 50%.*pool=tools")
        (active,) = self.find(daemon, "error_share", state="firing", pool="tools")
        self.assertEqual((active["value"], active["unit"]), (100.0, "%"))
        (reason,) = daemon.ask("poold.health")["pools"]["tools"]["reasons"]
        self.assertRegex(reason, r"^alert error_share \(warning\): .*100%")
        shown = poolctl(daemon, "status").stdout
        self.assertIn("(alert error_share)\n", shown)
        self.assertIn("advice: poolctl explain error_share", shown)

        succeed(client, 100)
        resolved = next_event(listener)
        self.assertEqual((resolved["name"], resolved["what"]), ("error_share", "resolved"))
        daemon.log.wait_for(r"notice alert error_share is resolved after \d+ s")
        (past,) = daemon.ask("poold.alerts")["history"]
        self.assertEqual((past["name"], past["pool"], past["highest"]), ("error_share", "tools", 100.0))
        self.assertIsNotNone(past["lasted_ms"])
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])
        self.assertTrue(self.find(daemon, "error_share", state="resolved"))

    def test_mistakes_of_clients_are_no_failures(self) -> None:
        daemon = self.start_watched(quick_share(), alert("critical_errors", threshold=1, enabled=False))
        client = daemon.connect()
        for _ in range(30):
            client.answer_pool("tools", "no_such_function", [])
        # Another alert shows that the readings were taken meanwhile.
        self.assertEqual(daemon.ask("poold.alert_test", "loop_lag")["for_ms"], 10_000)
        eventually(lambda: self.find(daemon, "loop_lag", state="firing"), "the test fires")
        self.assertEqual(self.find(daemon, "error_share"), [])

    def test_a_pool_has_its_own_rule(self) -> None:
        daemon = self.start_watched(
            quick_share(), alert("mine", kind="error_share", pool="tools", threshold="20%", severity="critical")
        )
        client = daemon.connect()
        succeed(client, 15)
        fail(client, 5)
        daemon.log.wait_for(r"error alert mine: .*severity=critical")
        self.assertEqual(self.find(daemon, "error_share"), [])

    def test_an_operator_opens_a_breaker(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), alert("breaker_open", resolve_after="0"), alerts=True)
        daemon.announced += [ALERTS, "breaker is", "pool is"]
        daemon.ask("poold.breaker_open", "tools")
        daemon.log.wait_for(r"error alert breaker_open: the pool's circuit breaker is open")
        daemon.ask("poold.breaker_reset", "tools")
        daemon.log.wait_for(r"alert breaker_open is resolved")

    def test_silence(self) -> None:
        daemon = self.start_watched(quick_share(), *NO_OTHERS)
        client, listener = daemon.connect(), daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        done = poolctl(daemon, "alert", "silence", "error_share", "1h")
        self.assertEqual(done.returncode, 0, done.stderr)
        fail(client, 12)
        eventually(lambda: self.find(daemon, "error_share", state="firing"), "it fires")
        (active,) = self.find(daemon, "error_share", pool="tools")
        self.assertGreater(active["silenced_ms"], 3_000_000)
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])
        self.assertEqual(poolctl(daemon, "alert", "silence", "error_share", "0").returncode, 0)
        # The first event is the one after the end of the silence.
        self.assertEqual(next_event(listener)["what"], "raised")
        daemon.log.wait_for("alert error_share is not silenced any more")

    def test_test(self) -> None:
        daemon = self.start_watched()
        listener = daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        done = poolctl(daemon, "alert", "test", "no_capacity")
        self.assertEqual(done.stdout, "no_capacity: fires for 10 s as a test\n")
        raised = next_event(listener)
        self.assertEqual((raised["name"], raised["what"], raised["test"]), ("no_capacity", "raised", True))
        self.assertIn("no_capacity (test)", poolctl(daemon, "alerts").stdout)
        # A test is no reason to think that something is wrong.
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])
        again = daemon.connect(map_errors=True).answer("poold.alert_test", "no_capacity")
        self.assertEqual(again.error["code"], "invalid_request")
        self.assertEqual(next_event(listener)["what"], "resolved")

    def test_wrong_names_are_said(self) -> None:
        daemon = self.start_watched(alert("loop_lag", enabled=False))
        client = daemon.connect(map_errors=True)
        for params, words in (
            (("poold.alert_test", "eror_share"), "did you mean error_share?"),
            (("poold.alert_test", "\x1b[2J" * 100), "there is no alert of that name"),
            (("poold.alert_test", "loop_lag"), "switched off"),
            (("poold.alert_test",), "[alert] is wanted"),
            (("poold.alert_silence", "error_share", -1), "[alert, seconds]"),
            (("poold.alert_silence", "error_share", 1 << 63), "[alert, seconds]"),
            (("poold.alert_silence", "error_share"), "[alert, seconds]"),
        ):
            with self.subTest(params=params):
                error = client.answer(*params).error
                self.assertEqual(error["code"], "invalid_request")
                self.assertIn(words, error["message"])
        self.assertEqual(poolctl(daemon, "alert", "silence", "error_share", "long").returncode, 64)

    def test_switched_off(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), alerts=False)
        shown = daemon.ask("poold.alerts")
        self.assertEqual((shown["active"], shown["history"]), ([], []))
        self.assertFalse(any(rule["enabled"] for rule in shown["rules"]))
        error = daemon.connect(map_errors=True).answer("poold.alert_test", "loop_lag").error
        self.assertIn("switched off", error["message"])


class Command(AlertsTest):
    """alert_command: a program that gets each alert."""

    def start_with(self, script: str, **options: object) -> Daemon:
        """A daemon whose alert_command is this shell script; `{}` in it is a folder for its files."""
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory()))
        path = self.place / "command"
        path.write_text("#!/bin/sh\n" + script.replace("{}", str(self.place)))
        path.chmod(0o755)
        return self.start_watched(quick_share(), *NO_OTHERS, alert_command=path, **options)

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.place.glob(pattern))

    def undelivered(self, daemon: Daemon) -> int:
        return daemon.ask("poold.stats")["daemon"]["alerts_undelivered"]

    def test_whole_life(self) -> None:
        daemon = self.start_with(
            'cat >"{}/$ALERT_STATE.new"; env >"{}/$ALERT_STATE.env"; mv "{}/$ALERT_STATE.new" "{}/$ALERT_STATE.json"\n'
        )
        client = daemon.connect()
        fail(client, 12)
        eventually(lambda: self.files("raised.json"), "the command ran")
        told = json.loads((self.place / "raised.json").read_text())
        self.assertEqual(
            {key: told[key] for key in ("alert", "kind", "pool", "severity", "state", "highest", "threshold", "test")},
            {
                "alert": "error_share",
                "kind": "error_share",
                "pool": "tools",
                "severity": "warning",
                "state": "raised",
                "highest": 100,
                "threshold": 50,
                "test": False,
            },
        )
        self.assertIsNone(told["resolved_at"])
        raised = datetime.fromisoformat(told["raised_at"])
        self.assertLess(abs((datetime.now(timezone.utc) - raised).total_seconds()), 300)
        variables = (self.place / "raised.env").read_text()
        self.assertIn("ALERT_NAME=error_share\n", variables)
        self.assertIn("ALERT_POOL=tools\n", variables)
        self.assertIn("ALERT_TEST=0\n", variables)
        self.assertNotIn("NOTIFY_SOCKET", variables)
        succeed(client, 100)
        eventually(lambda: self.files("resolved.json"), "the command ran again")
        told = json.loads((self.place / "resolved.json").read_text())
        self.assertEqual(told["state"], "resolved")
        self.assertGreaterEqual(datetime.fromisoformat(told["resolved_at"]), raised)
        self.assertEqual(self.undelivered(daemon), 0)

    def test_one_that_hangs_and_forks_is_killed_with_its_group(self) -> None:
        daemon = self.start_with(
            'echo "I wait" \nsleep 1000 & echo $! >"{}/child"; echo $$ >"{}/pid"; trap "" TERM; sleep 1000\n',
            alert_timeout="1s",
        )
        daemon.announced.append("alert_command")
        fail(daemon.connect(), 12)
        line = daemon.log.wait_for("warning alert_command .* failed for the alert error_share: it took longer than 1 s")
        self.assertIn("it wrote: I wait", line)
        pids = [int((self.place / name).read_text()) for name in ("pid", "child")]
        eventually(lambda: not any(procs.is_alive(pid) for pid in pids), "all of its group has ended")
        self.assertEqual(self.undelivered(daemon), 1)

    def test_one_that_fills_its_output_is_killed(self) -> None:
        daemon = self.start_with("exec yes 'a line of output'\n", alert_timeout="1min")
        daemon.announced.append("alert_command")
        fail(daemon.connect(), 12)
        line = daemon.log.wait_for("it wrote more than 64 KiB and was killed; it wrote: a line of output")
        self.assertLess(len(line), 1500)

    def test_its_failure_is_told_with_what_it_wrote(self) -> None:
        daemon = self.start_with("printf 'no \\033[2Jpager\\n' >&2; exit 3\n")
        daemon.announced.append("alert_command")
        fail(daemon.connect(), 12)
        line = daemon.log.wait_for("alert_command .*: exit status 3; it wrote: no ")
        self.assertIn(r"no \x1b[2Jpager", line)

    def test_one_that_is_missing(self) -> None:
        daemon = self.start_watched(quick_share(), *NO_OTHERS, alert_command="/nonexistent/pager")
        daemon.announced.append("alert_command")
        fail(daemon.connect(), 12)
        daemon.log.wait_for("alert_command /nonexistent/pager failed .*No such file or directory")

    def test_alerts_wait_for_each_other(self) -> None:
        daemon = self.start_with(
            'test -e "{}/busy" && touch "{}/two"; touch "{}/busy"; touch "{}/began-$ALERT_NAME"\n'
            'while ! test -e "{}/go"; do sleep 0.02; done; rm "{}/busy"; touch "{}/did-$ALERT_NAME"\n',
            alert_timeout="5min",
        )
        names = ("loop_lag", "log_dropped", "breakers_open")
        for name in names:
            daemon.ask("poold.alert_test", name)
        eventually(lambda: self.files("began-*"), "the first one runs")
        eventually(lambda: len(daemon.ask("poold.alerts")["history"]) == 3, "all were raised")
        self.assertEqual(len(self.files("began-*")), 1)
        (self.place / "go").touch()
        eventually(lambda: len(self.files("did-*")) == 3, "each had its turn")
        self.assertEqual(self.files("two"), [])

    def test_a_daemon_that_stops_does_not_wait_for_it(self) -> None:
        daemon = self.start_with('echo $$ >"{}/pid"; exec sleep 1000\n', alert_timeout="1h")
        fail(daemon.connect(), 12)
        eventually(lambda: self.files("pid") and (self.place / "pid").read_text(), "it runs")
        pid = int((self.place / "pid").read_text())
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        eventually(lambda: not procs.is_alive(pid), "it was killed")


class Kinds(AlertsTest):
    """Each kind is measured where it happens."""

    def watch(self, *sections: str, **options: object) -> Daemon:
        daemon = self.start(*sections, *NO_OTHERS, alerts=True, **options)
        daemon.announced += [ALERTS, "breaker", "pool is", "worker ", "requests start", "request failed", "incident", "does not wait", "stood still"]
        return daemon

    def raised(self, daemon: Daemon, name: str, pool: str | None = "tools") -> None:
        where = f".*pool={pool}" if pool else ""
        daemon.log.wait_for(f" alert {name}: {where}", 20.0)

    def test_workers_that_never_start(self) -> None:
        daemon = self.watch(pool("tools", "/bin/false"), alert("no_capacity", **{"for": "0"}))
        self.raised(daemon, "crash_loop")
        self.raised(daemon, "no_capacity")

    def test_a_drained_pool_lacks_nothing(self) -> None:
        daemon = self.watch(pool("tools", TOOLBOX), alert("no_capacity", **{"for": "0"}))
        daemon.ask("poold.drain", "tools")
        daemon.ask("poold.alert_test", "loop_lag")
        self.raised(daemon, "loop_lag", None)
        self.assertEqual(self.find(daemon, "no_capacity"), [])
        daemon.ask("poold.resume", "tools")

    def test_workers_that_are_killed(self) -> None:
        daemon = self.watch(pool("tools", TOOLBOX), alert("restarts", threshold=2))
        for _ in range(2):
            (pid,) = daemon.wait_workers("tools", 1)
            procs.kill(pid)
            daemon.wait_workers("tools", 1, apart_from=(pid,))
        self.raised(daemon, "restarts")

    def test_times(self) -> None:
        daemon = self.watch(
            pool("tools", TOOLBOX, prefetch=0),
            alert("run_time", threshold="40ms", min=1, **{"for": "0"}),
            alert("queue_wait", threshold="40ms", min=1, **{"for": "0"}),
        )
        client = daemon.connect()
        for number in [client.ask_pool("tools", "slow", [0.1]) for _ in range(3)]:
            client.read_of(number)
        self.raised(daemon, "run_time")
        self.raised(daemon, "queue_wait")

    def test_severe_errors(self) -> None:
        daemon = self.watch(
            pool("tools", TOOLBOX),
            section("error exception", {"severity": "critical"}),
            alert("critical_errors", threshold=3),
        )
        client = daemon.connect()
        fail(client, 2)
        daemon.ask("poold.alert_test", "loop_lag")
        self.raised(daemon, "loop_lag", None)
        self.assertEqual(self.find(daemon, "critical_errors"), [])
        fail(client, 1)
        self.raised(daemon, "critical_errors")

    def test_breakers_and_the_fallback(self) -> None:
        daemon = self.watch(
            pool("tools", TOOLBOX, fallback="other", no_worker_wait=0),
            pool("other", TOOLBOX),
            alert("breaker_flapping", threshold=2),
        )
        client = daemon.connect()
        daemon.ask("poold.breaker_open", "tools")
        client.call_pool("tools", "echo", [1])
        self.raised(daemon, "breaker_open")
        self.raised(daemon, "on_fallback")
        self.assertEqual(self.find(daemon, "breakers_open"), [])
        daemon.ask("poold.breaker_open", "other")
        self.raised(daemon, "breakers_open", None)
        for name in ("tools", "other"):
            daemon.ask("poold.breaker_reset", name)

    def test_a_loop_that_stood_still(self) -> None:
        daemon = self.watch(pool("tools", TOOLBOX), alert("loop_lag", threshold="500ms"))
        client = daemon.connect()
        number = client.ask_pool("tools", "slow", [2.0])
        eventually(lambda: daemon.workers("tools")[0]["in_flight"] == 1, "it runs")
        procs.stop(daemon.pid)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 1.0, "it stood still for long")
        procs.kill(daemon.pid, signal.SIGCONT)
        self.raised(daemon, "loop_lag", None)
        client.read_of(number)

    def test_sessions_that_lost_their_state(self) -> None:
        daemon = self.watch(pool("keep", TOOLBOX.replace("toolbox", "keeper")))
        client = daemon.connect()
        client.call_pool("keep", "touch", session="cart")
        (pid,) = daemon.wait_workers("keep", 1)
        procs.kill(pid)
        self.raised(daemon, "sessions_lost", None)


class Receiver:
    """A server of HTTP that keeps what is posted to it.

    Args:
        address: the path of a Unix socket; None: a port of this machine.
        status: what it answers; None: it reads and says nothing.
    """

    def __init__(self, address: str | None = None, status: int | None = 200) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.changed:
                    receiver.paths.append(self.path)
                    receiver.bodies.append(json.loads(body))
                    receiver.changed.notify_all()
                if receiver.status is None:
                    receiver.ended.wait()
                    return
                self.send_response(receiver.status)
                self.end_headers()

            def address_string(self) -> str:
                return "a client"

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        class Server(socketserver.ThreadingTCPServer):
            address_family = socket.AF_UNIX if address else socket.AF_INET
            daemon_threads = True

        self.status = status
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self.paths: list[str] = []
        self.bodies: list[list[dict[str, Any]]] = []
        self.server = Server(address or ("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def wait(self, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The alerts of request number `count`, from 1, when it has come."""
        eventually(lambda: len(self.bodies) >= count, f"{count} requests", seconds)
        return self.bodies[count - 1]


class Post(AlertsTest):
    """alert_url: HTTP as Alertmanager takes it."""

    def live(self, daemon: Daemon, receiver: Receiver) -> None:
        """An alert is raised and resolved, and both are received."""
        client = daemon.connect()
        fail(client, 12)
        (raised,) = receiver.wait(1)
        self.assertEqual(
            raised["labels"],
            {
                "alertname": "error_share",
                "kind": "error_share",
                "severity": "warning",
                "pool": "tools",
                "job": "poold",
            },
        )
        self.assertIn("the threshold is 50%", raised["annotations"]["summary"])
        begin, end = (datetime.fromisoformat(raised[key]) for key in ("startsAt", "endsAt"))
        # Without another request it ends by itself, and not before one comes each minute.
        self.assertGreater((end - begin).total_seconds(), 150)
        succeed(client, 100)
        (resolved,) = receiver.wait(2)
        self.assertEqual(resolved["labels"], raised["labels"])
        self.assertEqual(resolved["startsAt"], raised["startsAt"])
        self.assertLess(datetime.fromisoformat(resolved["endsAt"]), end)
        self.assertEqual(daemon.ask("poold.stats")["daemon"]["alerts_undelivered"], 0)

    def test_whole_life_by_tcp(self) -> None:
        with Receiver() as receiver:
            daemon = self.start_watched(quick_share(), *NO_OTHERS, alert_url=receiver.url("/alerts?a=b"))
            self.live(daemon, receiver)
            self.assertEqual(receiver.paths, ["/alerts?a=b"] * 2)

    def test_whole_life_by_a_unix_socket(self) -> None:
        with tempfile.TemporaryDirectory() as place, Receiver(f"{place}/socket") as receiver:
            daemon = self.start_watched(quick_share(), *NO_OTHERS, alert_url=f"unix:{place}/socket")
            self.live(daemon, receiver)
            self.assertEqual(receiver.paths, ["/api/v2/alerts"] * 2)

    def test_a_test_says_that_it_is_one(self) -> None:
        with Receiver() as receiver:
            daemon = self.start_watched(alert_url=receiver.url())
            daemon.ask("poold.alert_test", "loop_lag")
            (raised,) = receiver.wait(1)
            self.assertEqual(raised["labels"]["test"], "true")
            self.assertNotIn("pool", raised["labels"])

    def test_what_was_refused_is_sent_again(self) -> None:
        with Receiver(status=500) as receiver:
            daemon = self.start_watched(quick_share(), *NO_OTHERS, alert_url=receiver.url())
            daemon.announced.append("alert_url")
            client = daemon.connect()
            fail(client, 12)
            daemon.log.wait_for("warning alert_url .*: the server answered with status 500")
            succeed(client, 100)
            daemon.log.wait_for("alert error_share is resolved")
            self.assertEqual(len(receiver.bodies), 1)
            receiver.status = 202
            (resolved,) = receiver.wait(2)
            self.assertLess(datetime.fromisoformat(resolved["endsAt"]), datetime.now(timezone.utc))
            daemon.log.wait_for("notice alert_url .* taken again, after 1 requests that failed")
            self.assertEqual(daemon.ask("poold.stats")["daemon"]["alerts_undelivered"], 1)

    def test_servers_that_do_not_take_it(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with Receiver(status=None) as silent:
            for url, words in (
                (silent.url(), ".*the server did not answer within alert_timeout"),
                (closed, ".*Connection refused"),
                ("unix:/nonexistent/socket", ".*No such file or directory"),
            ):
                with self.subTest(url=url):
                    daemon = self.start_watched(alert_url=url, alert_timeout="300ms")
                    daemon.announced.append("alert_url")
                    daemon.ask("poold.alert_test", "loop_lag")
                    daemon.log.wait_for(f"warning alert_url .*: {words}")

    @unittest.skipIf(LOAD == 1, "it takes a minute: POOLD_CHAOS=1 runs it")
    def test_it_is_sent_again_each_minute(self) -> None:
        with Receiver() as receiver:
            daemon = self.start(
                pool("tools", TOOLBOX),
                alert("breaker_open", resolve_after="0"),
                alerts=True,
                alert_url=receiver.url(),
            )
            daemon.announced += [ALERTS, "breaker is", "pool is"]
            daemon.ask("poold.breaker_open", "tools")
            (first,) = receiver.wait(1)
            began = time.monotonic()
            (second,) = receiver.wait(2, 90.0)
            self.assertGreater(time.monotonic() - began, 55)
            self.assertEqual(second["startsAt"], first["startsAt"])
            self.assertGreater(second["endsAt"], first["endsAt"])
            daemon.ask("poold.breaker_reset", "tools")
            (last,) = receiver.wait(3)
            self.assertLess(last["endsAt"], second["endsAt"])
