"""Demonstrates poold with real texts: python3 demo.py SOCKET

Expects a daemon at SOCKET whose pool `python` runs `python3 -m poold.worker examples.text` with at
least three workers and idempotent = yes.  Exit status 1: something was not as promised.
"""

from __future__ import annotations

import glob
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import poold

POOL = "python"
LICENCES = "/usr/share/common-licenses"
README = Path(__file__).resolve().parents[3] / "README.md"

# Texts with common passages: comparing all pairs takes a worker about a second.
RELATED = ["GPL-1", "GPL-2", "GPL-3", "LGPL-2", "LGPL-2.1"]

# How long a request has run when its worker is killed, in milliseconds.  Much earlier the worker
# may not have begun it: then it would go to another worker even if it must not run twice.
HALF_WAY_MS = 300

# The maximum time to wait for anything, in seconds.
PATIENCE = 30.0


class Broken(Exception):
    """Something was not as promised."""


def main(arguments: list[str]) -> int:
    """Runs the demonstration; returns its exit status."""
    if len(arguments) != 1:
        print("usage: python3 demo.py SOCKET", file=sys.stderr)
        return os.EX_USAGE
    try:
        with poold.Client(arguments[0], timeout=PATIENCE) as client:
            demonstrate(client)
    except (Broken, poold.Error) as error:
        print(f"\nNOT AS PROMISED: {error}", file=sys.stderr)
        return 1
    return os.EX_OK


def demonstrate(client: poold.Client) -> None:
    pids = running_pids(client)
    names = ", ".join(f"worker {worker} (pid {pid})" for worker, pid in sorted(pids.items()))
    title(f"Pool {POOL!r}: {names}")
    promise(len(pids) >= 3, "three workers are ready")
    analyse(client, pids)
    paths = [os.path.join(LICENCES, name) for name in RELATED]
    expected = compare(client, paths)
    survive(client, paths, expected)
    fail_safely(client, paths)
    health = client.health()
    promise(health["status"] == "ok", f"the pool is healthy again: {health}")
    title("All as promised: every request got one answer.")


def analyse(client: poold.Client, pids: dict[int, int]) -> None:
    """Many analyses at once, on all workers."""
    paths = sorted(path for path in glob.glob(f"{LICENCES}/*") if not os.path.islink(path))
    paths += [str(README)] if README.exists() else []
    title(f"{len(paths)} texts, three analyses of each, all in flight on one connection")
    begin = time.monotonic()
    calls = {
        path: [
            client.start(POOL, method, path=path, meta=True)
            for method in ("readability", "keywords", "summary")
        ]
        for path in paths
    }
    print(f"  {'text':<12} {'words':>6} {'sentences':>9} {'reading ease':>13}   about")
    served: Counter[int] = Counter()
    for path, three in calls.items():
        replies = [call.result() for call in three]
        scores, phrases, _ = (reply.result for reply in replies)
        served.update(reply.meta["worker"] for reply in replies)
        about = ", ".join(each["phrase"] for each in phrases[:3])
        print(
            f"  {os.path.basename(path):<12} {scores['words']:>6} {scores['sentences']:>9}"
            f" {scores['flesch_reading_ease']:>13}   {about}"
        )
    took = time.monotonic() - begin
    shares = ", ".join(f"pid {pids[worker]}: {n}" for worker, n in sorted(served.items()))
    print(f"  {served.total()} answers in {took:.2f} s ({shares})")
    promise(len(served) >= 3, f"three workers took part: {shares}")


def compare(client: poold.Client, paths: list[str]) -> list:
    """A long request, without a crash."""
    title("A longer request: the passages that five licences have in common, word for word")
    begin = time.monotonic()
    found, meta = client.call(POOL, "shared_passages", paths=paths, meta=True)
    pair = found[0]
    first, second = (os.path.basename(pair[side]) for side in ("first", "second"))
    share = round(100 * pair["second_share"])
    print(f"  {share} % of {second} is also in {first}, in {len(pair['passages'])} passages")
    print(f"  worker {meta['worker']} took {time.monotonic() - begin:.2f} s")
    return found


def survive(client: poold.Client, paths: list[str], expected: list) -> None:
    """The same request; its worker is killed while it runs."""
    title("The same again, and its worker is killed with SIGKILL while it runs")
    call = client.start(POOL, "shared_passages", paths=paths, meta=True)
    pid = kill_runner(client)
    killed = time.monotonic()
    found, meta = call.result()
    print(
        f"  answered {time.monotonic() - killed:.2f} s after the kill, by worker {meta['worker']},"
        f" at attempt {meta['attempts']}"
    )
    promise(found == expected, "the answer is the same as before")
    promise(meta["attempts"] == 2, f"there were two attempts, not {meta['attempts']}")
    await_replacement(client, pid)


def fail_safely(client: poold.Client, paths: list[str]) -> None:
    """The same request once more, declared as one that must not run twice."""
    title("Once more, declared as not idempotent: it may have run, so it is not run again")
    call = client.start(POOL, "shared_passages", paths=paths, idempotent=False)
    pid = kill_runner(client)
    try:
        call.result()
    except poold.PoolConnectionError as error:
        print(f"  poold.{type(error).__name__}: {error}")
        print(
            f"  code {error.code}, category {error.category}, executed {error.executed!r},"
            f" attempts {error.attempt}, worker {error.worker}"
        )
        promise(error.executed == "maybe", "the error says that it may have run")
        promise(error.attempt == 1, "it was tried only once")
    else:
        raise Broken("a request that may have run was run again")
    await_replacement(client, pid)


def kill_runner(client: poold.Client) -> int:
    """Kills the worker that runs shared_passages, after HALF_WAY_MS; returns its pid."""

    def find_runner() -> dict | None:
        for worker in client.workers():
            for each in worker["running"]:
                if each["method"] == "shared_passages" and each["run_ms"] > HALF_WAY_MS:
                    return worker
        return None

    worker = await_event("the request runs", find_runner)
    os.kill(worker["pid"], signal.SIGKILL)
    print(f"  killed worker {worker['worker']} (pid {worker['pid']}) while it ran the request")
    return worker["pid"]


def await_replacement(client: poold.Client, dead: int) -> None:
    """Waits until the pool has three workers again, without the dead one."""

    def is_whole() -> dict[int, int] | None:
        pids = running_pids(client)
        return pids if len(pids) >= 3 and dead not in pids.values() else None

    pids = await_event("the dead worker is replaced", is_whole)
    print(f"  pid {dead} is replaced: {', '.join(str(pid) for pid in sorted(pids.values()))} ready")


def running_pids(client: poold.Client) -> dict[int, int]:
    """The pids of the workers that can serve, by worker number."""
    return {
        each["worker"]: each["pid"]
        for each in client.workers()
        if each["pool"] == POOL and each["state"] in ("ready", "busy")
    }


def await_event(what: str, probe: Callable[[], object]) -> object:
    """Calls `probe` until it returns something; it calls the daemon, so this is no busy loop."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := probe():
            return found
    raise Broken(f"{what}: not within {PATIENCE:.0f} s")


def promise(kept: bool, what: str) -> None:
    if not kept:
        raise Broken(what)


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
