"""Load and faults for a long time: alerts are raised for what is done, in time, and for nothing else;
nothing of the daemon grows.

usage: soak.py [--seconds N] [--seed N]

Honest clients ask all the time, and none of their calls may fail.  Each fault has a pool of its own;
one after the other is brought about, in an order that the seed draws, as soon as the alerts of its last
time are over.  For each the alerts that it must raise come within its time; what it may raise beside is
listed too; any other alert is a failure.  The daemon's memory, descriptors and threads are noted in
each calm moment: after a quarter of the time, when all its tables are in use, they stay as they are.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import procs
from alerts import alert
from bystander import Bystander
from clock import begin_scenario, eventually, measure_scenario, pressure
from crowd import Crowd, Habits
from harness import TOOLBOX, UNRULY, Daemon, breaker, pool
from ledger import Ledger
from raw import Closed, Raw, pack, unpack
from stage import BOOKKEEPER, PATH, finished

KEEPER = TOOLBOX.replace("toolbox", "keeper")

# Seconds within which an honest call is answered on an idle machine.
HONEST = 5.0

# Seconds after which what a fault has raised is over: the longest window and the time to resolve.
AFTERMATH = 400.0

# Bytes by which the daemon may be larger in the last quarter than in the second; descriptors too.
GROWTH_MAX = 6 << 20
DESCRIPTORS_MAX = 4

# Seconds for which a machine may make processes wait before its own slowness may be reported.
SLOW_MACHINE = 1.0


class Field:
    """Where it happens: the daemon, a client for what is done to it, and what alerts were raised."""

    def __init__(self, daemon: Daemon, directory: Path, draw: random.Random) -> None:
        self.daemon, self.directory, self.draw = daemon, directory, draw
        self.cleanup = ExitStack()
        self.client = Raw(daemon.path, map_errors=True)

    def load(self, name: str, count: int, method: str, *arguments: object, **options: object) -> None:
        """So many calls, one after the other, however they end."""
        for _ in range(count):
            self.client.answer_pool(name, method, list(arguments), **options)

    def kill(self, name: str, count: int = 1) -> None:
        """Kills so many workers, each when the one before has its successor."""
        for _ in range(count):
            (pid,) = self.daemon.wait_workers(name, 1)
            procs.kill(pid)
            self.daemon.wait_workers(name, 1, apart_from=(pid,))


@dataclass
class Fault:
    """Something that is done to a pool of its own.

    Attributes:
        act: does it; what must be undone is put into the field's `cleanup`.
        sections: of the configuration.
        raises: the alerts that must be raised; those of the daemon as a whole have no pool.
        may: those that may be, beside.
        seconds: within so many they are raised, on an idle machine.
        ends: when it was last undone.
    """

    name: str
    act: Callable[[Field], None]
    sections: tuple[str, ...]
    raises: tuple[str, ...]
    may: tuple[str, ...] = ()
    seconds: float = 10.0
    ends: float = field(default=float("-inf"), compare=False)


def fail_calls(place: Field) -> None:
    place.load("failing", 30, "divide", 1, 0)


def kill_workers(place: Field) -> None:
    place.kill("crashing", 6)


def break_starts(place: Field) -> None:
    """The command ends at once, from now on."""
    flag = place.directory / "dead"
    flag.touch()
    place.cleanup.callback(flag.unlink)
    for pid in place.daemon.worker_pids("dead"):
        procs.kill(pid)


def hang_worker(place: Field) -> None:
    place.load("hanging", 30, "slow", 0.01)
    client = place.cleanup.enter_context(Raw(place.daemon.path))
    client.ask_pool("hanging", "slow", [1000.0], timeout_ms=1_000_000)
    place.cleanup.callback(lambda: [procs.kill(pid) for pid in place.daemon.worker_pids("hanging")])


def fill_queue(place: Field) -> None:
    client = place.cleanup.enter_context(Raw(place.daemon.path))
    numbers = [client.ask_pool("waiting", "slow", [1.0]) for _ in range(30)]
    place.cleanup.callback(lambda: [client.cancel(number) for number in numbers])


def stop_daemon(place: Field) -> None:
    """While a request runs: else it does not know since when it stood still."""
    client = place.cleanup.enter_context(Raw(place.daemon.path))
    client.ask_pool("failing", "slow", [3.0])
    eventually(lambda: place.daemon.workers("failing")[0]["in_flight"], "it runs")
    procs.stop(place.daemon.pid)
    time.sleep(1.6)
    place.daemon.signal(signal.SIGCONT)


def fill_memory(place: Field) -> None:
    """Clients begin large messages, and do not end them."""
    begun = pack([0, 9, "failing.echo", [bytes(3_900_000)]])[:-1]
    for _ in range(8):
        client = place.cleanup.enter_context(Raw(place.daemon.path))
        client.send(begun)


def talk_much(place: Field) -> None:
    place.load("talking", 3, "say", "a line\n" * 200)


def lose_session(place: Field) -> None:
    place.load("keeping", 1, "touch", session=f"cart {place.draw.random()}")
    place.kill("keeping")


def open_breaker(place: Field) -> None:
    place.client.call("poold.breaker_open", "closed")
    place.cleanup.callback(place.client.call, "poold.breaker_reset", "closed")


def faults(directory: Path) -> list[Fault]:
    """All of them."""
    broken = ("error_share", "method_errors", "burn_fast", "burn_slow", "critical_errors")
    dead = shlex.join(["sh", "-c", f"[ ! -e '{directory}/dead' ] || exit 3; exec {UNRULY}"])
    return [
        Fault("calls fail", fail_calls, (pool("failing", TOOLBOX), breaker("failing", mode="off")),
              ("error_share", "method_errors"), broken),
        Fault("workers are killed", kill_workers, (pool("crashing", TOOLBOX), breaker("crashing", mode="off")),
              ("restarts",), ("no_capacity", "crash_loop")),
        Fault("no worker starts", break_starts, (pool("dead", dead), breaker("dead", mode="off")),
              ("crash_loop", "no_capacity"), ("restarts", "critical_errors"), 20.0),
        Fault("a worker hangs", hang_worker,
              (pool("hanging", TOOLBOX, timeout_max="1h"), breaker("hanging", mode="off")), ("worker_hung",),
              ("run_time", "method_slow", "restarts", *broken), 25.0),
        Fault("a client fills the queue", fill_queue, (pool("waiting", TOOLBOX, prefetch=0, timeout="2min", queue_max=40),),
              ("client_flood",), ("queue_wait", "run_time", "method_slow", *broken)),
        Fault("the daemon stands still", stop_daemon, (), ("loop_lag",), seconds=10.0),
        Fault("memory is nearly used up", fill_memory, (), ("memory_near_limit",), seconds=15.0),
        Fault("a worker writes much", talk_much, (pool("talking", TOOLBOX, output_rate=10, output_burst=10),),
              ("output_dropped",)),
        Fault("a session loses its state", lose_session, (pool("keeping", KEEPER),), ("sessions_lost",), ("restarts",)),
        Fault("a breaker is opened", open_breaker, (pool("closed", TOOLBOX),), ("breaker_open",)),
    ]


def rules(some: list[Fault]) -> list[str]:
    """An alert that comes again soon after is reported again; memory need not be all used up."""
    changed: dict[str, dict[str, object]] = {"memory_near_limit": {"threshold": "40%", "for": "1s"}}
    return [alert(name, cooldown=0, **changed.get(name, {})) for fault in some for name in fault.raises]


class Watch:
    """Hears the alerts, and says which were not to be expected.

    Attributes:
        faults: what was wrong.
    """

    def __init__(self, daemon: Daemon, faults: list[Fault]) -> None:
        self._client = Raw(daemon.path)
        self._client.call("poold.subscribe", ["alert"])
        self._faults = {section.split("]", 1)[0].removeprefix("[pool "): fault
                        for fault in faults for section in fault.sections if section.startswith("[pool ")}
        self._daemonwide = {name: fault for fault in faults for name in fault.raises}
        self._changed = threading.Condition()
        self._active: set[str] = set()
        self._raised: list[tuple[float, str]] = []
        self._pressure = pressure()
        self._current: Fault | None = None
        self.faults: list[str] = []
        self.count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._client.close()

    def _run(self) -> None:
        try:
            while True:
                try:
                    _, name, (event,) = unpack(self._client.read_message(3600.0))
                except TimeoutError:
                    continue
                if name == "poold.event":
                    self._take(event)
        except (Closed, OSError, ValueError):
            pass  # it is over

    def _take(self, event: dict[str, Any]) -> None:
        with self._changed:
            if event["what"] == "raised":
                self.count += 1
                self._active.add(event["name"])
                self._raised.append((time.monotonic(), event["name"]))
                if not self._is_expected(event):
                    self.faults.append(f"raised for nothing that was done: {event}")
            else:
                self._active.discard(event["name"])
            self._changed.notify_all()

    def _is_expected(self, event: dict[str, Any]) -> bool:
        name = event["name"]
        if name == "loop_lag" and pressure() - self._pressure > SLOW_MACHINE:
            return True  # the machine let it wait
        fault = self._faults.get(event.get("pool") or "") or self._daemonwide.get(name)
        if fault is None or name not in (*fault.raises, *fault.may):
            return False
        return fault is self._current or time.monotonic() - fault.ends < AFTERMATH

    def is_over(self, fault: Fault) -> bool:
        """Whether none of its alerts is active."""
        with self._changed:
            return not self._active & set(fault.raises)

    def begin(self, fault: Fault | None) -> None:
        """From now on this is done; None: nothing any more."""
        with self._changed:
            self._current = fault
            self._pressure = pressure()

    def wait_raised(self, fault: Fault, since: float) -> None:
        """Waits until all its alerts have been raised."""
        def missing() -> set[str]:
            with self._changed:
                return set(fault.raises) - {name for at, name in self._raised if at >= since}

        eventually(lambda: not missing(), lambda: f"{fault.name}: {sorted(missing())} raised", fault.seconds)


@dataclass
class Sample:
    """What the daemon has in a calm moment."""

    resident: int
    descriptors: int
    threads: int


def sample(daemon: Daemon) -> Sample:
    threads = len(os.listdir(f"/proc/{daemon.pid}/task"))
    return Sample(procs.resident_bytes(daemon.pid), len(procs.descriptors(daemon.pid)), threads)


def judge_samples(samples: list[Sample]) -> list[str]:
    """What has grown between the second quarter and the last one."""
    quarter = max(1, len(samples) // 4)
    before, after = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    found = []
    for name, most in (("resident", GROWTH_MAX), ("descriptors", DESCRIPTORS_MAX), ("threads", 0)):
        first, last = (statistics.median(getattr(one, name) for one in some) for some in (before, after))
        if last - first > most:
            found.append(f"{name}: {first:.0f} in the second quarter, {last:.0f} in the last")
    return found


def run(seconds: float, draw: random.Random) -> str:
    """The whole of it.  Returns what is to be said.

    Raises:
        AssertionError: says all that was not as it must be.
    """
    begin_scenario()
    with tempfile.TemporaryDirectory(prefix="poold-soak-") as name:
        directory = Path(name)
        some = faults(directory)
        ledger = Ledger(directory)
        own = {"env.BOOK": ledger.book, "env.PYTHONPATH": PATH, "workers": 2}
        sections = [section for fault in some for section in fault.sections]
        daemon = Daemon((
            pool("once", BOOKKEEPER, prefork=True, **own), pool("safe", BOOKKEEPER, idempotent=True, **own),
            pool("well", UNRULY), *sections, *rules(some),
        ), {"alerts": True, "memory_max": "64M", "message_max": "4M", "response_max": "4M", "output_max": "8M",
            "output_pause": "1M"})
        daemon.announced += ["pool=(?!well|once|safe)", "alert ", "memory is short", "stood still"]
        daemon.growth_max, daemon.settle_time = 64 << 20, 60.0
        with finished(daemon):
            return play(daemon, ledger, some, seconds, draw)


def play(daemon: Daemon, ledger: Ledger, some: list[Fault], seconds: float, draw: random.Random) -> str:
    daemon.wait_ready()
    place, watch = Field(daemon, ledger.book.parent, draw), Watch(daemon, some)
    crowd = Crowd(daemon.path, ledger, draw)
    samples: list[Sample] = []
    done = 0
    end = time.monotonic() + seconds
    crowd.add(4, Habits(("once", "safe"), window=1, rest=0.05, sound=True))
    with Bystander(daemon) as bystander:
        bystander.PAUSE = 0.05
        while time.monotonic() < end:
            time.sleep(2.0)  # calm
            samples.append(sample(daemon))
            ready = [fault for fault in some if watch.is_over(fault)]
            if ready:
                bring_about(draw.choice(ready), place, watch)
                done += 1
            assert not watch.faults, "\n".join(watch.faults)
    crowd.leave()
    place.client.close()
    watch.close()
    ledger.judge(("once",))
    ledger.judge_counters(daemon.ask("poold.stats"), ("once", "safe"))
    ledger.faults += judge_samples(samples)
    limit = HONEST * measure_scenario()
    if max(bystander.latencies) > limit:
        ledger.fault(f"an honest call took {max(bystander.latencies):.2f} s of {limit:.2f}")
    assert not ledger.faults, "\n".join(ledger.faults[:20])
    sizes = f"{samples[0].resident >> 10} KiB at first, {samples[-1].resident >> 10} KiB at last"
    return f"{done} faults, {watch.count} alerts, {len(ledger.calls)} calls; {sizes}"


def bring_about(fault: Fault, place: Field, watch: Watch) -> None:
    """Does it, waits for its alerts, and undoes it."""
    print(fault.name, flush=True)
    since = time.monotonic()
    watch.begin(fault)
    try:
        with ExitStack() as place.cleanup:
            fault.act(place)
            watch.wait_raised(fault, since)
    finally:
        fault.ends = time.monotonic()
        watch.begin(None)
    print(f"  raised within {fault.ends - since:.1f} s", flush=True)


def main() -> int:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("POOLD_SEED") or random.randrange(1 << 31)))
    words = parser.parse_args()
    procs.adopt_orphans()
    print(f"seed {words.seed}", flush=True)
    try:
        print(run(words.seconds, random.Random(words.seed)))
    except (AssertionError, OSError) as fault:
        print(f"FAIL: {fault}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
