"""The connection of the blocking client, shared by any number of threads.

An exception may come out of nowhere: a signal handler raises (Ctrl-C, a time limit by SIGALRM)
between any two steps of the code below.  So nothing here depends on a clean-up that such an
exception could cut short in its turn:

- A thread reads or writes only while it holds that role, which no exception can leave held (see
  `Role`).  Short messages need no role: the kernel takes them whole or not at all.
- Where bytes would be lost or a message stays half written, a mark is set before and cleared after
  (`_half_read`, `_half_written`).  Who finds the mark set drops the connection.
- Everything else is a single step: an outcome is the first that was appended to its call, and a
  connection is lost as soon as `lost` says why.  `lose` may be repeated and interrupted.
- Who waits looks for itself every HEARTBEAT seconds, should it not have been woken.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import struct
import time
from _thread import get_ident
from collections import deque
from queue import Empty, SimpleQueue
from typing import Any

from poold import errors, wire
from poold.again import Again, CutShort, NeverLeft, NoConnection
from poold.call import AnyCall, Call, InParts, Turn, Waiter
from poold.calls import (
    CLOSING,
    EVENTS,
    HEARTBEAT,
    OVERDUE_MAX,
    check_size,
    closed_error,
    lost_error,
    overdue,
    part_of,
    too_large,
    unsent,
)
from poold.futures import BackgroundReader
from poold.held import Channel, Held
from poold.origins import raised_by_handler
from poold.roles import Role, attempt

# Seconds that a call which is over may still take: to read what has come for it already, and to
# tell the daemon that nobody waits any more.
LAST_LOOK = 0.1
LAST_WORD = 0.05

# Bytes of a message that the kernel takes whole or not at all, as it makes one buffer of it: at most
# this, and half of the socket's own limit less 64.
SHORT_MAX = 8 * 1024
SHORT_PAUSE = 1e-4  # seconds between two looks whether such messages have been written
# So long they are waited for: their threads need a turn of the interpreter to say so, and where
# hundreds are busy, each has one in seconds.
SHORT_LATE = 3.0

# As plain numbers: to join two flags of the enumeration takes as long as to send a message.
READ_FLAGS = int(socket.MSG_DONTWAIT)
WRITE_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

# While so many threads wait, those that send and receive keep the interpreter.  Between two threads
# alone that saves nothing.
CROWD = 2

# Seconds of one wait in poll, which counts them in milliseconds in an int.
POLL_MAX = 1e6


def open_socket(path: str, until: float) -> Channel:
    """Returns a blocking socket connected to `path`; while the daemon's backlog is full, it waits.

    Raises:
        NoConnection: it could not connect by `until`, in monotonic seconds.
    """
    channel = Channel(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        while True:
            _limit_waiting(channel, until)
            failure = attempt(channel.connect, path)
            if failure is not None:
                break
            # Python takes a connect that a signal interrupted for one that goes on by itself; that
            # of a Unix socket does not.
            if _is_connected(channel):
                return channel
    except BaseException:
        channel.close()
        raise
    channel.close()
    reason, number = failure.strerror or str(failure), failure.errno or 0
    raise NoConnection(path, reason, number) from failure


def _limit_waiting(channel: socket.socket, until: float) -> None:
    """With Python's timeout, connect would fail at once while the backlog is full; with this
    timeout of the kernel, it waits.
    """
    left = max(0.001, min(until - time.monotonic(), POLL_MAX))
    wait = struct.pack("@ll", int(left), int(left % 1 * 1e6))
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)


def _is_connected(channel: socket.socket) -> bool:
    failure = attempt(channel.getpeername)
    return not (isinstance(failure, OSError) and failure.errno == errno.ENOTCONN)


class Connection:
    """One connection, for any number of threads.

    One of the waiting threads is the reader: it reads from the socket and distributes the answers
    until it has its own; then it sees to it that another one does.  A thread that cannot write
    reads meanwhile, so that the two sides never wait for each other to read.

    Where many threads share a connection, most of what a call costs is that they take turns at the
    interpreter.  So they keep it while they send and receive (see `Held`), and none is woken to
    read if one that runs anyway may do it.
    """

    def __init__(self, channel: Channel, max_buffer_size: int) -> None:
        self.lost: str | None = None  # why, once it is
        self.retired = False  # it may be dead: no new calls, and closed after the last one
        self.closing = False  # the daemon will close it: no new calls
        self.message_max = math.inf  # bytes that the daemon takes
        self._channel = channel
        self._pid = os.getpid()
        self._decoder = wire.Decoder(max_buffer_size)
        self._calls: dict[object, Call] = {}
        self._dropped: deque[Call] = deque()  # given up by nobody in particular
        self._overdue = 0  # calls that were given up since the last answer to anyone

        self._writer = Role()
        self._half_written = False
        self._writing_short: dict[object, int] = {}  # marks, and their threads
        room = channel.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self._short_max = min(SHORT_MAX, room // 2 - 64)
        self._reader = Role()
        self._half_read = False
        self._reading = False  # whether somebody reads; a hint
        self._spare_poll: select.poll | None = None  # of the last reader, for the next one
        self._waiting: dict[Turn, Waiter] = {}  # who could read next
        self._woken: Turn | None = None  # the last one that was woken by what was read last
        self._heir: Turn | None = None  # who looks, as it leaves, whether somebody reads
        self._held: Held | None = None  # made when there is a crowd
        self._may_hold = True  # False: this Python cannot make it
        self.background = BackgroundReader()

    # --- requests ---

    def send_request(
        self,
        number: int,
        data: bytes,
        deadline: float | None,
        meta: bool,
        kind: type[AnyCall],
        again: Again | None = None,
    ) -> AnyCall:
        """Sends a packed request, to be answered by `deadline` (monotonic seconds).

        Raises:
            NeverLeft: no byte of it was written, or not all (CutShort); it can be sent on another
                connection.
            poold.Error: it cannot be sent.
        """
        call = kind(number, self, deadline, meta, again)
        self._send(call, data, deadline)
        return call

    def take_over(self, call: Call, again: Again) -> None:
        """Sends the request of a call that is between two connections; raises as `send_request`
        does.
        """
        refused = again.refused
        self._send(call, again.packed(), call._deadline)
        call._connection = self
        again.asked = refused  # in this order: see _answered; and it may be refused once more
        self._has_taken(call)

    def _has_taken(self, call: Call) -> None:
        if call._outcomes and isinstance(call._outcomes[0][0], errors.Error):
            self._calls.pop(call.number, None)  # it was given up meanwhile
            self.send_cancel(call, LAST_WORD)
        else:
            call._follow()

    def take_over_at_once(self, call: Call, again: Again) -> bool:
        """Sends the request of a call that has had no connection yet, whether it is new or waits to
        be asked, if that needs no waiting.  Returns False if it was not sent.
        """
        refused = again.refused
        data = again.packed()
        if len(data) > min(self._short_max, self.message_max):
            return False
        try:
            again.asked = refused  # it has no connection yet, so it is not lost with this one
            self._calls[call.number] = call
            if self._write_short(data):
                if again.refused is refused:
                    call._connection = self
                self._has_taken(call)
                return True
        except NeverLeft:
            pass
        except BaseException:
            self.give_up(call, lost_error("sending it was interrupted", "maybe"))
            raise
        self._calls.pop(call.number, None)
        return False

    def takes_calls(self) -> bool:
        """Whether it can be used for new calls."""
        return self.lost is None and not self.retired and not self.closing

    def _send(self, call: Call, data: bytes, deadline: float | None) -> None:
        if self._dropped:
            self._give_up_dropped()
        check_size(data, self.message_max)
        try:
            self._calls[call.number] = call
            self._write(data, deadline)
        except (errors.Error, NeverLeft):
            self._calls.pop(call.number, None)
            raise
        except BaseException:
            self.drop(call)  # it may have been written
            raise

    def expect_events(self) -> InParts:
        """Returns the object that will hold the events; it ends with the connection."""
        call = InParts(EVENTS, self, None, False)
        self._calls[EVENTS] = call
        return call

    def send_cancel(self, call: Call, patience: float) -> None:
        """Sends poold.cancel, if the connection still exists and takes it in `patience` seconds.
        """
        self._check_process()
        note = wire.pack([wire.NOTIFICATION, "poold.cancel", [call.number]])
        try:
            self._write(note, time.monotonic() + patience)
        except (errors.Error, NeverLeft):
            pass  # a lost connection cancels all that it asked

    def give_up(self, call: Call, error: errors.Error) -> None:
        """Finishes a call with this error; its answer will be ignored."""
        if call._answered:
            self._calls.pop(call.number, None)
            return
        call._settle(error, None)  # first: what is not among the calls gets no answer
        self._calls.pop(call.number, None)
        self.send_cancel(call, LAST_WORD)  # before another one is sent in its place
        call._notify()
        self._close_if_retired()

    def give_up_overdue(self, call: Call) -> None:
        """Gives up a call whose time is over.  When no answer comes to several in a row, the
        connection may be dead: the next call gets another one.
        """
        self._overdue += 1
        if self._overdue >= OVERDUE_MAX:
            self.retired = True
        self.give_up(call, overdue())

    def end_in_time(self, call: InParts) -> None:
        """Gives up a stream whose time is over, though parts keep coming: unless its end has come
        already, it ends after those that were received.
        """
        until = time.monotonic() + LAST_LOOK
        while not call._answered and time.monotonic() < until:
            if not self._reader.hold(0, self._read_once):
                break
        if not call._answered:
            self.give_up_overdue(call)

    def drop(self, call: Call) -> None:
        """Gives up a call that nobody can wait for any more.

        The garbage collector calls this, perhaps in a thread that is reading or writing at that
        moment: then the next request does it.
        """
        if not call._answered and self.is_ours():
            self._dropped.append(call)
            if not self._half_written and not self._half_read:
                self._give_up_dropped()

    def _give_up_dropped(self) -> None:
        while self._dropped:
            try:
                call = self._dropped.popleft()
            except IndexError:
                return  # another thread was quicker
            self.give_up(call, closed_error())

    # --- waiting ---

    def wait(self, call: Waiter, until: float | None) -> bool:
        """Waits until the call is answered or lost, or a part of its answer was received.  Returns
        False if none of these happens by `until` (monotonic seconds).
        """
        self._check_process()
        found = None if self._reading else self._try_to_read(call, until)
        return self._wait_beside(call, until) if found is None else found

    def _try_to_read(self, call: Waiter, until: float | None) -> bool | None:
        """Reads until something has come for the call: as `wait`.  None: another thread reads."""
        try:
            found = self._reader.hold(0, self._read_for, call, until)
        except BaseException:
            self._pass_on()
            raise
        if found is not None and self._waiting and not self._reading:
            self._leave_reading()
        if self.lost is not None:
            self._close_if_unused()
        return found

    def _leave_reading(self) -> None:
        """Has another thread read.  If one was just woken by its answer, that one looks as it
        leaves: others that were woken before it have often made their next call by then, and read.
        """
        heir, self._woken = self._woken, None
        if heir is not None:
            # First it is known as the heir, then this looks; _wait_beside does it the other way.
            self._heir = heir
            if heir in self._waiting:
                return
        self._pass_on()

    def _wait_beside(self, call: Waiter, until: float | None) -> bool:
        """Waits while another thread reads, or reads when it is this thread's turn."""
        if self._held is None and self._may_hold and len(self._waiting) >= CROWD:
            self._make_held()
        turn: Turn = SimpleQueue()
        has_waited = False
        try:
            call._turns.append(turn)
            while True:
                # First it is known to wait, then it looks: so nobody forgets to wake it.
                self._waiting[turn] = call
                if call._has_news(self):
                    return True
                found = None
                if has_waited or not self._reading:
                    found = self._try_to_read(call, until)
                if found is not None:
                    return found
                left = HEARTBEAT if until is None else min(until - time.monotonic(), HEARTBEAT)
                if left <= 0:
                    return call._has_news(self)
                try:
                    turn.get(timeout=left)
                    has_waited = False
                except Empty:
                    has_waited = True  # an interruption may have left the hint as it was
        finally:
            call._turns.remove(turn)
            woken_to_read = self._waiting.pop(turn, None) is None or self._heir is turn
            if woken_to_read and not self._reading:
                self._pass_on()

    def _make_held(self) -> None:
        try:
            self._held = Held(wire.READ_SIZE)
        except Exception as error:
            if raised_by_handler(error):
                raise
            self._may_hold = False

    def _pass_on(self) -> None:
        """Wakes a thread to be the reader: the last that came, whose answer comes last."""
        while self._waiting:
            try:
                turn, call = self._waiting.popitem()
            except KeyError:
                return  # another thread was quicker
            if not call._has_news(self):
                return turn.put(None)

    def others_wait(self, reader: Waiter) -> bool:
        """Whether there are threads beside this reader that could read."""
        return bool(self._waiting) and any(
            each is not reader for each in list(self._waiting.values())
        )

    def read_if_nobody_does(self) -> None:
        """Reads what has come, without waiting."""
        if not self._reading and self.is_ours() and self._reader.hold(0, self._read_rest):
            if self._waiting and not self._reading:
                self._pass_on()
            if self.lost is not None:
                self._close_if_unused()

    # --- reading: by the thread that holds the reader's lock ---

    def _read_for(self, call: Waiter, until: float | None) -> bool:
        # What has come already is read even if it is late, but not for ever.
        stop = math.inf if until is None else max(until, time.monotonic() + LAST_LOOK)
        self._reading = True
        try:
            self._lose_if_half_read()  # what this waits for may have been read, and lost
            # Taken, as a signal handler may read in the middle of this, and needs another.
            poll, self._spare_poll = self._spare_poll, None
            if poll is None and self.lost is None:
                poll = _poll(self._channel, select.POLLIN)
            if self._held is not None and len(self._waiting) >= CROWD:
                # The others have kept it from reading; so there may be no need to wait.
                self._read_once(is_look=True)
            while not call._has_news(self):
                if self.lost is not None or poll is None:
                    return False
                if not _ready(poll, until) or time.monotonic() > stop:
                    return False
                self._read_once()
            self._spare_poll = poll
            return True
        finally:
            self._reading = False

    def _read_once(self, is_look: bool = False) -> bool:
        """Reads once, without waiting, and distributes what came.  Returns False if nothing came.
        With `is_look`, an error may be taken for that.
        """
        self._lose_if_half_read()
        if self.lost is not None:
            return False
        arrived: list[Call] = []
        try:
            self._half_read = True
            if len(self._waiting) >= CROWD:
                data = self._receive_held(is_look)
            else:
                data = attempt(self._channel.recv, wire.READ_SIZE, READ_FLAGS)
            if data is None or isinstance(data, BlockingIOError):
                self._half_read = False
                return False
            if isinstance(data, OSError):
                self.lose(f"reading failed: {data.strerror}")
                return True
            messages, failure = self._decode(data)
            failure = self._hand_out(messages, arrived) or failure
            self._half_read = failure is not None or not data  # unless `lose` is reached
        except BaseException:
            self.lose("reading was interrupted")
            raise
        if isinstance(failure, wire.TooLarge):
            self._lose_to_size(failure)
        elif failure is not None:
            self.lose(f"the daemon sent {failure}")
        elif not data:
            self.lose("the daemon closed the connection")
        self._wake(arrived)
        if self.retired:
            self._close_if_retired()
        return True

    def _lose_if_half_read(self) -> None:
        if self._half_read and self.lost is None:
            self.lose("reading was interrupted")

    def _wake(self, arrived: list[Call]) -> None:
        self._woken = None
        for call in arrived:
            call._notify()
            if call._outcomes:  # who waits for it is sure to leave
                for turn in call._turns:
                    self._woken = turn

    def _receive_held(self, is_look: bool) -> bytes | OSError | None:
        data = None if self._held is None else self._held.receive(self._channel, READ_FLAGS)
        if data is None and not is_look:
            return attempt(self._channel.recv, wire.READ_SIZE, READ_FLAGS)
        return data

    def _read_rest(self) -> bool:
        while self._read_once():
            pass
        return True

    def _decode(self, data: bytes) -> tuple[list[list[Any]], wire.Unreadable | None]:
        """The messages that are complete, and why no more can be read after them."""
        try:
            return self._decoder.feed(data), None
        except wire.Unreadable as error:
            return error.messages, error

    def _hand_out(
        self, messages: list[list[Any]], arrived: list[Call]
    ) -> wire.Unreadable | None:
        """Distributes the messages; adds the calls for which something came to `arrived`."""
        for message in messages:
            call = None
            if message[0] == wire.RESPONSE:
                # None: the request was given up while its answer was on its way.
                call = self._calls.pop(message[1], None)
                self._overdue = 0
                if call is not None:
                    call._take_answer(message[2], message[3])
            elif message[0] == wire.NOTIFICATION:
                if message[1] == CLOSING:
                    self.closing = True
                number, value = part_of(message)
                found = self._calls.get(number)
                if isinstance(found, InParts):
                    found.inbox.put(value)
                    call = found
            else:
                return wire.Malformed("a request")
            if call is not None:
                arrived.append(call)
        return None

    # --- writing ---

    def _write(self, data: bytes, deadline: float | None) -> None:
        """Writes one whole message, or raises as send_request does."""
        try:
            if len(data) <= self._short_max and self._write_short(data):
                return
            if not self._writer.hold(deadline, self._write_whole, data, deadline):
                raise unsent("the deadline passed while others were writing")
        finally:
            if self.lost is not None:
                self._close_if_unused()

    def _write_short(self, data: bytes) -> bool:
        """Writes a message that the kernel takes whole or not at all, so that several threads may
        do it at once.  Returns False if it took nothing; then the role of the writer is needed.
        """
        mark = object()
        try:
            # First it is known to write, then it looks; _await_short does it the other way round.
            self._writing_short[mark] = get_ident()
            if self._half_written or self.lost is not None:
                return False
            if len(self._waiting) >= CROWD:
                took = self._send_held(data)
            else:
                took = attempt(self._channel.send, data, WRITE_FLAGS)
        finally:
            self._writing_short.pop(mark, None)
        if isinstance(took, OSError):
            return False
        if took != len(data):
            self.lose("a short message was only written in part")
            raise CutShort(self.lost)
        return True

    def _send_held(self, data: bytes) -> int | OSError:
        took = None if self._held is None else self._held.send(self._channel, data, WRITE_FLAGS)
        return attempt(self._channel.send, data, WRITE_FLAGS) if took is None else took

    def _await_short(self) -> bool:
        """With `_half_written` set, waits until no other thread is in _write_short, where none of
        them waits.  Returns False if one remains: an exception may have left its mark.
        """
        until = time.monotonic() + SHORT_LATE
        while not {get_ident()}.issuperset(list(self._writing_short.values())):
            if time.monotonic() > until:
                return False
            time.sleep(SHORT_PAUSE)
        return True

    def _write_whole(self, data: bytes, deadline: float | None) -> bool:
        if self._half_written:
            self.lose("a message was only written in part")
        if self.lost is not None:
            raise NeverLeft(self.lost)
        sent = 0
        try:
            while True:
                self._half_written = True  # until it is known how much was taken
                if self._writing_short and not self._await_short():
                    reason = "a thread was interrupted while it wrote"
                    break
                rest = memoryview(data)[sent:] if sent else data
                took = attempt(self._channel.send, rest, WRITE_FLAGS)
                if isinstance(took, int):
                    sent += took
                elif not isinstance(took, BlockingIOError):
                    reason = f"writing failed: {took.strerror}"
                    break
                self._half_written = 0 < sent < len(data)
                if sent == len(data):
                    return True
                self._await_room(deadline)
        except BaseException:
            if self._half_written:
                self.lose("a message was only written in part")
            raise
        # Answers may have come before the end; without this they would be lost.
        self._reader.hold(time.monotonic() + LAST_LOOK, self._read_rest)
        self.lose(reason)
        if sent == 0:
            raise NeverLeft(self.lost or reason)
        raise CutShort(self.lost or reason)

    def _await_room(self, deadline: float | None) -> None:
        """Waits a while until the socket takes more bytes; reads meanwhile, if nobody else does."""
        left = HEARTBEAT if deadline is None else min(deadline - time.monotonic(), HEARTBEAT)
        if left <= 0:
            raise unsent("the deadline passed before the daemon took the request")
        until = time.monotonic() + left
        if self._reader.hold(0, self._read_or_write, until) is None:
            _ready(_poll(self._channel, select.POLLOUT), until)
        elif self._waiting:
            self._pass_on()

    def _read_or_write(self, until: float) -> bool:
        """Waits until the socket can be written to or read, and reads."""
        self._reading = True
        try:
            poll = _poll(self._channel, select.POLLIN | select.POLLOUT)
            if _ready(poll, until) & ~select.POLLOUT:
                self._read_once()
            return True
        finally:
            self._reading = False

    # --- the end ---

    def lose(self, reason: str) -> None:
        """Closes the connection; every call in flight fails with peer_closed."""
        if not self.is_ours():
            return self.abandon()
        if self.lost is None:
            self.lost = reason
        # shutdown, not close: threads that read or write now see the end, and close it.
        attempt(self._channel.shutdown, socket.SHUT_RDWR)
        for call in self._calls.copy().values():
            call._notify()
        self._calls.clear()
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        """Closes the socket of a lost connection, unless a thread is in a system call on it: that
        thread will.
        """
        # Who begins from now on finds the connection lost, and does not touch the socket.
        if self._reader.hold(0, _nothing) and self._writer.hold(0, _nothing):
            if not self._writing_short:
                self._channel.close()

    def retire(self) -> None:
        """To be called when new calls have another connection: this one is closed after the last
        of its calls.
        """
        self.retired = True
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        # A call that is being written is among them before, or finds the connection lost.
        if self.retired and not self._calls:
            self._writer.hold(0, self._close_if_answered)

    def _close_if_answered(self) -> None:
        if not self._calls:
            closing = "the daemon closes the connection"
            self.lose(closing if self.closing else "the daemon did not answer for a long time")

    def abandon(self) -> None:
        """Closes the socket of a connection that belongs to the parent process, without sending
        anything.
        """
        self.lost = "it belongs to the parent process"
        self._channel.close()

    def _lose_to_size(self, error: wire.TooLarge) -> None:
        call = self._calls.get(error.number)
        if call is not None:
            call._settle(too_large(error), None)
        self.lose(f"the daemon sent {error}")

    def is_ours(self) -> bool:
        """False in a forked child: the connection belongs to the parent."""
        return self._pid == os.getpid()

    def _check_process(self) -> None:
        if not self.is_ours():
            raise lost_error("made before a fork, the call is the parent's", "maybe")


def _nothing() -> bool:
    return True


def _poll(channel: socket.socket, events: int) -> select.poll:
    poll = select.poll()
    poll.register(channel, events)
    return poll


def _ready(poll: select.poll, until: float | None) -> int:
    """Waits for the events of `poll`, or an error, and returns them; 0: none came by `until`."""
    left = None
    if until is not None:
        left = max(0, math.ceil(min(until - time.monotonic(), POLL_MAX) * 1000))
    found = poll.poll(left)
    return found[0][1] if found else 0
