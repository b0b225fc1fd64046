"""The blocking client.

One `Client` holds one connection and may be used by many threads at once; every call of theirs is in
flight on it together.  There is no thread of its own: of the threads that wait for an answer one
reads for all (see `_Connection`).

    with poold.Client() as client:
        count = client.call("python", "word_count", text)
        first, second = client.start("python", "slow", 1), client.start("python", "slow", 2)
        print(first.result(), second.result())

The daemon retries; the client never does.  Only a request of which no byte could be handed over is
sent on a new connection.
"""

from __future__ import annotations

import itertools
import math
import os
import select
import socket
import struct
import threading
import time
from typing import Any, NamedTuple

from poold import __version__, errors, wire

DEFAULT_PATH = "/run/poold/poold.sock"
PATH_VARIABLE = "POOLD_SOCKET"

# The daemon's own default for its answers, and room for what is around one.
MAX_BUFFER_SIZE = (64 << 20) + 4096

# How long the daemon may take over the answer that is due at the deadline, in seconds.
GRACE = 1.0

ID_MAX = 0xFFFFFFFF


class Reply(NamedTuple):
    """What a call with meta=True gives.

    Attributes:
        result: the worker's result.
        meta: {"served_by", "attempts", "degraded", "queue_ms", "run_ms", "worker"}.
    """

    result: Any
    meta: dict


def default_path() -> str:
    """The daemon's socket: $POOLD_SOCKET, or else /run/poold/poold.sock."""
    return os.environ.get(PATH_VARIABLE) or DEFAULT_PATH


def hello_params(name: str) -> list:
    """The params of the poold.hello that begins each connection."""
    return [{"client": name, "version": __version__, "errors": "map"}]


def reply_value(value: object, meta: bool) -> object:
    """The result of a call, as the caller sees it.

    Raises:
        CommunicationError: Python cannot hold it (decode_error).
    """
    if isinstance(value, wire.Undecodable):
        message = f"the result cannot be said in Python: {value}"
        raise errors.make("decode_error", message, executed="yes")
    if meta and isinstance(value, dict):
        return Reply(value.get("result"), value.get("meta", {}))
    return value


def pack_request(number: int, method: str, params: list) -> bytes:
    """A request, packed.

    Raises:
        CommunicationError: MessagePack cannot say an argument (encode_error).
    """
    try:
        return wire.pack((wire.REQUEST, number, method, params))
    except (TypeError, ValueError, OverflowError) as error:
        message = f"the arguments cannot be sent: {error}"
        raise errors.make("encode_error", message, executed="no") from error


def overdue() -> errors.Error:
    """The error of a call whose answer did not come, grace included."""
    message = "no answer by the deadline, not even the daemon's own"
    return errors.make("deadline_exceeded", message, executed="maybe", retryable=True)


def lost_error(reason: str, executed: str) -> errors.Error:
    """The error of a call whose connection was lost."""
    message = f"the connection was lost: {reason}"
    return errors.make("peer_closed", message, executed=executed, retryable=True)


def too_large(error: wire.TooLarge) -> errors.Error:
    """The error of a call whose answer is over max_buffer_size."""
    return errors.make("response_too_large", f"the answer is {error}", executed="yes")


def message_max(welcome: object) -> float:
    """The most bytes that the daemon takes, from its answer to poold.hello."""
    limits = welcome.get("limits") if isinstance(welcome, dict) else None
    limit = limits.get("message_max") if isinstance(limits, dict) else None
    return limit or math.inf


def check_size(data: bytes, limit: float) -> None:
    """Raises payload_too_large here: the daemon would close the connection over it."""
    if len(data) > limit:
        text = f"a request of {len(data)} bytes; the daemon takes {limit}"
        raise errors.make("payload_too_large", text, executed="no")


class Requests:
    """The daemon's own methods, by name; shared by the blocking and the asyncio client.

    With AsyncClient each is awaited.
    """

    def request(self, method: str, params: list | tuple = (), timeout: float | None = None) -> Any:
        raise NotImplementedError

    def health(self) -> dict:
        """Whether each pool works, and why not: {status, ready, draining, pools}."""
        return self.request("poold.health")

    def status(self) -> dict:
        """What a person wants to know first."""
        return self.request("poold.status")

    def stats(self) -> dict:
        """Every counter: {daemon: {...}, pools: {NAME: {...}}}."""
        return self.request("poold.stats")

    def metrics(self) -> str:
        """Every counter as Prometheus text."""
        return self.request("poold.metrics")

    def pools(self) -> list[dict]:
        """Every pool with its limits and state."""
        return self.request("poold.pools")

    def workers(self) -> list[dict]:
        """Every worker with its state and history."""
        return self.request("poold.workers")

    def version(self) -> dict:
        """{server, version, protocol, pid, uptime_ms}."""
        return self.request("poold.version")


