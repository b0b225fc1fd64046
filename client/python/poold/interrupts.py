"""Telling the failure of a system call from what a signal handler has raised meanwhile."""

from __future__ import annotations


def is_own(error: BaseException, file: str) -> bool:
    """Whether the code of this file has failed itself.

    A signal handler may raise an OSError too, as does a time limit that raises TimeoutError.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == file
