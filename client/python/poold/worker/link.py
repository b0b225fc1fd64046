"""The channel of a worker that serves: a message is written to it whole, or the process ends.

Anything may interrupt a write: the code of a worker sets up signal handlers that raise (a time
limit with SIGALRM), restores Python's own for SIGINT, or runs out of memory.  What was written by
then is not known, so nothing may be written after it: the daemon would take that for the rest of
the message.  The same is true of what was read.
"""

from __future__ import annotations

import _thread
import errno
import os
import socket
import struct

from poold.origins import is_own
from poold.worker import forks
from poold.worker.ending import TRIES, end, flush_streams, ignore_signals, say
from poold.worker.failures import complain, summary

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import NoReturn

# What a socket says when the other end is gone.
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN)
# What it says when it is not the socket any more.
_CLOSED = (errno.EBADF, errno.ENOTSOCK)

# As plain numbers: to join two flags of the enumeration takes as long as to send a message.
_FLAGS = int(socket.MSG_NOSIGNAL)
_FLAGS_AT_ONCE = int(socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)

# A read that waits ends after so many seconds and microseconds, to look for signals.
_LOOK_EACH = (2, 0)

# Bytes of a message that the kernel takes whole or not at all, as it makes one buffer of it: at
# most this, and half of the socket's own limit less 64.
_SHORT_MAX = 8 * 1024


class Link:
    """The channel.

    Everything is for the main thread but `beat` and `write_beside`.

    Attributes:
        is_child: this process was forked by the worker's code, and its channel is closed.
        short_max: bytes of the longest message for `write_short`.
    """

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.number = channel.fileno()
        self.is_child = False
        room = channel.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.short_max = min(_SHORT_MAX, room // 2 - 64)
        # A signal that comes just before a read begins to wait does not end that wait, and Python
        # calls its handler after it: so a read ends by itself now and then.
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", *_LOOK_EACH))
        self._lock = _thread.allocate_lock()  # another thread writes as well
        self._open_end = False  # a message is being written, or was interrupted
        self._partly = False  # the daemon has a part of a message, and waits for the rest
        forks.in_child(self._become_child)

    def _become_child(self) -> None:
        self.is_child = True
        self._lock = _thread.allocate_lock()  # the other thread, which may have had it, is no more
        self.channel.close()

    # --- writing ----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray) -> None:
        """Writes all of it."""
        self._check()
        try:
            with self._lock:
                self._open_end = True
                self.channel.sendall(data, _FLAGS)
                self._open_end = False
        except BaseException as error:
            self.end_by(error, _WRITING)

    def write_short(self, message: bytes) -> None:
        """Writes a short message.  The kernel takes it whole or not at all, so it needs no lock:
        what other threads write is as short."""
        if self._open_end:
            self._check()
        try:
            self.channel.sendall(message, _FLAGS)
        except BaseException as error:
            self.end_by(error, _WRITING)

    def flush(self, output: bytearray) -> None:
        """Writes all of it, and empties it."""
        if self._open_end:
            self._check()
        try:
            with self._lock:
                self._open_end = True
                self.channel.sendall(output, _FLAGS)
                output.clear()
                self._open_end = False
        except BaseException as error:
            self.end_by(error, _WRITING)

    def drain(self, output: bytearray) -> None:
        """Writes as much as the daemon takes now, and removes that."""
        self._check()
        try:
            with self._lock:
                self._open_end = True
                del output[: self._send(output)]
                self._partly = bool(output)
                self._open_end = False
        except BaseException as error:
            self.end_by(error, _WRITING)

    def _send(self, output: bytearray) -> int:
        try:
            return self.channel.send(output, _FLAGS_AT_ONCE)
        except BlockingIOError as error:
            if is_own(error, __file__):
                return 0
            raise

    def write_beside(self, message: bytes) -> None:
        """Writes a message, after the one that is being written.  For another thread than the main
        one, where `drain` is not used."""
        with self._lock:
            if not self._open_end:  # else the process is about to end
                self.channel.sendall(message, _FLAGS)

    def beat(self, message: bytes) -> None:
        """Writes a short message, unless others are being written: whoever writes is heard of.
        For any thread."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            # A message as short as this is written whole or not at all.
            if not self._partly and not self._open_end:
                self.channel.send(message, _FLAGS_AT_ONCE)
        except OSError:
            pass
        finally:
            self._lock.release()

    # --- reading ----------------------------------------------------------------------------------

    def read(self, size: int, flags: int = 0) -> bytes | None:
        """Returns what has come; None: nothing, at once where MSG_DONTWAIT is among the flags.

        Ends the process at the end of the channel: nobody waits for an answer.
        """
        if self._open_end:
            self._check()
        try:
            data = self.channel.recv(size, flags)
        except BlockingIOError as error:
            if is_own(error, __file__):
                return None
            raise
        if not data:
            os._exit(0)
        return data

    # --- the end ----------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._open_end:
            end(f"a message to the daemon is incomplete; {_SO}", os.EX_SOFTWARE)

    def end_by(self, error: BaseException, when: str) -> NoReturn:
        """Ends the process: this was raised in the code that serves, not in the worker's own."""
        try:
            for _ in range(TRIES):
                try:
                    ignore_signals()
                    self._end_by(error, when)
                except BaseException:
                    pass  # the same signal again
        finally:
            os._exit(os.EX_SOFTWARE)

    def _end_by(self, error: BaseException, when: str) -> NoReturn:
        if self.is_child:
            self.end_child(None)
        if issubclass(type(error), OSError) and is_own(error, __file__):
            if error.errno in _GONE:  # type: ignore[attr-defined]
                os._exit(0)  # the daemon is gone: nobody waits for an answer
            if error.errno in _CLOSED:  # type: ignore[attr-defined]
                self.end_closed()
        if self._open_end:  # it was interrupted again before the first time was taken note of
            when = _WRITING
        say(f"poold.worker: it was interrupted {when}, by {summary(error)}; {_SO}")
        os._exit(os.EX_SOFTWARE)

    def end_closed(self) -> NoReturn:
        """Ends the process: the descriptor of the channel is not the channel any more."""
        text = f"the worker's own code has closed descriptor {self.number}, its channel to the daemon"
        end(text, os.EX_SOFTWARE)

    def end_child(self, error: BaseException | None) -> NoReturn:
        """Ends a process that the worker's code has forked and that has come back from it, with
        the exit status that a program would have here."""
        status = 0
        try:
            if error is not None and issubclass(type(error), SystemExit):
                code = error.code  # type: ignore[attr-defined]
                status = code if isinstance(code, int) else int(code is not None)
                if status and not isinstance(code, int):
                    complain("a forked process ended", error)
            elif error is not None:
                status = 1
                complain("a forked process failed", error)
            flush_streams()
        finally:
            os._exit(status & 0xFF)


_SO = "it ends, as nothing that it would write after that could be told from it"
_WRITING = "while it wrote to the daemon"
