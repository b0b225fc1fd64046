"""A bare Python worker: the least that Python can do between two sockets and still call a function
with what MessagePack says.

    echo_worker.py             behind the forwarder: a length before each request and each answer;
                               all that one read brought is answered in one write
    echo_worker.py --poold     behind the daemon, in the dialect `poold`; as the worker library it
                               writes each answer before it begins the next request
"""

from __future__ import annotations

import os
import socket
import struct
import sys

import msgpack

from echo_functions import echo

HEAD = struct.Struct("=I")
READ_SIZE = 256 * 1024
RESPONSE = 1


def frames(data: bytearray) -> list[bytes]:
    """Takes the whole frames out of `data`."""
    found = []
    at = 0
    with memoryview(data) as view:
        while len(data) - at >= HEAD.size:
            begin = at + HEAD.size
            end = begin + HEAD.unpack_from(data, at)[0]
            if end > len(data):
                break
            found.append(bytes(view[begin:end]))
            at = end
    del data[:at]
    return found


def serve_forwarder(peer: socket.socket) -> None:
    """Serves [0, id, "poold.call", [pool, method, payload]] until the socket is closed."""
    data = bytearray()
    while received := peer.recv(READ_SIZE):
        data += received
        out = []
        for frame in frames(data):
            _, number, _, (_, _, payload) = msgpack.unpackb(frame)
            answer = msgpack.packb([RESPONSE, number, None, echo(payload)])
            out += [HEAD.pack(len(answer)), answer]
        peer.sendall(b"".join(out))


def serve_poold(peer: socket.socket) -> None:
    """Serves [0, id, method, [payload, context]] until the socket is closed."""
    ready = {"pid": os.getpid(), "version": "0"}
    peer.sendall(msgpack.packb([2, "ready", [ready]]))
    unpacker = msgpack.Unpacker(max_buffer_size=2**31)
    while received := peer.recv(READ_SIZE):
        unpacker.feed(received)
        for message in unpacker:
            if message[0] != 0:
                continue  # a notification
            _, number, _, params = message
            result = echo(params[0]) if params else "pong"
            peer.sendall(msgpack.packb([RESPONSE, number, None, result]))


def main() -> None:
    """Serves in one way or the other."""
    peer = socket.socket(fileno=int(os.environ["POOLD_FD"]))
    (serve_poold if "--poold" in sys.argv else serve_forwarder)(peer)


if __name__ == "__main__":
    main()
