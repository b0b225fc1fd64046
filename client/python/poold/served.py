"""What a worker of `poold.serve` serves; run as `python3 -m poold.worker poold.served:worker`.

SERVED in the environment is a list in JSON of [module, file, name]: the module, or what it has
under that name if that is not empty.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import sys
from types import ModuleType

from poold.worker import SetupError, Worker

VARIABLE = "SERVED"

# A program's own file is loaded under another name, so that what it does as a program is not done.
PROGRAM = "__main__"
PROGRAM_AS_MODULE = "__mp_main__"


def _load(name: str, file: str) -> ModuleType:
    """The module of that name, or else the one in that file."""
    if name == PROGRAM:
        name = PROGRAM_AS_MODULE
    elif (found := _import(name)) is not None:
        return found
    # Whoever imports multiprocessing gives this worker's own program that name too.
    there = sys.modules.get(name)
    if there is not None and there is not sys.modules.get(PROGRAM):
        return there
    spec = importlib.util.spec_from_file_location(name, file) if file else None
    if spec is None or spec.loader is None:
        raise SetupError(f"there is no module {name!r}, and no file of it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _import(name: str) -> ModuleType | None:
    """The module by its name; None: Python does not find it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


def _make_worker() -> Worker:
    worker = Worker()
    for name, file, path in json.loads(os.environ[VARIABLE]):
        module = _load(name, file)
        if not path:
            worker.add(module)
            continue
        target = functools.reduce(getattr, path.split("."), module)
        # A function is served under its own name; of a class, the methods.
        worker.add(target if isinstance(target, type) else [target])
    return worker


def __getattr__(name: str) -> Worker:
    # Not at the import, so that whoever imports this for VARIABLE needs no SERVED.
    if name != "worker":
        raise AttributeError(name)
    return _make_worker()
