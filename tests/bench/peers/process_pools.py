"""The pools of processes in the standard library of Python, beside poold.Executor in the same
program: programs/pools_client.py.  The client is Python here, and its cost is in every figure of
either side."""

from __future__ import annotations

import sys

from peers.peer import PROGRAMS, WARMUP, Peer
from peers.poold_default import Poold


def pools_client(kind: str, in_flight: int, seconds: float, *path: str) -> list[str]:
    """The command of that program."""
    command = [sys.executable, str(PROGRAMS / "pools_client.py"), kind, str(in_flight)]
    return [*command, str(seconds), str(WARMUP), *path]


class Executor(Peer):
    """concurrent.futures; the pool belongs to its client, and is made anew with it."""

    title = "ProcessPoolExecutor"
    kind = "executor"

    def start(self) -> None:
        """The client starts the processes."""

    def await_ready(self) -> None:
        """The client waits for them."""

    def client(self, connections: int, seconds: float) -> list[str]:
        return pools_client(self.kind, connections, seconds)


class Multiprocessing(Executor):
    """multiprocessing, likewise."""

    title = "multiprocessing.Pool"
    kind = "multiprocessing"


class PooldExecutor(Poold):
    """poold, asked by poold.Executor."""

    def client(self, connections: int, seconds: float) -> list[str]:
        return pools_client("poold", connections, seconds, self.to)
