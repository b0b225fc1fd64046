"""The lines about speed: the same load on the forwarder and on the daemon, by turns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Callable

from servers import BENCH, BenchError, Daemon, Forwarder, Place, Server, Shape, Unavailable
from table import Row


# Few large messages come in a second, so that a run of them has so long at least.
LARGE = Shape(workers=1, payload=16 * 1024 * 1024)
LARGE_SECONDS = 1.0

SYSTEM_CALL = "raw_syscalls:sys_enter"


@dataclass(frozen=True)
class Pace:
    """How long the bench takes: runs of each side, and seconds of a run."""

    runs: int
    seconds: float


@dataclass
class Pair:
    """What the other side and the daemon did in one turn of A B."""

    theirs: dict
    ours: dict

    def ratio(self, key: str) -> float:
        """The daemon's figure by the other's."""
        return self.ours[key] / self.theirs[key]


def measure(server: Server, shape: Shape, seconds: float) -> dict:
    """One run, with the CPU that the server spent on each request (microseconds)."""
    before = server.cpu_seconds()
    figures = server.load(shape, seconds)
    if figures["rate"] == 0:
        raise BenchError(f"{server.name}: nothing was answered in {seconds:g} s")
    figures["cpu_us"] = (server.cpu_seconds() - before) / figures["succeeded"] * 1e6
    return figures


def by_turns(theirs: Server, ours: Server, shape: Shape, pace: Pace) -> list[Pair]:
    """Runs A B A B, both standing ready all the time."""
    return [
        Pair(measure(theirs, shape, pace.seconds), measure(ours, shape, pace.seconds))
        for _ in range(pace.runs)
    ]


def compare(place: Place, shape: Shape, pace: Pace, speaks_rpc: bool = False) -> list[Pair]:
    """The daemon against the forwarder, or the one that speaks MessagePack-RPC."""
    with Forwarder(place, shape, speaks_rpc) as forward, Daemon(place, shape) as poold:
        return by_turns(forward, poold, shape, pace)


def middle(pairs: list[Pair], side: str, key: str) -> float:
    """The median of one side."""
    return median(getattr(pair, side)[key] for pair in pairs)


def ratio_row(
    line: str,
    pairs: list[Pair],
    key: str,
    goals: tuple[float, float] | None,
    unit: str,
    more_is_better: bool = True,
) -> Row:
    """A row whose figure is the median ratio of the pairs; the measured column has the spread."""
    ratios = sorted(pair.ratio(key) for pair in pairs)
    ours, theirs = (middle(pairs, side, key) for side in ("ours", "theirs"))
    shown = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in (ours, theirs)]
    at_least, aim = goals or (None, None)
    return Row(
        line,
        f"{shown[0]} to {shown[1]} {unit} ({ratios[0]:.2f}..{ratios[-1]:.2f})",
        median(ratios),
        at_least,
        aim,
        more_is_better,
        data={"ours": ours, "theirs": theirs, "counted_in": unit, "ratios": ratios},
    )


def rate_lines(
    line: str, shape: Shape, goals: tuple[float, float] | None
) -> Callable[[Place, Pace], list[Row]]:
    """A line of requests per second."""

    def run(place: Place, pace: Pace) -> list[Row]:
        pairs = compare(place, shape, pace)
        return [ratio_row(line, pairs, "rate", goals, "req/s")]

    return run


def depth_one(place: Place, pace: Pace) -> list[Row]:
    """Latency on one core, where it does not depend on who is put where."""
    pairs = compare(place, Shape(workers=1, pinned=True), pace)
    line = "depth 1, one core, 64 B: "
    return [
        ratio_row(line + "p50", pairs, "p50_us", (1.25, 1.10), "us", more_is_better=False),
        ratio_row(line + "p99", pairs, "p99_us", (1.5, 1.2), "us", more_is_better=False),
    ]


def sixty_four(place: Place, pace: Pace) -> list[Row]:
    """64 connections, one request each: rate, and the daemon's CPU time."""
    rows = []
    for payload, words in ((64, "64 B"), (1024, "1 KiB")):
        shape = Shape(connections=64, limit=3, payload=payload)
        pairs = compare(place, shape, pace)
        line = f"64 connections, depth 1, {words}, 3 in flight per worker: "
        rows.append(ratio_row(line + "rate", pairs, "rate", (0.88, 0.95), "req/s"))
        if payload == 64:
            rows.append(
                ratio_row(
                    "daemon CPU per request, 64 connections",
                    pairs,
                    "cpu_us",
                    (1.5, 1.2),
                    "us",
                    more_is_better=False,
                )
            )
    return rows


