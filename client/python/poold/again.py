"""Asking again: for requests that certainly were not executed.

A request is asked again, within its own timeout, in exactly these cases: there was no connection
to the daemon; the connection ended before the request was written whole; or the daemon answered
`shutting_down`, and that nothing was executed.  So a restart of the daemon loses nothing.

The blocking client does it in a thread, which lives only while calls wait to be asked again: so
that they are, whoever waits for them; and so that `start` returns at once, daemon or not.
"""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Union

from poold import errors, threads, wire
from poold.calls import closed_by_client, lost_error, unreachable

if TYPE_CHECKING:
    from poold.client import Client
    from poold.call import Call

# Seconds before a request is asked again: drawn from zero to a limit, which doubles each time.
FIRST_PAUSE, LAST_PAUSE = 0.01, 1.0

# What connect says when there is no daemon now, but may be soon.
_PASSING = (errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN, errno.ECONNRESET, errno.EPIPE)


def pause(tries: int) -> float:
    """Seconds to wait after so many tries: at random, since many clients lost the same daemon."""
    limit: float = min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 10))
    return limit * int.from_bytes(os.urandom(4), "big") / 2**32


class NoConnection(Exception):
    """There is no connection to the daemon.

    Attributes:
        path: of its socket.
        reason: a few words.
        number: that of the system's error; None: it was connected, but not greeted.
        is_passing: whether to try again.
    """

    def __init__(
        self, path: str, reason: str, number: int | None = None, is_passing: bool = True
    ) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason
        self.number = number
        self.is_passing = is_passing and (number is None or number in _PASSING)

    def bare(self) -> NoConnection:
        """The same, to be kept: without the frames that it came through."""
        return NoConnection(self.path, self.reason, self.number, self.is_passing)

    def error(self, waited: float = 0.0) -> errors.Error:
        """The error of a call that tried for so many seconds."""
        reason = self.reason
        if waited >= 0.05:
            what = "no connection was possible"
            if self.number == errno.ENOENT:
                what = "no socket file was there"
            elif self.number == errno.ECONNREFUSED:
                what = "nobody listened there"
            reason += f"; {what} for {waited:.1f} s"
        return unreachable(self.path, reason)


class NeverLeft(Exception):
    """The connection was lost before any byte of a request was written."""


class CutShort(NeverLeft):
    """The connection was lost after some bytes of a request were written, but not all."""


# Why a request has to be asked again: the daemon's error, or what kept it from being sent.
Reason = Union["dict[str, Any]", NoConnection, NeverLeft]


def is_refusal(error: dict[str, Any]) -> bool:
    """Whether an answer's error says that the daemon is stopping, and has executed nothing."""
    return error.get("code") == "shutting_down" and error.get("executed") == "no"


def may_ask_again(error: errors.Error) -> bool:
    """Whether this error says that the request was not executed, and the next daemon may do so."""
    if error.executed != "no":
        return False
    return error.code == "shutting_down" or (error.code == "peer_closed" and not error.raw)


def is_passing(error: Exception) -> bool:
    """Whether another try may be greeted, after this error instead of a greeting."""
    passing = ("peer_closed", "deadline_exceeded", "shutting_down")
    return not isinstance(error, errors.Error) or error.code in passing


def failure_of(reason: Reason, waited: float) -> errors.Error:
    """The error of a call that is not asked again any more."""
    if isinstance(reason, NoConnection):
        return reason.error(waited)
    if isinstance(reason, NeverLeft):
        return lost_error(str(reason), "no")
    return errors.from_wire(reason)


class Request:
    """A packed request, which can be asked again with the time that is left.

    Args:
        data: the whole message.
        options: that of a call, the last of its params; None: there are none.
        timeout: seconds; None: without end.
        connect_timeout: seconds without a connection, if the request has no timeout.
    """

    __slots__ = ("_data", "_options", "timeout", "_since", "_connect_timeout", "ends", "tries")

    def __init__(
        self,
        data: bytes,
        options: dict[str, Any] | None,
        timeout: float | None,
        connect_timeout: float,
    ) -> None:
        self._data = data
        self._options = options
        self.timeout = timeout
        self._connect_timeout = connect_timeout
        self.tries = 0
        self._since = since = time.monotonic()  # it has had no connection
        self.ends = math.inf if timeout is None else since + timeout

    def begin(self) -> None:
        """Its time begins once more, now."""
        self._since = time.monotonic()
        self.ends = math.inf if self.timeout is None else self._since + self.timeout

    def packed(self) -> bytes:
        """The message; if it is asked again, with the timeout that is left."""
        options = self._options
        if not self.tries or options is None or "timeout_ms" not in options:
            return self._data
        tail = wire.pack([options])[1:]  # without the header of the list around it
        if self.ends == math.inf or not self._data.endswith(tail):
            return self._data
        left = max(1, min(round(1000 * (self.ends - time.monotonic())), options["timeout_ms"]))
        return self._data[: -len(tail)] + wire.pack([{**options, "timeout_ms": left}])[1:]

    def take_answer(self) -> None:
        """The daemon has answered: there was a connection."""
        self._since = time.monotonic()

    def waits_until(self) -> float:
        """Until when to ask again; without a timeout, as long as connect_timeout allows."""
        if self.ends != math.inf:
            return self.ends
        return self._since + self._connect_timeout

    def waited(self) -> float:
        """For how many seconds there has been no connection."""
        return time.monotonic() - self._since


