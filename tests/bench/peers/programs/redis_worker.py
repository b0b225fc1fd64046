"""An echo worker that takes its jobs from a list of Redis: redis_worker.py SOCKET.

The first ten bytes of a job name the list in which its answer is waited for."""

from __future__ import annotations

import sys
from typing import BinaryIO

from echo_functions import echo
from queue_worker import connect_path

NUMBER = 10


def command(*words: bytes) -> bytes:
    """A command as the server reads it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def read_text(stream: BinaryIO) -> bytes:
    """A text with its length before it."""
    return stream.read(int(stream.readline()[1:]) + 2)[:-2]


def main() -> None:
    """Serves until the server goes.  With the answer the next job is asked for."""
    peer = connect_path(sys.argv[1])
    stream = peer.makefile("rb")
    take = command(b"BRPOP", b"work", b"0")
    peer.sendall(take)
    for line in stream:
        if line.startswith(b"*"):
            read_text(stream)
            job = read_text(stream)
            peer.sendall(command(b"LPUSH", job[:NUMBER], echo(job[NUMBER:])) + take)


if __name__ == "__main__":
    main()
