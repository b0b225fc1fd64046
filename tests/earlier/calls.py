"""One thing that a program does with the Python package, of either tree, and what must come of it.

usage: calls.py SOCKET DIRECTORY POOL CHECK

The workers of the pool serve `kit`; in the directory they note what they did.  Exit status 0 when
all is as it must be.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import poold
from poold.aio import AsyncClient

# Long enough for any machine: what hangs is ended by whoever started this.
TIMEOUT = 100.0


@dataclass(frozen=True)
class Place:
    """Where the daemon listens, where workers may note something, and the pool that is called."""

    socket: str
    directory: Path
    pool: str


def equal(found: object, expected: object) -> None:
    """Ends the program where the two differ."""
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def failure(client: poold.Client, place: Place, method: str, *args: object, **named: object) -> poold.Error:
    """The error of a call that has to fail."""
    try:
        result = client.call(place.pool, method, *args, **named)
    except poold.Error as error:
        return error
    raise AssertionError(f"{method} gave {result!r}")


def await_true(check: Callable[[], object], what: str) -> None:
    """Waits until this is so."""
    end = time.monotonic() + TIMEOUT
    while not check():
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.005)


def results(client: poold.Client, place: Place) -> None:
    """Values come back as they went."""
    equal(client.call(place.pool, "add", 20, 22), 42)
    equal(client.call(place.pool, "add", left=1, right=2), 3)
    value = {"text": "grüße", "bytes": b"\0\xff" * 40000, "list": [1, 2.5, None, -(1 << 40)]}
    equal(client.call(place.pool, "echo", value), value)
    reply = client.call(place.pool, "echo", "x", meta=True, timeout=TIMEOUT)
    equal((reply.result, reply.meta["served_by"], reply.meta["attempts"]), ("x", place.pool, 1))
    equal(client.request(f"{place.pool}.add", [1, 2]), 3)


def errors(client: poold.Client, place: Place) -> None:
    """Errors have their classes, codes and fields."""
    error = failure(client, place, "divide", 1, 0)
    equal((type(error), error.detail["type"]), (poold.WorkerException, "ZeroDivisionError"))
    equal((error.code, error.executed), ("exception", "yes"))
    equal(failure(client, place, "reject", "no").code, "rejected")
    equal(failure(client, place, "nothing").code, "unknown_method")
    equal(failure(client, place, "count", session="s" * 10000).code, "invalid_request")
    try:
        client.call("nowhere", "echo")
    except poold.RequestError as refused:
        equal(refused.code, "unknown_pool")


def deadline(client: poold.Client, place: Place) -> None:
    """A deadline ends a call that hangs."""
    path = place.directory / "late"
    error = failure(client, place, "occupy", str(path), timeout=0.3)
    equal(isinstance(error, poold.PoolTimeoutError), True)
    path.unlink(missing_ok=True)


def cancel(client: poold.Client, place: Place) -> None:
    """What was cancelled says so."""
    path = place.directory / "cancelled"
    call = client.start(place.pool, "occupy", str(path))
    await_true(path.exists, "it is at work")
    call.cancel()
    try:
        call.result()
    except poold.Cancelled:
        path.unlink()
        return
    raise AssertionError("it was not cancelled")


def threads(client: poold.Client, place: Place) -> None:
    """Threads share a client, and each gets its own answers."""
    with ThreadPoolExecutor(8) as pool:
        equal(list(pool.map(lambda n: client.call(place.pool, "echo", n), range(400))), list(range(400)))


def streams(client: poold.Client, place: Place) -> None:
    """Parts come in their order, then the result."""
    stream = client.stream(place.pool, "parts", 200)
    equal(list(stream), list(range(200)))
    equal(stream.result, sum(range(200)))


def sessions(client: poold.Client, place: Place) -> None:
    """The state of a session outlives its worker."""
    equal([client.call(place.pool, "count", session="cart") for _ in range(3)], [1, 2, 3])
    os.kill(client.call(place.pool, "pid", session="cart"), signal.SIGKILL)
    equal(client.call(place.pool, "count", session="cart", idempotent=True, timeout=TIMEOUT), 4)
    equal(client.call(place.pool, "count", session="another"), 1)


def keys(client: poold.Client, place: Place) -> None:
    """What has a key runs once."""
    path = str(place.directory / "noted")
    replies = [client.call(place.pool, "note", path, key="order", meta=True) for _ in range(2)]
    equal([reply.result for reply in replies], [1, 1])
    equal([reply.meta["stored"] for reply in replies], [False, True])


def retries(client: poold.Client, place: Place) -> None:
    """What may run again does, after a death and where the worker asks for it."""
    reply = client.call(place.pool, "die_once", str(place.directory / "died"), idempotent=True, meta=True,
                        timeout=TIMEOUT)
    equal(reply.meta["attempts"], 2)
    equal(client.call(place.pool, "retryable_once", str(place.directory / "asked"), idempotent=True), "done")
    error = failure(client, place, "die_once", str(place.directory / "in vain"))
    equal((error.code, error.executed), ("worker_killed", "maybe"))
    equal(error.attempt, 1)


def events(client: poold.Client, place: Place) -> None:
    """The death of a worker is an event."""
    with client.subscribe("worker") as heard:
        os.kill(client.call(place.pool, "pid"), signal.SIGKILL)
        for event in heard:
            if event["kind"] == "worker" and event["pool"] == place.pool:
                return


def admin(client: poold.Client, place: Place) -> None:
    """The daemon's own methods."""
    await_true(lambda: client.request("poold.health")["status"] == "ok", "it is well")
    equal(client.request("poold.version")["server"], "poold")
    equal(place.pool in [pool["name"] for pool in client.request("poold.pools")], True)
    equal(client.request("poold.breakers")[0]["state"], "closed")


def asynchronous(_: poold.Client, place: Place) -> None:
    """The same with asyncio."""

    async def run() -> None:
        async with AsyncClient(place.socket) as client:
            calls = [client.call(place.pool, "echo", n) for n in range(200)]
            equal(await asyncio.gather(*calls), list(range(200)))
            equal([part async for part in client.stream(place.pool, "parts", 20)], list(range(20)))
            try:
                await client.call(place.pool, "divide", 1, 0)
            except poold.WorkerException as error:
                equal(error.detail["type"], "ZeroDivisionError")

    asyncio.run(run())


CHECKS = (results, errors, deadline, cancel, threads, streams, sessions, keys, retries, events,
          admin, asynchronous)


def main() -> None:
    """Makes the check that the command line names."""
    place = Place(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    check = next(check for check in CHECKS if check.__name__ == sys.argv[4])
    with poold.Client(place.socket) as client:
        check(client, place)


if __name__ == "__main__":
    main()
