"""python3 -m poold.worker MODULE[:OBJECT]

Serves the public functions of a module to the poold daemon that started this process.

  MODULE   a module on Python's path; the working directory is on it
  OBJECT   serve this attribute of it instead: a poold.Worker, a mapping of names to functions, an
           object with public methods, or a class, of which an instance is made

A function or method called on_session_end is not served: it is told when a session ends.

Exit status: 0 asked to stop, or the daemon went away; 1 importing MODULE failed, or a function
raised poold.Fatal; 76 the daemon broke the protocol; 78 wrong usage: no such module or object,
nothing to serve, or not started by poold.
"""

from __future__ import annotations

import importlib
import os
import sys

from poold.worker import SetupError, Worker, ignore_interrupts


def load(target: str) -> object:
    """The module or object that MODULE[:OBJECT] names.

    Raises:
        SetupError: there is none.
        Exception: whatever importing the module raised.
    """
    name, _, path = target.partition(":")
    try:
        found: object = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that the user's own module misses is a failure of that module.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise SetupError(f"there is no module {error.name!r} on Python's path") from None
    for part in path.split(".") if path else ():
        if not hasattr(found, part):
            raise SetupError(f"{name} has no attribute {path!r}")
        found = getattr(found, part)
    return found


def main(arguments: list[str]) -> int:
    """Runs a worker; returns its exit status."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return os.EX_OK
    if len(arguments) != 1 or not arguments[0][0:1].isidentifier():
        return _refuse("usage: python3 -m poold.worker MODULE[:OBJECT]")
    ignore_interrupts()
    try:
        found = load(arguments[0])
        worker = found if isinstance(found, Worker) else Worker(found)
    except SetupError as error:
        return _refuse(str(error))
    except Exception:
        import traceback  # slow to load, and a good start has no use for it

        traceback.print_exc()
        return 1
    try:
        worker.serve()
    except SetupError as error:
        return _refuse(f"{arguments[0]}: {error}")
    return os.EX_OK


def _refuse(message: str) -> int:
    print(f"poold.worker: {message}", file=sys.stderr)
    return os.EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
