"""Each dialect over the socket adapter: servers that somebody else runs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import poold

from clients import ClientTest
from clock import eventually, ms, stretch
from harness import Daemon, retry, socket_pool
from servers import TOOLS, Server, free_tcp_address


class SocketTest(ClientTest):
    def start_remote(self, address: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(
            socket_pool("remote", address, **options), retry("remote", base="1ms"), response_max="1M"
        )
        daemon.announced.append("pool=remote")
        return daemon, self.connect_client(daemon)

    def unix_path(self) -> str:
        return str(Path(self.enterContext(tempfile.TemporaryDirectory())) / "server.sock")

    def check_lost(
        self, code: str, daemon: Daemon, client: poold.Client, method: str, *args: Any, **named: Any
    ) -> None:
        """A call that costs the connection, and not the server."""
        pid = client.call("remote", "pid")
        starts = daemon.counters("remote")["worker_starts"]
        error = self.failure(code, client, "remote", method, *args, **named)
        self.assertEqual((error.adapter, error.executed), ("socket", "maybe"))
        self.assertEqual(client.call("remote", "pid"), pid)
        self.assertEqual(daemon.counters("remote")["worker_starts"], starts + 1)

    def check_reached_again(self, client: poold.Client, server: Server) -> None:
        server.kill()
        Path(server.address).unlink(missing_ok=True)
        server.start()

        def serves() -> bool:
            try:
                return client.call("remote", "pid") == server.pid
            except poold.PoolConnectionError:
                return False

        eventually(serves, "it is reached again")


class Packet4(SocketTest):
    def check(self, dialect: str, *program: str, address: str) -> None:
        server = self.enterContext(Server(address, *program))
        daemon, client = self.start_remote(
            address, dialect=dialect, workers=2, attempt_timeout=ms(1000)
        )
        self.assertEqual(client.call("remote", "echo", n=1), {"n": 1})
        self.assertEqual(client.request("poold.call", ["remote", "echo", None]), {})
        calls = [client.start("remote", "echo", n) for n in range(100)]
        self.assertEqual([call.result() for call in calls], [[n] for n in range(100)])
        large = {"text": "x" * 300_000}
        self.assertEqual(client.call("remote", "echo", **large), large)
        self.failure("exception", client, "remote", "fail", error="out of order")
        self.check_lost("decode_error", daemon, client, "garbage")
        self.check_lost("protocol_violation", daemon, client, "no_id")
        self.check_lost("decode_error", daemon, client, "text")
        self.check_lost("attempt_timeout", daemon, client, "sleep", seconds=stretch(3))
        shown = daemon.pool("remote")
        self.assertEqual((shown["adapter"], shown["dialect"]), ("socket", dialect))
        if address.startswith("/"):
            self.check_reached_again(client, server)

    def test_json(self) -> None:
        self.check("packet4-json", "packet4", address=self.unix_path())

    def test_json_over_tcp(self) -> None:
        self.check("packet4-json", "packet4", address=free_tcp_address())

    def test_msgpack(self) -> None:
        self.check("packet4-msgpack", "packet4", "--msgpack", address=self.unix_path())

    def test_a_server_that_never_answers_the_handshake(self) -> None:
        address = self.unix_path()
        self.enterContext(Server(address, "packet4"))
        daemon = self.launch(
            socket_pool("remote", address, dialect="packet4-json", ready_call="sleep",
                        ready_params='{"seconds": 60}', init_timeout="50ms"),
            start_timeout="100ms",
        )
        daemon.announced += ["pool=remote", "start_timeout is over"]
        daemon.log.wait_for("was not ready in time")
        daemon.wait_listening()
        daemon.descriptors.append("the next connection, which comes and goes")


class JsonRpc(SocketTest):
    def test_tools(self) -> None:
        address = self.unix_path()
        server = self.enterContext(Server(address, "toolserver"))
        daemon, client = self.start_remote(
            address, workers=2, attempt_timeout=ms(1000), **TOOLS
        )
        (tool,) = client.call("remote", "tools/list")["tools"]
        self.assertEqual(tool["name"], "count_words")
        calls = [client.start("remote", "echo", n) for n in range(100)]
        self.assertEqual([call.result() for call in calls], [[n] for n in range(100)])
        self.failure("unknown_method", client, "remote", "no_such")
        self.assertEqual(client.call("remote", "news"), "told")
        self.check_lost("decode_error", daemon, client, "write", "Hello")
        self.check_lost("attempt_timeout", daemon, client, "sleep", stretch(3))
        self.check_reached_again(client, server)


@unittest.skipUnless(shutil.which("nvim"), "nvim is not installed")
class Nvim(SocketTest):
    def test_an_editor_that_runs(self) -> None:
        address = self.unix_path()
        command = ["nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", "--listen", address]
        editor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(editor.wait)
        self.addCleanup(editor.kill)
        eventually(lambda: Path(address).exists(), "the editor listens")
        _, client = self.start_remote(address, workers=2, ready_call="nvim_get_api_info")
        calls = [client.start("remote", "nvim_eval", f"{n} + 1") for n in range(200)]
        self.assertEqual([call.result() for call in calls], list(range(1, 201)))
        self.assertEqual(client.call("remote", "nvim_list_bufs")[0].code, 0)
