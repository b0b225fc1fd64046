"""Somebody between two who speak MessagePack, and who does not pass on what he got.

As a proxy, `Proxy(at, to, habit, draw)` listens at one socket and connects to another for each who
comes.  As a wrapper it stands between the daemon and a worker:

    torn.py HABIT SEED fd COMMAND...        at the worker's socket (POOLD_FD)
    torn.py HABIT SEED stdio COMMAND...     at its standard input and output

The habits:

    delay       each piece comes later
    split       each message comes in pieces
    reorder     two messages change places
    truncate    a message ends in its middle, and the stream with it
    corrupt     a byte of a message is another one
    duplicate   a message comes twice
    half        one direction is closed, the other goes on for a while

A habit strikes at random by the seed, some messages after it began.
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import msgpack

READ = 1 << 16

# Of so many messages one is struck.
STRIKES = 40


class Messages:
    """Cuts a stream into its messages; what is none, into what came."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(max_buffer_size=1 << 30, strict_map_key=False)
        self._rest = bytearray()
        self._taken = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        self._unpacker.feed(data)
        while self._rest:
            try:
                self._unpacker.skip()
                length = self._unpacker.tell() - self._taken
            except msgpack.OutOfData:
                return
            except (ValueError, msgpack.UnpackException):
                length = len(self._rest)
            yield bytes(self._rest[:length])
            del self._rest[:length]
            self._taken += length

    def rest(self) -> bytes:
        """What is no whole message yet."""
        return bytes(self._rest)


class Ended(Exception):
    """The habit ends the stream."""


Write = Callable[[bytes], object]


class Way:
    """One direction of a stream: bytes go in, and what the habit makes of them goes out.

    Attributes:
        copies: the messages that were passed on twice.
        strikes: how often it struck.
    """

    def __init__(self, habit: str, draw: random.Random, write: Write) -> None:
        self.habit = habit
        self.copies: list[bytes] = []
        self.strikes = 0
        self._draw, self._write = draw, write
        self._messages = Messages()
        self._held = b""

    def take(self, data: bytes) -> None:
        """Passes on what has come.

        Raises:
            Ended: no more will be passed on.
        """
        if self.habit in ("delay", "split"):
            self.strikes += 1
        if self.habit == "delay":
            time.sleep(self._draw.choice((0, 0, 0.001, 0.01, self._draw.random() / 20)))
            self._write(data)
            return
        if self.habit == "split":
            self._write_pieces(data)
            return
        for message in self._messages.feed(data):
            self._pass(message)

    def _write_pieces(self, data: bytes) -> None:
        pieces = 0
        while data:
            size = self._draw.choice((1, 2, self._draw.randrange(1, 50), 5000)) if pieces < 30 else len(data)
            self._write(data[:size])
            data, pieces = data[size:], pieces + 1

    def _pass(self, message: bytes) -> None:
        if self._held:
            self._write(message + self._held)
            self._held = b""
        elif self._draw.randrange(STRIKES):
            self._write(message)
        else:
            self._strike(message)

    def _strike(self, message: bytes) -> None:
        at = self._draw.randrange(len(message))
        self.strikes += bool(self.habit)
        if self.habit == "reorder":
            self._held = message
        elif self.habit == "truncate":
            self._write(message[:at])
            raise Ended
        elif self.habit == "corrupt":
            self._write(message[:at] + bytes([message[at] ^ self._draw.randrange(1, 256)]) + message[at + 1 :])
        elif self.habit == "duplicate":
            self.copies.append(message)
            self._write(message + message)
        elif self.habit == "half":
            raise Ended
        else:
            self._write(message)

    def flush(self) -> None:
        """Nothing more has come for a moment, so what was held back goes on."""
        if self._held:
            self._write(self._held)
            self._held = b""

    def finish(self) -> None:
        """The stream has ended: what is left goes on as it is."""
        self.flush()
        if rest := self._messages.rest():
            self._write(rest)


