"""python3 -m poold.probe MODULE

Whether this interpreter can be asked to serve MODULE: `poold run` starts it to find out.  It does
not import the module, but the packages in which that is.

Exit status: 0 it can; 78 there is no such module; anything else: this package or msgpack is missing.
"""

from __future__ import annotations

import importlib.util
import os
import sys


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    if importlib.util.find_spec("msgpack") is None:
        return os.EX_UNAVAILABLE
    if len(arguments) != 1:
        return os.EX_USAGE
    try:
        found = importlib.util.find_spec(arguments[0]) is not None
    except ModuleNotFoundError as error:
        # What the package of the module lacks will be said when a worker imports it.
        found = not f"{arguments[0]}.".startswith(f"{error.name}.")
    except Exception:
        found = True
    return os.EX_OK if found else os.EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
