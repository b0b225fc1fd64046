"""Connections that ask for reports all at once: run by test_floods, as a process of its own.

    flood.py SOCKET CONNECTIONS CALLS METHOD

Each writes all its calls in one piece.  Then all answers are read and dropped, until this process is
ended.
"""

from __future__ import annotations

import select
import socket
import sys

import msgpack


def connect(path: str) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.connect(path)
    return peer


def main() -> None:
    path, connections, calls, method = sys.argv[1:]
    peers = [connect(path) for _ in range(int(connections))]
    asked = b"".join(msgpack.packb([0, step, method, []]) for step in range(int(calls)))
    for peer in peers:
        peer.sendall(asked)
    print("all is sent", flush=True)
    poll = select.poll()
    for peer in peers:
        poll.register(peer, select.POLLIN)
    by_number = {peer.fileno(): peer for peer in peers}
    while True:
        for number, _ in poll.poll():
            if not by_number[number].recv(1 << 18):
                return


if __name__ == "__main__":
    main()
