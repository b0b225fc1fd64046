"""python3 -m poold.worker [--concurrency N] MODULE[:OBJECT]
python3 -m poold.worker --check MODULE[:OBJECT]

Serves the public functions of a module to the poold daemon that started this process.

  MODULE   a module on Python's path; the working directory is on it
  OBJECT   serve this attribute of it instead: a poold.Worker, a mapping of names to functions, an
           object with public methods, or a class, of which an instance is made

  --concurrency N   requests that are served at once, where functions are asynchronous
  --check           import MODULE, say what would be served, and end

Functions or methods called on_start, on_shutdown and on_session_end are not served: they are called
before the worker is ready, when it stops, and when a session ends.

What the module writes with `logging` goes to standard error, one line a record, with the number of
the request; unless it has set up a handler of its own.

Exit status: 0 asked to stop, or the daemon went away; 1 importing MODULE or on_start failed, or a
function raised poold.Fatal; 70 it could not go on, as something interrupted it while it wrote to
the daemon or read from it, or its code has closed the channel; 76 the daemon broke the protocol;
78 it is of no use to start this again: wrong usage, no such module or object, another module of
that name, nothing to serve, not started by poold, or poold.Unusable was raised.
"""

from __future__ import annotations

import importlib
import os
import sys

from poold.errors import Unusable
from poold.worker import SetupError, Worker, ignore_interrupts, shadows
from poold.worker.channel import tell_step
from poold.worker.ending import leave_streams, say

USAGE = "usage: python3 -m poold.worker [--check] [--concurrency N] MODULE[:OBJECT]"


class Options:
    """The command line, taken apart."""

    def __init__(self, arguments: list[str]) -> None:
        """Raises SetupError where it is wrong."""
        self.check = False
        self.concurrency: int | None = None
        rest = list(arguments)
        while rest and rest[0].startswith("--"):
            option = rest.pop(0)
            if option == "--check":
                self.check = True
            elif option == "--concurrency" and rest and rest[0].isdecimal():
                self.concurrency = int(rest.pop(0))
            else:
                raise SetupError(USAGE)
        if len(rest) != 1 or not rest[0][0:1].isidentifier():
            raise SetupError(USAGE)
        (self.target,) = rest


def load(target: str) -> object:
    """The module or object that MODULE[:OBJECT] names.

    Raises:
        SetupError: there is none, or it is hidden by another module of that name.
        Exception: whatever importing the module raised.
    """
    name, _, path = target.partition(":")
    try:
        found: object = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # If a module imported by the user's module is missing, that is a failure of the latter.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        reject_hidden(name)
        raise SetupError(f"there is no module {error.name!r} on Python's path") from None
    reject_hidden(name)
    for part in path.split(".") if path else ():
        if not hasattr(found, part):
            raise SetupError(f"{name} has no attribute {path!r}")
        found = getattr(found, part)
    return found


def reject_hidden(name: str) -> None:
    """Python has imported another module of this name than the one that is there to be served: one
    of its own, or this package.

    Raises:
        SetupError: that is so.
    """
    top = name.partition(".")[0]
    meant = find_file(top)
    loaded = getattr(sys.modules.get(top), "__file__", None)
    if top not in sys.modules or meant is None:
        return
    if loaded is None or not os.path.samefile(meant, loaded):
        own = "a module of Python" if loaded is None else loaded
        raise SetupError(f"{meant} is hidden by {own}, which has that name too: rename it")


def find_file(name: str) -> str | None:
    """The file of a module, as the path has it, beginning with the working directory."""
    for folder in (os.getcwd(), *sys.path):
        for file in (f"{name}.py", os.path.join(name, "__init__.py")):
            path = os.path.join(folder, file)
            if os.path.isfile(path):
                return path
    return None


def make_worker(options: Options) -> Worker:
    """Raises what `load` raises."""
    found = load(options.target)
    worker = found if isinstance(found, Worker) else Worker(found)
    if options.concurrency is not None:
        worker.concurrency = options.concurrency
    # Not needed for a module that does not use logging; asyncio does.
    if "logging" in sys.modules or worker.is_async():
        from poold.worker import logs

        logs.install()
    return worker


def run(options: Options) -> None:
    if not options.check:
        ignore_interrupts()
        tell_step("python")
        tell_step(f"import {options.target.partition(':')[0]}")
    worker = make_worker(options)
    try:
        if not options.check:
            worker.serve()
            return
        from poold.worker.check import describe

        print(f"{options.target} serves:", *describe(worker), sep="\n  ")
    except SetupError as error:
        raise SetupError(f"{options.target}: {error}") from None


def main(arguments: list[str]) -> int:
    """Runs a worker; returns its exit status."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return os.EX_OK
    try:
        run(Options(arguments))
    except (SetupError, Unusable) as error:
        say(f"poold.worker: {error}")
        return os.EX_CONFIG
    except Exception:
        import traceback  # slow to load, and a good start has no use for it

        say(traceback.format_exc().rstrip("\n"))
        if shadowed := shadows.explain():
            say(f"poold.worker: {shadowed}")
        return 1
    finally:
        leave_streams()
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
