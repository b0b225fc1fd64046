"""Whose an exception is."""

from __future__ import annotations

import signal
from types import TracebackType

OWN = ("msgpack", "poold")


def _innermost(error: BaseException) -> TracebackType | None:
    """Where it was raised; None: it was not."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def is_own(error: BaseException, file: str) -> bool:
    """Whether the code of this file has failed itself.

    A signal handler may raise an OSError too, as does a time limit that raises TimeoutError.
    """
    trace = _innermost(error)
    return trace is not None and trace.tb_frame.f_code.co_filename == file


def raised_elsewhere(error: BaseException) -> bool:
    """Whether the exception, caught around nothing but calls of functions in C, of msgpack and of
    this package's codec, is not of these but of Python code that ran meanwhile: a signal handler,
    whose TimeoutError is not the system's.
    """
    trace = _innermost(error)
    if trace is None or trace is error.__traceback__:
        return False
    return str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] not in OWN


def raised_by_handler(error: BaseException) -> bool:
    """Whether a signal handler has raised the exception, and not the code that it interrupted."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False