def pump(source: int, way: Way, end: Callable[[bool], None]) -> None:
    """Passes on until the end of the source, or of the habit's patience; then calls `end` with
    whether only this direction is over."""
    alone = True
    try:
        while True:
            if not select.select([source], [], [], 0.02)[0]:
                way.flush()
                continue
            data = os.read(source, READ)
            if not data:
                way.finish()
                break
            way.take(data)
    except Ended:
        alone = way.habit == "half"
    except (OSError, ValueError):
        alone = False
    end(alone)


class Proxy:
    """Listens at `at`, and for each who comes connects to `to`.

    Args:
        back: whether answers are struck too, not only what is asked.
    """

    def __init__(self, at: str, to: str, habit: str, draw: random.Random, back: bool = True) -> None:
        self._to, self._habit, self._draw, self._back = to, habit, draw, back
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(at)
        self._listener.listen(64)
        self._lock = threading.Lock()
        self._ways: list[Way] = []
        self._peers: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Ends all connections."""
        with self._lock:
            for peer in self._peers:
                _shut(peer, socket.SHUT_RDWR)

    def copies(self) -> list[bytes]:
        """The messages that were asked twice."""
        with self._lock:
            return [message for way in self._ways for message in way.copies]

    def strikes(self) -> int:
        """How often anything was not passed on as it came."""
        with self._lock:
            return sum(way.strikes for way in self._ways)

    def _accept(self) -> None:
        try:
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(self._to)
                except OSError:
                    near.close()
                    far.close()
                    continue
                self._join(near, far)
        except OSError:
            pass  # closed

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        with self._lock:
            seed = self._draw.random()
            self._peers |= {near, far}
            forth = Way(self._habit, random.Random(seed), far.sendall)
            back = Way(self._habit if self._back else "", random.Random(seed + 1), near.sendall)
            self._ways += [forth, back]
        left = [near, far]

        def over(sink: socket.socket, alone: bool) -> None:
            for peer in [sink] if alone else [near, far]:
                _shut(peer, socket.SHUT_WR if alone else socket.SHUT_RDWR)
            with self._lock:
                left.pop()
                if not left:
                    self._peers -= {near, far}
                    near.close()
                    far.close()

        for source, sink, way in ((near, far, forth), (far, near, back)):
            arguments = (source.fileno(), way, lambda alone, sink=sink: over(sink, alone))
            threading.Thread(target=pump, args=arguments, daemon=True).start()


def _shut(peer: socket.socket, how: int) -> None:
    try:
        peer.shutdown(how)
    except OSError:
        pass


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def wrap(habit: str, seed: str, where: str, command: list[str]) -> int:
    """Runs a worker behind a habit; each of its lives has another seed."""
    draw = random.Random(f"{seed} {os.environ.get('POOLD_WORKER')} {os.getpid()}")
    if where == "fd":
        channel = int(os.environ["POOLD_FD"])
        near, far = socket.socketpair()
        environment = {**os.environ, "POOLD_FD": str(far.fileno())}
        child = subprocess.Popen(command, env=environment, pass_fds=(far.fileno(),), close_fds=True)
        far.close()
        sources, sinks = (channel, near.fileno()), (near.fileno(), channel)
    else:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin and child.stdout
        sources, sinks = (0, child.stdout.fileno()), (child.stdin.fileno(), 1)
    is_over = threading.Event()
    for source, sink in zip(sources, sinks):
        way = Way(habit, random.Random(draw.random()), lambda data, sink=sink: _write_all(sink, data))
        threading.Thread(target=pump, args=(source, way, lambda _: is_over.set()), daemon=True).start()
    is_over.wait()
    try:
        child.wait(0.2 if habit in ("half", "truncate") else 2)
    except subprocess.TimeoutExpired:
        child.kill()
    return child.wait() & 255


if __name__ == "__main__":
    sys.exit(wrap(*sys.argv[1:4], sys.argv[4:]))
