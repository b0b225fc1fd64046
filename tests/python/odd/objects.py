"""Several ways to say what is served."""

import poold
from os.path import basename

__all__ = ["listed", "basename", "NUMBER", "Service"]

NUMBER = 5


def listed() -> str:
    return "listed"


def unlisted() -> str:
    return "unlisted"


class Service:
    """Its public methods are served."""

    def __init__(self) -> None:
        self.count = 0

    def increase(self, by: int = 1) -> int:
        self.count += by
        return self.count

    def on_session_end(self, session: str, reason: str) -> None:
        self.count += 100

    def _hidden(self) -> None:
        raise AssertionError("served though private")


service = Service()
mapping = {"double": lambda value: value * 2, "length": len}
worker = poold.Worker()


@worker.function
def decorated(value: int) -> int:
    return value + 1


_ends = [1]


@worker.on_session_end
def drop(session: str, reason: str) -> None:
    _ends.append(100)


@worker.function
def ends() -> int:
    return sum(_ends)


@worker.function(name="renamed")
def another() -> str:
    return "renamed"
