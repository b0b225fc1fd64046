"""Samples of a daemon over time, what it has left behind after the load, and how busy the machine
was with other things."""

from __future__ import annotations

import ctypes
import os
import resource
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offered import Pools
from servers import BenchError, Caller

SETTLE_SECONDS = 15.0


@dataclass(frozen=True)
class Sample:
    """What the daemon said at a moment (seconds, monotonic), by the names of its pools.

    Attributes:
        pools: their entries of poold.status.
        counters: their counters of poold.stats.
        breakers: the state of each pool's breaker.
    """

    at: float
    pools: dict[str, Any]
    counters: dict[str, Any]
    breakers: dict[str, str]


class Watch:
    """Takes samples in a thread of its own, from entering to leaving."""

    def __init__(self, daemon: Pools, every: float) -> None:
        self.samples: list[Sample] = []
        self._every = every
        self._caller = Caller(daemon)
        self._leaving = threading.Event()
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        self._caller.peer.close()
        if self._fault is not None and kind is None:
            raise BenchError(f"the daemon could not be watched: {self._fault}")

    def _run(self) -> None:
        try:
            self._take()
            while not self._leaving.wait(self._every):
                self._take()
            self._take()
        except (BenchError, OSError) as fault:
            self._fault = fault

    def _take(self) -> None:
        status: Any = self._caller.call("poold.status", [])
        stats: Any = self._caller.call("poold.stats", [])
        breakers: Any = self._caller.call("poold.breakers", [])
        self.samples.append(Sample(
            time.monotonic(),
            {pool["name"]: pool for pool in status["pools"]},
            stats["pools"],
            {each["pool"]: each["state"] for each in breakers if each["method"] is None},
        ))


@dataclass(frozen=True)
class Rest:
    """What a daemon holds.

    Attributes:
        requests: queued and running ones.
        descriptors: open ones.
        zombies: children that it has not reaped.
        workers: those at work, in all pools.
        resident: bytes.
    """

    requests: int
    descriptors: int
    zombies: int
    workers: int
    resident: int


def zombies(pid: int) -> int:
    """How many children of a process have ended and were not reaped."""
    states = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                text = Path(f"/proc/{child}/stat").read_text()
            except OSError:
                continue  # reaped meanwhile
            states.append(text.rpartition(")")[2].split()[0])
    return states.count("Z")


def look(daemon: Pools) -> Rest:
    """What it holds now."""
    status: Any = daemon.ask("poold.status")
    requests = status["requests"]
    pid = daemon.process.pid
    return Rest(
        requests["queued"] + requests["running"],
        len(os.listdir(f"/proc/{pid}/fd")),
        zombies(pid),
        sum(pool["workers"]["ready"] for pool in status["pools"]),
        daemon.memory("VmRSS"),
    )


def settle(daemon: Pools, before: Rest) -> Rest:
    """What it holds when it is as it was before the load; or after some seconds, when it is not."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        rest = look(daemon)
        is_same = (
            rest.requests == rest.zombies == 0
            and rest.descriptors <= before.descriptors
            and rest.workers >= before.workers
        )
        if is_same or time.monotonic() >= end:
            return rest
        time.sleep(0.05)


def machine_seconds() -> tuple[float, float, float]:
    """Of all processors since the machine began: in all, and at work; and those of this process
    and of all processes below it that have ended."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in words]
    own = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        own += usage.ru_utime + usage.ru_stime
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4], own


PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes this process the parent of all orphans below it, so that `reap` can wait for them."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(seconds: float = 2.0) -> None:
    """Waits for all children, for so long at most; there may be none that a Popen still needs."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
    except ChildProcessError:
        pass


class Machine:
    """How busy the machine is with others, from its making on."""

    def __init__(self) -> None:
        self._begin = machine_seconds()

    def others(self) -> float:
        """Percent of all processors' time that others used.  All that this process has started
        must have ended, and have been waited for: what its children left behind counts only after
        `adopt_orphans`."""
        total, busy, own = (now - then for now, then in zip(machine_seconds(), self._begin))
        return min(max(100 * (busy - own) / total, 0.0), 100.0) if total > 0 else 0.0
