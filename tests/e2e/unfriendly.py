"""A client that behaves badly without an end: run by test_unfriendly, as a process of its own.

    unfriendly.py SOCKET HABIT UID

It says on its standard output when it has begun, and goes on until it is ended.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from selectors import EVENT_READ, DefaultSelector

import msgpack

MIB = 1 << 20


def connect(path: str) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
    peer.connect(path)
    return peer


def request(number: int, method: str, *params: object) -> bytes:
    return msgpack.packb([0, number, method, params])


def call(number: int, method: str, args: object, **options: object) -> bytes:
    return request(number, "poold.call", "well", method, args, options)


def begun() -> None:
    print("begun", flush=True)


def keep_asking(path: str, connections: int, requests: Iterator[bytes], ahead: int) -> None:
    """On each connection so many requests are always under way: for each answer comes another."""
    chosen = DefaultSelector()
    for _ in range(connections):
        peer = connect(path)
        peer.sendall(b"".join(itertools.islice(requests, ahead)))
        chosen.register(peer, EVENT_READ, msgpack.Unpacker())
    begun()
    while True:
        for key, _ in chosen.select():
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            data = peer.recv(MIB)
            if not data:
                raise EOFError("the connection was closed")
            key.data.feed(data)
            answers = sum(1 for _ in key.data)
            peer.sendall(b"".join(itertools.islice(requests, answers)))


def calls(method: str, args: object, **options: object) -> Iterator[bytes]:
    return (call(number, method, args, **options) for number in itertools.count())


def ask_for_reports(path: str) -> None:
    methods = enumerate(itertools.cycle(("metrics", "stats", "workers", "errors", "status", "pools")))
    keep_asking(path, 10, (request(number, f"poold.{method}") for number, method in methods), 500)


def read_nothing(path: str) -> None:
    peers = [connect(path) for _ in range(14)]
    for peer in peers:
        peer.sendall(request(1, "poold.call", "tell", "big", [8 * MIB, 1], {}))
    begun()
    time.sleep(3600)


def queue_a_thousand(path: str) -> None:
    keep_asking(path, 1, calls("echo", 1), 1000)


def all_critical(path: str) -> None:
    keep_asking(path, 4, calls("echo", 1, priority="critical"), 250)


def come_and_go(path: str) -> None:
    begun()
    while True:
        with connect(path) as peer:
            peer.sendall(request(1, "poold.version")[:5])


def crowd(path: str) -> None:
    """Many come, are idle and stay; those that are closed come again."""
    peers = [connect(path) for _ in range(200)]
    begun()
    while True:
        peers.append(connect(path))
        peers.pop(0).close()


def steal(path: str) -> None:
    """Guesses names that are others'."""
    def attempts() -> Iterator[bytes]:
        for number in itertools.count(0, 3):
            name = f"name-{number % 1000}"
            yield call(number, "echo", 1, session=name)
            yield call(number + 1, "echo", 1, key=name)
            yield request(number + 2, "poold.session_close", name)

    keep_asking(path, 2, attempts(), 200)


HABITS: dict[str, Callable[[str], None]] = {
    habit.__name__: habit
    for habit in (ask_for_reports, read_nothing, queue_a_thousand, all_critical, come_and_go, crowd, steal)
}


def main() -> None:
    path, habit, uid = sys.argv[1:]
    if int(uid) != os.geteuid():
        os.setgroups([])
        os.setresgid(int(uid), int(uid), int(uid))
        os.setresuid(int(uid), int(uid), int(uid))
    HABITS[habit](path)


if __name__ == "__main__":
    main()
