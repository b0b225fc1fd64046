"""Scenarios of somebody between: what two peers say to each other is delayed, cut, doubled, changed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from crowd import Habits
from harness import UNRULY, pool, socket_pool
from raw import unpack
from stage import BOOKKEEPER, HERE, Stage, wait
from torn import Proxy

# What leaves every message as it is, and what does not.
GENTLE = ("delay", "split", "reorder", "truncate", "half")
ROUGH = ("duplicate", "corrupt")


def torn_pools(stage: Stage) -> tuple[str, ...]:
    """The usual ones, one for calls that come twice, and one for calls of which bytes are changed."""
    return (
        stage.book_pool("once", prefork=True),
        stage.book_pool("safe", idempotent=True),
        stage.book_pool("twice", prefork=True),
        stage.book_pool("changed", **{"env.BOOK": stage.directory / "changed.book"}),
        pool("well", UNRULY),
    )


def torn_clients(stage: Stage) -> None:
    """Behind a proxy of each habit two clients, and two without any."""
    stage.crowd.add(2, Habits(("once", "safe")))
    for habit in GENTLE + ROUGH:
        at = str(stage.directory / habit)
        # Copies of answers would be no fault of the daemon's.
        proxy = Proxy(at, stage.daemon.path, habit, stage.draw, back=habit != "duplicate")
        stage.cleanup.enter_context(proxy)
        pools = {"duplicate": ("twice",), "corrupt": ("changed",)}.get(habit, ("once", "safe"))
        stage.crowd.add(2, Habits(pools, window=3, careless=habit in ROUGH), at)
        stage.at_end.append(lambda habit=habit, proxy=proxy: count_strikes(stage, habit, proxy))


def count_strikes(stage: Stage, habit: str, proxy: Proxy) -> None:
    """Notes what a proxy did.  What it has passed on twice may run twice."""
    stage.done += [habit] * proxy.strikes()
    for message in proxy.copies():
        request = unpack(message)
        if request[2] == "poold.call":
            stage.ledger.calls[request[3][2][0]].copies += 1


def wrapped(stage: Stage, habit: str, where: str, command: str) -> str:
    """The command of a worker behind a habit."""
    own = (sys.executable, str(HERE / "torn.py"), habit, str(stage.draw.randrange(1 << 31)), where)
    return shlex.join(own) + " " + command


STDIO = shlex.join([sys.executable, str(HERE / "bookkeeper.py")])


def torn_worker_pools(stage: Stage) -> tuple[str, ...]:
    """For each habit a pool at a socket, and one at standard input and output.

    Their calls may run again: somebody who swallows what a worker says makes the daemon believe
    that a call has never begun, which a worker alone cannot.  What only delays may not.
    """
    pools = [pool("well", UNRULY)]
    for habit in GENTLE + ROUGH:
        own = {"idempotent": habit not in ("delay", "split"), "workers": 1, "attempt_timeout": "2s"}
        if habit in ROUGH:
            own["env.BOOK"] = stage.directory / f"{habit}.book"
        pools.append(stage.book_pool(f"{habit}-fd", command=wrapped(stage, habit, "fd", BOOKKEEPER), **own))
        rpc = {"dialect": "msgpack-rpc"}
        pools.append(stage.book_pool(f"{habit}-stdio", command=wrapped(stage, habit, "stdio", STDIO), **own, **rpc))
    return tuple(pools)


def torn_worker_clients(stage: Stage) -> None:
    """Two clients for those that leave the bytes as they are, and one for the others."""
    for where in ("fd", "stdio"):
        stage.crowd.add(2, Habits(tuple(f"{habit}-{where}" for habit in GENTLE)))
        stage.crowd.add(1, Habits(tuple(f"{habit}-{where}" for habit in ROUGH), careless=True))


def watch_restarts(stage: Stage) -> None:
    """What is between the daemon and its workers does it by itself."""
    wait(stage)
    stats = stage.daemon.ask("poold.stats")["pools"]
    for name in sorted(stats):
        if name != "well":
            stage.done += [f"ends of {name}"] * (stats[name]["worker_starts"] - 1)


def torn_server_pools(stage: Stage) -> tuple[str, ...]:
    """A server that poold does not run, behind a proxy of each habit."""
    address = str(stage.directory / "server")
    server = subprocess.Popen(
        [sys.executable, str(HERE / "bookkeeper.py"), address],
        env={**os.environ, "BOOK": str(stage.ledger.book)}, stdout=subprocess.PIPE,
    )
    stage.cleanup.callback(server.wait)
    stage.cleanup.callback(server.kill)
    assert server.stdout is not None and server.stdout.readline() == b"listening\n"
    server.stdout.close()
    pools = [pool("well", UNRULY)]
    for habit in GENTLE:
        at = str(stage.directory / f"server-{habit}")
        proxy = stage.cleanup.enter_context(Proxy(at, address, habit, stage.draw))
        stage.at_end.append(lambda habit=habit, proxy=proxy: count_strikes(stage, habit, proxy))
        pools.append(socket_pool(habit, at, workers=2, queue_max=4096, attempt_timeout="5s",
                                 idempotent=habit in ("reorder", "truncate", "half")))
    return tuple(pools)


def torn_server_clients(stage: Stage) -> None:
    stage.crowd.add(6, Habits(GENTLE))
