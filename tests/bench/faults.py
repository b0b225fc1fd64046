"""The lines about dying workers and idle connections."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

from servers import (
    TREE,
    BenchError,
    Caller,
    Daemon,
    Place,
    Shape,
    Unavailable,
    raise_descriptor_limit,
)
from speed import Pace
from table import Row

KILL_SHAPE = Shape(connections=8, depth=8, limit=3)
KILL_RATE = 200
KILL_DELAY_US = 5000
KILL_INTERVAL = 0.3
IDLE_CONNECTIONS = 10_000
EVENT_TIMEOUT = 10.0


def births(path: Path) -> list[tuple[int, float]]:
    """Process id and time (seconds, monotonic) of every C worker that has started."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [(int(pid), int(nanoseconds) / 1e9) for pid, nanoseconds in map(str.split, lines)]


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def worker_pids(daemon: Daemon) -> list[int]:
    """The process ids that the daemon tells."""
    with Caller(daemon) as caller:
        return [worker["pid"] for worker in caller.call("poold.workers", []) if worker["pid"]]


def cold_start(command: list[str], env: dict[str, str]) -> float:
    """Seconds from starting a worker by hand to its first message."""
    ours, theirs = socket.socketpair()
    with ours:
        start = time.monotonic()
        worker = subprocess.Popen(
            command,
            env=os.environ | env | {"POOLD_FD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        ours.settimeout(EVENT_TIMEOUT)
        ours.recv(1)
        took = time.monotonic() - start
    worker.wait(timeout=EVENT_TIMEOUT)
    return took


# One death after the other at the same few requests would open the breaker and spend the budget, which is
# not what is measured; and a retry shall wait for nothing.
TIRELESS = "[breaker echo]\nmode = off\n[retry echo]\nbackoff = none\nbudget = 1000\n"


def kill_and_ask(daemon: Daemon, caller: Caller) -> tuple[float, float]:
    """Kills the only worker.  Returns when that was, and when the next request was answered."""
    (pid,) = worker_pids(daemon)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    caller.echo(b"x" * 64)
    return killed, time.monotonic()


def respawn_c(place: Place, times: int) -> list[Row]:
    """The C worker: when its successor is born, and when that answers."""
    born = place.scratch / "born"
    command = [place.program("echo_worker"), "--batch"]
    begun, served = [], []
    with Daemon(place, Shape(workers=1), f"--batch --born {born}", pool=TIRELESS) as daemon:
        with Caller(daemon) as caller:
            caller.echo(b"x" * 64)
            for _ in range(times):
                killed, answered = kill_and_ask(daemon, caller)
                begun.append(births(born)[-1][1] - killed)
                served.append(answered - killed)
    cold = median(cold_start(command, {}) for _ in range(times))
    over = (median(served) - cold) * 1000
    return [
        Row(
            "respawn begun after SIGKILL (to the worker's main)",
            f"median {median(begun) * 1000:.2f} ms, worst {max(begun) * 1000:.2f} ms",
            median(begun) * 1000,
            10,
            3,
            more_is_better=False,
            unit="ms",
        ),
        Row(
            "serving again, beyond the C worker's cold start",
            f"{median(served) * 1000:.2f} ms, cold start {cold * 1000:.2f} ms",
            max(over, 0),
            20,
            None,
            more_is_better=False,
            unit="ms",
        ),
    ]


def respawn_python(place: Place, times: int) -> Row:
    """The Python worker: when its successor answers."""
    command = [sys.executable, "-m", "poold.worker", "echo_functions"]
    path = f"{TREE / 'client' / 'python'}:{TREE / 'tests' / 'bench'}"
    with Daemon(place, Shape(workers=1, python=True), pool=TIRELESS) as daemon, Caller(daemon) as caller:
        caller.echo(b"x" * 64)
        spans = [kill_and_ask(daemon, caller) for _ in range(times)]
    served = median(answered - killed for killed, answered in spans)
    cold = median(cold_start(command, {"PYTHONPATH": path}) for _ in range(times))
    return Row(
        "serving again, beyond the Python worker's cold start",
        f"{served * 1000:.1f} ms, cold start {cold * 1000:.1f} ms",
        max(served - cold, 0) * 1000,
        20,
        None,
        more_is_better=False,
        unit="ms",
    )


def respawn(place: Place, pace: Pace) -> list[Row]:
    """From a worker's death to its successor at work."""
    times = pace.runs * 3
    return [*respawn_c(place, times), respawn_python(place, times)]


SLOW_IMPORT = 2.0  # seconds: see slow_functions.py


def full_again(daemon: Daemon, workers: int) -> float:
    """Kills a worker.  Returns the seconds until so many others can work."""
    with Caller(daemon) as caller:
        victim = caller.call("poold.workers", [])[0]["pid"]
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while time.monotonic() < killed + EVENT_TIMEOUT:
            states = caller.call("poold.workers", [])
            ready = [each for each in states if each["state"] == "ready" and each["pid"] != victim]
            if len(ready) >= workers:
                return time.monotonic() - killed
    raise BenchError(f"no {workers} workers are ready after a kill")


def capacity(place: Place, pace: Pace) -> list[Row]:
    """From a worker's death to full capacity, where the workers take two seconds to import."""
    command = f"{sys.executable} -m poold.worker slow_functions"
    rows = []
    for title, option, more, least in (
        ("cold", "", 0, None),
        ("a spare", "spares = 1\n", 1, 10),
        ("prefork", "prefork = yes\n", 0, 100),
    ):
        # Lives without an answer would delay the next start.
        pool = f"{option}restart_delay = 1ms\nrestart_delay_max = 1ms\n{TIRELESS}"
        with Daemon(place, Shape(workers=4), command, pool) as daemon:
            spans = []
            for _ in range(pace.runs):
                daemon.await_ready(4 + more)
                spans.append(full_again(daemon, 4) * 1000)
        rows.append(
            Row(
                f"crash to full capacity, import of {SLOW_IMPORT:.0f} s, {title}",
                f"median {median(spans):.1f} ms, worst {max(spans):.1f} ms",
                median(spans),
                least,
                None,
                more_is_better=False,
                unit="ms",
            )
        )
    return rows


def await_trapped(trap: Path) -> int:
    """The process id of the worker that went into the trap."""
    end = time.monotonic() + EVENT_TIMEOUT
    while time.monotonic() < end:
        text = trap.read_text()
        if text.endswith("\n"):
            return int(text)
    raise BenchError("no worker went into the trap")


def free_sibling(place: Place, pace: Pace) -> list[Row]:
    """A worker dies in the middle of an idempotent request, and another one is free."""
    trap = place.scratch / "trap"
    took = []
    with Daemon(place, Shape(workers=2), f"--batch --trap {trap}", pool=TIRELESS) as daemon:
        with Caller(daemon) as caller:
            for _ in range(pace.runs * 3):
                daemon.await_ready(2)
                trap.touch()
                caller.send("poold.call", ["echo", "echo", b"x" * 64])
                pid = await_trapped(trap)
                trap.unlink()
                killed = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                caller.receive()
                took.append((time.monotonic() - killed) * 1000)
    return [
        Row(
            "killed worker, a sibling free: answer after the kill",
            f"median {median(took):.2f} ms, worst {max(took):.2f} ms",
            median(took),
            10,
            3,
            more_is_better=False,
            unit="ms",
        )
    ]


def kill_workers(daemon: Daemon, client: subprocess.Popen, seed: int) -> int:
    """Kills one worker after the other while the client runs.  Returns how many."""
    chance = random.Random(seed)
    kills = 0
    while True:
        try:
            client.wait(timeout=KILL_INTERVAL)
            return kills
        except subprocess.TimeoutExpired:
            pids = [pid for pid in worker_pids(daemon) if is_alive(pid)]
            if pids:
                os.kill(chance.choice(pids), signal.SIGKILL)
                kills += 1


def run_at_rate(daemon: Daemon, seconds: float, idempotent: str, kill: bool) -> tuple[dict, int]:
    """Asks KILL_RATE times a second.  Returns the client's figures and the number of kills."""
    client = daemon.load_start(
        KILL_SHAPE, seconds, 0, "--rate", str(KILL_RATE), "--idempotent", idempotent
    )
    # The client's figures fit into the pipe, so that it can end before they are read.
    kills = kill_workers(daemon, client, seed=1) if kill else 0
    return daemon.load_end(client, seconds), kills


def run_twice(log: Path) -> int:
    """How many of the requests that the workers noted were noted more than once."""
    data = log.read_bytes()
    numbers = Counter(struct.unpack(f"={len(data) // 8}Q", data))
    return sum(count > 1 for count in numbers.values())


def zero(line: str, count: int, value: str) -> Row:
    """A row whose figure must be 0."""
    return Row(line, value, count, 0, 0, more_is_better=False, unit="", is_counted=True)


def losses(place: Place, pace: Pace) -> list[Row]:
    """200 requests a second on 4 workers, and one of those killed again and again."""
    seconds = pace.seconds * pace.runs
    log = place.scratch / "ran"
    with Daemon(place, KILL_SHAPE, f"--delay-us {KILL_DELAY_US}") as daemon:
        figures, kills = run_at_rate(daemon, seconds, "yes", kill=True)
    lost = figures["sent"] - figures["succeeded"] + figures["skipped"]
    with Daemon(place, KILL_SHAPE, f"--delay-us {KILL_DELAY_US} --log {log}") as daemon:
        once, once_kills = run_at_rate(daemon, seconds, "no", kill=True)
    others = max(0, once["failed"] + once["unanswered"] - once_kills)
    title = f"kill -9 at {KILL_RATE} req/s, 4 workers: "
    why = f" {figures['first_error']}" if lost else ""
    return [
        zero(
            title + "idempotent requests lost",
            lost,
            f"{lost} of {figures['sent']}, {kills} kills{why}",
        ),
        zero(title + "others run twice", run_twice(log), f"{once['sent']} sent"),
        zero(
            title + "others than the victim's failed",
            others,
            f"{once['failed']} failed, {once_kills} kills",
        ),
    ]


def unaffected(place: Place, pace: Pace) -> list[Row]:
    """The worst latency of requests that did not fail, with and without kills."""
    calm, rough = [], []
    with Daemon(place, KILL_SHAPE, f"--delay-us {KILL_DELAY_US}") as daemon:
        for _ in range(pace.runs):
            calm.append(run_at_rate(daemon, pace.seconds, "no", kill=False)[0]["max_us"])
            rough.append(run_at_rate(daemon, pace.seconds, "no", kill=True)[0]["max_us"])
            daemon.await_ready(KILL_SHAPE.workers)
    return [
        Row(
            "worst latency of unaffected requests during kills",
            f"{median(rough) / 1000:.2f} ms, before {median(calm) / 1000:.2f} ms",
            median(rough) / median(calm),
            1.5,
            1.2,
            more_is_better=False,
        )
    ]


def idle(place: Place, pace: Pace) -> list[Row]:
    """What connections cost that ask nothing."""
    if raise_descriptor_limit() < IDLE_CONNECTIONS + 100:
        raise Unavailable("this user may not open so many descriptors (ulimit -Hn)")
    with Daemon(place, Shape(workers=1)) as daemon:
        before = daemon.memory("VmRSS")
        peers = [daemon.connect() for _ in range(IDLE_CONNECTIONS)]
        with Caller(daemon) as caller:
            caller.call("poold.health", [])
        each = (daemon.memory("VmRSS") - before) / len(peers)
        cpu = daemon.cpu_seconds()
        time.sleep(pace.seconds)
        share = (daemon.cpu_seconds() - cpu) / pace.seconds * 100
        for peer in peers:
            peer.close()
    return [
        Row(
            "idle connection, user memory",
            f"{each:.0f} bytes",
            each / 1024,
            1.5,
            1.0,
            more_is_better=False,
            unit="KiB",
            is_counted=True,
        ),
        # A wake-up a second for the service manager's watchdog would still be 0.
        Row(
            f"CPU at {IDLE_CONNECTIONS:,} idle connections",
            f"{share:.3f} % of a core",
            round(share, 1),
            0,
            0,
            more_is_better=False,
            unit="%",
        ),
    ]
