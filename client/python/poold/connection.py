"""The connection of the blocking client, shared by any number of threads."""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import Any, TypeVar

from poold import errors, wire
from poold.calls import (
    EVENTS,
    GRACE,
    Inbox,
    Seconds,
    check_size,
    closed_error,
    lost_error,
    overdue,
    part_of,
    reply_value,
    too_large,
    unreachable,
    until_of,
)
from poold.futures import Watchable
from poold.interrupts import is_own


def open_socket(path: str, timeout: float) -> socket.socket:
    """Returns a blocking socket connected to `path`.

    Raises:
        PoolConnectionError: it could not connect within `timeout` seconds (connect_failed).
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # With Python's timeout, connect would fail at once while the daemon's backlog is full; with
    # this timeout of the kernel, it waits.
    seconds = math.floor(timeout)
    wait = struct.pack("@ll", seconds, int((timeout - seconds) * 1e6))
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        channel.connect(path)
    except OSError as error:
        channel.close()
        if not is_own(error, __file__):
            raise
        raise unreachable(path, error.strerror or str(error)) from error
    return channel


class Call(Watchable):
    """A request in flight, created by Client.start.  Thread-safe.

    Answers are read only while a thread waits for one of the connection's calls, in `result` or
    `done`; and for a call that is used as a concurrent.futures.Future, which it is too
    (`add_done_callback`, as_completed, asyncio.wrap_future, ...; see poold.futures).
    """

    __slots__ = ("number", "_connection", "_deadline", "_meta", "_answered", "_error", "_value")

    _connection: Connection

    def __init__(self, number: int, connection: Connection, deadline: float | None, meta: bool):
        self._arrivals = None  # in place of the constructor of a Future, which makes a lock
        self.number = number
        self._connection = connection
        self._deadline = deadline
        self._meta = meta
        self._answered = False
        self._error: object = None
        self._value: object = None

    def result(self, timeout: Seconds | None = None) -> Any:
        """Waits for the result.

        Args:
            timeout: seconds to wait; after that the call stays in flight, and this may be called
                again.

        Raises:
            poold.Error: the call failed; see poold.errors.
            TimeoutError: no answer within `timeout`.
        """
        until = until_of(timeout)
        if not self._connection.wait(self, _earlier(until, self._deadline)):
            if self._deadline is None or time.monotonic() < self._deadline:
                raise TimeoutError(f"no answer within {timeout} s; the call is still in flight")
            self._connection.give_up(self, overdue())
        if self._error is not None:
            raise self._own_error()
        return reply_value(self._value, self._meta)

    def _own_error(self) -> errors.Error:
        if isinstance(self._error, errors.Error):
            return self._error
        return errors.from_wire(self._error)

    def _has_arrived(self) -> bool:
        """Whether what the waiting thread waits for has arrived."""
        return self._answered

    def done(self) -> bool:
        """Whether `result` would return or raise at once."""
        return self._connection.wait(self, time.monotonic())

    def cancel(self) -> bool:
        """Asks the daemon to cancel the request; `result` then raises Cancelled, unless the answer
        comes first.  Returns False if the answer has been received already.
        """
        if self._answered:
            return False
        self._connection.send_cancel(self)
        return True


class InParts(Call):
    """A stream or subscription within the connection: received parts are in `inbox`."""

    __slots__ = ("inbox",)

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.inbox = Inbox()

    def _has_arrived(self) -> bool:
        return self._answered or bool(self.inbox.values)

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
            if answered and self._error is not None:
                raise self._own_error()
            if answered:
                raise StopIteration
            if not self._connection.wait(self, self._deadline):
                self._connection.give_up(self, overdue())
        try:
            return self.inbox.take()
        except errors.Error as error:
            self.inbox.values.clear()
            self._connection.give_up(self, error)
            raise


AnyCall = TypeVar("AnyCall", bound=Call)


class NeverLeft(Exception):
    """The connection was lost before any byte of a request was written."""


class _Late(Exception):
    """The deadline passed before a message was written."""


class Connection:
    """One connection, for any number of threads.

    One of the waiting threads is the reader: it reads from the socket and distributes the answers
    until it has its own; then it wakes another thread to be the reader.  A thread that cannot
    write reads meanwhile, so that the two sides never wait for each other to read.
    """

    def __init__(self, channel: socket.socket, max_buffer_size: int) -> None:
        self.lost: str | None = None  # why, once it is
        self.message_max = math.inf  # bytes that the daemon takes
        self._channel = channel
        self._pid = os.getpid()
        self._decoder = wire.Decoder(max_buffer_size)
        self._dropped: deque[Call] = deque()  # given up by nobody in particular
        self._lock = threading.Lock()  # guards all that follows
        self._calls: dict[int | str, Call] = {}
        self._reading = 0  # the thread that reads; 0: none
        self._writing = 0  # the thread that writes
        self._may_write = threading.Condition(self._lock)
        self._waiting: dict[threading.Condition, Call] = {}

    # --- requests ---

    def send_request(
        self, number: int, data: bytes, limit: float | None, meta: bool, kind: type[AnyCall]
    ) -> AnyCall:
        """Sends a packed request, to be answered within `limit` seconds.

        Raises:
            NeverLeft: no byte of it was written; it can be sent on another connection.
            poold.Error: it cannot be sent.
        """
        self._give_up_dropped()
        check_size(data, self.message_max)
        deadline = None if limit is None else time.monotonic() + limit
        call = kind(number, self, deadline, meta)
        with self._lock:
            if self.lost is not None:
                raise NeverLeft(self.lost)
            self._calls[number] = call
        try:
            self._write(data, deadline)
        except BaseException:
            with self._lock:
                self._calls.pop(number, None)
            raise
        return call

    def expect_events(self) -> InParts:
        """Returns the object that will hold the events; it ends with the connection."""
        call = InParts(EVENTS, self, None, False)
        with self._lock:
            self._calls[EVENTS] = call
        return call

    def send_cancel(self, call: Call) -> None:
        """Sends poold.cancel, if the connection still exists."""
        self._check_process()
        note = wire.pack([wire.NOTIFICATION, "poold.cancel", [call.number]])
        try:
            self._write(note, time.monotonic() + GRACE)
        except (errors.Error, NeverLeft):
            pass  # a lost connection cancels all that it asked

    def give_up(self, call: Call, error: errors.Error) -> None:
        """Finishes a call with this error; its answer will be ignored."""
        with self._lock:
            self._calls.pop(call.number, None)
            if call._answered:
                return
            _finish(call, error, None)
            self._wake()
        self.send_cancel(call)

    def drop(self, call: Call) -> None:
        """Gives up a call that has no more references.

        The garbage collector calls this, perhaps in a thread that holds the lock at that moment:
        then the next request does it.
        """
        if not call._answered and self.is_ours():
            self._dropped.append(call)
            if not self._lock.locked() and not self._writing:
                self._give_up_dropped()

    def _give_up_dropped(self) -> None:
        while self._dropped:
            try:
                call = self._dropped.popleft()
            except IndexError:
                return  # another thread was quicker
            self.give_up(call, closed_error())

    # --- waiting ---

    def wait(self, call: Call, until: float | None) -> bool:
        """Waits until the call is answered or lost, or a part of its answer was received.  Returns
        False if none of these happens by `until` (monotonic seconds).
        """
        if call._has_arrived():
            return True
        self._check_process()
        me = threading.get_ident()
        try:
            with self._lock:
                if not self._become_reader(me, call, until):
                    return call._has_arrived()
            while not call._has_arrived():
                if not self._read(until):
                    return False
            return True
        finally:
            if self._reading == me:
                self._reading = 0  # before any call, which may be interrupted
                self._leave()

    def _become_reader(self, me: int, call: Call, until: float | None) -> bool:
        """To be called with the lock held: waits while another thread reads.  Returns False if
        this thread need not read: something has come for its call, or its time is up.
        """
        turn = None
        try:
            while not call._has_arrived():
                if not self._reading:
                    self._reading = me
                    return True
                left = _left(until)
                if left == 0:
                    return False
                if turn is None:
                    turn = threading.Condition(self._lock)
                    self._waiting[turn] = call
                turn.wait(_recheck(left))
            return False
        finally:
            if turn is not None:
                del self._waiting[turn]
            self._pass_on()  # this thread may have been woken to read

    def _leave(self) -> None:
        """The reader has stopped reading."""
        with self._lock:
            self._pass_on()
            self._close_if_unused()

    def _pass_on(self) -> None:
        """To be called with the lock held: wakes a thread to be the reader, if there is none."""
        if not self._reading:
            for turn in self._waiting:
                turn.notify()
                return

    def _read(self, until: float | None) -> bool:
        """One step of the reader: reads once and distributes the answers.  Returns False if
        nothing came by `until`.
        """
        if until is not None and not _ready(self._channel, select.POLLIN, until):
            return False
        try:
            data = self._channel.recv(wire.READ_SIZE)
            if data:
                self._hand_out(self._decoder.feed(data))
            else:
                self.lose("the daemon closed the connection")
        except wire.Malformed as error:
            self.lose(f"the daemon sent {error}")
        except wire.TooLarge as error:
            self._lose_to_size(error)
        except BaseException as error:
            if not isinstance(error, OSError) or not is_own(error, __file__):
                self.lose("reading was interrupted")
                raise
            self.lose(f"reading failed: {error.strerror}")
        return True

    def _hand_out(self, messages: list[Any]) -> None:
        with self._lock:
            for message in messages:
                # An unknown id: the request was given up while its answer was on its way.
                if message[0] == wire.RESPONSE and message[1] in self._calls:
                    _finish(self._calls.pop(message[1]), message[2], message[3])
                elif message[0] == wire.NOTIFICATION:
                    number, value = part_of(message)
                    call = None if number is None else self._calls.get(number)
                    if isinstance(call, InParts):
                        call.inbox.put(value)
            self._wake()

    def _wake(self) -> None:
        """To be called with the lock held: wakes the threads for whose calls something has come."""
        for turn, call in self._waiting.items():
            if call._has_arrived():
                turn.notify()

    # --- writing ---

    def _write(self, data: bytes, deadline: float | None) -> None:
        """Writes one whole message, or raises as send_request does."""
        me = threading.get_ident()
        sent = 0
        is_late = False
        try:
            self._become_writer(me, deadline)
            while sent < len(data):
                sent += self._write_some(me, data, sent, deadline)
        except _Late:
            is_late = True
            if sent:
                self.lose("a message was only written in part")
        except BaseException as error:
            if not isinstance(error, OSError) or not is_own(error, __file__):
                self.lose("writing was interrupted")
                raise
            self.lose(f"writing failed: {error.strerror}")
            if sent == 0:
                raise NeverLeft(self.lost) from None
            raise lost_error(str(self.lost), "no") from None
        finally:
            if self._writing == me:
                self._writing = 0  # before any call, which may be interrupted
                with self._lock:
                    self._may_write.notify()
                    self._close_if_unused()
        if is_late:
            raise _unsent("the deadline passed before the daemon took the request")

    def _become_writer(self, me: int, deadline: float | None) -> None:
        """Waits until no other thread writes: one message after the other."""
        with self._lock:
            while self._writing:
                left = _left(deadline)
                if left == 0:
                    raise _Late
                self._may_write.wait(_recheck(left))
            self._writing = me

    def _write_some(self, me: int, data: bytes, sent: int, deadline: float | None) -> int:
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        try:
            return self._channel.send(memoryview(data)[sent:] if sent else data, flags)
        except BlockingIOError as error:
            if not is_own(error, __file__):
                raise
        is_reader = False
        try:
            with self._lock:
                if not self._reading:
                    self._reading = me
                    is_reader = True
            events = select.POLLOUT | (select.POLLIN if is_reader else 0)
            got = _ready(self._channel, events, deadline)
            if not got:
                raise _Late
            if is_reader and got & ~select.POLLOUT:
                self._read(None)
        finally:
            if is_reader:
                self._reading = 0  # before any call, which may be interrupted
                self._leave()
        return 0

    # --- the end ---

    def lose(self, reason: str) -> None:
        """Closes the connection; every call in flight fails with peer_closed."""
        if not self.is_ours():
            return self.abandon()
        with self._lock:
            if self.lost is None:
                self.lost = reason
            calls = list(self._calls.values())
            self._calls.clear()
            for call in calls:
                _finish(call, lost_error(self.lost, "maybe"), None)
            self._wake()
            try:
                # shutdown, not close: threads that read or write now see the end, and close it.
                self._channel.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        """To be called with the lock held: closes the socket, unless a thread is in a system call
        on it.
        """
        if self.lost is not None and not self._reading and not self._writing:
            self._channel.close()

    def abandon(self) -> None:
        """Closes the socket of a connection that belongs to the parent process, without sending
        anything.
        """
        self.lost = "it belongs to the parent process"
        self._channel.close()

    def _lose_to_size(self, error: wire.TooLarge) -> None:
        with self._lock:
            call = None if error.number is None else self._calls.pop(error.number, None)
            if call is not None:
                _finish(call, too_large(error), None)
        self.lose(f"the daemon sent {error}")

    def is_ours(self) -> bool:
        """False in a forked child: the connection belongs to the parent."""
        return self._pid == os.getpid()

    def _check_process(self) -> None:
        if not self.is_ours():
            raise lost_error("made before a fork, the call is the parent's", "maybe")


def _finish(call: Call, error: object, value: object) -> None:
    call._error = error
    call._value = value
    call._answered = True
    if call._arrivals is not None:
        call._arrivals.put(("answered", call))  # its callbacks are run elsewhere


def _unsent(message: str) -> errors.Error:
    return errors.make("deadline_exceeded", message, executed="no", retryable=True)


def _earlier(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


def _recheck(left: float | None) -> float:
    """How long to wait at a condition: whoever would notify may have been interrupted."""
    return 1.0 if left is None else min(left, 1.0)


def _ready(channel: socket.socket, events: int, until: float | None) -> int:
    """Returns those of `events` (or an error) that the socket is ready for; 0: none until `until`.
    """
    poll = select.poll()
    poll.register(channel, events)
    left = _left(until)
    found = poll.poll(None if left is None else math.ceil(left * 1000))
    return found[0][1] if found else 0
