"""Requests that the daemon wants back before they begin, for another worker that is free.

The daemon asks on a socket of its own: while a function runs, nobody reads the channel, and there
the question would stand behind the requests.  A request is either given back or begun, and never
both: that is decided here, whether the request was read by then or not.

Who begins a request writes that down (`begun`) and then looks whether any was given back
(`given`); who gives one back writes that down and then looks whether it has begun.  So at least one
of them sees the other, and what both see they settle under a lock.  A lock for each request would
cost more than all of this.  That order is the interpreter's own, as one thread of Python runs at a
time; where that is not so, `given` is never empty, and the lock is taken each time.
"""

from __future__ import annotations

import _thread
import math
import socket
import sys

from poold import wire

# So many requests are given back at most before the next one begins: far more than the daemon has
# at one worker.
GIVEN_MAX = 1024

# In the place of a number, where there has to be one: its turn does not come.
_NEVER = math.inf

_IS_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Recalls:
    """Which requests have begun, and which were given back.

    The daemon numbers the requests of a worker in the order in which they are sent, and they begin
    in that order.

    Attributes:
        begun: the last request whose turn has come.  Who begins one sets this, and then looks at
            `given`.
        given: given back, and still to come to their turn.  If there are any, `is_wanted` says
            whether the request may begin.
    """

    def __init__(self, channel: socket.socket) -> None:
        self.number = channel.fileno()
        self._channel = channel
        self._decoder = wire.Decoder()
        self._lock = _thread.allocate_lock()
        self.begun = 0
        self._cancelled = 0  # the last one that was answered with `cancelled` before it began
        self.given: set[float] = {_NEVER} if _IS_FREE_THREADED else set()

    def is_wanted(self, number: int) -> bool:
        """Whether this request, which is now the last that has begun, was not given back."""
        with self._lock:
            is_wanted = number not in self.given
            self.given = {given for given in self.given if given > number}
            return is_wanted

    def cancel(self, number: int) -> bool:
        """A request that has not begun was cancelled: whether it is still to be answered."""
        with self._lock:
            # No earlier one is given back after this, so that there is one number to remember.
            self._cancelled = max(self._cancelled, number)
            return number not in self.given

    def _give(self, number: int) -> bool:
        with self._lock:
            if number in self.given or len(self.given) >= GIVEN_MAX:
                return False
            self.given.add(number)
            if number > self.begun and number > self._cancelled:
                return True
            self.given.remove(number)
            return False

    def read(self) -> list[bytes] | None:
        """Reads once; returns the answers to what is given back now, each of which must be written.
        None: the daemon asks no more."""
        try:
            data = self._channel.recv(wire.READ_SIZE, socket.MSG_DONTWAIT)
            messages = self._decoder.feed(data)
        except BlockingIOError:
            return []
        except (OSError, wire.Unreadable):
            return None  # it is not that socket any more: the worker's code has closed it
        asked = [message[2] for message in messages if message[:2] == _RECALL]
        answers = [self._answer(*params[:1]) for params in asked if isinstance(params, list)]
        return [answer for answer in answers if answer] if data else None

    def _answer(self, number: object = None) -> bytes:
        """The answer to a request that is given back; empty: it is not."""
        # Packed before it is given back: there may be no memory for it.
        answer = wire.pack([wire.RESPONSE, number, {"code": "recalled"}, None])
        return answer if type(number) is int and self._give(number) else b""


_RECALL = [wire.NOTIFICATION, "recall"]
