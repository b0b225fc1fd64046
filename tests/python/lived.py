"""Hooks, signals and surroundings of a worker under test; each trace is a line in the file TRACE."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import poold

log = logging.getLogger("lived.deep")


def _trace(text: str) -> None:
    if "TRACE" in os.environ:
        with open(os.environ["TRACE"], "a", encoding="utf-8") as trace:
            trace.write(f"{text}\n")


def on_start() -> None:
    _trace("start")
    fault = os.environ.get("START_FAULT")
    if fault == "error":
        raise ValueError("no database")
    if fault == "unusable":
        raise poold.Unusable("the licence is missing")
    if fault == "exit":
        sys.exit(78)


def on_shutdown() -> None:
    _trace("shutdown")
    if "SHUTDOWN_FAULT" in os.environ:
        raise ValueError("cannot tidy up")


atexit.register(_trace, "atexit")


def echo(value: object) -> object:
    return value


def block(path: str) -> str:
    """Until something was written to the FIFO."""
    with open(path, encoding="utf-8") as fifo:
        return fifo.read()


def sleep_for_ever() -> None:
    try:
        _trace("running")
        while True:
            time.sleep(0.01)
    finally:
        _trace("unwound")


def values_for_ever() -> object:
    try:
        _trace("running")
        while True:
            yield 1
            time.sleep(0.001)
    finally:
        _trace("closed")


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def hold_the_lock(seconds: float) -> None:
    """Long in C, with the interpreter's lock held: nothing else of this process runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(20_000_000))


def chat(level: int, text: str) -> None:
    log.log(level, text)


def chat_with_trace() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it failed")


def chat_in_thread(text: str) -> None:
    thread = threading.Thread(target=log.info, args=(text,))
    thread.start()
    thread.join()


def close_stdout() -> None:
    sys.stdout.close()
    os.close(1)


def write_raw(data: bytes) -> None:
    os.write(1, data)
    os.write(2, data)


def fork_and_print(text: str) -> int:
    child = os.fork()
    if child == 0:
        try:
            print(text)
            os.write(1, text.encode())
            sys.stdout.flush()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _sockets(connection: object = None) -> int:
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            pass
    if connection is not None:
        connection.send(found)
    return found


def sockets_of_children() -> dict:
    """How many sockets each kind of child process has open."""
    counts = {"self": _sockets()}
    script = (
        "import os; print(sum(os.readlink('/proc/self/fd/'+name).startswith('socket:')"
        " for name in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/'+name)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, close_fds=False
    )
    counts["subprocess"] = int(done.stdout)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(_sockets()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    counts["fork"] = int(os.read(reader, 10))
    for way in ("fork", "spawn"):
        kind = multiprocessing.get_context(way)
        mine, theirs = kind.Pipe(duplex=False)
        process = kind.Process(target=_sockets, args=(theirs,))
        process.start()
        counts[f"multiprocessing {way}"] = mine.recv()
        process.join()
    return counts
