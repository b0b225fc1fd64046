"""What a process that the code of a worker forks has of the worker: nothing.

It gets the signal handlers that were there before the worker's own, no wake-up descriptor of the
worker's event loop, and no channel, as if the same code had run in a plain program.  All signals
are blocked from just before the fork until this is done: one that comes meanwhile (terminate()
directly after start()) finds the child as it is to be, and never the worker.

Everything that ends in os.fork passes here: multiprocessing, os.forkpty, subprocess with
preexec_fn.  A program that is executed keeps none of it anyway.
"""

from __future__ import annotations

import _thread
import os
import signal
from collections.abc import Callable

_ALL = signal.valid_signals()

# number: (the worker's handler, the one before it)
_handlers: dict[int, tuple[object, object]] = {}
_actions: list[Callable[[], object]] = []
_masks: dict[int, set[signal.Signals | int]] = {}  # of each thread that is just forking


def handles(number: int, before: object) -> None:
    """The handler of this signal is the worker's now; `before` was there."""
    ours, first = _handlers.get(number, (None, None))
    if before is ours and ours is not None:
        before = first
    _handlers[number] = (signal.getsignal(number), before)


def in_child(action: Callable[[], object]) -> None:
    """Calls this in the child after each fork."""
    _actions.append(action)


def _before() -> None:
    _masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)


def _in_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop(_thread.get_ident()))


def _in_child() -> None:
    mask = _masks.pop(_thread.get_ident())
    try:
        for number, (ours, before) in _handlers.items():
            if signal.getsignal(number) is ours:
                # None: a handler that is not Python's, which cannot be set from here.
                signal.signal(number, signal.SIG_DFL if before is None else before)  # type: ignore[arg-type]
        for action in _actions:
            action()
    finally:
        _handlers.clear()
        _actions.clear()
        _masks.clear()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
