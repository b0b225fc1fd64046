"""What /proc says of processes and of those below them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for at in found:
        try:
            for task in Path(f"/proc/{at}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has just ended
    return found


def _schedules(pid: int) -> Iterator[tuple[int, int]]:
    """Of each thread: nanoseconds on a core, and nanoseconds in which it could have run and waited
    for one."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            ran, waited, _ = (task / "schedstat").read_text().split()
            yield int(ran), int(waited)
    except OSError:
        return  # it has just ended


def processor_seconds(pid: int) -> float:
    """What a process has used, with its threads."""
    return sum(ran for ran, _ in _schedules(pid)) / 1e9


def waiting_seconds(pid: int) -> float:
    """For how long its threads could have run and waited for a core."""
    return sum(waited for _, waited in _schedules(pid)) / 1e9
