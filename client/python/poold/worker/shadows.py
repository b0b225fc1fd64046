"""Modules of a worker's folder that have the name of a module of Python, and take its place.

Python looks in that folder first.  So a file signal.py there is what `import signal` means
everywhere in this process, and the start fails far from it.
"""

from __future__ import annotations

import os
import sys

# Where Python has its own.
_OWN = (os.path.dirname(os.__file__), os.path.join(os.path.dirname(os.__file__), "lib-dynload"))


def find() -> list[str]:
    """The files of loaded modules that stand in the place of others."""
    found = []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if type(file) is not str or name.startswith("_"):
            continue
        folder = os.path.dirname(file)
        if os.path.basename(file).startswith("__init__."):
            folder = os.path.dirname(folder)
        is_other = name in sys.stdlib_module_names and folder not in _OWN
        if is_other or (name == "msgpack" and not hasattr(module, "Packer")):
            found.append(file)
    return found


def explain() -> str:
    """Says so, after a start that has failed; empty if there is none."""
    found = find()
    if not found:
        return ""
    return f"{', '.join(found)}: this is the name of a module that is needed: rename it"
