"""The curves: rate and processor time by connections and by workers, latency by load.  They have no
goals; docs/performance/ has them as plots."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from servers import Daemon, Forwarder, Place, Server, Shape, Unavailable, raise_descriptor_limit
from speed import Pace, by_turns, middle
from table import Row

CONNECTIONS = (1, 4, 16, 64, 256, 1024, 4096, 10_000)
WORKERS = (1, 2, 4, 8, 16, 32, 64)
LOADS = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95)

# A point is the median of so many runs, each a part of a usual one.
RUNS = 3
PART = 0.5

# Requests in flight that find a place, so that none of the due ones is left out.
LOAD_SHAPE = Shape(connections=64, depth=4, limit=3)


def short(pace: Pace) -> Pace:
    """The pace of a point."""
    return Pace(min(RUNS, pace.runs), pace.seconds * PART)


def point(place: Place, shape: Shape, at: int, pace: Pace) -> dict[str, object]:
    """Both sides at one place of the axis."""
    with Forwarder(place, shape) as forward, Daemon(place, shape) as poold:
        pairs = by_turns(forward, poold, shape, short(pace))
    found: dict[str, object] = {"at": at}
    for side in ("ours", "theirs"):
        found[side] = {
            key: round(middle(pairs, side, key), 2)
            for key in ("rate", "cpu_us", "p50_us", "p99_us")
        }
    return found


def curve(line: str, points: list[dict[str, object]]) -> list[Row]:
    """A row that has the points."""
    return [Row(line, f"{len(points)} points: docs/performance/", data={"points": points})]


def by_connections(place: Place, pace: Pace) -> list[Row]:
    """One request in flight on each connection, four workers."""
    if raise_descriptor_limit() < CONNECTIONS[-1] + 1000:
        raise Unavailable("this user may not open so many descriptors (ulimit -Hn)")
    shape = Shape(limit=3)
    return curve(
        "rate and CPU by connections",
        [point(place, replace(shape, connections=at), at, pace) for at in CONNECTIONS],
    )


def by_workers(place: Place, pace: Pace) -> list[Row]:
    """64 connections, one request in flight on each."""
    shape = Shape(connections=64, limit=3)
    return curve(
        "rate and CPU by workers",
        [point(place, replace(shape, workers=at), at, pace) for at in WORKERS],
    )


def latency_at(server: Server, rate: float, pace: Pace) -> dict[str, float]:
    """Asks at a rate; a latency counts from when the request was due."""
    found = [
        server.load(LOAD_SHAPE, pace.seconds, 0.2, "--rate", f"{rate:.0f}")
        for _ in range(pace.runs)
    ]
    keys = ("rate", "p50_us", "p99_us")
    return {key: round(median(each[key] for each in found), 2) for key in keys}


def by_load(place: Place, pace: Pace) -> list[Row]:
    """Parts of the rate that the daemon reaches when it is asked as fast as it answers; the
    forwarder is asked at the same rates."""
    with Forwarder(place, LOAD_SHAPE) as forward, Daemon(place, LOAD_SHAPE) as poold:
        most = median(poold.load(LOAD_SHAPE, pace.seconds)["rate"] for _ in range(RUNS))
        points: list[dict[str, object]] = [
            {
                "at": part,
                "theirs": latency_at(forward, part * most, short(pace)),
                "ours": latency_at(poold, part * most, short(pace)),
            }
            for part in LOADS
        ]
    rows = curve("latency by load", points)
    rows[0].data["most"] = round(most)
    return rows
