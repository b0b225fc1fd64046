"""Lists of a Redis server as queues: what many use where they have Redis already."""

from __future__ import annotations

from peers.peer import Peer


class Redis(Peer):
    """It keeps nothing on disk, and listens on a Unix socket only."""

    title = "redis-server, lists"
    package = "redis-server"
    programs = ("redis-server",)
    wire = "redis"

    def start(self) -> None:
        self.run("redis-server", "--port", 0, "--unixsocket", self.to, "--save", "",
                 "--appendonly", "no")
        self.run_python_workers("redis_worker.py", self.to)
