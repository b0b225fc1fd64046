"""counted.py's `run` as an asynchronous function."""

from __future__ import annotations

import asyncio
import os

from counted import say

concurrency = 1


async def run(ledger: str, note: str, gate: str) -> str:
    say(ledger, f"begin {note}")
    while not os.path.exists(gate):
        await asyncio.sleep(0.001)
    return note
