"""ledger.py as an asynchronous function that goes on when it is cancelled."""

from __future__ import annotations

import asyncio
import fcntl
import os

import poold

from ledger import add, say

concurrency = 4


async def run(ledger: str, note: str, gate: str, then: str = "") -> str:
    with open(f"{ledger}.lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(ledger, f"overlap {note}")
        say(ledger, f"begin {note}")
        while not os.path.exists(gate):
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue
        if then == "die":
            os._exit(3)
        if then == "raise":
            say(ledger, f"failure {note}")
            raise ValueError(note)
        say(ledger, f"end {note}")
    return add(note)


async def warm() -> None:
    """Nothing, so that the worker has answered something."""
