"""A worker process as the daemon would hold it, and a server that says what a test wants."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgpack

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "client" / "python"
HERE = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "tests" / "e2e" / "workers"))  # for `lies`

# A test that waits longer than this for an event has found a fault, on any machine (seconds).
PATIENCE = 120.0

# With `make coverage` a process says at its end what it ran, and SIGKILL would prevent that.
MEASURED = os.environ.get("POOLD_MEASURED")


def at_once(work: Callable[[T], object], items: Iterable[T]) -> None:
    """Does the same with several things in threads, so that their waits pass together."""

    def named(item: T) -> None:
        try:
            work(item)
        except BaseException as fault:
            raise AssertionError(f"with {item!r}") from fault

    with ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(named, item) for item in items]:
            done.result(PATIENCE)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a worker or a fork server whose channel is closed."""
    if MEASURED:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=2)
    process.kill()
    process.communicate()


class Peer:
    """One end of a socket: messages in, messages out."""

    def __init__(self, channel: socket.socket) -> None:
        channel.settimeout(PATIENCE)
        self.channel = channel
        self._unpacker = msgpack.Unpacker(
            raw=False, strict_map_key=False, unicode_errors="surrogateescape"
        )

    def read(self) -> list:
        """The next message; EOFError when there are no more."""
        while True:
            for message in self._unpacker:
                return message
            data = self.channel.recv(1 << 16)
            if not data:
                raise EOFError
            self._unpacker.feed(data)

    def has_more(self) -> bool:
        """Whether bytes wait to be read, now."""
        return bool(select.select([self.channel], [], [], 0)[0])

    def send(self, *messages: object) -> None:
        self.send_bytes(b"".join(pack(message) for message in messages))

    def send_bytes(self, data: bytes) -> None:
        self.channel.sendall(data)

    def close(self) -> None:
        self.channel.close()


def pack(message: object) -> bytes:
    return msgpack.packb(message, unicode_errors="surrogateescape")


def send_page(recalls: socket.socket) -> memoryview:
    """Sends a page as the daemon does; returns it, as one number."""
    descriptor = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(descriptor, 4096)
    socket.send_fds(recalls, [pack([2, "page", []])], [descriptor])
    page = memoryview(mmap.mmap(descriptor, 4096, prot=mmap.PROT_READ)).cast("Q")
    os.close(descriptor)
    return page


