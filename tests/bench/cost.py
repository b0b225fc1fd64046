"""The lines about what poold's own features cost: the same load with all of them and without them."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from servers import START_TIMEOUT, BenchError, Caller, Daemon, Place, Shape, Unavailable
from speed import Pace, Pair, measure, ratio_row
from table import Row

SHAPE = Shape(connections=64, limit=3)
SCRAPE_EVERY = 1.0

# What a large daemon is.
POOLS = 64
WORKERS_EACH = 8
SCRAPES = 20

# Requests between the two counts of instructions.
COUNTED = 20_000


@dataclass(frozen=True)
class Feature:
    """What can be turned on or off: lines of the configuration for either, and who watches.

    Attributes:
        daemon, pool: lines of these sections, each as (on, off).
        sections: further sections, likewise.
        is_scraped: its metrics are read by HTTP once a second.
        is_followed: somebody subscribes to all events.
    """

    daemon: tuple[str, str] = ("", "")
    pool: tuple[str, str] = ("", "")
    sections: tuple[str, str] = ("", "")
    is_scraped: bool = False
    is_followed: bool = False


# What counts for the windows, the metrics and the log of requests can't be turned off, nor can a
# request be without a deadline: an attempt can be without one of its own.
FEATURES = {
    "retries": Feature(
        pool=("max_crash_retries = 2", "max_crash_retries = 0"),
        sections=("", "[retry echo]\nbudget = 0\nbudget_per_success = 0\nbudget_per_second = 0"),
    ),
    "breaker": Feature(sections=("", "[breaker echo]\nmode = off")),
    "deadlines of attempts": Feature(
        pool=("attempt_timeout = 10s\nslow_after = 5s", "attempt_timeout = 0\nslow_after = 0")
    ),
    "admission": Feature(pool=("admission = yes", "admission = no")),
    "health": Feature(
        pool=("ping_interval = 30s\ndegraded_min = 10", "ping_interval = 0\ndegraded_min = 0")
    ),
    "events": Feature(daemon=("events_kept = 1000", "events_kept = 0"), is_followed=True),
    "log_requests": Feature(daemon=("log_requests = slow", "log_requests = failed")),
    "alerts": Feature(daemon=("alerts = yes", "alerts = no")),
    "HTTP": Feature(sections=("[http]\nlisten = unix:{http}", ""), is_scraped=True),
}


class Watcher:
    """Something that goes on in a thread until it is stopped; use it as a context."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        """What the thread does."""
        raise NotImplementedError

    def __enter__(self) -> Watcher:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()


class Scraper(Watcher):
    """Reads the metrics by HTTP."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)

    def watch(self) -> None:
        while True:
            scrape(self.path)
            if self.stopping.wait(SCRAPE_EVERY):
                return


def scrape(path: str) -> int:
    """Reads the metrics once, as Prometheus does; how many bytes they were."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(path)
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        size = 0
        while data := peer.recv(1 << 20):
            size += len(data)
    return size


class Follower(Watcher):
    """Subscribes to all events and reads them."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self.caller = Caller(daemon)
        self.caller.call("poold.subscribe", [])
        self.caller.peer.settimeout(0.2)

    def watch(self) -> None:
        while not self.stopping.is_set():
            try:
                self.caller.peer.recv(65536)
            except TimeoutError:
                continue
        self.caller.peer.close()


class Side:
    """A daemon with these features on and all others off, and those who watch it."""

    def __init__(self, stack: ExitStack, place: Place, name: str, features: set[str]) -> None:
        place = place.beside(name)
        http = place.scratch / "http.sock"
        lines: dict[str, list[str]] = {"daemon": [], "pool": [], "sections": []}
        for key, feature in FEATURES.items():
            for part, texts in lines.items():
                texts.append(getattr(feature, part)[key not in features].format(http=http))
        self.daemon = stack.enter_context(
            Daemon(
                place,
                SHAPE,
                daemon="".join(f"{text}\n" for text in lines["daemon"]),
                pool="".join(f"{text}\n" for text in lines["pool"] + lines["sections"]),
            )
        )
        if any(FEATURES[key].is_scraped for key in features):
            stack.enter_context(Scraper(http))
        if any(FEATURES[key].is_followed for key in features):
            stack.enter_context(Follower(self.daemon))


