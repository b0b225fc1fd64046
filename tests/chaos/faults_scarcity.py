"""Scenarios of what there is not enough of: descriptors, processes, memory, disk, room in a queue."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import procs
import public
from crowd import Habits
from faults_processes import kill_one, kill_one_of, processes
from harness import BUILD, UNRULY, Daemon, pool
from raw import pack, try_connect
from stage import HERE, Stage, usual_clients

NOBODY = 65534

# Before a command that an ordinary user is to run.
AS_ORDINARY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] * (os.geteuid() == 0)


def take_descriptors(stage: Stage) -> None:
    """None are left for a moment, while others want to come in and workers have to be started."""
    daemon = stage.daemon
    while not stage.is_over():
        victims = processes(stage, "worker")
        with limited(daemon, resource.RLIMIT_NOFILE, len(procs.descriptors(daemon.pid)) + stage.draw.randrange(-2, 6)):
            crowd = [peer for peer in (try_connect(daemon.path) for _ in range(20)) if peer]
            stage.note("descriptors taken")
            kill_one_of(stage, victims)
            stage.pause(0.05, 0.5)
            for peer in crowd:
                peer.close()
        stage.pause(0.05, 0.4)


@contextmanager
def limited(daemon: Daemon, what: int, most: int) -> Iterator[None]:
    """A running daemon has so many of something meanwhile."""
    before = resource.prlimit(daemon.pid, what)
    resource.prlimit(daemon.pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, what, before)


class Ordinary(Daemon):
    """A daemon of an ordinary user, to whom the kernel's limit of processes applies."""

    program = BUILD / "poold"

    def _launch(self) -> None:
        for path in (self.directory, *self.directory.iterdir()):
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        super()._launch()

    def command(self) -> list[str]:
        return [*AS_ORDINARY, str(self.program), "-c", str(self.config)]


def ordinary_daemon(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    """One whose program and files everybody may read."""
    Ordinary.program = public.program("poold", stage.directory)
    return Ordinary(pools, options)


def ordinary_pools(stage: Stage) -> tuple[str, ...]:
    """Workers from copies that everybody may read; they write into a book that everybody may write."""
    stage.ledger.book.touch()
    stage.ledger.book.chmod(0o666)
    path = public.package(stage.directory)["PYTHONPATH"]
    shutil.copy(HERE / "bookkeeper.py", path)
    own = {"env.PYTHONPATH": path}
    unruly = public.program("workers/unruly", stage.directory)
    return (
        stage.book_pool("once", prefork=True, **own),
        stage.book_pool("safe", idempotent=True, **own),
        pool("well", str(unruly)),
    )


def take_processes(stage: Stage) -> None:
    """The daemon can't fork for a moment, while workers and fork servers have to be started."""
    while not stage.is_over():
        limit_processes(stage.daemon, 1)
        stage.note("processes taken")
        for _ in range(stage.draw.randrange(1, 4)):
            kill_one(stage, stage.draw.choice(("worker", "worker", "fork server", "guard")))
            stage.pause(0.02, 0.3)
        limit_processes(stage.daemon, resource.getrlimit(resource.RLIMIT_NPROC)[0])
        stage.pause(0.05, 0.6)


def limit_processes(daemon: Daemon, most: int) -> None:
    """Sets the limit of a daemon of an ordinary user, which only that user may always do."""
    word = "unlimited" if most == resource.RLIM_INFINITY else str(most)
    subprocess.run([*AS_ORDINARY, "prlimit", f"--pid={daemon.pid}", f"--nproc={word}:"], check=True)


def small_pools(stage: Stage) -> tuple[str, ...]:
    """The usual ones, whose queues take no more than the daemon has."""
    small = {"queue_bytes_max": "8M"}
    return (
        stage.book_pool("once", prefork=True, **small),
        stage.book_pool("safe", idempotent=True, **small),
        pool("well", UNRULY, **small),
    )


def hungry_clients(stage: Stage) -> None:
    """Beside modest ones some who want all the daemon's memory.  Each reads an answer before it asks
    again: one who only writes is not read any more, as it has to be."""
    stage.crowd.add(4, Habits(("once", "safe"), window=1))
    stage.crowd.add(16, Habits(("once", "safe"), window=1, size=1 << 20))


def begin_large(stage: Stage) -> None:
    """Others begin large messages, and do not end them."""
    peers: list[tuple[socket.socket, bytearray]] = []
    begun = pack([0, 9, "once.work", [1, bytes(1_500_000)]])[:-1]
    while not stage.is_over():
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(stage.daemon.path)
        peer.setblocking(False)
        peers.append((peer, bytearray(begun)))
        stage.note("large message begun")
        end = time.monotonic() + stage.draw.uniform(0.01, 0.2)
        while time.monotonic() < end:
            for one, rest in peers:
                send_some(one, rest)
            time.sleep(0.005)
        if len(peers) > 12:
            peers.pop(stage.draw.randrange(len(peers)))[0].close()
    for one, _ in peers:
        one.close()


def send_some(peer: socket.socket, rest: bytearray) -> None:
    """Sends what the daemon takes of it by now."""
    try:
        while rest:
            del rest[: peer.send(rest)]
    except BlockingIOError:
        pass
    except OSError:
        rest.clear()


def disk_of(stage: Stage) -> Path:
    """A file system of 64 KiB."""
    place = stage.directory / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place)],
                          capture_output=True, check=False)
    if made.returncode:
        raise unittest.SkipTest("no file system may be mounted here")
    stage.cleanup.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
    return place


def daemon_on_disk(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    return Daemon(pools, {**options, "state_directory": disk_of(stage)})


def failing_clients(stage: Stage) -> None:
    """Some whose calls fail, so that there is something to be kept."""
    usual_clients(stage)
    stage.crowd.add(2, Habits(("safe",), method="faulty", options={"max_attempts": 1}))


def fill_disk(stage: Stage) -> None:
    """The disk is full, and then it is not."""
    filler = stage.directory / "disk" / "filler"
    while not stage.is_over():
        try:
            filler.write_bytes(bytes(stage.draw.randrange(1, 100_000)))
        except OSError:
            stage.note("disk full")
        stage.pause(0.05, 0.5)
        if stage.draw.random() < 0.5:
            filler.unlink(missing_ok=True)
            stage.pause(0.05, 0.3)
    filler.unlink(missing_ok=True)


def narrow_pools(stage: Stage) -> tuple[str, ...]:
    """Where few can wait."""
    return (
        stage.book_pool("once", prefork=True, queue_max=10),
        stage.book_pool("safe", idempotent=True, queue_max=30, queue_bytes_max="1M"),
        pool("well", UNRULY),
    )


def many_clients(stage: Stage) -> None:
    """Far more than can wait, of every priority."""
    for priority in ("sheddable", "normal", "critical"):
        stage.crowd.add(5, Habits(("once", "safe"), window=10, options={"priority": priority}))


def flood_queue(stage: Stage) -> None:
    """A worker is taken away now and then, which makes the queue longer."""
    while not stage.is_over():
        kill_one(stage, "worker")
        stage.pause(0.2, 0.8)
