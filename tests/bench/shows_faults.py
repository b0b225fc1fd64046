"""Shows of faults under load: what stands still, what fails, what dies, and nobody at all."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

from offered import (
    AFTER,
    CAPACITY,
    NAP_MS,
    Figure,
    Load,
    Offer,
    Pools,
    at_least,
    at_most,
    back_after,
    changes,
    eight,
    failures,
    offer,
    pool,
    share,
    told,
)
from servers import Caller, Place

# Seconds of load before something happens.
BEFORE = 3.0


# --- 3 and 9: standing still ---------------------------------------------------------------------


def signal_all(pids: list[int], number: int) -> None:
    """Sends a signal to those of the processes that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def stop_for(pids: list[int], seconds: float) -> float:
    """Stops processes for so long.  Returns when they went on."""
    signal_all(pids, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        signal_all(pids, signal.SIGCONT)
    return time.monotonic()


def stalled(daemon: Pools, pids: list[int], load: float, seconds: float) -> tuple[dict, float]:
    """Offers load while these processes stand still for some time.  Returns what became of the
    calls, and when, after the begin of the load, the processes went on."""
    end = BEFORE + seconds + AFTER
    with Load(daemon, Offer("all", end, load * CAPACITY)) as client:
        time.sleep(BEFORE)
        went_on = stop_for(pids, seconds)
        figures = client.figures()
    return figures["classes"]["all"], went_on - figures["start"]


def stall(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """3: workers, or the daemon, stand still for a tenth, a third and all of `seconds`."""
    for who in ("workers", "daemon"):
        for load in (0.7, 0.95):
            for part in (0.1, 1 / 3, 1.0):
                span = seconds * part
                run = f"{workers}, {who} stopped for {span:g} s at {load:g}"
                with eight(place, workers) as daemon:
                    before = daemon.counters("work")
                    pids = daemon.pids("work") if who == "workers" else [daemon.process.pid]
                    calls, since = stalled(daemon, pids, load, span)
                    grown = changes(before, daemon.counters("work"))
                yield at_most(run, "back to 95 % of offered", back_after(calls, since), 5.0, "s")
                yield told(run, "workers killed", grown["worker_kills"])
                yield told(run, "breaker openings", grown["opened"])


# What tells of a stall, and of its length.
STALL_WORD = re.compile(r"stood still|stall|suspend|event loop|loop_", re.IGNORECASE)


def listen(daemon: Pools) -> Caller:
    """A connection that gets all events."""
    caller = Caller(daemon)
    caller.call("poold.subscribe", [])
    return caller


def heard(caller: Caller) -> list[str]:
    """The events that have come, as text."""
    caller.peer.settimeout(0.5)
    events = list(caller.unpacker)
    try:
        while data := caller.peer.recv(1 << 20):
            caller.unpacker.feed(data)
            events += list(caller.unpacker)
    except TimeoutError:
        pass
    return [str(event) for event in events]


def stall_metrics(daemon: Pools) -> list[str]:
    """The lines of the metrics that count a stall."""
    text = str(daemon.ask("poold.metrics"))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [each for each in lines if STALL_WORD.search(each) and float(each.split()[-1]) > 0]


def stopped(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """9: the daemon is stopped for `seconds` under load."""
    run = f"{workers}, daemon stopped for {seconds:g} s at 0.7"
    with eight(place, workers) as daemon, listen(daemon) as listener:
        before, pids = daemon.counters("work"), set(daemon.pids("work"))
        calls, since = stalled(daemon, [daemon.process.pid], 0.7, seconds)
        grown = changes(before, daemon.counters("work"))
        left = set(daemon.pids("work"))
        events = [text for text in heard(listener) if STALL_WORD.search(text)]
        metrics = stall_metrics(daemon)
    lines = [line for line in daemon.log.read_text().splitlines() if STALL_WORD.search(line)]
    yield at_most(run, "workers that are gone", len(pids - left), 0)
    yield at_most(run, "workers killed", grown["worker_kills"] + grown["worker_crashes"], 0)
    yield at_most(run, "breaker openings", grown["opened"], 0)
    yield at_least(run, "log lines that tell of the stall", len(lines), 1)
    yield at_least(run, "metrics that tell of it", len(metrics), 1)
    yield at_least(run, "events that tell of it", len(events), 1)
    yield at_most(run, "back to 95 % of offered", back_after(calls, since), 5.0, "s")
    for text in (*lines[:1], *metrics[:1], *events[:1]):
        yield told(run, f"told: {text[-90:]}", 1)


# --- 4: one bad worker of eight ------------------------------------------------------------------

KINDS = ("raise", "hang", "exit", "fatal")
FAILED_MAX = 20


def levels(seconds: float) -> tuple[tuple[str, Offer], ...]:
    """The loads under which a bad worker is met."""
    return (
        ("one at a time", Offer("all", seconds, keys={"depth": 1})),
        ("half load", Offer("all", seconds, 0.5 * CAPACITY)),
        ("110 % load", Offer("all", seconds, 1.1 * CAPACITY)),
    )


def next_worker(daemon: Pools) -> int:
    """The worker that served a call just now, alone: a quiet pool gives it the next one too."""
    with Caller(daemon) as caller:
        answer = caller.call("poold.call", ["work", "nap", [NAP_MS], {"meta": True}])
    return int(answer["meta"]["worker"])  # type: ignore[index]


def side_by_side(place: Place, workers: str, load: Offer) -> dict[str, tuple[dict, dict]]:
    """Offers the same load to four pools, each with a worker that is bad in another way; what
    became of the calls and what the pool counted."""
    with ExitStack() as stack:
        clients = {}
        for kind in KINDS:
            bad = place.scratch / f"bad-{kind}"
            bad.unlink(missing_ok=True)
            daemon = stack.enter_context(
                eight(place, workers, f"env.NAP_BAD = {bad}:{kind}\n", name=kind)
            )
            before = daemon.counters("work")
            bad.write_text(str(next_worker(daemon)))
            clients[kind] = (stack.enter_context(Load(daemon, load)), before)
        return {
            kind: (
                client.figures()["classes"]["all"],
                changes(before, client.daemon.counters("work")),
            )
            for kind, (client, before) in clients.items()
        }


def bad_worker(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """4: one of eight workers raises, hangs, exits or says Fatal, in every life."""
    for words, load in levels(seconds):
        for kind, (calls, grown) in side_by_side(place, workers, load).items():
            run = f"{workers}, {kind}, {words}"
            yield at_most(run, f"failed calls in {seconds:g} s", failures(calls), FAILED_MAX)
            yield told(run, "calls", calls["sent"])
            yield told(run, "answered in time", share(calls["good"], calls["sent"]), "%")
            yield told(run, "breaker openings", grown["opened"])


# --- 6: failures by chance -----------------------------------------------------------------------

SUCCESS = 99.9
# 1 and what the retry budget gains with each success: more attempts than that amplify an outage.
ATTEMPTS_MAX = 1.2


def idempotent(run: str, daemon: Pools, load: Offer) -> Iterator[Figure]:
    """Offers idempotent calls, some of which fail; judges what the daemon makes of them."""
    before = daemon.counters("work")
    calls = offer(daemon, load)["all"]
    grown = changes(before, daemon.counters("work"))
    yield at_least(run, "success", share(calls["succeeded"], calls["sent"]), SUCCESS, "%")
    yield at_most(run, "breaker openings", grown["opened"], 0)
    attempts = grown["attempts"] / max(grown["requests"], 1)
    yield at_most(run, "attempts per request", attempts, ATTEMPTS_MAX)
    yield told(run, "calls", calls["sent"])
    yield told(run, "workers that died", grown["worker_crashes"])
    yield told(run, "p99 of the answers", calls["p99_ms"], "ms")


def failing(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """6: of 1000 calls a second 5 percent fail with a retryable error."""
    keys = {"method": "flaky", "percent": 5, "idempotent": "yes"}
    with eight(place, workers) as daemon:
        load = Offer("all", seconds, 1000, ms=1, timeout=10_000, keys=keys)
        yield from idempotent(f"{workers}, 5 % raise at 1000/s", daemon, load)


def dying(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """6: of 200 calls a second 5 percent kill their worker, which is forked from a fork server."""
    del workers  # only those in Python can be forked
    keys = {"method": "mortal", "percent": 5, "idempotent": "yes"}
    with eight(place, "python", "prefork = yes\n") as daemon:
        load = Offer("all", seconds, 200, ms=2, timeout=10_000, keys=keys)
        yield from idempotent("prefork, 5 % kill at 200/s", daemon, load)


# --- 8: nobody there -----------------------------------------------------------------------------

NO_WORKER_WAIT = 2.0  # the default of the option
SLACK = 0.25  # beyond it: the run at the fallback, and a busy machine
START_MS = 10_000


def chain(place: Place, workers: str, slow: object) -> tuple[str, str]:
    """A pool whose workers start slowly while a file is there, and its idle fallback."""
    more = f"fallback = spare\nenv.NAP_SLOW = {slow}:{START_MS}\n"
    return pool(place, "work", workers, 4, more), pool(place, "spare", workers, 4)


def judge_served(run: str, calls: dict, timeout: int) -> Iterator[Figure]:
    """All are answered, the slowest of them by the fallback within its time."""
    yield at_least(run, "answered", share(calls["good"], calls["sent"]), 100.0, "%")
    limit = min(NO_WORKER_WAIT, timeout / 1000) + SLACK
    yield at_most(run, "the slowest answer after", calls["max_ms"] / 1000, limit, "s")
    yield at_least(run, "served by the fallback", calls["served_by"].get("spare", 0), 1)


def nobody(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """8: all workers die, or have never been ready, and take 10 s to start."""
    slow = place.scratch / "slow"
    for timeout in (8000, 1000):
        load = Offer("all", seconds, 20, timeout=timeout, keys={"idempotent": "yes"})
        slow.unlink(missing_ok=True)
        with Pools(place, *chain(place, workers, slow)) as daemon:
            for name in ("work", "spare"):
                daemon.await_workers(name, 4)
            slow.touch()
            with Load(daemon, load) as client:
                time.sleep(min(BEFORE, seconds / 5))
                signal_all(daemon.pids("work"), signal.SIGKILL)
                calls = client.figures()["classes"]["all"]
        yield from judge_served(f"{workers}, all die, {timeout} ms", calls, timeout)
        with Pools(place, *chain(place, workers, slow)) as daemon:
            daemon.await_workers("spare", 4)
            calls = offer(daemon, load)["all"]
        yield from judge_served(f"{workers}, none is ready yet, {timeout} ms", calls, timeout)
