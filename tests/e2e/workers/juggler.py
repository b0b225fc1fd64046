"""A worker that speaks the dialect without the package and serves up to four requests at once.

Methods: `after` [seconds, value] answers later; `yielding` [] gives up when it is told to; `stubborn` []
neither answers nor gives up.
"""

from __future__ import annotations

import heapq
import os
import socket
import sys
import time

import msgpack

CONCURRENCY = 4

channel = socket.socket(fileno=int(os.environ["POOLD_FD"]))
# What is to be answered, by the time: (when, id, value).
due: list[tuple[float, int, object]] = []
yielding: set[int] = set()


def send(message: object) -> None:
    channel.sendall(msgpack.packb(message))


def serve(message: list) -> None:
    """Does what one message asks for."""
    if message[0] == 2 and message[1] == "shutdown":
        sys.exit(0)
    if message[0] == 2 and message[1] == "cancel" and message[2][0] in yielding:
        yielding.remove(message[2][0])
        send([1, message[2][0], {"code": "cancelled", "message": "given up"}, None])
    if message[0] != 0:
        return
    _, number, method, params = message
    if method == "ping":
        send([1, number, None, "pong"])
    elif method == "after":
        seconds, value = params[0]
        heapq.heappush(due, (time.monotonic() + seconds, number, value))
    elif method == "yielding":
        yielding.add(number)


def answer_due() -> float | None:
    """Answers what is due; returns the seconds to the next, or None."""
    while due and due[0][0] <= time.monotonic():
        _, number, value = heapq.heappop(due)
        send([1, number, None, value])
    return max(due[0][0] - time.monotonic(), 0.0001) if due else None


def main() -> None:
    unpacker = msgpack.Unpacker()
    send([2, "ready", [{"pid": os.getpid(), "version": "0", "concurrency": CONCURRENCY}]])
    while True:
        channel.settimeout(answer_due())
        try:
            data = channel.recv(1 << 16)
        except TimeoutError:
            continue
        if not data:
            return
        unpacker.feed(data)
        for message in unpacker:
            serve(message)


if __name__ == "__main__":
    main()
