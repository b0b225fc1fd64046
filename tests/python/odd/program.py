"""A worker that is a program of its own."""

import poold


def hello(name: str) -> str:
    return f"hello {name}"


poold.Worker().serve([hello])
print("served")
