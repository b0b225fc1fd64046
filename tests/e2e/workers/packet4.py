"""A worker of the packet4 dialects that knows nothing of poold: `packet4.py [--msgpack] [ADDRESS]`.

It speaks on standard input and output, or serves each connection at an address (the path of a Unix
socket, or tcp:IP:PORT) and says on standard output that it listens.  In JSON it needs the standard
library alone.  Its manners: it exits with status 0 when it can't read a message, passes over what
has no id, and prints on standard error.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any, BinaryIO

MSGPACK = "--msgpack" in sys.argv[1:]
if MSGPACK:
    import msgpack
else:
    import json


def encode(message: object) -> bytes:
    return msgpack.packb(message) if MSGPACK else json.dumps(message).encode()


def decode(body: bytes) -> Any:
    return msgpack.unpackb(body, strict_map_key=False) if MSGPACK else json.loads(body)


class Peer:
    """Who is at the other end: `frame` sends bytes of any kind, `reply` an answer."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self.source, self.sink = source, sink

    def raw(self, data: bytes) -> None:
        self.sink.write(data)
        self.sink.flush()

    def frame(self, body: bytes) -> None:
        self.raw(struct.pack(">I", len(body)) + body)

    def reply(self, **message: object) -> None:
        self.frame(encode(message))

    def read(self) -> bytes | None:
        """The next message; None at the end."""
        head = self.source.read(4)
        if len(head) < 4:
            return None
        (length,) = struct.unpack(">I", head)
        body = self.source.read(length)
        return body if len(body) == length else None


# Commands that answer with what they return.
PLAIN: dict[str, Callable[[Any], object]] = {
    "ping": lambda args: {"status": "ok"},
    "echo": lambda args: args,
    "pid": lambda args: os.getpid(),
    "size": lambda args: len(args["data"]),
    "sleep": lambda args: time.sleep(args["seconds"]) or "slept",
    "disguise": lambda args: {"error": "it only looks like a result"},
    "error_and_more": lambda args: {"error": "one of two keys", "more": 1},
    "number": lambda args: 1.0,
    "much": lambda args: "x" * args["bytes"],
}


# Commands that answer in ways of their own.
def fail(peer: Peer, number: int, args: Any) -> None:
    peer.reply(id=number, success=False, error=args.get("error"))


def no_id(peer: Peer, number: int, args: Any) -> None:
    peer.reply(success=True, result="whose?")


def null_id(peer: Peer, number: int, args: Any) -> None:
    peer.reply(id=None, success=False, error="I could not read that")


def other_id(peer: Peer, number: int, args: Any) -> None:
    peer.reply(id=number + 1000, success=True, result="whose?")


def text_id(peer: Peer, number: int, args: Any) -> None:
    peer.reply(id=str(number), success=True, result="whose?")


def twice(peer: Peer, number: int, args: Any) -> None:
    for _ in range(2):
        peer.reply(id=number, success=True, result=args)


def no_success(peer: Peer, number: int, args: Any) -> None:
    peer.reply(id=number, result="how did it go?")


def not_a_map(peer: Peer, number: int, args: Any) -> None:
    peer.frame(encode([number, True, "result"]))


def garbage(peer: Peer, number: int, args: Any) -> None:
    peer.frame(b"\xc1{")


def empty(peer: Peer, number: int, args: Any) -> None:
    peer.frame(b"")


def two_in_one(peer: Peer, number: int, args: Any) -> None:
    peer.frame(encode({"id": number, "success": True, "result": 1}) * 2)


def text(peer: Peer, number: int, args: Any) -> None:
    """What a stray print does."""
    peer.raw(b"Hello, I am here\n")


def announce(peer: Peer, number: int, args: Any) -> None:
    """A length, and nothing behind it."""
    peer.raw(struct.pack(">I", args["bytes"]))


def half(peer: Peer, number: int, args: Any) -> None:
    peer.raw(struct.pack(">I", 100) + b"{")
    os._exit(args["status"])


def leave(peer: Peer, number: int, args: Any) -> None:
    os._exit(args["status"])


def raw_json(peer: Peer, number: int, args: Any) -> None:
    """A result that is written as the arguments say."""
    text = f'{{"id": {number}, "success": true, "result": {args["text"]}}}'
    peer.frame(text.encode())


def latin(peer: Peer, number: int, args: Any) -> None:
    """A text in another encoding than UTF-8."""
    peer.frame(b'{"id": %d, "success": true, "result": "\xe4"}' % number)


def slowly(peer: Peer, number: int, args: Any) -> None:
    """An answer byte by byte."""
    body = encode({"id": number, "success": True, "result": args})
    for byte in struct.pack(">I", len(body)) + body:
        peer.raw(bytes((byte,)))


def talk(peer: Peer, number: int, args: Any) -> None:
    """Something on standard error first."""
    print(args["text"], file=sys.stderr, flush=True)
    peer.reply(id=number, success=True, result="said")


def stay(peer: Peer, number: int, args: Any) -> None:
    """From now on neither the end of its input nor SIGTERM ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    peer.stays = True
    peer.reply(id=number, success=True, result="staying")


ODD = {
    function.__name__: function
    for function in (
        fail, no_id, null_id, other_id, text_id, twice, no_success, not_a_map, garbage, empty,
        two_in_one, text, announce, half, leave, raw_json, latin, slowly, talk, stay,
    )
}


def answer(peer: Peer, message: dict) -> None:
    number, command, args = message["id"], message["command"], message["args"]
    if command in ODD:
        ODD[command](peer, number, args)
        return
    if command not in PLAIN:
        peer.reply(id=number, success=False, error=f"unknown command: {command}")
        return
    try:
        result = PLAIN[command](args)
    except Exception as error:
        found = {"type": type(error).__name__, "message": str(error)}
        peer.reply(id=number, success=False, error=found)
        return
    peer.reply(id=number, success=True, result=result)


def serve(peer: Peer) -> None:
    peer.stays = False
    while (body := peer.read()) is not None:
        try:
            message = decode(body)
        except ValueError:
            sys.exit(0)
        if "id" in message:
            answer(peer, message)
    while peer.stays:
        time.sleep(1)


def serve_connection(connection: socket.socket) -> None:
    with connection:
        try:
            serve(Peer(connection.makefile("rb"), connection.makefile("wb")))
        except OSError:
            pass  # hung up, by either side


def listen(address: str) -> None:
    if address.startswith("tcp:"):
        _, host, port = address.split(":")
        listener = socket.create_server((host, int(port)))
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen()
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_connection, args=(connection,), daemon=True).start()


addresses = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
if addresses:
    listen(addresses[0])
else:
    try:
        serve(Peer(sys.stdin.buffer, sys.stdout.buffer))
    except OSError:
        os._exit(1)  # nobody is there any more; no words about it
