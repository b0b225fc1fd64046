"""A server that a test starts, kills and starts again: one of workers/*.py that take an address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import procs
from harness import HERE

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "poold", "version": "1"},
}

# What a pool of tool servers is configured with.
TOOLS = {
    "dialect": "jsonrpc",
    "ready_call": "initialize",
    "ready_params": json.dumps(INITIALIZE),
    "ready_then": "notifications/initialized",
}


def free_tcp_address() -> str:
    """An address on this machine that nobody listens at, now or later: its IP is this process's."""
    number = os.getpid()
    ip = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    with socket.create_server((ip, 0)) as listener:
        return f"tcp:{ip}:{listener.getsockname()[1]}"


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

    def stop(self) -> None:
        """Stops it as SIGSTOP does: it answers nothing until `resume`."""
        procs.stop(self.pid)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kills it, if it lives, and waits for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
