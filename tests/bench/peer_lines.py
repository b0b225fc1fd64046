"""The lines about other programs: the same work, the same number of workers, by turns."""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import median

from peers import MATCHES, Match
from peers.peer import WORKERS, Peer
from servers import Place, Unavailable
from speed import Pace, Pair
from table import Row

CONNECTIONS = (1, 8, 64)

# With one connection only one process works at a time, and how fast that is depends on where the
# scheduler puts each: on one core it does not.
ONE_CORE = {0}


def turns(theirs: Peer, ours: Peer, connections: int, pace: Pace) -> list[Pair]:
    """Asks the two by turns, both standing ready all the time."""
    cores = ONE_CORE if connections == 1 else os.sched_getaffinity(0)
    return [
        Pair(
            theirs.ask(connections, pace.seconds, cores),
            ours.ask(connections, pace.seconds, cores),
        )
        for _ in range(pace.runs)
    ]


def medians(pairs: list[Pair], side: str) -> dict[str, float]:
    """The figures of one side."""
    return {
        key: round(median(getattr(pair, side)[key] for pair in pairs), 1)
        for key in ("rate", "p50_us", "p99_us", "cpu_us")
    }


def row(match: Match, connections: int, pairs: list[Pair]) -> Row:
    """One shape: the ratio of the rates is held against 1; all else is in `data`."""
    ratios = sorted(pair.ratio("rate") for pair in pairs)
    theirs, ours = medians(pairs, "theirs"), medians(pairs, "ours")
    return Row(
        f"{match.theirs.title}, {connections} in flight: rate",
        f"{ours['rate']:,.0f} to {theirs['rate']:,.0f} req/s "
        f"({ratios[0]:.2f}..{ratios[-1]:.2f})",
        median(ratios),
        1.0,
        data={
            "peer": match.theirs.title,
            "work": match.work,
            "client": match.client,
            "workers": WORKERS,
            "connections": connections,
            "theirs": theirs,
            "ours": ours,
        },
    )


def peer_line(name: str) -> Callable[[Place, Pace], list[Row]]:
    """The rows of one other program."""
    match = MATCHES[name]

    def run(place: Place, pace: Pace) -> list[Row]:
        if package := match.theirs.missing():
            raise Unavailable(f"{match.theirs.title} is not installed ({package})")
        with match.theirs(place) as theirs, match.ours(place) as ours:
            return [
                row(match, connections, turns(theirs, ours, connections, pace))
                for connections in CONNECTIONS
            ]

    return run


PEER_LINES = {name: peer_line(name) for name in MATCHES}
