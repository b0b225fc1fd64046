"""What other users run in the tests: copies, in a folder that everybody may enter.

The source tree may lie where only its owner can look, and its files may be for nobody else's eyes.
"""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from harness import BUILD, HERE, ROOT

# Others may list and enter such a folder, and read and run such a file.
OPEN = 0o755


def folder(test: unittest.TestCase) -> Path:
    """A folder that everybody may enter, until the test ends."""
    place = Path(tempfile.mkdtemp(prefix="poold-public-"))
    test.addCleanup(shutil.rmtree, place, ignore_errors=True)
    place.chmod(OPEN)
    return place


def _copy(source: Path, place: Path) -> Path:
    """Copies a file, or a folder without Python's caches, for everybody; returns the copy."""
    place.mkdir(exist_ok=True)
    place.chmod(OPEN)
    target = place / source.name
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(OPEN)
    return target


def program(name: str, place: Path) -> Path:
    """A program of the build, in `place`."""
    return _copy(BUILD / name, place / "bin")


def module(name: str, place: Path) -> Path:
    """A worker of the tests, beside the package."""
    return _copy(HERE / "workers" / f"{name}.py", place / "python")


def package(place: Path) -> dict[str, str]:
    """The Python package; returns the environment in which it is found."""
    copied = _copy(ROOT / "client/python/poold", place / "python")
    return {"PYTHONPATH": str(copied.parent), "PYTHONDONTWRITEBYTECODE": "1"}
