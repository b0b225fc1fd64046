"""Starts coverage.py in each Python process of `make coverage`.

begin.sh puts it into a folder on PYTHONPATH, with coverage.py's settings.  Workers inherit that
variable, and few others.  Processes that a signal ends leave nothing.
"""

import _thread
import os
import sys
import threading

import coverage

os.environ.setdefault("COVERAGE_PROCESS_START", os.path.join(os.path.dirname(__file__), "coveragerc"))
_measured = coverage.process_startup()
del os.environ["COVERAGE_PROCESS_START"]
_exit = os._exit
_start_new_thread = _thread.start_new_thread


def _save_and_exit(status: int) -> None:
    """os._exit, which would lose what was measured."""
    try:
        _measured.stop()
        _measured.save()
    except BaseException:  # another user's, a closed descriptor: the process ends as it would
        pass
    _exit(status)


def _start_measured(function, args, kwargs={}):
    """_thread.start_new_thread, whose threads coverage.py does not know."""

    def run():
        sys.settrace(threading.gettrace())
        function(*args, **kwargs)

    return _start_new_thread(run, ())


if _measured is not None:
    os._exit = _save_and_exit
    _thread.start_new_thread = _start_measured
