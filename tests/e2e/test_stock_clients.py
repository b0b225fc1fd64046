"""MessagePack-RPC clients that have never heard of poold: nvim and pynvim."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import unittest
from typing import Any

from clock import HANGS
from harness import TOOLBOX, Daemon, DaemonTest, pool


def run_nvim(daemon: Daemon, expression: str) -> dict[str, Any]:
    """Evaluates a Vim expression with `peer` connected to the daemon.

    Returns {"value": ...}, or {"error": text} with what nvim shows to its user.
    """
    out = daemon.directory / "nvim.json"
    script = [
        f"let peer = sockconnect('pipe', '{daemon.path}', {{'rpc': v:true}})",
        "try",
        f"  let found = {{'value': {expression}}}",
        "catch",
        "  let found = {'error': v:exception}",
        "endtry",
        f"call writefile([json_encode(found)], '{out}')",
        "qall!",
    ]
    (daemon.directory / "script.vim").write_text("\n".join(script))
    command = ["nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n"]
    command += ["-S", str(daemon.directory / "script.vim")]
    subprocess.run(
        command, check=True, timeout=HANGS, stdin=subprocess.DEVNULL, capture_output=True
    )
    return json.loads(out.read_text())


@unittest.skipUnless(shutil.which("nvim"), "nvim is not installed")
class Nvim(DaemonTest):
    """The editor's own client, driven by its script language."""

    def test_calls_a_function(self) -> None:
        daemon = self.start(pool("python", TOOLBOX))
        found = run_nvim(daemon, "rpcrequest(peer, 'python.add', 20, 22)")
        self.assertEqual(found, {"value": 42})

    def test_asks_for_health(self) -> None:
        daemon = self.start(pool("python", TOOLBOX))
        found = run_nvim(daemon, "rpcrequest(peer, 'poold.health')")
        self.assertEqual(found["value"]["pools"]["python"], {"status": "ok", "reasons": []})

    def test_shows_code_and_text_of_an_error(self) -> None:
        daemon = self.start(pool("python", TOOLBOX))
        found = run_nvim(daemon, "rpcrequest(peer, 'python.divide', 1, 0)")
        self.assertRegex(found["error"], "exception: .*division by zero")

    def test_goes_on_after_an_error(self) -> None:
        daemon = self.start(pool("python", TOOLBOX))
        expression = (
            "[rpcnotify(peer, 'poold.cancel', 1), rpcrequest(peer, 'python.echo', {'a': [1, 'x']}),"
            " rpcrequest(peer, 'poold.call', 'python', 'add', {'left': 1, 'right': 2})]"
        )
        self.assertEqual(run_nvim(daemon, expression), {"value": [1, {"a": [1, "x"]}, 3]})

    def test_reads_every_answer_of_the_daemon(self) -> None:
        daemon = self.start(pool("python", TOOLBOX))
        for name in ("hello", "version", "status", "pools", "workers", "stats", "metrics"):
            with self.subTest(name):
                self.assertTrue(run_nvim(daemon, f"rpcrequest(peer, 'poold.{name}')")["value"])


# Prints what each request answers, one JSON value a line.  NvimError(error[1]) is what pynvim's own
# API makes of an error.
PYNVIM = """
import json, sys
from pynvim.api import NvimError
from pynvim.msgpack_rpc import socket_session

session = socket_session(sys.argv[1])
session.error_wrapper = lambda error: NvimError(error[1])
for method, params in json.loads(sys.argv[2]):
    try:
        print(json.dumps(session.request(method, *params)))
    except NvimError as error:
        print(json.dumps({"error": str(error)}))
"""


@unittest.skipUnless(importlib.util.find_spec("pynvim"), "pynvim is not installed")
class Pynvim(DaemonTest):
    """pynvim's session, which is made for talking to the editor."""

    def ask(self, *requests: tuple[str, list[object]]) -> list[Any]:
        """What each request answers; {"error": text} for an error."""
        daemon = self.start(pool("python", TOOLBOX, workers=2))
        done = subprocess.run(
            [sys.executable, "-c", PYNVIM, daemon.path, json.dumps(requests)],
            check=False,
            timeout=HANGS,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_calls_a_function(self) -> None:
        found = self.ask(
            ("python.add", [20, 22]), ("poold.call", ["python", "add", {"left": 1, "right": 2}])
        )
        self.assertEqual(found, [42, 3])

    def test_asks_for_health(self) -> None:
        (found,) = self.ask(("poold.health", []))
        self.assertEqual((found["status"], found["ready"]), ("ok", True))

    def test_shows_code_and_text_of_an_error(self) -> None:
        raised, unknown, after = self.ask(
            ("python.divide", [1, 0]), ("nowhere.echo", []), ("python.echo", [1])
        )
        self.assertRegex(raised["error"], "^exception: .*division by zero")
        self.assertRegex(unknown["error"], "^unknown_pool: ")
        self.assertEqual(after, 1)

    def test_many_one_after_the_other(self) -> None:
        found = self.ask(*(("python.echo", [step]) for step in range(200)))
        self.assertEqual(found, list(range(200)))
