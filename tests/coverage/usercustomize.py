"""Starts coverage.py in each Python process of `make coverage`.

begin.sh puts it into the folder that PYTHONUSERBASE names, where every interpreter that has inherited
that variable imports it at its start.  Processes that a signal ends leave nothing.
"""

import os

import coverage

_measured = coverage.process_startup()
_exit = os._exit


def _save_and_exit(status: int) -> None:
    """os._exit, which would lose what was measured."""
    try:
        _measured.stop()
        _measured.save()
    except BaseException:  # another user's, a closed descriptor: the process ends as it would
        pass
    _exit(status)


if _measured is not None:
    os._exit = _save_and_exit
