"""A call of the blocking client, from its request to its answer.

What `poold.connection` says of exceptions that come out of nowhere holds here too.
"""

from __future__ import annotations

import os
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, Union

from poold import errors
from poold.again import Again, is_refusal
from poold.calls import (
    GRACE,
    HEARTBEAT,
    Inbox,
    Seconds,
    cancelled_error,
    lost_error,
    overdue,
    reply_value,
    until_of,
)
from poold.futures import BackgroundReader, Watchable, watcher

if TYPE_CHECKING:
    from poold.connection import Connection

SENDING_PAUSE = 1e-4  # seconds between two looks whether another thread has sent it

Turn = SimpleQueue[None]  # a waiting thread gets something from it, others wake it by putting


class Call(Watchable):
    """A request in flight, created by Client.start.  Thread-safe.

    Answers are read only while a thread waits for one of the connection's calls, in `result` or
    `done`; and for a call that is used as a concurrent.futures.Future, which it is too
    (`add_done_callback`, as_completed, asyncio.wrap_future, ...; see poold.futures).

    A call that certainly was not executed is asked again (see poold.again); meanwhile it is between
    two connections.
    """

    __slots__ = ("number", "_again", "_connection", "_deadline", "_meta", "_outcomes", "_turns")

    _connection: Connection | None  # None: it has had none yet

    def __init__(
        self,
        number: int,
        connection: Connection | None,
        deadline: float | None,
        meta: bool,
        again: Again | None = None,
    ) -> None:
        self._is_watched = False  # in place of the constructor of a Future, which makes a lock
        self.number = number
        self._again = again  # None: it is never asked again
        self._connection = connection
        self._deadline = deadline
        self._meta = meta
        self._outcomes: list[tuple[object, object]] = []  # (error, value); the first one counts
        self._turns: list[Turn] = []  # of the threads that wait for it beside the reader

    def result(self, timeout: Seconds | None = None) -> Any:
        """Waits for the result.

        Args:
            timeout: seconds to wait; after that the call stays in flight, and this may be called
                again.

        Raises:
            poold.Error: the call failed; see poold.errors.
            TimeoutError: no answer within `timeout`.
        """
        if not self._await(until_of(timeout)):
            raise TimeoutError(f"no answer within {timeout} s; the call is still in flight")
        error, value = self._outcomes[0]
        if error is not None:
            raise _raisable(error)
        return reply_value(value, self._meta)

    def _outcome(self) -> tuple[Any, BaseException | None]:
        error, value = self._outcomes[0]
        try:
            return reply_value(value, self._meta), None if error is None else _raisable(error)
        except errors.Error as unsayable:
            return None, unsayable

    def done(self) -> bool:
        """Whether `result` would return or raise at once."""
        return self._wait(time.monotonic())

    def cancel(self) -> bool:
        """Asks the daemon to cancel the request; `result` then raises Cancelled, unless the answer
        comes first.  Returns False if the answer has been received already.  A call that waits to
        be asked again is cancelled at once.
        """
        if self._answered:
            return False
        again = self._again
        if again is not None:
            again.is_over = True
        if self._is_between():
            self._fail(cancelled_error(self._may_be_sent()))
        elif self._connection is not None:
            self._connection.send_cancel(self, GRACE)
        return True

    def give_up(self, error: errors.Error) -> None:
        """Finishes the call with this error, unless it is; its answer will be ignored."""
        again = self._again
        if again is not None:
            again.is_over = True
        if self._is_between():
            self._fail(error)
        elif self._connection is not None:
            self._connection.give_up(self, error)
        else:
            # It is being sent at this moment.  Who sends it gives it a connection, then looks
            # whether it is over; this does it the other way round.
            self._fail(error)
            if self._connection is not None:
                self._connection._has_taken(self)

    def give_up_overdue(self) -> None:
        """Gives up the call since its time is over."""
        if self._is_between():
            again = self._again
            assert again is not None
            self.give_up(overdue() if again.is_being_asked else again.failure())
        elif self._connection is not None:
            self._connection.give_up_overdue(self)
        else:
            self.give_up(overdue())

    def drop(self) -> None:
        """Gives up a call that nobody can wait for any more; see Connection.drop."""
        again = self._again
        if again is not None:
            again.is_over = True
        if self._connection is not None and not self._is_between():
            self._connection.drop(self)

    def is_ours(self) -> bool:
        """False in a forked child: the call is the parent's."""
        if self._connection is not None:
            return self._connection.is_ours()
        return self._again is None or self._again.pid == os.getpid()

    @property
    def _answered(self) -> bool:
        """Whether there is an outcome; the loss of the connection is one, unless the call was
        refused there before.
        """
        if not self._outcomes:
            connection = self._connection
            if connection is not None and connection.lost is not None:
                if not self._is_between() and self._connection is connection:
                    self._settle(lost_error(connection.lost, "maybe"), None)
        return bool(self._outcomes)

    def _is_between(self) -> bool:
        """Whether it waits to be asked again, and is in flight nowhere."""
        again = self._again
        if again is None or self._outcomes:
            return False
        return again.refused is not again.asked

    def _may_be_sent(self) -> str:
        """Whether it may have been executed, if it is between two connections."""
        return "maybe" if self._again is not None and self._again.is_being_asked else "no"

    def _fail(self, error: errors.Error) -> None:
        """Settles a call that no connection has, and tells who waits for it."""
        self._settle(error, None)
        self._notify()

    def _await(self, until: float | None) -> bool:
        """Waits until there is an outcome; at its deadline there is one.  Returns False if there is
        none by `until` (monotonic seconds).
        """
        while not self._wait(until):
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline:
                self.give_up_overdue()
            elif until is not None and now >= until:
                return False
        return True

    def _wait(self, until: float | None) -> bool:
        """Waits until the call is answered or lost, or a part of its answer was received.  Returns
        False if none of these happens by `until` (monotonic seconds), nor by its deadline.
        """
        while not self._has_arrived():
            limit = _earlier(until, self._deadline)
            connection = self._connection
            if self._is_between():
                if not self._wait_between(limit):
                    return self._has_arrived()
            elif connection is None:
                if limit is not None and time.monotonic() >= limit:
                    return False
                time.sleep(SENDING_PAUSE)  # another thread sends it at this moment
            elif not connection.wait(self, limit):
                return False
        return True

    def _wait_between(self, until: float | None) -> bool:
        """Waits until it is asked again, or over.  Returns False if it is not by `until`."""
        if not self.is_ours():
            raise lost_error("made before a fork, the call is the parent's", "maybe")
        again = self._again
        assert again is not None
        turn: Turn = SimpleQueue()
        try:
            self._turns.append(turn)
            while self._is_between():
                again.wake(self)
                left = HEARTBEAT if until is None else min(until - time.monotonic(), HEARTBEAT)
                if left <= 0:
                    return False
                try:
                    turn.get(timeout=left)
                except Empty:
                    pass
            return True
        finally:
            self._turns.remove(turn)

    def _take_answer(self, error: object, value: object) -> None:
        """Called with the answer: sets the outcome, or has the call asked again."""
        again = self._again
        if again is not None and isinstance(error, dict) and is_refusal(error):
            if not again.is_over and time.monotonic() < again.ends:
                again.refuse(error)
                return
        self._settle(error, value)

    def _has_arrived(self) -> bool:
        """Whether what the waiting thread waits for has arrived."""
        if self._outcomes:
            return True
        connection = self._connection
        return connection is not None and connection.lost is not None and self._answered

    def _has_news(self, connection: Connection) -> bool:
        """Whether it has arrived, or will not on this connection."""
        if self._has_arrived() or self._connection is not connection:
            return True
        again = self._again
        return again is not None and again.refused is not again.asked  # it is between two

    def _settle(self, error: object, value: object) -> None:
        """Sets the outcome, unless there is one."""
        self._outcomes.append((error, value))

    def _wake(self) -> None:
        """Has it asked again, if it waits for that; may be repeated."""
        again = self._again
        if again is not None and self._is_between() and not again.is_postponed():
            again.wake(self)

    def _notify(self) -> None:
        """Called when something has arrived, perhaps more than once, and while nothing of the
        connection is half changed: wakes the threads that wait.
        """
        for turn in self._turns.copy():
            turn.put(None)
        self._wake()
        if self._is_watched and self._answered:
            watcher().arrive(self)  # its callbacks are run elsewhere


