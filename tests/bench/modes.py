"""Why the same load on the same machine has two rates: what single stalls cost a closed loop.

With 16 requests in flight on each connection whoever is slowest at a moment stops everybody: the
client asks only when it is answered.  When the scheduler takes one of the three off its core for a
slice (a few milliseconds), no answers come for that long, in which thousands could have come.
"""

from __future__ import annotations

from collections.abc import Iterator

from servers import Daemon, Forwarder, Place, Server, Shape
from speed import Pace
from table import Row

SHAPES = {
    "64 x 16": Shape(connections=64, depth=16, limit=0, prefetch=16),
    "1 x 16": Shape(connections=1, depth=16, limit=0, prefetch=16),
}
TURNS_PER_RUN = 3
SECONDS = 0.2


def rates(server: Server, shape: Shape, turns: int) -> Iterator[tuple[float, float]]:
    """Of short runs: the rate, and the rate without the time in which no answer came for at least a
    millisecond."""
    for _ in range(turns):
        found = server.load(shape, SECONDS)
        flowing = max(found["seconds"] - found["gaps_us"] / 1e6, 0.001)
        yield found["rate"], found["rate"] * found["seconds"] / flowing


def modes(place: Place, pace: Pace) -> list[Row]:
    """How far the slowest and the fastest short runs are apart, with and without the gaps."""
    rows = []
    for words, shape in SHAPES.items():
        with Forwarder(place, shape) as forward, Daemon(place, shape) as poold:
            for name, server in (("forwarder", forward), ("poold", poold)):
                found = sorted(rates(server, shape, TURNS_PER_RUN * pace.runs))
                slow, fast = found[0][0], found[-1][0]
                flowing = sorted(each for _, each in found)
                rows.append(Row(
                    f"{words}, {name}: rates of {len(found)} runs of {SECONDS:g} s",
                    f"{slow:,.0f} to {fast:,.0f} req/s; while answers come "
                    f"{flowing[0]:,.0f} to {flowing[-1]:,.0f}",
                    data={
                        "shape": words, "server": name,
                        "apart": round(fast / slow, 2),
                        "apart_flowing": round(flowing[-1] / flowing[0], 2),
                        "runs": [[round(rate), round(each)] for rate, each in found],
                    },
                ))
    return rows
