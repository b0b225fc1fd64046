"""A client of the daemon's HTTP, on raw bytes, and a place for it to listen at."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clock import stretch
from harness import Daemon, DaemonTest, section
from raw import dial

# Seconds after which a test gives up on an answer.
PATIENCE = 20.0


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]  # names in small letters
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """One connection, to the path of a Unix socket or to the port of an IP."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        dial(self.socket, address, stretch(PATIENCE))
        self._input = b""

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, path: str, method: str = "GET", **headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name.replace('_', '-')}: {value}"
                  for name, value in {"Host": "localhost", **headers}.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def _receive(self) -> bool:
        data = self.socket.recv(65536)
        self._input += data
        return bool(data)

    def read(self, with_body: bool = True) -> Response:
        """The next answer.

        Raises:
            EOFError: there is none, or it has no end.
        """
        while b"\r\n\r\n" not in self._input:
            if not self._receive():
                raise EOFError(self._input)
        head, _, self._input = self._input.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        size = int(headers["content-length"]) if with_body else 0
        while len(self._input) < size:
            if not self._receive():
                raise EOFError(head)
        body, self._input = self._input[:size], self._input[size:]
        return Response(int(first.split(" ")[1]), headers, body)

    def at_end(self) -> bool:
        """Waits for more; whether there is none."""
        try:
            return not self._input and not self._receive()
        except ConnectionResetError:
            return True

    def get(self, path: str, **headers: str) -> Response:
        self.ask(path, **headers)
        return self.read()


@dataclass(frozen=True)
class Message:
    """One of Server-Sent Events, as it came."""

    id: str
    event: str  # "": an event of the daemon
    data: str
    retry: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def seq(self) -> int:
        return int(self.id.split("-")[1])


class Stream(Http):
    """A stream of events, on a connection of its own."""

    def __init__(self, address: str | tuple[str, int], path: str = "/api/events",
                 **headers: str) -> None:
        super().__init__(address)
        try:
            self.ask(path, **headers)
            self.head = self.read(with_body=False)
        except BaseException:
            self.close()
            raise

    def message(self) -> Message:
        """The next one.

        Raises:
            EOFError: there is none.
        """
        while b"\n\n" not in self._input:
            if not self._receive():
                raise EOFError(self._input[:100])
        text, _, self._input = self._input.partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in text.decode().split("\n"))
        unknown = set(fields) - {"id", "event", "data", "retry"}
        assert not unknown, unknown
        return Message(*(fields.get(name, "") for name in ("id", "event", "data", "retry")))

    def status(self) -> Message:
        """The next state; what comes before it is dropped."""
        while (message := self.message()).event != "status":
            pass
        return message

    def events(self, upto: int) -> list[Message]:
        """All events until that number has been reached."""
        found = []
        while (message := self.message()).event != "status" or message.seq < upto:
            if message.data and message.event == "":
                found.append(message)
        return found


class HttpTest(DaemonTest):
    """A daemon that answers HTTP at a Unix socket in a folder of the test's own."""

    def setUp(self) -> None:
        folder = tempfile.mkdtemp(prefix="poold-http-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.path = str(Path(folder) / "http.sock")

    def start_http(self, *pools: str, texts: bool = False, **options: object) -> Daemon:
        return self.start(section("http", {"listen": f"unix:{self.path}", "texts": texts}), *pools,
                          **options)

    def http(self) -> Http:
        connection = Http(self.path)
        self.addCleanup(connection.close)
        return connection

    def stream(self, path: str = "/api/events", **headers: str) -> Stream:
        connection = Stream(self.path, path, **headers)
        self.addCleanup(connection.close)
        return connection

    def get(self, path: str, **headers: str) -> Response:
        with Http(self.path) as connection:
            return connection.get(path, **headers)
