"""An echo worker of Gearman: gearman_worker.py PORT."""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

from echo_functions import echo
from queue_worker import connect_port

HEAD = struct.Struct(">4sII")

CAN_DO, PRE_SLEEP, NOOP, GRAB_JOB, NO_JOB, JOB_ASSIGN, WORK_COMPLETE = 1, 4, 6, 9, 10, 11, 13


def packet(kind: int, body: bytes = b"") -> bytes:
    """What is sent to the server."""
    return HEAD.pack(b"\0REQ", kind, len(body)) + body


def receive(stream: BinaryIO) -> tuple[int, bytes]:
    """What the server says."""
    head = stream.read(HEAD.size)
    if not head:
        raise SystemExit(0)
    _, kind, length = HEAD.unpack(head)
    return kind, stream.read(length)


def main() -> None:
    """Serves until the server goes.  With the answer the next job is asked for."""
    peer = connect_port(int(sys.argv[1]))
    stream = peer.makefile("rb")
    peer.sendall(packet(CAN_DO, b"work") + packet(GRAB_JOB))
    while True:
        kind, body = receive(stream)
        if kind == JOB_ASSIGN:
            handle, _, payload = body.split(b"\0", 2)
            done = packet(WORK_COMPLETE, handle + b"\0" + echo(payload))
            peer.sendall(done + packet(GRAB_JOB))
        elif kind == NO_JOB:
            peer.sendall(packet(PRE_SLEEP))
        elif kind == NOOP:
            peer.sendall(packet(GRAB_JOB))


if __name__ == "__main__":
    main()
