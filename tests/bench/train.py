"""The loads by which a daemon that counts what it runs is trained (make PGO=1).

    train.py BUILD POOLD

They are those of everyday: few and many connections, one request and several on each, small and
large payloads, workers in C and in Python.  Each daemon writes what it has counted when it ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from servers import Daemon, Place, Shape, raise_descriptor_limit

SECONDS = 1.0

LOADS = (
    Shape(connections=1, is_default=True),
    Shape(connections=64, is_default=True),
    Shape(connections=64, is_default=True, python=True),
    Shape(connections=64, depth=16, limit=17),
    Shape(connections=64, payload=1024, limit=3),
    Shape(connections=8, payload=64 * 1024, limit=3),
)


def main() -> None:
    """Runs all loads, one after the other."""
    build, poold = (Path(argument).resolve() for argument in sys.argv[1:])
    raise_descriptor_limit()
    place = Place(build, poold)
    try:
        for shape in LOADS:
            with Daemon(place, shape) as daemon:
                daemon.load(shape, SECONDS)
    finally:
        place.remove()


if __name__ == "__main__":
    main()