def compare(ours: Side, bare: Side, turns: int, seconds: float) -> list[Pair]:
    """Runs by turns.  Who comes first changes, so that a machine that gets slower or faster
    meanwhile is fair to both."""
    pairs = []
    for turn in range(turns):
        order = (bare, ours) if turn % 2 == 0 else (ours, bare)
        found = {id(side): measure(side.daemon, SHAPE, seconds) for side in order}
        pairs.append(Pair(found[id(bare)], found[id(ours)]))
    return pairs


def features(place: Place, pace: Pace) -> list[Row]:
    """Everything on, and each feature alone, against everything off, on daemons that stand ready
    all the time.  The turns are short and many, as the difference is small."""
    chosen = {"nothing": set[str](), "everything": set(FEATURES)}
    chosen |= {key: {key} for key in FEATURES}
    with ExitStack() as stack:
        sides = {name: Side(stack, place, name, keys) for name, keys in chosen.items()}
        bare = sides.pop("nothing")
        pairs = compare(sides.pop("everything"), bare, 4 * pace.runs, pace.seconds / 2)
        alone = [
            f"{name} {median(pair.ratio('cpu_us') for pair in found):.2f}"
            for name, side in sides.items()
            for found in [compare(side, bare, pace.runs, pace.seconds / 2)]
        ]
    line = "all features on against all off: "
    cpu = line + "daemon CPU per request"
    return [
        ratio_row(cpu, pairs, "cpu_us", (1.03, 1.01), "us", more_is_better=False),
        ratio_row(line + "rate", pairs, "rate", (0.97, 0.99), "req/s"),
        Row("each of them alone: daemon CPU per request", ", ".join(alone)),
    ]


def large_scrape(place: Place, pace: Pace) -> list[Row]:
    """How long the loop of a large daemon is busy with the text of all metrics, which is written in
    one turn: the daemon's CPU time.  By the socket, as HTTP keeps a text for a moment."""
    command = f"{place.program('echo_worker')} --batch"
    more = "".join(
        f"[pool more{i}]\ncommand = {command}\nworkers = {WORKERS_EACH}\n" for i in range(1, POOLS)
    )
    workers = POOLS * WORKERS_EACH
    shape = Shape(workers=WORKERS_EACH)
    with Daemon(place, shape, pool=more, daemon=f"workers_max = {2 * workers}\n") as daemon:
        with Caller(daemon) as caller:
            end = time.monotonic() + START_TIMEOUT
            while sum(pool["workers"]["ready"] for pool in caller.call("poold.pools", [])) < workers:
                if time.monotonic() > end:
                    raise BenchError(f"no {workers} workers are ready: {daemon.last_words()}")
                time.sleep(0.05)
            for name in ("echo", *(f"more{i}" for i in range(1, POOLS))):
                caller.call("poold.call", [name, "echo", 1])
            found = []
            for _ in range(pace.runs):
                before = daemon.cpu_seconds()
                size = [len(caller.call("poold.metrics", [])) for _ in range(SCRAPES)][0]
                found.append((daemon.cpu_seconds() - before) / SCRAPES * 1000)
    return [
        Row(
            f"scrape at {POOLS} pools and {workers} workers: CPU of the loop",
            f"{median(found):.2f} ms ({min(found):.2f}..{max(found):.2f}), {size >> 10} KiB",
            median(found),
            5,
            3,
            more_is_better=False,
            unit="ms",
        )
    ]


def instructions(place: Place, _: Pace) -> list[Row]:
    """The engine's instructions per request, which other load does not change."""
    if not shutil.which("valgrind"):
        raise Unavailable("instructions are counted by valgrind, which is not installed")
    full, bare = (count_instructions(place, *more) for more in ((), ("--bare",)))
    return [
        Row(
            "the engine's instructions per request: all features on against off",
            f"{full:,.0f} to {bare:,.0f}",
            full / bare,
            1.05,
            1.03,
            more_is_better=False,
            is_counted=True,
        )
    ]


def count_instructions(place: Place, *more: str) -> float:
    """Those of a request, without those of the start."""
    few, many = (collected(place, str(count), *more) for count in (1000, 1000 + COUNTED))
    return (many - few) / COUNTED


def collected(place: Place, count: str, *more: str) -> int:
    """The instructions of the whole program."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [place.program("core_bench"), "--ask", count, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise BenchError("valgrind counted no instructions")
    return int(found[1])