def against_rpc(place: Place, pace: Pace) -> list[Row]:
    """Against the forwarder that speaks MessagePack-RPC too, and that against the other one: what of
    the distance is the protocol's."""
    rows = []
    deep = Shape(connections=64, depth=16, limit=17)
    unbounded = replace(deep, limit=0, prefetch=16)
    for words, shape in (
        ("64 connections, depth 1, 3 in flight per worker", Shape(connections=64, limit=3)),
        ("64 connections, depth 16, both with 17 in flight per worker", deep),
        ("64 connections, depth 16, prefetch 16 against `many`", unbounded),
    ):
        pairs = compare(place, shape, pace, speaks_rpc=True)
        line = f"against a forwarder of MessagePack-RPC, {words}: rate"
        rows.append(ratio_row(line, pairs, "rate", None, "req/s"))
    with (
        Forwarder(place.beside("frames"), unbounded) as frames,
        Forwarder(place.beside("rpc"), unbounded, speaks_rpc=True) as rpc,
    ):
        pairs = by_turns(frames, rpc, unbounded, pace)
    line = "that forwarder against the one of frames, 64 connections, depth 16, `many`: rate"
    return [*rows, ratio_row(line, pairs, "rate", None, "req/s")]


def trained(place: Place, pace: Pace) -> list[Row]:
    """What a daemon gains that was built with PGO=1: some of the lines above, measured with it."""
    poold = place.build / "trained" / "lto" / "poold"
    if not poold.exists():
        raise Unavailable("make PGO=1 has not built it")
    there = replace(place, poold=poold)
    words = "built with PGO=1: "
    shallow = compare(there, Shape(connections=64, limit=3), pace)
    deep = compare(there, Shape(connections=64, depth=16, limit=17), pace)
    line = words + "64 connections, depth 1, 64 B, 3 in flight per worker: rate"
    rows = [ratio_row(line, shallow, "rate", (0.88, 0.95), "req/s")]
    line = words + "daemon CPU per request, 64 connections"
    rows.append(ratio_row(line, shallow, "cpu_us", (1.5, 1.2), "us", more_is_better=False))
    line = words + "64 connections, depth 16, both with 17 in flight per worker: rate"
    return [*rows, ratio_row(line, deep, "rate", (0.85, 0.95), "req/s")]


def start_counting(pid: int, out: Path) -> subprocess.Popen:
    """Counts the system calls of a process into `out` from now on, until it gets SIGINT."""
    perf = shutil.which("perf")
    if not perf:
        raise Unavailable("system calls are counted by perf, which is not installed")
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()
    command = [perf, "stat", "-x,", "-o", str(out), "-e", SYSTEM_CALL, "-p", str(pid)]
    command += ["--delay", "-1", "--control", f"fd:{command_read},{answer_write}"]
    counter = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(command_read, answer_write),
    )
    os.close(command_read)
    os.close(answer_write)
    with open(command_write, "w", encoding="ascii") as to, open(answer_read, "rb") as answer:
        try:
            to.write("enable\n")
            to.flush()
            enabled = answer.read(1) != b""  # else it has ended
        except BrokenPipeError:
            enabled = False
    if not enabled:
        _, errors = counter.communicate(timeout=10)
        raise Unavailable(f"perf may not count system calls here: {errors.strip()}")
    return counter


def count_calls(server: Server, shape: Shape, seconds: float) -> float:
    """System calls that the server makes per request, by the kernel's tracepoint."""
    out = server.place.scratch / "perf.txt"
    counter = start_counting(server.process.pid, out)
    try:
        figures = server.load(shape, seconds)
    finally:
        counter.send_signal(signal.SIGINT)
        counter.communicate(timeout=10)
    counts = [line.split(",")[0] for line in out.read_text().splitlines() if SYSTEM_CALL in line]
    if not counts or not counts[0].isdigit():
        raise BenchError("perf counted no system calls")
    return int(counts[0]) / figures["succeeded"]


def calls_per_request(place: Place, pace: Pace) -> list[Row]:
    """System calls per request of both servers."""
    rows = []
    for shape, goals, words in (
        (Shape(workers=1), (6.0, 6.0), "depth 1"),
        (Shape(connections=64, limit=3), (3.0, 2.4), "64 connections"),
        (Shape(connections=64, depth=16, limit=17), (0.6, 0.4), "64 connections, depth 16"),
    ):
        with Forwarder(place, shape) as forward:
            theirs = count_calls(forward, shape, pace.seconds)
        with Daemon(place, shape) as poold:
            ours = count_calls(poold, shape, pace.seconds)
        # What connecting costs is not the request's: a few hundredths.
        rows.append(
            Row(
                f"system calls per request, {words}",
                f"{ours:.2f} (forwarder {theirs:.2f})",
                round(ours, 2),
                *goals,
                more_is_better=False,
                unit="",
            )
        )
    return rows


def longer(pace: Pace) -> Pace:
    """Runs in which there are some large messages."""
    return replace(pace, seconds=max(pace.seconds, LARGE_SECONDS))


