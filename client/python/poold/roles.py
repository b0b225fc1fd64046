"""What one thread at a time may do, and lets go of whatever interrupts it."""

from __future__ import annotations

import threading
import time

from poold.origins import raised_elsewhere

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Found = TypeVar("Found")


class Role:
    """Held by one thread at a time while it does a piece of work.

    A signal handler may raise between any two steps of a program, also between the lock and the
    `try` after it, or at the first step of a context manager's own exit.  Here the release is one
    call that stands in `finally`, and the lock knows whose it is, so a release in vain is harmless:
    the role is free again after each of these exceptions.

    The thread that holds a role may take it once more: a signal handler can do so, and the garbage
    collector.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def hold(
        self, until: float | None, work: Callable[..., Found], *arguments: object
    ) -> Found | None:
        """Waits for the role until that time (monotonic seconds; 0: not at all; None: for ever),
        does the work, and returns what that returns.  None: others held it all the time.
        """
        left = -1.0 if until is None else 0.0
        if until:
            left = min(max(0.0, until - time.monotonic()), threading.TIMEOUT_MAX)
        held = None  # not known: the exception may come between the lock and the assignment
        try:
            # The first call after `try`: if it fails, the lock is not this thread's, not even
            # from an outer `hold`.
            held = self._lock.acquire(timeout=left)
            return work(*arguments) if held else None
        finally:
            if held is not False:
                try:
                    self._lock.release()
                except RuntimeError:  # it was not ours
                    if held:
                        raise


def attempt(function: Callable[..., Found], *arguments: object) -> Found | OSError:
    """Calls a function of the system; returns its error instead of raising it."""
    try:
        return function(*arguments)
    except OSError as error:
        if raised_elsewhere(error):
            raise
        return error