class Again(Request):
    """That of the blocking client, for one call.

    Every change of state is one assignment.  The call is between two connections while `asked` is
    not the same object as `refused`.

    Attributes:
        refused: why it has to be asked again, for the last time; None: it has not been refused.
        asked: the refusal after which it was asked again.
        due: when to ask.
        is_over: nobody wants it any more.
        is_being_asked: it may have been sent at this moment.
    """

    __slots__ = ("client", "pid", "refused", "asked", "due", "is_over", "is_being_asked")

    def __init__(
        self,
        client: Client,
        data: bytes,
        options: dict[str, Any] | None,
        timeout: float | None,
        connect_timeout: float,
    ) -> None:
        Request.__init__(self, data, options, timeout, connect_timeout)
        self.client = client
        self.pid = client._pid  # of this process, as it was looked at just now
        self.refused: Reason | None = None
        self.asked: Reason | None = None
        self.due = 0.0
        self.is_over = False
        self.is_being_asked = False

    def refuse(self, reason: Reason) -> None:
        """The call has to be asked again: it was not executed."""
        if isinstance(reason, dict):
            self.take_answer()
        # An idle connection that the daemon had closed is no reason to wait.
        at_once = isinstance(reason, NeverLeft) and self.tries == 0
        self.due = time.monotonic() + (0.0 if at_once else pause(self.tries))
        self.tries += 1
        if isinstance(reason, NoConnection):
            reason = reason.bare()
        elif isinstance(reason, NeverLeft):
            reason = NeverLeft(str(reason))
        self.refused = reason

    def is_postponed(self) -> bool:
        """Whether it is not to be asked now, but waits for its turn."""
        return False

    def failure(self) -> errors.Error:
        """Why the call failed, if it is not asked again any more."""
        assert self.refused is not None
        return failure_of(self.refused, self.waited())

    def wake(self, call: Call) -> None:
        """Has the call asked again; may be repeated."""
        self.client._asker.add(call)


class Asker:
    """Asks the calls of one client again, each when it is due, in a thread that ends with the last.

    While there is no connection, all wait for the next try to connect.
    """

    def __init__(self) -> None:
        self._arrivals: SimpleQueue[Call | None] = SimpleQueue()
        self._running = threading.Lock()
        self._pending: dict[Call, None] = {}
        self._tries = 0  # to connect, in vain
        self._next_try = 0.0
        self.failure: NoConnection | None = None  # of the last try, while calls wait for the next

    def add(self, call: Call) -> None:
        """Takes a call that was refused; if it has it already, nothing happens."""
        self._arrivals.put(call)
        if self._running.locked():
            return
        try:
            threads.start(self._run)
        except RuntimeError:  # the program ends, or there is no thread to be had
            call.give_up_overdue()

    def wake(self) -> None:
        """To be called when the client was closed."""
        self._arrivals.put(None)

    def _run(self) -> None:
        while self._running.acquire(blocking=False):
            try:
                self._ask_all()
            finally:
                self._running.release()
            if self._arrivals.empty():
                return

    def _ask_all(self) -> None:
        until = 0.0
        try:
            while self._take_arrivals(until):
                until = self._ask_due()
        finally:
            self._pending.clear()
            self.failure = None

    def _take_arrivals(self, until: float) -> bool:
        """Waits for calls, if there are any that wait; returns whether there are."""
        try:
            left = max(0.0, min(until - time.monotonic(), LAST_PAUSE)) if self._pending else 0.0
            while True:
                call = self._arrivals.get(timeout=left)
                if call is not None:
                    self._pending[call] = None
                left = 0.0
        except Empty:
            pass
        return bool(self._pending)

    def _ask_due(self) -> float:
        """Asks the calls that are due.  Returns when to come back."""
        earliest = math.inf
        for call in list(self._pending):
            again = call._again
            assert again is not None
            if not again.is_over and call._is_between() and not again.is_postponed():
                self._end_or_ask(call, again)
            if again.is_over or again.is_postponed() or not call._is_between():
                del self._pending[call]
                call._notify()
            else:
                next_try = max(again.due, self._next_try)
                earliest = min(earliest, next_try, again.waits_until())
        return earliest

    def _end_or_ask(self, call: Call, again: Again) -> None:
        now = time.monotonic()
        if again.client._closed:
            call.give_up(closed_by_client())
        elif now >= again.waits_until():
            call.give_up(again.failure())
        elif now >= max(again.due, self._next_try):
            self._ask(call, again)

    def _ask(self, call: Call, again: Again) -> None:
        """Asks it now.  Whoever gives the call up meanwhile finds `is_being_asked`, or is found."""
        again.is_being_asked = True
        try:
            if not again.is_over:
                again.client._ask_again(call, again)
            self._tries, self._next_try, self.failure = 0, 0.0, None
        except NoConnection as reason:
            again.refuse(reason)
            if not reason.is_passing:
                call.give_up(again.failure())
            self._tries += 1
            self._next_try = time.monotonic() + pause(self._tries)
            self.failure = reason.bare()
        except NeverLeft as reason:
            again.refuse(reason)
        except errors.DeadlineExceeded as error:
            # Without a timeout of its own it has waited for a connection only, and in vain.
            call.give_up(again.failure() if again.ends == math.inf else error)
        except errors.Error as error:
            call.give_up(error)
        except BaseException as error:  # the client was closed, say
            call.give_up(errors.make("internal", str(error), executed="maybe"))
        finally:
            again.is_being_asked = False
