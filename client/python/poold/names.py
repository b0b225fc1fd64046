"""The names of functions that a client and a worker agree upon: "module:function"."""

from __future__ import annotations

import os
import sys


def main_name() -> str | None:
    """What the program's main module is called where another program imports it; None: it has no
    file.
    """
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name.removesuffix(".__main__"))
    path = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(path))[0] if path else None


def qualified(function: object) -> str | None:
    """The name of a function; None: it has none that another program could know."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    found = main_name() if module == "__main__" else module
    return None if found is None else f"{found}:{name}"
