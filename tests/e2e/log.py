"""The daemon's log as a test sees it: read while the daemon runs, waited for, judged at the end."""

from __future__ import annotations

import fcntl
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from clock import Deadline, slowness

# On a busy machine the daemon may not be run for a moment at any time.
STOOD_STILL = re.compile(r"the daemon stood still for (\d+\.\d+) s")

# How long it may so at most, in seconds, on an idle machine.
STOOD_STILL_MAX = 1.0

# It may so once for this long though the kernel knows of nobody who waited: the host of a virtual
# machine takes a processor away and says nothing.
STOOD_STILL_UNSEEN = 0.35

# The daemon may say so much too much, in seconds.
STOOD_STILL_LESS = 0.1

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:")

# How a line of the daemon's begins: "2026-01-31T12:00:00.000Z warning the words of it pool=python".
# Workers write to the same pipe; what they say has no such head.
HEAD = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (?P<level>error|warning|notice|info|debug) ")


class Log:
    """Collects the lines of a pipe in a thread of its own, so that the writer never finds it full.

    Args:
        stream: the reading end; closed by `close`.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        for line in self._stream:
            self.add(line.decode(errors="replace").rstrip("\n"))

    def add(self, line: str) -> None:
        """Takes one line, as if the daemon had written it."""
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is read from the pipe meanwhile, and it holds one page only, so that it fills."""
        with self._changed:
            fcntl.fcntl(self._stream, fcntl.F_SETPIPE_SZ, 4096)
            yield

    @property
    def lines(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = 10.0, count: int = 1) -> str:
        """Waits until so many lines match the pattern; returns the last of them.

        Raises:
            AssertionError: they do not come in time.
        """
        deadline = Deadline(seconds)
        with self._changed:
            while True:
                found = [line for line in self._lines if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1]
                if not self._changed.wait(deadline.left()) and deadline.passed():
                    text = "\n".join(self._lines)
                    raise AssertionError(f"no log line like {pattern!r}:\n{text}")

    def close(self, seconds: float = 10.0) -> bool:
        """Waits for the end of the pipe: False when somebody still holds it open."""
        deadline = Deadline(seconds)
        while self._thread.is_alive() and not deadline.passed():
            self._thread.join(deadline.left())
        ended = not self._thread.is_alive()
        if ended:
            self._stream.close()
        return ended

    def unexpected(self, announced: Iterable[str], waited: float) -> list[str]:
        """The lines from warning upwards, and those that are not the daemon's, that match none
        of the announced patterns; every line of a sanitizer's report.

        That the daemon stood still for less than a second, or longer as the machine is slower,
        needs no announcement if the machine made processes wait, for so many seconds in all: no
        longer than that can it have stood still through no fault of its own.  Nor does one short
        moment of which the machine knows nothing.
        """
        lines = self.lines
        if any(SANITIZER.search(line) for line in lines):
            return lines
        patterns = [re.compile(pattern) for pattern in announced]
        loud = [
            line
            for line in lines
            if _is_loud(line) and not any(pattern.search(line) for pattern in patterns)
        ]
        stood_still = [float(match[1]) for match in map(STOOD_STILL.search, loud) if match]
        allowed = max(waited, STOOD_STILL_UNSEEN if len(stood_still) == 1 else 0.0)
        if sum(stood_still) - STOOD_STILL_LESS * len(stood_still) > allowed:
            return loud
        if max(stood_still, default=0.0) > STOOD_STILL_MAX * slowness():
            return loud
        return [line for line in loud if not STOOD_STILL.search(line)]


def _is_loud(line: str) -> bool:
    head = HEAD.match(line)
    return head is None or head["level"] in ("error", "warning")
