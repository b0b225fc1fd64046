"""Threads of the library, for which the end of the program does not wait.

Python crashes (3.11 does) if it ends after such a thread was started, but before its first step.  So
the end waits until every thread has begun, and then lets only the main thread start more.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from _thread import get_ident, start_new_thread
from collections.abc import Callable

# So long a thread may take to begin: what a signal handler raised may have left it in the list,
# though it was never started (seconds).
BEGINNING_MAX = 1.0
_PAUSE = 1e-4  # seconds between two looks

_beginning: dict[object, None] = {}  # those that were started and have not begun
_is_ending = False


def start(work: Callable[..., object], *arguments: object) -> None:
    """Has a new thread do the work.  It is no threading.Thread, which what a signal handler raises may
    leave half started: with a thread that ends before it has begun its work.

    Raises:
        RuntimeError: there is no thread to be had, or the program ends.
    """
    mark = object()
    # First it is known to begin, then this looks; `_end` does it the other way round.
    _beginning[mark] = None
    try:
        if _is_ending and get_ident() != threading.main_thread().ident:
            raise RuntimeError("no thread is started any more, the program ends")
        start_new_thread(_run, (mark, work, arguments))
    except RuntimeError:
        _beginning.pop(mark, None)
        raise
    if _is_ending:
        _await_beginning()


def _run(mark: object, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    _beginning.pop(mark, None)
    work(*arguments)


@atexit.register
def _end() -> None:
    global _is_ending
    _is_ending = True
    _await_beginning()


def _await_beginning() -> None:
    until = time.monotonic() + BEGINNING_MAX
    while _beginning and time.monotonic() < until:
        time.sleep(_PAUSE)


# In a forked child: the threads are the parent's.
os.register_at_fork(after_in_child=_beginning.clear)
