"""A small MCP client: it starts poold-mcp and talks with it on its standard input and output."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from typing import Any

from clock import HANGS, Deadline
from harness import BUILD, Daemon


class Bridge:
    """One poold-mcp.

    Attributes:
        process: it.
        heard: the messages that came and were not taken, in their order.
    """

    def __init__(self, daemon: Daemon | str, *arguments: str, reads: bool = True) -> None:
        path = daemon if isinstance(daemon, str) else daemon.path
        self.process = subprocess.Popen(
            [str(BUILD / "poold-mcp"), "-s", path, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.heard: list[dict[str, Any]] = []
        self.has_ended = False
        self._number = 0
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        if reads:
            self.read()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self.process.stdin.close()
            self.process.wait(1)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._reader.is_alive():
            self._reader.join()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                file.close()
            except BrokenPipeError:
                pass

    def read(self) -> None:
        """Begins to read what it says."""
        self._reader.start()

    def _collect(self) -> None:
        for line in self.process.stdout:
            message = json.loads(line)
            assert message["jsonrpc"] == "2.0", message
            with self._changed:
                self.heard.append(message)
                self._changed.notify_all()
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()

    def say(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def notify(self, method: str, **params: object) -> None:
        self.say(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))

    def ask(self, method: str, params: object = None, number: object = None) -> object:
        """Sends a request and returns its id."""
        if number is None:
            self._number += 1
            number = self._number
        message = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            message["params"] = params
        self.say(json.dumps(message))
        return number

    def take(self, **wanted: object) -> dict[str, Any]:
        """Waits for the first message with these members, and takes it."""
        deadline = Deadline(20.0)
        with self._changed:
            while True:
                for message in self.heard:
                    if wanted.items() <= message.items():
                        self.heard.remove(message)
                        return message
                assert not self.has_ended, f"it ended without {wanted}; it said {self.heard}"
                assert self._changed.wait(deadline.left()) or deadline.left() > 0, (
                    f"no {wanted} among {self.heard}"
                )

    def call(self, method: str, params: object = None) -> Any:
        """A request and its result."""
        answer = self.take(id=self.ask(method, params))
        assert "result" in answer, answer
        return answer["result"]

    def fails(self, method: str, params: object = None) -> dict[str, Any]:
        """A request and its error."""
        answer = self.take(id=self.ask(method, params))
        assert "error" in answer, answer
        return answer["error"]

    def begin(self) -> dict[str, Any]:
        """The handshake; returns what the server says of itself."""
        found = self.call("initialize", {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"},
        })
        self.notify("notifications/initialized")
        return found

    def end(self) -> int:
        """Ends its input; returns its exit status."""
        self.process.stdin.close()
        return self.process.wait(HANGS)
