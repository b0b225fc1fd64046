"""What the workers of servers with queues have in common: they connect as soon as they can."""

from __future__ import annotations

import socket
import time

TRIES = 400
PAUSE = 0.05


def connect_port(port: int) -> socket.socket:
    """A connection to a server on this machine, which may still be starting."""
    for _ in range(TRIES):
        try:
            peer = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(PAUSE)
            continue
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer
    raise SystemExit(f"nobody listens on port {port}")


def connect_path(path: str) -> socket.socket:
    """The same for a Unix socket."""
    for _ in range(TRIES):
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            peer.close()
            time.sleep(PAUSE)
            continue
        return peer
    raise SystemExit(f"nobody listens on {path}")