class Client(Requests):
    """A connection to the daemon, made when it is first needed and again after it was lost.

    Args:
        path: the daemon's socket; None: $POOLD_SOCKET, or else /run/poold/poold.sock.
        timeout: seconds for each call that does not say its own; None: the pool's own limit holds,
            and the client waits as long as the daemon does.
        grace: seconds beyond a call's timeout that the client waits for the daemon's answer, before
            it gives up by itself with DeadlineExceeded.
        connect_timeout: seconds to reach the daemon and be greeted, and for the daemon's own
            methods (health and so on).
        max_buffer_size: bytes that one answer may have.
        name: what the daemon is told this client is.

    Safe with threads.  A forked child may go on using it: it gets a connection of its own, and calls
    in flight stay with the parent.
    """

    def __init__(
        self,
        path: str | None = None,
        timeout: float | None = None,
        *,
        grace: float = GRACE,
        connect_timeout: float = 10.0,
        max_buffer_size: int = MAX_BUFFER_SIZE,
        name: str = "poold-python",
    ) -> None:
        self.path = path or default_path()
        self.timeout = timeout
        self._grace = grace
        self._connect_timeout = connect_timeout
        self._max_buffer_size = max_buffer_size
        self._name = name
        self._numbers = itertools.count(1)
        self._connection: _Connection | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up what is in flight (PoolConnectionError) and closes the connection, for good."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.lose("the client was closed")

    def call(self, pool: str, method: str, /, *args: Any, **named: Any) -> Any:
        """Runs a method on a worker of a pool and waits for its result.

        Args:
            args: positional arguments, or
            named: keyword arguments (a request carries one or the other), and these options:
            timeout (float): seconds for everything, queueing and retries included.
            meta (bool): the result is a Reply(result, meta).
            idempotent (bool): whether the daemon may run it again when it may have run already;
                None: as the pool is configured.
            priority (str): "critical", "normal" or "sheddable".
            max_attempts (int): 1 forbids retries.
            trace (str): passed on to the worker and the journal, at most 256 bytes.

        Raises:
            poold.Error: see poold.errors.
            TypeError: positional and keyword arguments together.
        """
        return self.start(pool, method, *args, **named).result()

    def start(
        self,
        pool: str,
        method: str,
        /,
        *args: Any,
        timeout: float | None = None,
        meta: bool = False,
        idempotent: bool | None = None,
        priority: str | None = None,
        max_attempts: int | None = None,
        trace: str | None = None,
        **kwargs: Any,
    ) -> Call:
        """As `call`, but returns at once, with a handle for the result."""
        timeout = self.timeout if timeout is None else timeout
        params = wire.call_params(
            pool,
            method,
            args,
            kwargs,
            timeout=timeout,
            meta=meta,
            idempotent=idempotent,
            priority=priority,
            max_attempts=max_attempts,
            trace=trace,
        )
        return self._start("poold.call", params, timeout, meta)

    def request(self, method: str, params: list | tuple = (), timeout: float | None = None) -> Any:
        """Asks the daemon itself, or POOL.METHOD with default options.

        Args:
            method: "poold.health", "python.word_count".
            params: the method's parameters.
            timeout: seconds to wait for the answer.

        Raises:
            poold.Error: see poold.errors.
        """
        if timeout is None:
            daemon = method.startswith("poold.") and method != "poold.call"
            timeout = self._connect_timeout if daemon else self.timeout
        return self._start(method, list(params), timeout, False).result()

    def _start(self, method: str, params: list, timeout: float | None, meta: bool) -> Call:
        deadline = None if timeout is None else time.monotonic() + timeout + self._grace
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, method, params)
        try:
            return self._connected().send_request(number, data, deadline, meta)
        except _NeverLeft:
            pass  # an idle connection that the daemon had closed: it restarted, perhaps
        try:
            return self._connected().send_request(number, data, deadline, meta)
        except _NeverLeft as reason:
            raise lost_error(str(reason), "no") from None

    def _connected(self) -> _Connection:
        if self._pid != os.getpid():
            self._forget_parent()
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._connection is None or self._connection.lost:
                self._connection = None
                self._connection = self._connect()
            return self._connection

    def _forget_parent(self) -> None:
        """After a fork: the lock may have been held by a thread that does not exist here."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _connect(self) -> _Connection:
        channel = open_socket(self.path, self._connect_timeout)
        connection = _Connection(channel, self._max_buffer_size)
        deadline = time.monotonic() + self._connect_timeout
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, "poold.hello", hello_params(self._name))
        try:
            welcome = connection.send_request(number, data, deadline, False).result()
        except (errors.Error, _NeverLeft) as error:
            connection.lose(str(error))
            raise unreachable(self.path, f"no greeting: {error}") from error
        connection.message_max = message_max(welcome)
        return connection


def open_socket(path: str, timeout: float) -> socket.socket:
    """A blocking socket connected to `path`.

    Raises:
        PoolConnectionError: nobody listens there, or not within `timeout` seconds (connect_failed).
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Python's own timeout would fail at once while the daemon's backlog is full; the kernel's waits.
    seconds = math.floor(timeout)
    wait = struct.pack("@ll", seconds, int((timeout - seconds) * 1e6))
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        channel.connect(path)
    except OSError as error:
        channel.close()
        raise unreachable(path, error.strerror or str(error)) from error
    return channel


