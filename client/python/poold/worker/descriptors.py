"""Descriptors that the daemon hands over with a message (SCM_RIGHTS)."""

from __future__ import annotations

import array
import os
import socket


def receive(channel: socket.socket, size: int, most: int, flags: int = 0) -> tuple[bytes, list[int]]:
    """Reads up to `size` bytes and `most` descriptors, which programs that are started do not inherit.

    Raises:
        OSError: as of `recvmsg`.
    """
    # Not `socket.recv_fds`, which drops the flags in some versions of Python.
    found = array.array("i")
    space = socket.CMSG_LEN(most * found.itemsize)
    data, controls, _, _ = channel.recvmsg(size, space, flags | socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in controls:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return data, found.tolist()


def close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
