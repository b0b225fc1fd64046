"""A module that writes much while it is imported: `python3 -m poold.worker talker`."""

import sys

LINES = 500

sys.stderr.write("".join(f"line {number}\n" for number in range(LINES)))
sys.stderr.flush()


def echo(value: object) -> object:
    """Its argument."""
    return value