class Fifo:
    """What `served.block` waits for."""

    def __enter__(self) -> Fifo:
        self._folder = tempfile.TemporaryDirectory(prefix="poold-test-")
        self.path = os.path.join(self._folder.name, "fifo")
        self.trace = os.path.join(self._folder.name, "trace")
        os.mkfifo(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def release(self) -> None:
        with open(self.path, "w", encoding="utf-8") as fifo:
            fifo.write("done")


class WorkerProcess(Peer):
    """`python3 -m poold.worker` at the other end of a socket pair.

    Args:
        target: its MODULE[:OBJECT]; modules are looked for beside this file.
        kind: SOCK_STREAM; SOCK_SEQPACKET lets a test see each write by itself.
        stderr: where its standard error goes; None: where the test's own goes.
        options: what stands before the target.
        recall: whether it gets a recall socket, the other end of which is `recalls`.
        page: whether it gets a page too, which is `page`: then it sends no `started`.
        before: is called with `recalls` before the process is started.
        environment: what is added to this process's own.
    """

    def __init__(
        self,
        target: str = "served",
        kind: int = socket.SOCK_STREAM,
        stderr: int | None = None,
        options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        recall: bool = False,
        page: bool = False,
        before: Callable[[socket.socket], object] | None = None,
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        super().__init__(ours)
        self.recalls, asked = socket.socketpair()
        self.page = send_page(self.recalls) if page else None
        if before is not None:
            before(self.recalls)
        self.process = start_python(
            "-m",
            "poold.worker",
            *options,
            target,
            channel=theirs,
            recall=asked if recall or page else None,
            environment=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        theirs.close()
        asked.close()
        self.ready: dict = {}
        self.steps: list[str] = []
        self.signs: list[int] = []

    def __enter__(self) -> WorkerProcess:
        kind, method, params = self.read()
        while (kind, method) == (2, "step"):
            self.steps += params
            kind, method, params = self.read()
        assert (kind, method) == (2, "ready"), (kind, method)
        self.ready = params[0]
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.recalls.close()
        end(self.process)

    def recall(self, *numbers: int) -> None:
        """Asks for these requests back."""
        self.recalls.sendall(b"".join(pack([2, "recall", [number]]) for number in numbers))

    def read(self) -> list:
        """The next message; signs of life, which a busy worker gives every second, go to `signs`."""
        while (message := super().read())[:2] == [2, "alive"]:
            self.signs += message[2]
        return message

    def ask(self, number: int, method: str, args: object, **context: object) -> None:
        self.send(request(number, method, args, **context))

    def answer(self, number: int) -> tuple:
        """(error, result) of a request whose `started` comes next, if the worker has no page."""
        if self.page is None:
            started = self.read()
            assert started == [2, "started", [number]], started
        response = self.read()
        assert response[:2] == [1, number], response
        return response[2], response[3]

    def call(self, method: str, *args: object) -> object:
        self.ask(7, method, list(args))
        error, result = self.answer(7)
        assert error is None, error
        return result

    def fail(self, method: str, args: object) -> dict:
        self.ask(8, method, args)
        error, result = self.answer(8)
        assert result is None, result
        return error

    def stack(self, function: str) -> bytes:
        """What it writes at its stack signal, once this function is on the stack."""
        deadline = time.monotonic() + PATIENCE
        text = b""
        while f"in {function}".encode() not in text:
            assert time.monotonic() < deadline, text
            self.process.send_signal(self.ready["stack"])
            if select.select([self.process.stderr], [], [], 0.2)[0]:
                text += os.read(self.process.stderr.fileno(), 10_000)
        return text

    def await_sleep(self) -> None:
        """Waits until its main thread waits for something."""
        end = time.monotonic() + PATIENCE
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < end, "the worker does not wait"
            time.sleep(0.01)

    def wait(self) -> int:
        """Its exit status."""
        return self.process.wait(PATIENCE)


def request(number: int, method: str, args: object, **context: object) -> list:
    return [0, number, method, [args, {"request": 1, "attempt": 1, "deadline_ms": 5000} | context]]


def start_python(
    *arguments: str,
    channel: socket.socket | None = None,
    variable: str = "POOLD_FD",
    recall: socket.socket | None = None,
    environment: dict[str, str] | None = None,
    **options: object,
) -> subprocess.Popen:
    """This interpreter, with the package and the tests on its path; `variable` names the channel to
    it."""
    variables = {**os.environ, "PYTHONPATH": ":".join([f"{PACKAGE}", f"{HERE}", *filter(None, [MEASURED])]), **(environment or {})}
    variables.pop("POOLD_FD", None)
    descriptors = []
    for name, given in ((variable, channel), ("POOLD_RECALL_FD", recall)):
        if given is not None:
            variables[name] = str(given.fileno())
            descriptors.append(given.fileno())
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=variables,
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        **options,
    )


HELLO = {
    "server": "poold",
    "version": "0",
    "errors": "map",
    "features": [],
    "limits": {"message_max": 16 << 20},
}


class FakeServer:
    """Listens on a socket of its own; each connection is served by `script(peer)` in a thread.

    `greeted` scripts begin after the client's hello has been answered.  What a script raises, the
    test's end raises again; EOFError is the client's going.
    """

    def __init__(self, script: Callable[[Peer], None], greeted: bool = True) -> None:
        self.hellos: list = []
        self.connections = 0
        self.changed = threading.Condition()
        self._script = script
        self._greeted = greeted
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self._folder = tempfile.TemporaryDirectory(prefix="poold-test-")
        self.path = os.path.join(self._folder.name, "socket")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._run(self._accept)

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in list(self._peers):
            try:
                peer.channel.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in list(self._threads):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script does not end"
        for peer in self._peers:
            peer.close()
        self._folder.cleanup()
        for failure in self._failures:
            raise failure

    def _run(self, target: Callable, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self.changed.notify_all()
            peer = Peer(channel)
            self._peers.append(peer)
            self._run(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            if self._greeted:
                greet(self, peer)
            self._script(peer)
        except (EOFError, OSError):
            pass
        except BaseException as failure:
            self._failures.append(failure)
            peer.channel.shutdown(socket.SHUT_RDWR)


def greet(server: FakeServer, peer: Peer) -> None:
    hello = peer.read()
    server.hellos.append(hello)
    assert hello[0] == 0 and hello[2] == "poold.hello", hello
    peer.send([1, hello[1], None, HELLO])


def echo(peer: Peer) -> None:
    """A script: every call's result is its own params."""
    while True:
        message = peer.read()
        if message[0] == 0:
            peer.send([1, message[1], None, message[3]])
