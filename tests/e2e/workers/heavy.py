"""A module that is slow and large to import, as the environment says: HEAVY_SECONDS (if HEAVY_SLOW
names a file: while that exists), HEAVY_MB; and that cannot be imported while the file HEAVY_FAULT
exists."""

from __future__ import annotations

import os
import random
import time

if os.path.exists(os.environ.get("HEAVY_SLOW", "/")):
    time.sleep(float(os.environ.get("HEAVY_SECONDS", "0")))

if os.path.exists(os.environ.get("HEAVY_FAULT", "")):
    raise RuntimeError("the module is out of order")

ballast = os.urandom(1 << 20) * int(os.environ.get("HEAVY_MB", "0"))
imported_by = os.getpid()


def echo(value: object) -> object:
    return value


def who() -> dict:
    """What a worker is, for comparison."""
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "imported_by": imported_by,
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "number": os.environ.get("POOLD_WORKER"),
        "pool": os.environ.get("POOLD_POOL"),
        "control": "POOLD_PREFORK_FD" in os.environ,
        "files": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
        "random": random.random(),
    }


def wait(path: str) -> str:
    """Says that it runs, by making this file, and goes on until it is gone."""
    with open(path, "x", encoding="utf-8"):
        pass
    while os.path.exists(path):
        time.sleep(0.005)
    return "waited"


def die(status: int) -> None:
    os._exit(status)


def leave_orphan() -> int:
    """A grandchild, in a session of its own, that ends at once and whose parent is gone before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        orphan = os.fork()
        if orphan == 0:
            while os.getppid() == os.getpgid(0):
                time.sleep(0.001)
            os._exit(3)
        os.write(writer, str(orphan).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reader, 20))
