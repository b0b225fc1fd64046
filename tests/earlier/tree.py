"""The tree of a commit that others have built upon, built beside this one.

It is unpacked and built below `earlier/` of the build folder; a second run finds it there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import unittest
from dataclasses import dataclass
from pathlib import Path

from harness import BUILD, ROOT

COMMIT = "3cfd28fa337ca8c678e234a4b577aed3818f72dd"

# What of it is run.
TARGETS = ("all", "build/none/workers/echo", "build/none/workers/session")


@dataclass(frozen=True)
class Tree:
    """A tree that is built.

    Attributes:
        root: its top.
        build: its programs.
    """

    root: Path
    build: Path

    @property
    def python(self) -> Path:
        """Its Python package."""
        return self.root / "client/python"


TODAY = Tree(ROOT, BUILD)


def _git(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["git", "-c", "safe.directory=*", *words], cwd=ROOT,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _unpack(place: Path) -> None:
    """Puts the files of the commit there.

    Raises:
        SkipTest: this copy does not have the commit.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        archive = _git("archive", COMMIT)
    except FileNotFoundError:
        raise unittest.SkipTest("git is not installed") from None
    with archive:
        status = subprocess.run(["tar", "-x", "-C", str(place)], stdin=archive.stdout,
                                stderr=subprocess.DEVNULL, check=False).returncode
    if archive.returncode != 0 or status != 0:
        raise unittest.SkipTest(f"this copy has no commit {COMMIT[:7]}: it is shallow, or no clone")


def earlier() -> Tree:
    """The tree of the commit, built.

    Raises:
        SkipTest: it can't be had or built here.
    """
    place = BUILD / "earlier" / COMMIT[:12]
    tree = Tree(place, place / "build/none")
    if (place / "built").exists():
        return tree
    if subprocess.run(["cc", "-E", "-include", "ini.h", "-x", "c", "/dev/null"],
                      capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest("the earlier tree needs libinih-dev")
    _unpack(place)
    # Not this make's flags and variables.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MAKE", "MFLAGS")) and name not in ("O", "SAN")}
    done = subprocess.run(["make", f"-j{os.cpu_count()}", "WERROR=0", *TARGETS], cwd=place,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise AssertionError(f"the earlier tree can't be built:\n{done.stdout.decode()[-3000:]}")
    (place / "built").touch()
    return tree
