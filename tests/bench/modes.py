"""Why the same load on the same machine has two rates: what single stalls cost a closed loop.

With 16 requests in flight on each connection whoever is slowest at a moment stops everybody: the
client asks only when it is answered.  When the scheduler takes one of the three off its core for a
slice (a few milliseconds), no answers come for that long, in which thousands could have come.
"""

from __future__ import annotations

from dataclasses import dataclass

from proc import descendants, waiting_seconds
from servers import Daemon, Forwarder, Place, Server, Shape
from speed import Pace
from table import Row

SHAPES = {
    "64 x 16": Shape(connections=64, depth=16, limit=0, prefetch=16),
    "1 x 16": Shape(connections=1, depth=16, limit=0, prefetch=16),
}
TURNS_PER_RUN = 3
SECONDS = 0.2
WARMUP = 0.2


@dataclass(frozen=True)
class Short:
    """A short run.

    Attributes:
        rate: calls per second.
        flowing: the same without the time in which no answer came for at least a millisecond.
        waited: how much of a second the server and its workers, all together, could have run and
            waited for a core.
    """

    rate: float
    flowing: float
    waited: float


def waited(server: Server) -> float:
    """That of the server and its workers so far."""
    return sum(map(waiting_seconds, descendants(server.process.pid)))


def short_run(server: Server, shape: Shape) -> Short:
    """One run."""
    before = waited(server)
    found = server.load(shape, SECONDS)
    lasted = found["seconds"] + WARMUP
    flowing = max(found["seconds"] - found["gaps_us"] / 1e6, 0.001)
    return Short(
        found["rate"],
        found["rate"] * found["seconds"] / flowing,
        (waited(server) - before) / lasted,
    )


def modes(place: Place, pace: Pace) -> list[Row]:
    """How far the slowest and the fastest short runs are apart, with and without the gaps."""
    rows = []
    for words, shape in SHAPES.items():
        with Forwarder(place, shape) as forward, Daemon(place, shape) as poold:
            for name, server in (("forwarder", forward), ("poold", poold)):
                runs = [short_run(server, shape) for _ in range(TURNS_PER_RUN * pace.runs)]
                runs.sort(key=lambda run: run.rate)
                flowing = sorted(run.flowing for run in runs)
                slow, fast = runs[0], runs[-1]
                rows.append(Row(
                    f"{words}, {name}: rates of {len(runs)} runs of {SECONDS:g} s",
                    f"{slow.rate:,.0f} to {fast.rate:,.0f} req/s; while answers come "
                    f"{flowing[0]:,.0f} to {flowing[-1]:,.0f}; waited for a core "
                    f"{slow.waited * 1000:.0f} to {fast.waited * 1000:.0f} ms/s",
                    data={
                        "shape": words, "server": name,
                        "slow": round(slow.rate), "fast": round(fast.rate),
                        "slow_flowing": round(flowing[0]), "fast_flowing": round(flowing[-1]),
                        "slow_waited_ms": round(slow.waited * 1000),
                        "fast_waited_ms": round(fast.waited * 1000),
                    },
                ))
    return rows
