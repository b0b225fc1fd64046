"""poold itself, in the default configuration: only socket, command and workers are said."""

from __future__ import annotations

import sys

from servers import PYTHONPATH

from peers.peer import WORKERS, Peer


class Poold(Peer):
    """Its workers serve the same function in Python as those of the others."""

    title = "poold"
    wire = "poold"

    def command(self) -> str:
        """That of a worker."""
        return f"{sys.executable} -m poold.worker echo_functions"

    def start(self) -> None:
        config = self.scratch / "poold.conf"
        config.write_text(
            f"[daemon]\nsocket = {self.to}\nlog_level = warning\nlog_target = stderr\n"
            f"[pool echo]\ncommand = {self.command()}\nworkers = {WORKERS}\n"
            f"env.PYTHONPATH = {PYTHONPATH}\n"
        )
        self.run(str(self.place.poold), "-c", config)


class PooldC(Poold):
    """Its workers are in C, with libpoold."""

    def command(self) -> str:
        return str(self.place.build / "workers" / "echo")
