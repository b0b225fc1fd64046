"""A module in whose process none can be forked."""

import errno
import os


def _refuse() -> int:
    raise OSError(errno.EAGAIN, "no process to be had")


os.fork = _refuse


def echo(value: object) -> object:
    return value
