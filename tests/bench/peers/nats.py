"""A NATS server, with workers in a queue group that answer requests."""

from __future__ import annotations

from peers.peer import WORKERS, Peer, free_port


class Nats(Peer):
    """Workers in Python."""

    title = "nats-server"
    package = "nats-server"
    programs = ("nats-server",)
    wire = "nats"

    def start(self) -> None:
        self.to = str(free_port())
        self.run("nats-server", "--addr", "127.0.0.1", "--port", self.to)
        self.start_workers()

    def start_workers(self) -> None:
        """They wait until the server listens."""
        self.run_python_workers("nats_worker.py", self.to)


class NatsC(Nats):
    """Workers in C."""

    title = "nats-server, C workers"

    def start_workers(self) -> None:
        self.await_port()
        for _ in range(WORKERS):
            self.run(self.place.program("peers/nats_worker"), self.to)