def unreachable(path: str, reason: str) -> errors.Error:
    """The error of a daemon that cannot be reached."""
    message = f"the daemon cannot be reached at {path}: {reason}"
    return errors.make("connect_failed", message, executed="no", retryable=True)


class Call:
    """One request in flight; Client.start makes it.  Safe with threads.

    Answers are read while some thread waits for one of the connection's calls, in `result` or
    `done`.
    """

    __slots__ = ("number", "_connection", "_deadline", "_meta", "_answered", "_error", "_value")

    def __init__(self, number: int, connection: _Connection, deadline: float | None, meta: bool):
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
            self._connection.give_up(self)
        if self._error is not None:
            raise self._own_error()
        return reply_value(self._value, self._meta)

    def _own_error(self) -> errors.Error:
        if isinstance(self._error, errors.Error):
            return self._error
        return errors.from_wire(self._error)

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


class _NeverLeft(Exception):
    """The connection was lost before any byte of a request could be handed over."""


class _Connection:
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
        self._lock = threading.Lock()  # guards all that follows
        self._calls: dict[int, Call] = {}
        self._reading = False
        self._waiting: dict[threading.Condition, Call] = {}

    # --- requests ---

    def send_request(self, number: int, data: bytes, deadline: float | None, meta: bool) -> Call:
        """Sends a packed request.

        Raises:
            _NeverLeft: no byte of it was taken; another connection may carry it.
            poold.Error: it cannot be sent.
        """
        check_size(data, self.message_max)
        call = Call(number, self, deadline, meta)
        with self._lock:
            if self.lost is not None:
                raise _NeverLeft(self.lost)
            self._calls[number] = call
        try:
            self._write(data, deadline)
        except BaseException:
            with self._lock:
                self._calls.pop(number, None)
            raise
        return call

    def send_cancel(self, call: Call) -> None:
        """Tells the daemon, if it is still there."""
        self._check_process()
        note = wire.pack((wire.NOTIFICATION, "poold.cancel", (call.number,)))
        try:
            self._write(note, time.monotonic() + GRACE)
        except (errors.Error, _NeverLeft):
            pass  # a lost connection cancels all that it asked

    def give_up(self, call: Call) -> None:
        """Ends a call whose deadline has passed; a late answer will be dropped."""
        with self._lock:
            self._calls.pop(call.number, None)
            if call._answered:
                return
            _finish(call, overdue(), None)
        self.send_cancel(call)

    # --- waiting ---

    def wait(self, call: Call, until: float | None) -> bool:
        """Waits until the call is answered or lost; False: not by `until` (monotonic seconds)."""
        if call._answered:
            return True
        self._check_process()
        with self._lock:
            if not self._become_reader(call, until):
                return call._answered
        try:
            while not call._answered:
                if not self._read(until):
                    return False
            return True
        finally:
            self._leave()

    def _become_reader(self, call: Call, until: float | None) -> bool:
        """With the lock held: waits while another thread reads.  False: there is nothing left to
        read for, the call was answered or its time is up."""
        turn = None
        try:
            while not call._answered:
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
                # Of an unknown id: given up here when its answer was under way.  Notifications
                # belong to features that this client does not ask for.
                if message[0] == wire.RESPONSE and message[1] in self._calls:
                    _finish(self._calls.pop(message[1]), message[2], message[3])
            self._wake_answered()

    def _wake_answered(self) -> None:
        for turn, call in self._waiting.items():
            if call._answered:
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
                raise _NeverLeft(self.lost) from None
            raise lost_error(self.lost, "no") from None
        except BaseException:
            if sent:
                self.lose("a message was only written in part")
            raise
        finally:
            self._write_lock.release()

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
        if self._pid != os.getpid():
            return self.abandon()
        with self._lock:
            if self.lost is None:
                self.lost = reason
            calls = list(self._calls.values())
            self._calls.clear()
            for call in calls:
                _finish(call, lost_error(self.lost, "maybe"), None)
            self._wake_answered()
        try:
            # Not close: another thread may be reading; it sees the end, and the last one closes.
            self._channel.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

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

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise lost_error("the call was made before a fork, its answer goes to the parent", "maybe")

    def __del__(self) -> None:
        self._channel.close()


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
