"""A worker that speaks the dialect without the package, and gives requests back as its argument says:

    recaller.py HOW

HOW is `honestly`, `never`, `twice` (two answers), `late` (after it has begun to run it), `anyway` (and runs
it all the same), or `another` (one that it was not asked for).  Its method `run` is that of counted.py.
"""

from __future__ import annotations

import os
import select
import socket
import sys

import msgpack
from counted import say

channel = socket.socket(fileno=int(os.environ["POOLD_FD"]))
recalls = socket.socket(fileno=int(os.environ["POOLD_RECALL_FD"]))
how = sys.argv[1]
requests: list[list] = []
given: set[int] = set()
streams = {channel: msgpack.Unpacker(raw=False), recalls: msgpack.Unpacker(raw=False)}


def send(*messages: object) -> None:
    try:
        channel.sendall(b"".join(msgpack.packb(message) for message in messages))
    except OSError:
        sys.exit(0)


def recalled(number: int) -> list:
    return [1, number, {"code": "recalled"}, None]


def give_back(number: int) -> None:
    if how == "never":
        return
    if how == "late":
        send([2, "started", [number]])
    send(recalled(number + 1000 if how == "another" else number))
    if how == "twice":
        send(recalled(number))
    if how == "anyway":
        send([2, "started", [number]], [1, number, None, "anyway"])
    given.add(number)


def read(*sockets: socket.socket, seconds: float | None) -> None:
    for ready in select.select(sockets, [], [], seconds)[0]:
        data = ready.recv(1 << 16)
        if not data:
            sys.exit(0)
        streams[ready].feed(data)
        for message in streams[ready]:
            if message[:2] == [2, "recall"]:
                give_back(message[2][0])
            elif message[:2] == [2, "shutdown"]:
                sys.exit(0)
            elif message[0] == 0:
                requests.append(message)


def serve(message: list) -> None:
    _, number, method, params = message
    if method == "ping":
        return send([1, number, None, "pong"])
    if number in given:
        return
    send([2, "started", [number]])
    ledger, note, gate = params[0]
    say(ledger, f"begin {note}")
    while not os.path.exists(gate):
        read(recalls, seconds=0.001)
    send([1, number, None, note])


send([2, "ready", [{"started": True, "recall": True}]])
while True:
    read(channel, recalls, seconds=0 if requests else None)
    if requests:
        serve(requests.pop(0))
