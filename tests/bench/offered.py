"""What the runs under overload are made of: a daemon with pools of nap workers, offered load, and
figures that are judged."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from collections.abc import Iterator
from dataclasses import dataclass, field

from servers import PYTHONPATH, BenchError, Caller, Place, Server

# The pool of nearly all runs: 8 workers of 50 ms.
WORKERS = 8
NAP_MS = 50
CAPACITY = WORKERS * 1000 / NAP_MS  # calls per second

# The pool option that switches off admission by predicted wait, and the refusal of what can't be
# done in time when it is dequeued: only the queue's limits are left.
ADMISSION_OFF = "admission = no\n"

# Codes of calls that were not taken because of the load, and of no fault.
REFUSALS = ("queue_full", "queue_timeout", "shed")

START_TIMEOUT = 30.0

# Seconds for which the load goes on after a trouble is over, to see how soon all is well.
AFTER = 12.0

# A load client that hands out a call this much later than it was due has too little of the machine.
LAG_MS = 100


def nap_command(place: Place, workers: str) -> str:
    """The command of the nap worker in this language, `c` or `python`."""
    if workers == "python":
        return f"{sys.executable} -m poold.worker nap_functions"
    return place.program("nap_worker")


def pool(place: Place, name: str, workers: str, count: int = WORKERS, more: str = "") -> str:
    """A pool's section: command and number of workers, else the default configuration."""
    return (
        f"[pool {name}]\ncommand = {nap_command(place, workers)}\nworkers = {count}\n"
        f"env.PYTHONPATH = {PYTHONPATH}\n{more}"
    )


class Pools(Server):
    """A daemon with these pools, in the default configuration but for socket and log.

    Args:
        sections: what `pool` and the like made.
        name: of its files, where several run side by side.
    """

    def __init__(self, place: Place, *sections: str, name: str = "overload") -> None:
        config = place.scratch / f"{name}.conf"
        config.write_text(
            f"[daemon]\nsocket = {place.scratch / f'{name}.sock'}\n"
            f"log_level = notice\nlog_target = stderr\n{''.join(sections)}"
        )
        super().__init__(place, name, [str(place.poold), "-c", str(config)], False)

    def __enter__(self) -> Pools:
        return self

    def last_words(self) -> str:
        """The last line of its log, as far as it is read."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:160] if lines else ""

    def ask(self, method: str, *params: object) -> object:
        """The result of one of the daemon's own methods."""
        with Caller(self) as caller:
            return caller.call(method, list(params))

    def await_workers(self, name: str, count: int) -> None:
        """Waits until so many workers of a pool are ready."""
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            ready = [each for each in self.workers(name) if each["state"] == "ready"]
            if len(ready) >= count:
                return
            time.sleep(0.01)
        raise BenchError(f"{self.name}: no {count} workers are ready: {self.last_words()}")

    def workers(self, name: str) -> list[dict]:
        """What poold.workers says of a pool."""
        return [each for each in self.ask("poold.workers") if each["pool"] == name]

    def pids(self, name: str) -> list[int]:
        """The processes of a pool's workers."""
        return [each["pid"] for each in self.workers(name) if each["pid"] > 0]

    def counters(self, name: str) -> dict:
        """What a pool has counted, with how often its breaker opened."""
        counters = dict(self.ask("poold.stats")["pools"][name])
        breakers = [each for each in self.ask("poold.breakers") if each["pool"] == name]
        counters["opened"] = sum(each["opened"] for each in breakers)
        return counters


def changes(before: dict, after: dict) -> dict:
    """By how much each counter has grown."""
    return {
        key: value - before[key] for key, value in after.items() if isinstance(value, int)
    }


@contextmanager
def eight(place: Place, workers: str, more: str = "", name: str = "overload") -> Iterator[Pools]:
    """A daemon with the pool `work` of eight workers, all of which are ready."""
    with Pools(place, pool(place, "work", workers, more=more), name=name) as daemon:
        daemon.await_workers("work", WORKERS)
        yield daemon


