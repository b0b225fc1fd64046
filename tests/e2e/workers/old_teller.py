"""A worker that speaks the dialect without the package, and knows nothing of credit.

    old_teller.py [CONCURRENCY]

Methods: `tell_large` [count, size] sends so many parts and then the count, whether or not anybody takes them;
`echo` answers with its arguments.  It hears nothing while it tells, but with a concurrency above 1 it tells in a thread
of its own.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

import msgpack

CONCURRENCY = int(sys.argv[1]) if len(sys.argv) > 1 else 1

channel = socket.socket(fileno=int(os.environ["POOLD_FD"]))
writing = threading.Lock()


def send(message: object) -> None:
    with writing:
        channel.sendall(msgpack.packb(message))


def tell(number: int, count: int, size: int) -> None:
    for part in range(count):
        send([2, "chunk", [number, bytes([part % 256]) * size]])
    send([1, number, None, count])


def serve(message: list) -> None:
    """Does what one message asks for."""
    if message[0] == 2 and message[1] == "shutdown":
        sys.exit(0)
    if message[0] != 0:
        return
    _, number, method, params = message
    if method == "tell_large":
        work = threading.Thread(target=tell, args=(number, *params[0]), daemon=True)
        work.start()
        if CONCURRENCY == 1:
            work.join()
    else:
        send([1, number, None, "pong" if method == "ping" else params[0]])


def main() -> None:
    unpacker = msgpack.Unpacker()
    send([2, "ready", [{"pid": os.getpid(), "version": "0", "concurrency": CONCURRENCY}]])
    while data := channel.recv(1 << 16):
        unpacker.feed(data)
        for message in unpacker:
            serve(message)


main()
