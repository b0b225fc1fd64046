"""The tree of a commit that others have built upon, built beside this one.

It is unpacked and built below `earlier/` of the build folder; a second run finds it there.
"""

from __future__ import annotations

import fcntl
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


def _has_header(name: str) -> bool:
    """Whether the compiler finds a header."""
    done = subprocess.run(["cc", "-E", "-include", name, "-x", "c", "/dev/null"], capture_output=True, check=False)
    return done.returncode == 0


def _build(place: Path) -> None:
    """Unpacks and builds the commit there."""
    if not _has_header("ini.h"):
        raise unittest.SkipTest("the earlier tree needs libinih-dev")
    _unpack(place)
    # Not this make's flags and variables.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MAKE", "MFLAGS")) and name not in ("O", "SAN")}
    done = subprocess.run(["make", f"-j{os.cpu_count()}", "WERROR=0", *TARGETS], cwd=place,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise AssertionError(f"the earlier tree can't be built:\n{done.stdout.decode()[-3000:]}")


def earlier() -> Tree:
    """The tree of the commit, built.

    Raises:
        SkipTest: it can't be had or built here.
    """
    place = BUILD / "earlier" / COMMIT[:12]
    built = place.with_suffix(".built")
    if not built.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        # Another program of these tests may be building it.
        with place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not built.exists():
                _build(place)
                built.touch()
    return Tree(place, place / "build/none")
