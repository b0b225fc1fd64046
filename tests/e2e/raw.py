"""A client that is nothing but a socket: it sends the bytes that it is given and reads messages.

It shares no code with the project's own clients, so that a fault common to both ends cannot hide.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack

from clock import HANGS, Deadline

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2

# Seconds that a read waits unless it is told otherwise.
PATIENCE = 20.0

READ_SIZE = 1 << 20


def pack(value: object) -> bytes:
    """One MessagePack value; str may hold bytes that are not UTF-8 as surrogates."""
    return msgpack.packb(value, use_bin_type=True, unicode_errors="surrogateescape")


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(
        data, raw=False, strict_map_key=False, unicode_errors="surrogateescape"
    )


def request(number: int, method: str, params: bytes) -> bytes:
    """A request whose params are MessagePack already."""
    return b"\x94\x00" + pack(number) + pack(method) + params


def call_params(pool: str, method: str, args: bytes, options: bytes = b"") -> bytes:
    """The params of poold.call, args and options being MessagePack already."""
    head = b"\x94" if options else b"\x93"
    return head + pack(pool) + pack(method) + args + options


def result(number: int, value: bytes) -> bytes:
    """The answer as the daemon has to write it, byte for byte."""
    return b"\x94\x01" + pack(number) + b"\xc0" + value


@dataclass(frozen=True)
class Answer:
    """A response: what was asked under `id` has `result`, or `error` when that is not None."""

    id: int
    error: Any
    result: Any
    raw: bytes = field(repr=False)

    @property
    def code(self) -> str | None:
        """The error's code in either shape of errors; None for a result."""
        if self.error is None:
            return None
        if isinstance(self.error, dict):
            return self.error["code"]
        return self.error[1].partition(": ")[0]


