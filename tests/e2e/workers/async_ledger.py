"""ledger.py as an asynchronous function that goes on when it is cancelled."""

from __future__ import annotations

import asyncio
import os

from ledger import add, entry

concurrency = 4


async def run(ledger: str, note: str, gate: str, then: str = "") -> str:
    with entry(ledger, note, then):
        while not os.path.exists(gate):
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue
    return add(note)


async def warm() -> None:
    """Nothing, so that the worker has answered something."""
