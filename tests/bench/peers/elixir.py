"""A pool of Erlang ports in Elixir: each worker is a Python process at the other end of a port."""

from __future__ import annotations

import sys

from peers.peer import PROGRAMS, WORKERS, Peer


class Elixir(Peer):
    """See pool.exs."""

    title = "Elixir, pool of ports"
    package = "elixir"
    programs = ("elixir",)
    wire = "packet4"

    def start(self) -> None:
        self.env = {"LC_ALL": "C.UTF-8"}
        self.run("elixir", PROGRAMS / "pool.exs", self.to, WORKERS, sys.executable,
                 PROGRAMS / "port_worker.py")
