"""The daemon is restarted under load: no call fails, and none runs twice."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgpack

import poold
from clock import HANGS, eventually
from harness import BUILD, LOAD, Daemon, DaemonTest, pool, program
from poold.aio import AsyncClient

RESTARTS = 2 * LOAD
CALLS = 250 * LOAD  # of each kind of client
WORKERS = 4

# Seconds, more than all restarts of a test take; no call needs it, unless it is forgotten.
TIMEOUT = 120.0

# As a service manager hands over a socket: descriptor 3, for this process and no other.
ACTIVATE = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
handed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "poold.socket"}
os.execve(sys.argv[2], sys.argv[2:], {**os.environ, **handed})
"""


class Activated(Daemon):
    """A daemon that gets its socket from a parent, which keeps it through all restarts."""

    listener: socket.socket

    def _launch(self) -> None:
        if not hasattr(self, "listener"):
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(self.path)
            self.listener.listen(1024)
        super()._launch()

    def passed_on(self) -> tuple[int, ...]:
        return (self.listener.fileno(),)

    def command(self) -> list[str]:
        # Without the package's own folder: it starts sooner.
        activate = [sys.executable, "-S", "-E", "-c", ACTIVATE, str(self.listener.fileno())]
        return [*activate, *super().command()]

    def finish(self) -> None:
        super().finish()
        self.listener.close()


