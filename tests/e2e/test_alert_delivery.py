"""Alerts: taken on by a command and by HTTP."""

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
from alerts import ALERTS, NO_OTHERS, AlertsTest, alert, fail, quick_share, succeed
from clock import eventually
from harness import C_TOOLS, LOAD, Daemon, pool


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

    def test_servers_that_are_none(self) -> None:
        for answer, words in (
            (b"", "the server closed the connection without an answer"),
            (b"220 mail.example.org ESMTP\r\n", "the answer is not HTTP"),
        ):
            with self.subTest(answer=answer), socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
                daemon = self.start_watched(alert_url=f"http://127.0.0.1:{port}/")
                daemon.announced.append("alert_url")
                daemon.ask("poold.alert_test", "loop_lag")
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)
                daemon.log.wait_for(f"warning alert_url .*: {words}")

    @unittest.skipIf(LOAD == 1, "it takes a minute: POOLD_CHAOS=1 runs it")
    def test_it_is_sent_again_each_minute(self) -> None:
        with Receiver() as receiver:
            daemon = self.start(
                pool("tools", C_TOOLS),
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
