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

    def _hidden(self) -> None:
        raise AssertionError("served though private")


service = Service()
mapping = {"double": lambda value: value * 2, "length": len}
worker = poold.Worker()


@worker.function
def decorated(value: int) -> int:
    return value + 1


@worker.function(name="renamed")
def another() -> str:
    return "renamed"
