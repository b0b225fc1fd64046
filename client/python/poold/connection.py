"""One connection of the blocking client, shared by any number of threads."""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import Any

from poold import errors, wire
from poold.calls import (
    EVENTS,
    GRACE,
    Inbox,
    check_size,
    closed_error,
    lost_error,
    overdue,
    part_of,
    reply_value,
    too_large,
    unreachable,
)


def open_socket(path: str, timeout: float) -> socket.socket:
    """A blocking socket connected to `path`.

    Raises:
        PoolConnectionError: nobody listens there, or not within `timeout` seconds (connect_failed).
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Python's own timeout would fail at once while the daemon's backlog is full; the kernel waits.
    seconds = math.floor(timeout)
    wait = struct.pack("@ll", seconds, int((timeout - seconds) * 1e6))
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        channel.connect(path)
    except OSError as error:
        channel.close()
        raise unreachable(path, error.strerror or str(error)) from error
    return channel


class Call:
    """One request in flight; Client.start makes it.  Safe with threads.

    Answers are read while some thread waits for one of the connection's calls, in `result` or
    `done`.
    """

    __slots__ = ("number", "_connection", "_deadline", "_meta", "_answered", "_error", "_value")

    def __init__(self, number: int, connection: Connection, deadline: float | None, meta: bool):
        self.number = number
        self._connection = connection
        self._deadline = deadline
        self._meta = meta
        self._answered = False
        self._error: object = None
        self._value: object = None

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the result.

        Args:
            timeout: seconds to wait; the call stays in flight beyond them and may be asked again.

        Raises:
            poold.Error: the call failed; see poold.errors.
            TimeoutError: no answer within `timeout`.
        """
        until = None if timeout is None else time.monotonic() + timeout
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

    def _has_news(self) -> bool:
        """Whether there is something for who waits."""
        return self._answered

    def done(self) -> bool:
        """Whether `result` would answer at once."""
        return self._connection.wait(self, time.monotonic())

    def cancel(self) -> bool:
        """Asks the daemon to give the request up; `result` then raises Cancelled, unless an answer
        was under way already.  Returns False if one is here."""
        if self._answered:
            return False
        self._connection.send_cancel(self)
        return True


class InParts(Call):
    """The connection's side of a stream or a subscription: what came of it is in `inbox`."""

    __slots__ = ("inbox",)

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.inbox = Inbox()

    def _has_news(self) -> bool:
        return self._answered or bool(self.inbox.values)

    def next_part(self) -> Any:
        """Waits for the next part; StopIteration: the answer is here.

        Raises:
            poold.Error: it failed.
        """
        while True:
            # In this order: nothing comes after the answer, but something may come before it now.
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


class NeverLeft(Exception):
    """The connection was lost before any byte of a request could be handed over."""


