"""A server that a test starts, kills and starts again: one of workers/*.py that take an address."""

from __future__ import annotations

import socket
import subprocess
import sys

from harness import HERE


def free_tcp_address() -> str:
    """An address on this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"tcp:127.0.0.1:{listener.getsockname()[1]}"


class Server:
    """The server at one address, through all its lives.

    Args:
        address: the path of a Unix socket, or tcp:IP:PORT.
        program: which of workers/*.py, and its arguments before the address.
    """

    def __init__(self, address: str, *program: str) -> None:
        self.address = address
        self._program = program or ("server",)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        name, *arguments = self._program
        command = [sys.executable, str(HERE / "workers" / f"{name}.py"), *arguments, self.address]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"listening\n", "the server does not start"

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kills it, if it lives, and waits for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
