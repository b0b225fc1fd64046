"""A bare Python worker behind the forwarder: the least that Python can do between two sockets.

It cuts the length frames of `forward` out of what a read brought, and answers them in one write.
"""

from __future__ import annotations

import os
import socket
import struct

HEAD = struct.Struct("=I")
READ_SIZE = 256 * 1024


def whole_frames(data: bytearray) -> int:
    """How many bytes of `data` are whole frames."""
    at = 0
    while len(data) - at >= HEAD.size:
        end = at + HEAD.size + HEAD.unpack_from(data, at)[0]
        if end > len(data):
            break
        at = end
    return at


def main() -> None:
    """Serves until the socket is closed."""
    peer = socket.socket(fileno=int(os.environ["POOLD_FD"]))
    data = bytearray()
    while received := peer.recv(READ_SIZE):
        data += received
        end = whole_frames(data)
        peer.sendall(memoryview(data)[:end].tobytes())
        del data[:end]


if __name__ == "__main__":
    main()