AnyCall = TypeVar("AnyCall", bound=Call)

# Who waits for something on a connection.
Waiter = Union[Call, BackgroundReader]


class InParts(Call):
    """A stream or subscription within the connection: received parts are in `inbox`."""

    __slots__ = ("inbox",)

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.inbox = Inbox()

    def _has_arrived(self) -> bool:
        return bool(self.inbox.values) or super()._has_arrived()

    def next_part(self) -> Any:
        """Waits for the next part; StopIteration: the answer has been received.

        Raises:
            poold.Error: the call failed.
        """
        while True:
            # In this order: nothing comes after the answer, but parts may still come before it.
            answered = self._answered
            if self.inbox.values:
                break
            if answered:
                error, _ = self._outcomes[0]
                if error is not None:
                    raise _raisable(error)
                raise StopIteration
            if not self._wait(None):
                self.give_up_overdue()
        if not answered and self._deadline is not None and time.monotonic() > self._deadline:
            if self._connection is not None:
                self._connection.end_in_time(self)
        try:
            return self.inbox.take()
        except errors.Error as error:
            self.inbox.values.clear()
            self.give_up(error)
            raise


def _raisable(error: object) -> errors.Error:
    return error if isinstance(error, errors.Error) else errors.from_wire(error)


def _earlier(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)
