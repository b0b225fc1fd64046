"""Functions that try what a worker may not: `python3 -m poold.worker intruder`."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

import poold

PTRACE_ATTACH = 16

# What a process without any trace of a worker does: asks, and says in a file what it was told.
DISTANT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import poold
with open(sys.argv[4] + ".part", "w") as file:
    try:
        poold.Client(sys.argv[2]).request("poold.resume", [sys.argv[3]])
        file.write("done")
    except poold.Error as error:
        file.write(error.code)
os.rename(sys.argv[4] + ".part", sys.argv[4])
"""


def ask(path: str, method: str, params: list[object]) -> str:
    """What this process is told: a code, or "done"."""
    try:
        with poold.Client(path) as client:
            client.request(method, params)
    except poold.Error as error:
        return str(error.code)
    return "done"


def ask_as_child(path: str, pool: str, answer: str) -> None:
    """Asks for control in a child with another program."""
    home = str(Path(poold.__file__).parent.parent)
    os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", DISTANT, home, path, pool, answer])


def ask_from_afar(path: str, pool: str, answer: str) -> None:
    """Asks for control in a process that has lost its parent, its session and its environment."""
    home = str(Path(poold.__file__).parent.parent)
    if os.fork() == 0:
        os.setsid()
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent:
                time.sleep(0.001)
            nothing: dict[str, str] = {}
            os.execve(sys.executable, [sys.executable, "-c", DISTANT, home, path, pool, answer], nothing)
        os._exit(0)
    os.wait()


def environment() -> dict[str, str]:
    """The variables that this process has."""
    return dict(os.environ)


def fail(message: str) -> None:
    """Fails with this message."""
    raise ValueError(message)


def _error_of(number: int) -> str:
    return os.strerror(number) if number else "done"


def _libc_call(name: str, *arguments: object) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    function = getattr(libc, name)
    function.restype = ctypes.c_ssize_t
    return _error_of(ctypes.get_errno() if function(*arguments) < 0 else 0)


class _Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def _first_address(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/maps").read_text().partition("-")[0], 16)
    except OSError:
        return 0x400000


def spy(pid: int, trace: bool) -> dict[str, str]:
    """What of that process can be seen: "done", or why not."""
    found = {}
    for name in ("environ", "mem", "maps"):
        try:
            with open(f"/proc/{pid}/{name}", "rb"):
                found[name] = "done"
        except OSError as error:
            found[name] = _error_of(error.errno or 0)
    try:
        os.listdir(f"/proc/{pid}/fd")
        found["fd"] = "done"
    except OSError as error:
        found["fd"] = _error_of(error.errno or 0)
    room = ctypes.create_string_buffer(16)
    mine = _Piece(ctypes.addressof(room), 16)
    theirs = _Piece(_first_address(pid), 16)
    found["process_vm_readv"] = _libc_call(
        "process_vm_readv", pid, ctypes.byref(mine), ctypes.c_ulong(1), ctypes.byref(theirs),
        ctypes.c_ulong(1), ctypes.c_ulong(0))
    if trace:
        found["ptrace"] = _libc_call("ptrace", PTRACE_ATTACH, pid, None, None)
    return found


def daemon() -> int:
    """The daemon's process, which is the parent of this one."""
    return os.getppid()