@dataclass(frozen=True)
class Offer:
    """A class of calls: the keys are those of offer.h, times in seconds."""

    name: str
    end: float
    rate: float = 0.0
    begin: float = 0.0
    ms: int = NAP_MS
    timeout: int = 1000
    keys: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        keys = {"begin": self.begin, "end": self.end, "ms": self.ms, "timeout": self.timeout}
        if self.rate:
            keys["rate"] = self.rate
        return f"{self.name}:" + ",".join(f"{k}={v}" for k, v in {**keys, **self.keys}.items())


class Load:
    """The load client at work; `figures` waits for its end."""

    def __init__(self, daemon: Pools, *offers: Offer, seed: int = 1, options: tuple = ()) -> None:
        self.daemon = daemon
        self.seconds = max(offer.end for offer in offers)
        command = [daemon.place.program("open_load"), "--socket", daemon.socket]
        command += ["--seed", str(seed), "--bucket-ms", "100", *map(str, options)]
        for offer in offers:
            command += ["--class", str(offer)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def figures(self) -> dict:
        """What the client measured; raises BenchError when it found a fault."""
        try:
            out, errors = self.process.communicate(timeout=self.seconds + 90)
        finally:
            self.stop()
        if self.process.returncode != 0:
            raise BenchError(f"{self.daemon.name}: {errors.strip()}; {self.daemon.last_words()}")
        figures = json.loads(out)
        if figures["lag_max_ms"] > LAG_MS:
            late = f"{figures['lag_max_ms']:.0f} ms late"
            print(f"  the load client was up to {late}: a busy machine", file=sys.stderr)
        return figures

    def stop(self) -> None:
        """Ends it before its time."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def offer(daemon: Pools, *offers: Offer, seed: int = 1, options: tuple = ()) -> dict:
    """Offers this load and returns what became of each class."""
    with Load(daemon, *offers, seed=seed, options=options) as load:
        return load.figures()["classes"]


def per_second(series: list[int], begin: float, end: float) -> float:
    """The mean rate of a series between two times (seconds after the start)."""
    return sum(series[round(begin * 10) : round(end * 10)]) / (end - begin)


def back_after(calls: dict, since: float) -> float:
    """Seconds after `since` until 95 percent of one second's calls, and of all later ones, were
    answered in time; AFTER when that was never so."""
    sent, good = calls["sent_at"], calls["good_of_sent"]
    good = good + [0] * (len(sent) - len(good))
    first = round(since * 10)
    for at in range(first, len(sent) - 10):
        if all(sum(good[at:end]) >= 0.95 * sum(sent[at:end]) for end in (at + 10, len(sent))):
            return max(at / 10 - since, 0.0)
    return AFTER


def failures(calls: dict) -> int:
    """Calls that failed for another reason than the load; one without an answer is one too."""
    codes = calls["codes"].items()
    return sum(count for code, count in codes if code not in REFUSALS) + calls["unanswered"]


def share(part: float, whole: float) -> float:
    """Percent of a whole; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


@dataclass
class Figure:
    """A figure with its limit.

    Attributes:
        run: which run it is of.
        what: what was measured.
        value: what came out.
        limit: what it is held against; None: it only informs.
        is_least: whether `limit` is the least that it may be, else the most.
    """

    run: str
    what: str
    value: float
    limit: float | None = None
    is_least: bool = False
    unit: str = ""

    def is_met(self) -> bool:
        """Whether it keeps its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.is_least else self.value <= self.limit

    def cells(self) -> tuple[str, ...]:
        """The columns of the table."""
        unit = f" {self.unit}" if self.unit else ""
        limit = ""
        if self.limit is not None:
            limit = f"{'at least' if self.is_least else 'at most'} {self.limit:.6g}{unit}"
        met = "" if self.limit is None else ("met" if self.is_met() else "NO")
        return (self.run, self.what, f"{self.value:.6g}{unit}", limit, met)


def at_least(run: str, what: str, value: float, limit: float, unit: str = "") -> Figure:
    """A figure that should be large."""
    return Figure(run, what, round(value, 4), limit, True, unit)


def at_most(run: str, what: str, value: float, limit: float, unit: str = "") -> Figure:
    """A figure that should be small."""
    return Figure(run, what, round(value, 4), limit, False, unit)


def told(run: str, what: str, value: float, unit: str = "") -> Figure:
    """A figure that only informs."""
    return Figure(run, what, round(value, 4), unit=unit)
