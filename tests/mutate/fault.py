"""A fault that is put into the source, to see that a test finds it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """A change of one text, which stands in the file exactly once, and what it breaks.

    `file` is named from the folder of its list: daemon/core or daemon/io.  `test` must fail with the
    fault, and is named as for `make t`; "hostile ..." and "worlds ..." are programs of tests/hostile with
    their options.  The faults of the core name none: all its tests are tried.
    """

    file: str
    old: str
    new: str
    what: str
    test: str = ""


def changed(text: str, fault: Fault) -> str:
    """The text of the file with the fault.  ValueError: what it changes is not there exactly once."""
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.file}: this text is there {text.count(fault.old)} times: {fault.old!r}")
    return text.replace(fault.old, fault.new)


def apply(folder: Path, fault: Fault) -> str:
    """Makes the fault and returns the file's text as it was."""
    path = folder / fault.file
    text = path.read_text(encoding="utf-8")
    path.write_text(changed(text, fault), encoding="utf-8")
    return text
