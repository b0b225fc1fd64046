"""A tool server on JSON-RPC 2.0, one object a line: `toolserver.py [ADDRESS]`.

With TOOLS_DEAF in its environment it passes over requests that it does not know, ping among them.

It speaks the stdio transport of the Model Context Protocol: initialize and
notifications/initialized come first, then tools/list and tools/call.  Or it serves each connection
at an address, the path of a Unix socket, and says on standard output that it listens.  Only the
standard library is needed.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any, TextIO

DEAF = "TOOLS_DEAF" in os.environ

TOOLS = [
    {
        "name": "count_words",
        "description": "Counts the words of a text.",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"text": {"$ref": "#/$defs/text"}},
            "$defs": {"text": {"type": "string"}},
        },
    }
]


class RpcError(Exception):
    """What is answered as an error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


class Server:
    """The server's side of one connection."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self.source, self.sink = source, sink
        self.asked_to_begin = self.began = False
        self.refusals: list[Any] = []
        self.cancelled: list[Any] = []
        self.late: Any = None
        self.handshake_count = 0

    def raw(self, line: str) -> None:
        self.sink.write(line)
        self.sink.flush()

    def send(self, **message: object) -> None:
        self.raw(json.dumps({"jsonrpc": "2.0", **message}) + "\n")

    # --- methods ---

    def initialize(self, params: dict) -> object:
        if params["protocolVersion"] != "2025-06-18" or "name" not in params["clientInfo"]:
            raise RpcError(-32602, "unsupported protocol version")
        self.asked_to_begin = True
        self.handshake_count += 1
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "words", "version": "1"},
        }

    def tools_list(self, params: object) -> object:
        return {"tools": TOOLS}

    def tools_call(self, params: dict) -> object:
        if params["name"] != "count_words":
            raise RpcError(-32602, f"Unknown tool: {params['name']}", {"known": ["count_words"]})
        count = len(params["arguments"]["text"].split())
        return {"content": [{"type": "text", "text": str(count)}], "isError": False}

    def echo(self, params: object) -> object:
        return params

    def repeat(self, params: dict) -> str:
        return params["text"] * params["times"]

    def handshakes(self, params: object) -> int:
        return self.handshake_count

    def pid(self, params: object) -> int:
        return os.getpid()

    def fail(self, params: object) -> object:
        raise RpcError(-32000, "out of order", {"since": [1, 2.0, None]})

    def news(self, params: object) -> str:
        """Notifications of its own come before the answer."""
        self.send(method="notifications/message", params={"level": "info", "data": "news"})
        self.send(method="notifications/tools/list_changed")
        return "told"

    def ask(self, params: list | None) -> object:
        """What the daemon answers to a request of the server's own: [METHOD, ID]."""
        method, number = params or ("sampling/createMessage", "mine-1")
        self.send(id=number, method=method, params={})
        reply = json.loads(self.source.readline())
        assert reply["id"] == number and reply["jsonrpc"] == "2.0", reply
        return reply["error"] if "error" in reply else {"result": reply["result"]}

    def report(self, params: dict) -> object:
        """Reports each step where it was given a token for that; `late`: one too many, afterwards;
        `die_once`: is killed the first time, after the first step.
        """
        token = params.get("_meta", {}).get("progressToken")
        for step in range(1, params["steps"] + 1):
            if token is not None:
                self.progress(token, step, params["steps"])
            if "die_once" in params and not os.path.exists(params["die_once"]):
                open(params["die_once"], "w").close()
                os.kill(os.getpid(), 9)
        self.late = token if params.get("late") else None
        return {"steps": params["steps"], "had_token": token is not None}

    def progress(self, token: object, step: int, total: int) -> None:
        """One notification; those with other tokens go along."""
        for each in (token, 99, "mine", None):
            self.send(
                method="notifications/progress",
                params={"progressToken": each, "progress": step, "total": total},
            )

    def chatter(self, params: list) -> str:
        """[SECONDS, COUNT]: says something every so many seconds, unasked; then a last word."""

        def talk() -> None:
            for _ in range(params[1]):
                time.sleep(params[0])
                self.send(method="notifications/message", params={"level": "info", "data": "here"})
            sys.stderr.write("that was all\n")

        threading.Thread(target=talk, daemon=True).start()
        return "begun"

    def sleep(self, params: list) -> str:
        time.sleep(params[0])
        return "slept"

    def wait_for_cancel(self, params: object) -> str:
        """Goes on until it is told that nobody waits any more, and answers all the same."""
        while True:
            message = json.loads(self.source.readline())
            if message["method"] == "notifications/cancelled":
                self.cancelled.append(message["params"]["requestId"])
                return "cancelled"

    def report_cancelled(self, params: dict) -> str:
        """Reports its progress after nobody waits for it any more, too."""
        token = params["_meta"]["progressToken"]
        self.progress(token, 1, 2)
        answer = self.wait_for_cancel(params)
        self.progress(token, 2, 2)
        return answer

    def cancels(self, params: object) -> object:
        return self.cancelled

    def leave(self, params: list) -> None:
        os._exit(params[0])

    def write(self, params: list) -> None:
        """Sends these lines as they are."""
        for line in params:
            self.raw(line + "\n")

    # --- serving ---

    def serve(self) -> None:
        while line := self.source.readline():
            message = json.loads(line)
            assert message["jsonrpc"] == "2.0", message
            if "id" in message:
                self.answer(message["id"], message["method"], message.get("params"))
            elif message["method"] == "notifications/initialized":
                assert self.asked_to_begin, "initialized before initialize"
                self.began = True
            elif message["method"] == "notifications/cancelled":
                self.cancelled.append(message["params"]["requestId"])

    def answer(self, number: int, method: str, params: Any) -> None:
        name = method.replace("/", "_")
        try:
            if method != "initialize" and not self.began:
                raise RpcError(-32002, "not initialized")
            if name.startswith("_") or not hasattr(self, name):
                if DEAF:
                    return
                raise RpcError(-32601, f"Method not found: {method}")
            result = getattr(self, name)(params)
        except RpcError as error:
            self.send(id=number, error=error.error)
            return
        if method != "write":
            self.send(id=number, result=result)
        if self.late is not None:
            self.progress(self.late, 99, 99)
            self.late = None


def serve_connection(connection: socket.socket) -> None:
    with connection:
        try:
            Server(connection.makefile("r"), connection.makefile("w")).serve()
        except OSError:
            pass  # hung up, by either side


def main() -> None:
    if len(sys.argv) == 1:
        try:
            Server(sys.stdin, sys.stdout).serve()
        except OSError:
            os._exit(1)  # nobody is there any more; no words about it
        return
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_connection, args=(connection,), daemon=True).start()


main()
