"""System calls on a socket during which a thread keeps the interpreter.

The methods of a socket let other threads have the interpreter during the system call, even where it
cannot wait.  Where several threads share a connection, one of them takes it each time, and the one
that has sent a request waits to get it back: that is two more changes of threads, for a system call
of a few microseconds.  Functions called by `ctypes.PyDLL` keep the interpreter.
"""

from __future__ import annotations

import socket

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any


class Channel(socket.socket):
    """A socket that functions of ctypes take in place of its number.  They ask for the number
    themselves, so nothing can close the socket, and give its number to another one, in between.
    """

    __slots__ = ()

    _as_parameter_ = property(socket.socket.fileno)


class Held:
    """The system calls; for flags with which they do not wait.

    Args:
        size: of the buffer to receive, in bytes.

    Raises:
        Exception: this Python cannot call them.
    """

    def __init__(self, size: int) -> None:
        import ctypes  # slow to load, and of no use to one thread alone

        library = ctypes.PyDLL(None)
        size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
        self._send: Any = library.send
        self._send.argtypes = (ctypes.c_int, ctypes.c_char_p, size_t, ctypes.c_int)
        self._recv: Any = library.recv
        self._recv.argtypes = (ctypes.c_int, pointer, size_t, ctypes.c_int)
        self._send.restype = self._recv.restype = ctypes.c_ssize_t
        self._size = size
        self._buffer = ctypes.create_string_buffer(size)
        self._view = memoryview(self._buffer)

    def send(self, channel: Channel, data: bytes, flags: int) -> int | None:
        """The number of bytes that were taken.  None: it failed; the socket's own `send` says why.
        """
        took: int = self._send(channel, data, len(data), flags)
        return None if took < 0 else took

    def receive(self, channel: Channel, flags: int) -> bytes | None:
        """What came, for one thread at a time.  None: nothing did, or it failed; the socket's own
        `recv` says why.
        """
        came: int = self._recv(channel, self._buffer, self._size, flags)
        return None if came < 0 else bytes(self._view[:came])
