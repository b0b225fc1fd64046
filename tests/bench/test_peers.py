"""Each program that poold is compared with can be started, and answers: its client, its workers and
its file fit together.  One that is not installed is skipped."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from unittest import mock

from peers import MATCHES, Peer
from servers import TREE, Place

BUILD = Path(os.environ.get("POOLD_BUILD", TREE / "build" / "none")).resolve()

# A busy machine may take so long to start one.
START_TIMEOUT = 90.0


@unittest.skipUnless((BUILD / "bench" / "peers" / "ask").exists(), "the bench is not built")
class Peers(unittest.TestCase):
    def setUp(self) -> None:
        self.place = Place(BUILD, BUILD / "poold")
        self.addCleanup(self.place.remove)
        patch = mock.patch("peers.peer.START_TIMEOUT", START_TIMEOUT)
        patch.start()
        self.addCleanup(patch.stop)

    def check(self, kind: type[Peer]) -> None:
        """It serves some calls; the client compares every answer."""
        if package := kind.missing():
            self.skipTest(f"{package} is not installed")
        cores = os.sched_getaffinity(0)
        with kind(self.place) as peer:
            figures = peer.ask(3, 0.2, cores)
            self.assertGreater(figures["asked"], 3)
            self.assertGreater(figures["cpu_us"], 0)


def _answers(kind: type[Peer]) -> object:
    return lambda self: self.check(kind)


for _match in MATCHES.values():
    for _kind in (_match.theirs, _match.ours):
        setattr(Peers, f"test_{_kind.__name__.lower()}", _answers(_kind))


if __name__ == "__main__":
    unittest.main()
