"""Writes what begins to run, and nothing else, so that runs are short: `python3 -m poold.worker counted`.
"""

from __future__ import annotations

import os
import time


def run(ledger: str, note: str, gate: str) -> str:
    """Writes a line for this run, and waits until the file `gate` is there."""
    say(ledger, f"begin {note}")
    while not os.path.exists(gate):
        time.sleep(0.001)
    return note


def work(ledger: str, number: int, seconds: float) -> int:
    """Writes a line for this run, and takes so long."""
    say(ledger, str(number))
    if seconds:
        time.sleep(seconds)
    return number


def say(ledger: str, line: str) -> None:
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)