class Load:
    """Calls of every kind of client at the same time, each with a number of its own."""

    def __init__(self, path: str, calls: int) -> None:
        self.path = path
        self.calls = calls
        self.failures: list[object] = []
        self.done = 0
        self._lock = threading.Lock()
        self._first = 0
        self._threads = [
            threading.Thread(target=self._guarded, args=(kind, self._take()), daemon=True)
            for kind in (
                self._threads_of_python,
                self._futures_of_python,
                self._asyncio,
                self._executor,
                self._blocking_c,
                self._loop_in_c,
            )
        ]

    @property
    def total(self) -> int:
        return self.calls * len(self._threads)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(HANGS)

    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _take(self) -> range:
        self._first += self.calls
        return range(self._first - self.calls, self._first)

    def _guarded(self, kind: Any, numbers: range) -> None:
        try:
            kind(numbers)
        except BaseException as error:
            self._fail(error)

    def _fail(self, what: object) -> None:
        with self._lock:
            self.failures.append(what)

    def _note(self, number: int, result: object) -> None:
        with self._lock:
            self.done += 1
            if result != number:
                self.failures.append((number, result))

    def _threads_of_python(self, numbers: range) -> None:
        """Eight threads share a client; each waits for its call."""

        def ask(number: int) -> None:
            try:
                self._note(number, _number(client.call("once", "work", number)))
            except poold.Error as error:
                self._fail(error)

        with poold.Client(self.path, TIMEOUT) as client, ThreadPoolExecutor(8) as threads:
            list(threads.map(ask, numbers))

    def _futures_of_python(self, numbers: range) -> None:
        """Calls are started, and nobody waits for one of them in particular."""
        with poold.Client(self.path, TIMEOUT) as client:
            for begin in range(0, len(numbers), 50):
                some = {
                    client.start("once", "work", number): number
                    for number in numbers[begin : begin + 50]
                }
                for call in as_completed(some):
                    error = call.exception()
                    if error is None:
                        self._note(some[call], _number(call.result()))
                    else:
                        self._fail(error)

    def _asyncio(self, numbers: range) -> None:
        async def ask(client: AsyncClient, limit: asyncio.Semaphore, number: int) -> None:
            async with limit:
                try:
                    self._note(number, _number(await client.call("once", "work", number)))
                except poold.Error as error:
                    self._fail(error)

        async def run() -> None:
            limit = asyncio.Semaphore(20)
            async with AsyncClient(self.path, TIMEOUT) as client:
                await asyncio.gather(*(ask(client, limit, number) for number in numbers))

        asyncio.run(run())

    def _executor(self, numbers: range) -> None:
        with poold.Executor("once", 20, path=self.path, timeout=TIMEOUT) as executor:
            some = {executor.submit("work", number): number for number in numbers}
            for future in as_completed(some):
                error = future.exception()
                if error is None:
                    self._note(some[future], _number(future.result()))
                else:
                    self._fail(error)

    def _blocking_c(self, numbers: range) -> None:
        self._run_c(numbers, 0)

    def _loop_in_c(self, numbers: range) -> None:
        self._run_c(numbers, 20)

    def _run_c(self, numbers: range, in_flight: int) -> None:
        found = subprocess.run(
            [
                str(BUILD / "workers" / "restless"),
                self.path,
                *map(str, (numbers.start, len(numbers), int(TIMEOUT * 1000), in_flight)),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=HANGS,
        )
        *failed, last = found.stdout.splitlines()
        with self._lock:
            self.failures += failed
            self.done += int(last.removeprefix("done "))


def _number(result: Any) -> object:
    return result[0] if isinstance(result, list) else result


class Restarts(DaemonTest):
    def start_once(self) -> tuple[Daemon, Path]:
        journal = Path(self.enterContext(TemporaryDirectory())) / "journal"
        once = program("workers/unruly", str(journal))
        daemon = self.start(
            pool("once", once, workers=WORKERS, queue_max=4096), requests_max=8192
        )
        return daemon, journal

    def restart(self, daemon: Daemon, number: int = signal.SIGTERM) -> None:
        daemon.signal(number)
        daemon.wait_ended()
        daemon.relaunch()
        daemon.wait_ready()

    def runs_of(self, journal: Path) -> Counter[int]:
        unpacker = msgpack.Unpacker()
        unpacker.feed(journal.read_bytes())
        return Counter(_number(args) for args in unpacker)

    def check_all_ran_once(self, journal: Path, load: Load) -> None:
        self.assertEqual(load.failures, [])
        self.assertEqual(load.done, load.total)
        runs = self.runs_of(journal)
        self.assertEqual([number for number, times in runs.items() if times > 1], [])
        self.assertEqual(sorted(runs), list(range(load.total)))

    def restart_under_load(self, daemon: Daemon, journal: Path, restarts: int) -> None:
        """Restarts it so many times at even shares of the load, and looks what ran."""
        with Load(daemon.path, CALLS) as load:
            for index in range(restarts):
                share = load.total * (index + 1) // (restarts + 1)
                eventually(
                    lambda share=share: load.done >= share or load.is_over(), "the load runs"
                )
                self.restart(daemon)
        self.check_all_ran_once(journal, load)


class WithTheSocketUnit(Restarts):
    """A parent keeps the listening socket."""

    daemon_class = Activated

    def test_nothing_is_lost(self) -> None:
        daemon, journal = self.start_once()
        self.restart_under_load(daemon, journal, RESTARTS)


class WithoutTheSocketUnit(Restarts):
    """The socket's file goes with the daemon, and comes with the next."""

    def test_nothing_is_lost(self) -> None:
        daemon, journal = self.start_once()
        self.restart_under_load(daemon, journal, max(1, RESTARTS // 2))

    def test_a_daemon_that_is_killed(self) -> None:
        """What was in flight may have run, and is not asked again; all that comes later is served."""
        daemon, journal = self.start_once()
        daemon.announced.append(".*")
        with Load(daemon.path, CALLS) as load:
            eventually(lambda: load.done >= load.total // 2, "the load runs")
            self.restart(daemon, signal.SIGKILL)
        codes = Counter(_outcome(failure) for failure in load.failures)
        self.assertLessEqual(set(codes), {"peer_closed maybe"}, load.failures)
        # All that were in flight at once; and once more, if the dying daemon's socket took new connections.
        self.assertLessEqual(codes.total(), 2 * (8 + 50 + 20 + 20 + 1 + 20))
        self.assertEqual(load.done + codes.total(), load.total)
        runs = self.runs_of(journal)
        self.assertEqual([number for number, times in runs.items() if times > 1], [])
        self.assertGreaterEqual(len(runs), load.done)


def _outcome(failure: object) -> str:
    """Of a call that failed: its code, and whether it was executed."""
    if isinstance(failure, poold.Error):
        return f"{failure.code} {failure.executed}"
    words = str(failure).split()
    return f"{words[1]} {'no maybe yes'.split()[int(words[2].removeprefix('executed='))]}"
