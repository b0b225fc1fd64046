"""gearmand, the job server of Gearman, with workers in Python that speak its binary protocol."""

from __future__ import annotations

from peers.peer import Peer, free_port


class Gearman(Peer):
    """Its jobs are in the foreground: the client waits for the answer."""

    title = "gearmand"
    package = "gearman-job-server"
    programs = ("gearmand",)
    wire = "gearman"

    def start(self) -> None:
        self.to = str(free_port())
        self.run("gearmand", "--listen", "127.0.0.1", "--port", self.to,
                 "--log-file", self.scratch / "gearmand.log",
                 "--pid-file", self.scratch / "gearmand.pid")
        self.run_python_workers("gearman_worker.py", self.to)
