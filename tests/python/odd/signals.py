"""A worker with a use of its own for the signal that would show its stack."""

import signal

_heard = []
signal.signal(signal.SIGURG, lambda *_: _heard.append(1))


def count() -> int:
    return len(_heard)
