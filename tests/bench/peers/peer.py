"""What all peers have in common: processes that are started, found ready, asked, and ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Self

from proc import descendants, processor_seconds
from servers import BENCH, PYTHONPATH, START_TIMEOUT, BenchError, Place

PROGRAMS = BENCH / "peers" / "programs"
WORKERS = 4
WARMUP = 0.1

# So long the client that only looks whether all is ready waits for an answer.
LOOK_SECONDS = "0.5"


def find(program: str) -> str | None:
    """Where a program is; servers are often in sbin, which users do not have on PATH."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Peer:
    """A program beside poold; use it as a context, in which it serves.

    Attributes:
        title: its name in the table.
        package: the Debian packages that it needs.
        programs: the programs that must be there.
        wire: the protocol that the client speaks to it.
        to: where it listens: a path, or a port.
    """

    title: str
    package: str = ""
    programs: tuple[str, ...] = ()
    wire: str = ""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.name = type(self).__name__.lower()
        self.scratch = place.scratch / self.name
        self.scratch.mkdir(exist_ok=True)
        self.log = self.scratch / "log"
        self.log.touch()
        self.to = str(self.scratch / "socket")
        self.env: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    @classmethod
    def missing(cls) -> str:
        """The package without which it can't be measured; empty when all is there."""
        return "" if all(map(find, cls.programs)) else cls.package

    def start(self) -> None:
        """Starts its processes with `run`."""
        raise NotImplementedError

    def run(self, program: str, *arguments: object) -> None:
        """Starts one of its processes."""
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [find(program) or program, *map(str, arguments)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.scratch,
                    env=self.environment(),
                )
            )

    def run_python_workers(self, script: str, *arguments: object) -> None:
        """Starts the Python workers of a program that does not start any itself."""
        for _ in range(WORKERS):
            self.run(sys.executable, PROGRAMS / script, *arguments)

    def wire_client(
        self, connections: int, seconds: float, warmup: float = WARMUP, patience: str = "10"
    ) -> list[str]:
        """The command of the load client in C."""
        command = [self.place.program("peers/ask"), "--wire", self.wire, "--to", self.to]
        command += ["--connections", str(connections), "--seconds", str(seconds)]
        return command + ["--warmup", str(warmup), "--patience", patience]

    def client(self, connections: int, seconds: float) -> list[str]:
        """The command of the load client."""
        return self.wire_client(connections, seconds)

    def environment(self) -> dict[str, str]:
        """That of all its processes."""
        return os.environ | {"PYTHONPATH": f"{PYTHONPATH}:{PROGRAMS}"} | self.env

    def ask(self, connections: int, seconds: float, cores: set[int]) -> dict[str, float]:
        """Asks it as fast as it answers, while it and the client may use these cores.  The figures
        are those of the client, and `cpu_us`: what all its processes used for a call, workers
        included."""
        self.keep_to(cores)
        before = self.cpu_seconds()
        done = subprocess.run(
            self.client(connections, seconds),
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            env=self.environment(),
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        if done.returncode != 0:
            raise BenchError(f"{self.title}: {done.stderr.strip()[-300:]}; {self.last_words()}")
        figures: dict[str, float] = json.loads(done.stdout)
        used = self.cpu_seconds() - before + figures.get("cpu_seconds", 0.0)
        figures["cpu_us"] = used / figures["asked"] * 1e6
        return figures

    def pids(self) -> list[int]:
        """All its processes."""
        return [pid for process in self._processes for pid in descendants(process.pid)]

    def cpu_seconds(self) -> float:
        """What all its processes have used."""
        return sum(map(processor_seconds, self.pids()))

    def keep_to(self, cores: set[int]) -> None:
        """Lets all its threads run on these cores only."""
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), cores)

    def last_words(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-300:].strip()

    def await_port(self) -> None:
        """Waits until the port can be connected to."""
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            with socket.socket() as peer:
                if peer.connect_ex(("127.0.0.1", int(self.to))) == 0:
                    return
            time.sleep(0.01)
        raise BenchError(f"{self.title} did not start: {self.last_words()}")

    def await_ready(self) -> None:
        """Waits until each worker can be thought ready: calls of all connections are answered."""
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if any(process.poll() is not None for process in self._processes):
                break
            command = self.wire_client(2 * WORKERS, 0.02, 0.0, LOOK_SECONDS)
            if subprocess.run(
                command, capture_output=True, timeout=60, env=self.environment()
            ).returncode == 0:
                return
            time.sleep(0.05)
        raise BenchError(f"{self.title} did not start: {self.last_words()}")

    def stop(self) -> None:
        """Ends all its processes, the last one first."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self._processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