def large(place: Place, pace: Pace) -> list[Row]:
    """16 MiB on one connection: rate, and the memory that a byte in flight takes."""
    pace = longer(pace)
    pairs = compare(place, LARGE, pace)
    rate = ratio_row("16 MiB, one connection: rate", pairs, "rate", (1.05, 1.1), "req/s")
    with Daemon(place, LARGE) as poold:
        poold.forget_peak()
        before = poold.memory("VmRSS")
        poold.load(LARGE, pace.seconds)
        taken = poold.memory("VmHWM") - before
    memory = Row(
        "16 MiB, one connection: peak memory per payload byte",
        f"{taken / 2**20:.1f} MiB",
        taken / LARGE.payload,
        2.2,
        2.1,
        more_is_better=False,
        is_counted=True,
    )
    return [rate, memory]


def large_python(place: Place, pace: Pace) -> list[Row]:
    """16 MiB through the worker library, against a bare loop behind the forwarder."""
    pairs = compare(place, replace(LARGE, python=True), longer(pace))
    line = "16 MiB, one connection, Python worker against a bare loop: rate"
    return [ratio_row(line, pairs, "rate", (0.9, 1.0), "req/s")]


def python_workers(place: Place, pace: Pace) -> list[Row]:
    """Workers in Python, against a bare loop of MessagePack in Python behind the forwarder."""
    one = Shape(workers=1, python=True)
    many = Shape(connections=64, limit=5, python=True)
    rows = []
    for words, shape in (
        ("depth 1, one core", replace(one, pinned=True)),
        ("64 connections, prefetch 4", many),
        ("64 connections, prefetch 4, 64 KiB", replace(many, payload=65536)),
    ):
        pairs = compare(place, shape, pace)
        rows.append(ratio_row(f"Python workers, {words}: rate", pairs, "rate", None, "req/s"))
    return rows


def python_loop(place: Place, pace: Pace) -> list[Row]:
    """The worker library, against a bare loop of MessagePack behind the same daemon."""
    shape = Shape(workers=1, connections=64, limit=5, pinned=True)
    library = replace(shape, python=True)
    bare = f"{sys.executable} {BENCH / 'echo_worker.py'} --poold"
    with Daemon(place.beside("bare"), shape, bare) as theirs, Daemon(place, library) as ours:
        pairs = by_turns(theirs, ours, shape, pace)
    line = "the Python worker library against a bare loop, same daemon, one core: rate"
    return [ratio_row(line, pairs, "rate", (0.90, 0.95), "req/s")]


def default_configuration(place: Place, pace: Pace) -> list[Row]:
    """The daemon as it is when nothing is configured: a pool that is not idempotent.  Its workers are
    those of the worker libraries, which can give back a request that was sent ahead."""
    plain = Shape(connections=64, limit=3)
    in_c = str(place.build / "workers" / "echo")
    rows = []
    for words, worker, tuned in (("C", in_c, plain), ("Python", "", replace(plain, python=True))):
        ours = replace(tuned, is_default=True)
        line = f"default configuration, 64 connections, {words} workers: rate"
        with (
            Daemon(place.beside("tuned"), tuned, worker) as idempotent,
            Daemon(place, ours, worker) as default,
            Forwarder(place, tuned) as forward,
        ):
            pairs = by_turns(idempotent, default, ours, pace)
            rows.append(
                ratio_row(f"{line} against an idempotent pool", pairs, "rate", (0.95, 1.0), "req/s")
            )
            pairs = by_turns(forward, default, ours, pace)
            rows.append(ratio_row(line, pairs, "rate", None, "req/s"))
    pairs = compare(place, Shape(workers=1, pinned=True, is_default=True), pace)
    line = "default configuration, depth 1, one core: p50"
    rows.append(ratio_row(line, pairs, "p50_us", None, "us", more_is_better=False))
    return rows


def core(place: Place, _: Pace) -> list[Row]:
    """What deciding costs, without sockets or processes."""
    out = subprocess.run(
        [place.program("core_bench"), "--json"], capture_output=True, check=True, timeout=120
    ).stdout
    figures = json.loads(out)
    return [
        Row(
            "retry decision",
            f"{figures['decision_ns']:.1f} ns",
            figures["decision_ns"],
            200,
            100,
            more_is_better=False,
            unit="ns",
        ),
        Row(
            "breaker check",
            f"{figures['breaker_ns']:.1f} ns; "
            f"with the outcome {figures['breaker_whole_ns']:.1f} ns",
            figures["breaker_ns"],
            20,
            10,
            more_is_better=False,
            unit="ns",
        ),
        Row(
            "the engine's part of a request: alone; with 1,024 queued",
            f"{figures['alone_ns']:.0f} ns; {figures['loaded_ns']:.0f} ns",
        ),
    ]
