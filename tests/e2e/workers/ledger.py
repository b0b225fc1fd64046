"""Functions that write what really runs into a ledger, and that hear no cancel:
`python3 -m poold.worker ledger`.  tests/workers/ledger.c is the same in C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator

import poold


def run(ledger: str, note: str, gate: str, then: str = "") -> str:
    """Writes "begin NOTE" into the ledger, waits until the file `gate` is there, and writes "end
    NOTE", or "overlap NOTE" first if another one with a ledger lock runs.  Adds the note to the
    session's state; returns that, or the note.  Then it may fail ("raise") or die ("die")."""
    with entry(ledger, note, then):
        while not os.path.exists(gate):
            time.sleep(0.001)
    return add(note)


@contextlib.contextmanager
def entry(ledger: str, note: str, then: str) -> Iterator[None]:
    """What the ledger says of one run."""
    with open(f"{ledger}.lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(ledger, f"overlap {note}")
        say(ledger, f"begin {note}")
        yield
        if then == "die":
            os._exit(3)
        if then == "raise":
            say(ledger, f"failure {note}")
            raise ValueError(note)
        say(ledger, f"end {note}")


def add(note: str) -> str:
    context = poold.context()
    if context.session is None:
        return note
    state = (context.state or b"") + f"{note},".encode()
    context.set_state(state)
    return state.decode()


def say(ledger: str, line: str) -> None:
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def warm() -> None:
    """Nothing, so that the worker has answered something."""


if __name__ == "__main__":
    sys.exit("to be started by poold, as the command of a pool")
