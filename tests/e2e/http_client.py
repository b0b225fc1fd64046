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
        self.socket.settimeout(stretch(PATIENCE))
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
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

    def get(self, path: str, **headers: str) -> Response:
        with Http(self.path) as connection:
            return connection.get(path, **headers)
