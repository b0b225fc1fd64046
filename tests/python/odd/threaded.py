"""A module that starts a thread when it is imported."""

import threading

_over = threading.Event()
threading.Thread(target=_over.wait, daemon=True).start()


def echo(value: object) -> object:
    return value
