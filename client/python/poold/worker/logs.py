"""Logging for workers: one line a record, with its priority and the request that it is about.

`python3 -m poold.worker` calls `install` when the module that it serves has loaded `logging` and
set up no handler; other programs call it themselves, or add a `Fields` filter to handlers of
their own.
"""

from __future__ import annotations

import logging
import os
import sys

from poold.worker import current

# The attributes that Fields adds to a record, in the order of a line.
NAMES = ("pool", "worker", "request", "trace")


class Fields(logging.Filter):
    """Gives every record the attributes `pool`, `worker`, `request` and `trace`, for use in
    formats: "%(message)s request=%(request)s".  None: there is none, as between requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = current.find()
        fields = {} if request is None else request[0]
        record.pool = os.environ.get("POOLD_POOL")
        record.worker = os.environ.get("POOLD_WORKER")
        record.request = fields.get("request")
        record.trace = fields.get("trace")
        return True


class Lines(logging.Formatter):
    """One line: "<4>orders: stock is low pool=shop worker=2 request=812".

    The number is the priority, as sd-daemon(3) has it, by which the daemon's log and the journal
    know how grave the line is.  A newline in the text, as of a traceback, becomes \\n.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", "\\n")
        found = ((name, getattr(record, name, None)) for name in NAMES)
        fields = "".join(f" {name}={value}" for name, value in found if value is not None)
        return f"<{priority(record.levelno)}>{record.name}: {text}{fields}"


def priority(level: int) -> int:
    """The journal's number for a level of `logging`."""
    for least, number in ((50, 2), (40, 3), (30, 4), (20, 6)):
        if level >= least:
            return number
    return 7


def handler() -> logging.Handler:
    """Creates a handler that writes such lines to standard error."""
    made = logging.StreamHandler(sys.stderr)
    made.addFilter(Fields())
    made.setFormatter(Lines())
    return made


def install(level: int = logging.INFO) -> None:
    """Writes every record from this level on in this way, unless the root logger has a handler."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler())
        root.setLevel(level)