class Refused(AssertionError):
    """A call of `Raw.call` was answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.error!r}")
        self.answer = answer


class Closed(AssertionError):
    """The daemon closed the connection where a message was awaited."""


# What whoever asks or waits for an answer gets when the connection has ended.
ENDED = (Closed, BrokenPipeError, ConnectionResetError)


def dial(channel: socket.socket, address: str | tuple[str, int], seconds: float) -> None:
    """Connects; so long it may take, and each read and write after it.

    With a timeout of Python's own, connect fails at once while the daemon's backlog is full.
    """
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(seconds) + 1, 0))
    try:
        channel.connect(address)
    except OSError:
        channel.close()
        raise
    channel.settimeout(seconds)


class Raw:
    """One connection.

    Args:
        path: the daemon's socket.
        map_errors: says poold.hello first, so that errors come as maps.
        read_buffer: bytes of the kernel's buffer towards this end; 0: as it is.
    """

    def __init__(self, path: str, *, map_errors: bool = False, read_buffer: int = 0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if read_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_buffer)
        dial(self.socket, path, HANGS)
        self.number = 0
        self._begin = 0  # of the stream's bytes, those before are dropped from _bytes
        self._bytes = bytearray()
        self._unpacker = msgpack.Unpacker(max_buffer_size=0)  # only measures, see read_message
        if map_errors:
            self.call("poold.hello", {"client": "e2e", "version": "0", "errors": "map"})

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    # --- writing ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Writes these bytes, all of them."""
        self.socket.settimeout(HANGS)  # a read may have left a shorter one
        self.socket.sendall(data)

    def ask(self, method: str, *params: object) -> int:
        """Sends a request and returns its id."""
        return self.ask_bytes(method, pack(list(params)))

    def ask_bytes(self, method: str, params: bytes) -> int:
        """The same with params that are MessagePack already."""
        self.number += 1
        self.send(request(self.number, method, params))
        return self.number

    def ask_pool(self, pool: str, method: str, args: object = None, **options: object) -> int:
        """Sends a poold.call and returns its id."""
        return self.ask("poold.call", pool, method, args, options)

    def notify(self, method: str, *params: object) -> None:
        self.send(pack([NOTIFICATION, method, list(params)]))

    def cancel(self, number: int) -> None:
        self.notify("poold.cancel", number)

    # --- reading ---------------------------------------------------------------------------------

    def read_message(self, seconds: float = PATIENCE) -> bytes:
        """The bytes of the next message.

        Raises:
            Closed: there is none, the daemon has closed the connection.
            TimeoutError: none came in time.
        """
        deadline = Deadline(seconds)
        while True:
            try:
                self._unpacker.skip()
            except msgpack.OutOfData:
                self._receive(deadline)
                continue
            length = self._unpacker.tell() - self._begin
            message = bytes(self._bytes[:length])
            del self._bytes[:length]
            self._begin += length
            return message

    def _receive(self, deadline: Deadline) -> None:
        data = self._read(READ_SIZE, deadline)
        if not data:
            raise Closed(f"closed, with {len(self._bytes)} bytes of a message before that")
        self._bytes += data
        self._unpacker.feed(data)

    def _read(self, size: int, deadline: Deadline) -> bytes:
        while True:
            self.socket.settimeout(max(0.001, deadline.left()))
            try:
                return self.socket.recv(size)
            except ConnectionResetError:
                return b""
            except TimeoutError:
                if deadline.passed():
                    raise

    def read(self, seconds: float = PATIENCE) -> Answer:
        """The next message, which must be a response in good form."""
        raw = self.read_message(seconds)
        message = unpack(raw)
        assert isinstance(message, list) and len(message) == 4, message
        assert message[0] == RESPONSE and isinstance(message[1], int), message
        assert message[2] is None or message[3] is None, f"an error and a result: {message}"
        return Answer(message[1], message[2], message[3], raw)

    def read_of(self, number: int, seconds: float = PATIENCE) -> Answer:
        """The next message, which must answer this request."""
        answer = self.read(seconds)
        assert answer.id == number, f"awaited the answer to {number}, got {answer}"
        return answer

    def read_exactly(self, size: int, seconds: float = PATIENCE) -> bytes:
        """So many bytes of the stream, whatever they are; nothing may be half read before."""
        assert not self._bytes
        deadline = Deadline(seconds)
        found = bytearray()
        while len(found) < size:
            data = self._read(size - len(found), deadline)
            if not data:
                raise Closed(f"closed after {len(found)} of {size} bytes")
            found += data
        return bytes(found)

    def read_to_end(self, seconds: float = PATIENCE) -> bytes:
        """What is left of the stream until the daemon closes it.

        Raises:
            TimeoutError: it is not closed in time.
        """
        deadline = Deadline(seconds)
        found = bytes(self._bytes)
        while True:
            data = self._read(READ_SIZE, deadline)
            if not data:
                return found
            found += data

    # --- both ------------------------------------------------------------------------------------

    def answer(self, method: str, *params: object, seconds: float = PATIENCE) -> Answer:
        """Asks one thing and reads its answer; nothing else may be in flight."""
        return self.read_of(self.ask(method, *params), seconds)

    def call(self, method: str, *params: object, seconds: float = PATIENCE) -> Any:
        """The result of one request.

        Raises:
            Refused: it was answered with an error.
        """
        answer = self.answer(method, *params, seconds=seconds)
        if answer.error is not None:
            raise Refused(answer)
        return answer.result

    def call_pool(
        self, pool: str, method: str, args: object = None, **options: object
    ) -> Any:
        """The result of one poold.call.

        Raises:
            Refused: it was answered with an error.
        """
        return self.call("poold.call", pool, method, args, options)

    def answer_pool(
        self, pool: str, method: str, args: object = None, **options: object
    ) -> Answer:
        """The answer of one poold.call."""
        return self.answer("poold.call", pool, method, args, options)

    def check_quiet(self) -> None:
        """Nothing more is on its way: what was answered is not answered again.

        A stream keeps its order, so all that the daemon had written comes before this answer.
        """
        assert self.call("poold.version")["server"] == "poold"


def try_connect(path: str, make: Callable[..., Raw] = Raw, **options: Any) -> Raw | None:
    """A connection, or None while nobody listens there."""
    if not os.path.exists(path):
        return None
    try:
        return make(path, **options)
    except (ConnectionRefusedError, FileNotFoundError):
        return None
