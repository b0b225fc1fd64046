"""An echo worker of NATS: nats_worker.py PORT."""

from __future__ import annotations

import sys

from echo_functions import echo
from queue_worker import connect_port


def main() -> None:
    """Serves until the server goes."""
    peer = connect_port(int(sys.argv[1]))
    lines = peer.makefile("rb")
    peer.sendall(b'CONNECT {"verbose":false}\r\nSUB work all 1\r\n')
    for line in lines:
        if line.startswith(b"MSG"):
            _, _, _, subject, length = line.split()
            payload = echo(lines.read(int(length) + 2)[:-2])
            peer.sendall(b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload))
        elif line.startswith(b"PING"):
            peer.sendall(b"PONG\r\n")


if __name__ == "__main__":
    main()