class Connection:
    """One connection, for any number of threads.

    Of the threads that wait, one is the reader: it takes what comes and hands out every answer,
    until it has its own; then it wakes another to be the reader.  A thread that cannot write reads
    meanwhile too, so that a daemon that waits for us to read never waits for ever.
    """

    def __init__(self, channel: socket.socket, max_buffer_size: int) -> None:
        self.lost: str | None = None  # why, once it is
        self.message_max = math.inf  # bytes that the daemon takes
        self._channel = channel
        self._pid = os.getpid()
        self._decoder = wire.Decoder(max_buffer_size)
        self._write_lock = threading.Lock()  # one message after the other
        self._dropped: deque[Call] = deque()  # given up by nobody in particular
        self._lock = threading.Lock()  # guards all that follows
        self._calls: dict[int | str, Call] = {}
        self._reading = False
        self._waiting: dict[threading.Condition, Call] = {}

    # --- requests ---

    def send_request(
        self, number: int, data: bytes, limit: float | None, meta: bool, kind: type[Call] = Call
    ) -> Call:
        """Sends a packed request, to be answered within `limit` seconds.

        Raises:
            NeverLeft: no byte of it was taken; another connection may carry it.
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
        """What will hold the events; it ends with the connection."""
        call = InParts(EVENTS, self, None, False)
        with self._lock:
            self._calls[EVENTS] = call
        return call

    def send_cancel(self, call: Call) -> None:
        """Tells the daemon, if it is still there."""
        self._check_process()
        note = wire.pack((wire.NOTIFICATION, "poold.cancel", (call.number,)))
        try:
            self._write(note, time.monotonic() + GRACE)
        except (errors.Error, NeverLeft):
            pass  # a lost connection cancels all that it asked

    def give_up(self, call: Call, error: errors.Error) -> None:
        """Ends a call here, with this error; what still comes of it will be dropped."""
        with self._lock:
            self._calls.pop(call.number, None)
            if call._answered:
                return
            _finish(call, error, None)
            self._wake()
        self.send_cancel(call)

    def drop(self, call: Call) -> None:
        """Gives up a call that nobody can ask for any more.

        The garbage collector runs this, perhaps while this very thread is in here with a lock: then
        it is left to the next request.
        """
        if not call._answered and self.is_ours():
            self._dropped.append(call)
            if not self._lock.locked() and not self._write_lock.locked():
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
        """Waits until the call is answered or lost, or a part of it has come; False: not by `until`
        (monotonic seconds)."""
        if call._has_news():
            return True
        self._check_process()
        with self._lock:
            if not self._become_reader(call, until):
                return call._has_news()
        try:
            while not call._has_news():
                if not self._read(until):
                    return False
            return True
        finally:
            self._leave()

    def _become_reader(self, call: Call, until: float | None) -> bool:
        """With the lock held: waits while another thread reads.  False: there is nothing left to
        read for, something has come for the call or its time is up."""
        turn = None
        try:
            while not call._has_news():
                if not self._reading:
                    self._reading = True
                    return True
                left = _left(until)
                if left == 0:
                    return False
                if turn is None:
                    turn = threading.Condition(self._lock)
                    self._waiting[turn] = call
                turn.wait(left)
            return False
        finally:
            if turn is not None:
                del self._waiting[turn]
            self._pass_on()  # this thread may have been woken to read

    def _leave(self) -> None:
        """The reader has its answer."""
        with self._lock:
            self._reading = False
            self._pass_on()
            self._close_if_unused()

    def _pass_on(self) -> None:
        """With the lock held: wakes a thread to read, if none does."""
        if not self._reading:
            for turn in self._waiting:
                turn.notify()
                return

    def _read(self, until: float | None) -> bool:
        """The reader's step: one read, and its answers handed out.  False: nothing by `until`."""
        if until is not None and not _ready(self._channel, select.POLLIN, until):
            return False
        try:
            data = self._channel.recv(wire.READ_SIZE)
            messages = self._decoder.feed(data) if data else None
        except OSError as error:
            self.lose(f"reading failed: {error.strerror}")
        except wire.Malformed as error:
            self.lose(f"the daemon sent {error}")
        except wire.TooLarge as error:
            self._lose_to_size(error)
        except BaseException:
            self.lose("reading was interrupted")
            raise
        else:
            if messages is None:
                self.lose("the daemon closed the connection")
            else:
                self._hand_out(messages)
        return True

    def _hand_out(self, messages: list) -> None:
        with self._lock:
            for message in messages:
                # Of an unknown id: given up here when its answer was under way.
                if message[0] == wire.RESPONSE and message[1] in self._calls:
                    _finish(self._calls.pop(message[1]), message[2], message[3])
                elif message[0] == wire.NOTIFICATION:
                    number, value = part_of(message)
                    call = self._calls.get(number)
                    if isinstance(call, InParts):
                        call.inbox.put(value)
            self._wake()

    def _wake(self) -> None:
        """With the lock held: wakes those for whom something has come."""
        for turn, call in self._waiting.items():
            if call._has_news():
                turn.notify()

    # --- writing ---

    def _write(self, data: bytes, deadline: float | None) -> None:
        """Writes one whole message, or raises as send_request does."""
        left = _left(deadline)
        if not self._write_lock.acquire(timeout=-1 if left is None else left):
            raise _unsent("the deadline passed while others were writing")
        sent = 0
        try:
            while sent < len(data):
                sent += self._write_some(data, sent, deadline)
        except OSError as error:
            self.lose(f"writing failed: {error.strerror}")
            if sent == 0:
                raise NeverLeft(self.lost) from None
            raise lost_error(self.lost, "no") from None
        except BaseException:
            if sent:
                self.lose("a message was only written in part")
            raise
        finally:
            self._write_lock.release()
            if self.lost is not None:
                with self._lock:
                    self._close_if_unused()

    def _write_some(self, data: bytes, sent: int, deadline: float | None) -> int:
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        try:
            return self._channel.send(memoryview(data)[sent:] if sent else data, flags)
        except BlockingIOError:
            pass
        with self._lock:
            reader = not self._reading
            self._reading = True
        try:
            events = select.POLLOUT | (select.POLLIN if reader else 0)
            got = _ready(self._channel, events, deadline)
            if not got:
                raise _unsent("the deadline passed before the daemon took the request")
            if reader and got & ~select.POLLOUT:
                self._read(None)
        finally:
            if reader:
                self._leave()
        return 0

    # --- the end ---

    def lose(self, reason: str) -> None:
        """Ends the connection; every call in flight fails with peer_closed."""
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
                # Not close: who reads or writes just now sees the end by this, and closes.
                self._channel.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        """With the lock held: a descriptor must not be closed under a system call on it."""
        if self.lost is not None and not self._reading and not self._write_lock.locked():
            self._channel.close()

    def abandon(self) -> None:
        """Drops a connection that belongs to the parent process, without a word on it."""
        self.lost = "it belongs to the parent process"
        self._channel.close()

    def _lose_to_size(self, error: wire.TooLarge) -> None:
        with self._lock:
            call = self._calls.pop(error.number, None)
            if call is not None:
                _finish(call, too_large(error), None)
        self.lose(f"the daemon sent {error}")

    def is_ours(self) -> bool:
        """False in a forked child, to which the connection does not belong."""
        return self._pid == os.getpid()

    def _check_process(self) -> None:
        if not self.is_ours():
            raise lost_error("made before a fork, the call is the parent's", "maybe")


def _finish(call: Call, error: object, value: object) -> None:
    call._error = error
    call._value = value
    call._answered = True


def _unsent(message: str) -> errors.Error:
    return errors.make("deadline_exceeded", message, executed="no", retryable=True)


def _earlier(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


def _ready(channel: socket.socket, events: int, until: float | None) -> int:
    """Which of `events` (or an error) the socket has; 0: none by `until`."""
    poll = select.poll()
    poll.register(channel, events)
    left = _left(until)
    found = poll.poll(None if left is None else math.ceil(left * 1000))
    return found[0][1] if found else 0
