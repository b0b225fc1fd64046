"""What is measured: the forwarder and the daemon, started, asked, observed and ended."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgpack

from proc import processor_seconds

TREE = Path(__file__).resolve().parents[2]
BENCH = TREE / "tests" / "bench"
PYTHONPATH = f"{TREE / 'client' / 'python'}:{BENCH}"

LOG = """log_level = warning
log_target = stderr
"""
# More than any line of the bench needs, so that no limit decides a figure.
LIMITS = f"""{LOG}connections_max = 12000
in_flight_max = 4096
requests_max = 65536
message_max = 64M
response_max = 64M
output_pause = 64M
memory_max = 4G
"""
POOL_LIMITS = """idempotent = yes
queue_max = 65536
queue_bytes_max = 1G
timeout = 60s
"""

START_TIMEOUT = 20.0


class BenchError(Exception):
    """A measurement could not be made; the text says why."""


class Unavailable(Exception):
    """This machine or this user cannot measure that; the text says why."""


@dataclass(frozen=True)
class Shape:
    """How a server is set up and how it is asked.

    Attributes:
        connections, depth: connections of the client, and requests in flight on each.
        payload: bytes of the argument.
        limit: most requests in flight per worker; 0: as many as there are.
        prefetch: the daemon's own, where it is not limit - 1.
        workers: how many.
        python: Python workers instead of the C one.
        pinned: everything on one core.
        is_default: the daemon in the default configuration: only socket, command and number of
            workers are said.
    """

    connections: int = 1
    depth: int = 1
    payload: int = 64
    limit: int = 1
    prefetch: int | None = None
    workers: int = 4
    python: bool = False
    pinned: bool = False
    is_default: bool = False


@dataclass
class Place:
    """Where programs are found, the daemon apart, and where files may be written."""

    build: Path
    poold: Path
    scratch: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="poold-bench-")))

    def program(self, name: str) -> str:
        """The path of a program of the bench."""
        return str(self.build / "bench" / name)

    def beside(self, name: str) -> Place:
        """A place for another server of the same kind, at the same time."""
        scratch = self.scratch / name.replace(" ", "-")
        scratch.mkdir(exist_ok=True)
        return Place(self.build, self.poold, scratch)

    def remove(self) -> None:
        """Removes what was written."""
        shutil.rmtree(self.scratch, ignore_errors=True)


def raise_descriptor_limit() -> int:
    """Allows this process and its children as many descriptors as it may.  Returns the number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pin(core: int = 0) -> None:
    """Keeps this process and its children on one core."""
    os.sched_setaffinity(0, {core})


class Server:
    """A started server: its process, its socket, its cost so far."""

    framing = "length"

    def __init__(self, place: Place, name: str, command: list[str], pinned: bool) -> None:
        self.place = place
        self.name = name
        self.socket = str(place.scratch / f"{name}.sock")
        self.log = place.scratch / f"{name}.log"
        self.pinned = pinned
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": PYTHONPATH},
                preexec_fn=pin if pinned else None,
            )
        try:
            self.await_socket()
        except BaseException:
            self.stop()
            raise

    def await_socket(self) -> None:
        """Waits until it can be connected to."""
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.01)
        raise BenchError(f"{self.name} did not start: {self.last_words()}")

    def connect(self) -> socket.socket:
        """A new connection; raises OSError."""
        peer = socket.socket(socket.AF_UNIX)
        try:
            # With a time limit of Python's own, a full backlog is an error at once.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
            peer.connect(self.socket)
            peer.settimeout(10)
        except OSError:
            peer.close()
            raise
        return peer

    def last_words(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-500:].strip()

    def cpu_seconds(self) -> float:
        """CPU time that the server itself (no worker) has used."""
        return processor_seconds(self.process.pid)

    def memory(self, key: str) -> int:
        """Bytes of a line in /proc/PID/status: VmRSS (now) or VmHWM (peak)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"no {key} in /proc")

    def forget_peak(self) -> None:
        """Lets VmHWM begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def load(self, shape: Shape, seconds: float, warmup: float = 0.2, *more: str) -> dict:
        """Runs the load client against it and returns its figures; raises BenchError when a
        request failed."""
        figures = self.load_end(self.load_start(shape, seconds, warmup, *more), seconds + warmup)
        if figures["failed"] or figures["unanswered"]:
            raise BenchError(
                f"{self.name}: {figures['failed']} failed, {figures['unanswered']} unanswered"
                f" {figures['first_error']}"
            )
        return figures

    def load_start(
        self, shape: Shape, seconds: float, warmup: float, *more: str
    ) -> subprocess.Popen:
        """Starts the load client."""
        command = [self.place.program("load"), "--json", "--socket", self.socket]
        command += ["--framing", self.framing, "--payload", str(shape.payload)]
        command += ["--connections", str(shape.connections), "--depth", str(shape.depth)]
        command += ["--seconds", str(seconds), "--warmup", str(warmup), *more]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=pin if self.pinned else None,
        )

    def load_end(self, client: subprocess.Popen, seconds: float) -> dict:
        """Waits for the load client; its figures.  Failed requests are among them."""
        try:
            out, errors = client.communicate(timeout=seconds + 30)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            raise BenchError(f"{self.name}: the load client hangs") from None
        if client.returncode not in (0, 3):
            raise BenchError(f"{self.name}: {errors.strip()}; {self.last_words()}")
        return json.loads(out)

    def stop(self) -> None:
        """Ends it, and waits for that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Forwarder(Server):
    """The limit; `speaks_rpc`: that of what passes MessagePack-RPC on."""

    def __init__(self, place: Place, shape: Shape, speaks_rpc: bool = False) -> None:
        limit = str(shape.limit) if shape.limit else "many"
        command = [place.program("forward")]
        worker = [place.program("echo_worker")]
        if speaks_rpc:
            command.append("--rpc")
            self.framing = "rpc"
        elif shape.python:
            worker = [sys.executable, str(BENCH / "echo_worker.py")]
            self.framing = "packed"
        else:
            worker.append("--length")
        path = str(place.scratch / "forward.sock")
        command += [path, limit, str(shape.workers), *worker]
        super().__init__(place, "forward", command, shape.pinned)


class Daemon(Server):
    """poold with one pool, `echo`."""

    framing = "rpc"

    def __init__(
        self, place: Place, shape: Shape, worker: str = "", pool: str = "", daemon: str = ""
    ) -> None:
        """`worker`: arguments of the C worker, or a whole command that begins with a slash.
        `pool`: further lines of the pool's section, and sections beside it.
        `daemon`: further lines of the daemon's section."""
        if shape.python:
            worker = f"{sys.executable} -m poold.worker echo_functions"
        elif not worker.startswith("/"):
            worker = f"{place.program('echo_worker')} {worker or '--batch'}"
        prefetch = shape.limit - 1 if shape.prefetch is None else shape.prefetch
        limits, pool_limits = LIMITS, f"prefetch = {prefetch}\n{POOL_LIMITS}"
        if shape.is_default:
            limits, pool_limits = LOG, ""
        config = place.scratch / "poold.conf"
        config.write_text(
            f"[daemon]\nsocket = {place.scratch / 'poold.sock'}\n{limits}{daemon}"
            f"[pool echo]\ncommand = {worker}\nworkers = {shape.workers}\n"
            f"env.PYTHONPATH = {PYTHONPATH}\n{pool_limits}{pool}"
        )
        super().__init__(
            place, "poold", [str(place.poold), "-c", str(config)], shape.pinned
        )
        try:
            self.await_ready(shape.workers)
        except BaseException:
            self.stop()
            raise

    def await_ready(self, workers: int) -> None:
        """Waits until so many workers can work."""
        end = time.monotonic() + START_TIMEOUT
        with Caller(self) as caller:
            while time.monotonic() < end:
                pool = caller.call("poold.pools", [])[0]
                if pool["workers"]["ready"] >= workers:
                    return
                time.sleep(0.002)
        raise BenchError(f"poold: no {workers} workers are ready: {self.last_words()}")


class Caller:
    """A minimal client for single calls."""

    def __init__(self, daemon: Server) -> None:
        self.peer = daemon.connect()
        self.unpacker = msgpack.Unpacker(max_buffer_size=2**31)

    def send(self, method: str, params: list) -> None:
        """Sends one request."""
        self.peer.sendall(msgpack.packb([0, 1, method, params]))

    def receive(self) -> object:
        """The answer to it; raises BenchError when that is an error."""
        while (message := next(self.unpacker, None)) is None:
            data = self.peer.recv(65536)
            if not data:
                raise BenchError("poold closed the connection")
            self.unpacker.feed(data)
        _, _, error, result = message
        if error is not None:
            raise BenchError(f"poold answered {error}")
        return result

    def call(self, method: str, params: list) -> object:
        """Sends one request and returns its result."""
        self.send(method, params)
        return self.receive()

    def echo(self, payload: bytes) -> None:
        """One call of the pool."""
        self.call("poold.call", ["echo", "echo", payload])

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.close()
