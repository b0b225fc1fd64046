"""The client for asyncio: the same calls as `poold.Client`, to be awaited.

    async with poold.aio.AsyncClient() as client:
        counts = await asyncio.gather(*(client.call("python", "word_count", t) for t in texts))
        async for chunk in client.stream("python", "tell", "a story"):
            print(chunk)

When a task is cancelled while it waits for a call, the call is cancelled.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import socket
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from poold import errors, wire
from poold.again import NoConnection, Request, is_passing, may_ask_again, pause
from poold.aiostreams import AsyncEvents, AsyncStream, InParts
from poold.calls import (
    CLOSING,
    EVENTS,
    GRACE,
    ID_MAX,
    LATE,
    MAX_BUFFER_SIZE,
    OVERDUE_MAX,
    Requests,
    Seconds,
    Settings,
    check_size,
    hello_params,
    lost_error,
    message_max,
    overdue,
    pack_request,
    part_of,
    limit_of,
    params_of,
    patience,
    seconds,
    reply_value,
    split_options,
    subscribed,
    too_large,
    unsent,
)
from poold.proxy import Pool

T = TypeVar("T")

# Seconds between two tries to connect while the daemon's backlog is full; the pause doubles.
FIRST_PAUSE, LAST_PAUSE = 0.001, 0.05

__all__ = ["AsyncClient", "AsyncEvents", "AsyncStream"]


if TYPE_CHECKING:
    from poold.aiorequests import AsyncRequests  # the same methods, to be awaited
else:
    AsyncRequests = Requests


class AsyncClient(AsyncRequests):
    """A connection to the daemon, made for the first request and again after it was lost.

    Each event loop gets a connection of its own, so the client may be used by one asyncio.run after
    the other; calls of a loop that was closed fail with PoolConnectionError.  Arguments and errors
    are those of `poold.Client`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        timeout: Seconds | None = None,
        *,
        grace: Seconds = GRACE,
        connect_timeout: Seconds = 10.0,
        max_buffer_size: int = MAX_BUFFER_SIZE,
        name: str = "poold-python-asyncio",
        reconnect: bool = True,
    ) -> None:
        chosen = Settings(
            path, timeout, grace, connect_timeout, max_buffer_size, name, reconnect
        )
        self.path = chosen.path
        self.timeout: Seconds | None = chosen.timeout
        self._grace = chosen.grace
        self._connect_timeout = chosen.connect_timeout
        self._max_buffer_size = chosen.max_buffer_size
        self._name = chosen.name
        self._reconnects = reconnect
        self._numbers = itertools.count(1)
        self._homes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Home]
        self._homes = weakref.WeakKeyDictionary()
        self._others: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection for good; calls in flight fail with PoolConnectionError."""
        self._closed = True
        for home in list(self._homes.values()):
            if home.connection is not None:
                home.connection.lose("the client was closed")
        for connection in list(self._others):
            connection.lose("the client was closed")

    async def call(
        self,
        pool: str,
        method: str,
        /,
        *args: Any,
        timeout: Seconds | None = None,
        meta: bool = False,
        idempotent: bool | None = None,
        priority: str | None = None,
        max_attempts: int | None = None,
        trace: str | None = None,
        tracestate: str | None = None,
        session: str | None = None,
        session_create: bool | None = None,
        key: str | None = None,
        fallback: bool | None = None,
        restartable: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Calls a method of a pool; see poold.Client.call."""
        limit = seconds("timeout", self.timeout if timeout is None else timeout)
        params = wire.call_params(
            pool,
            method,
            args,
            kwargs,
            timeout=limit,
            meta=meta,
            idempotent=idempotent,
            priority=priority,
            max_attempts=max_attempts,
            trace=trace,
            tracestate=tracestate,
            session=session,
            session_create=session_create,
            key=key,
            fallback=fallback,
            restartable=restartable,
        )
        return reply_value(await self._ask("poold.call", params, limit), meta)

    def stream(self, pool: str, method: str, /, *args: Any, **named: Any) -> AsyncStream:
        """Returns an asynchronous iterator over the chunks of a call; see poold.Client.stream.

        The request is sent by `async with` or when the first chunk is awaited.
        """
        options, kwargs = split_options(named)
        timeout: Seconds | None = options.pop("timeout", None)
        limit = seconds("timeout", self.timeout if timeout is None else timeout)
        params = wire.call_params(
            pool, method, args, kwargs, timeout=limit, stream=True, **options
        )
        number = next(self._numbers) & ID_MAX
        request = self._request(number, "poold.call", params, limit)
        meta = options.get("meta", False)
        return AsyncStream(self, number, request, limit_of(limit, self._grace), meta)

    @overload
    def pool(self, name: str, /, **options: Any) -> Pool: ...

    @overload
    def pool(self, name: str, api: type[T], /, **options: Any) -> T: ...

    def pool(self, name: str, api: Any = None, /, **options: Any) -> Any:
        """A pool whose methods are attributes: `await client.pool("python").word_count(text)`.

        Args:
            name: the pool's name.
            api: a class with the signatures of its methods, which are `async def`: for type checkers the pool is
                an instance of it.  Nothing else is done with it.
            options: options of every call: timeout, idempotent, ...
        """
        for option in options:
            if option not in wire.OPTIONS:
                raise TypeError(f"a call has no option {option!r}")
        return Pool(self, name, options)

    def subscribe(
        self, *kinds: str, since: int | None = None, epoch: int | None = None
    ) -> AsyncEvents:
        """Returns an asynchronous iterator over the daemon's events, which has a connection of its
        own; see poold.Client.subscribe.

        It subscribes by `async with` or when the first event is awaited.
        """
        return AsyncEvents(self, kinds, since, epoch)

    async def request(
        self,
        method: str,
        params: list[Any] | tuple[Any, ...] = (),
        timeout: Seconds | None = None,
    ) -> Any:
        """Calls a method of the daemon, or POOL.METHOD with default options; see
        poold.Client.request.
        """
        checked = params_of(method, params)
        if timeout is None:
            timeout = patience(method, self.timeout, self._connect_timeout)
        limit = seconds("timeout", timeout)
        return reply_value(await self._ask(method, checked, limit), False)

    async def _ask(self, method: str, params: list[Any], timeout: float | None) -> Any:
        limit = limit_of(timeout, self._grace)
        number = next(self._numbers) & ID_MAX
        request = self._request(number, method, params, timeout)
        asked: list[_Connection] = []
        if limit is None:
            return await self._ask_until_answered(number, request, asked)
        expiry = asyncio.timeout(limit)
        try:
            async with expiry:
                return await self._ask_until_answered(number, request, asked)
        except TimeoutError:
            if not expiry.expired():
                raise
            if not asked:
                raise unsent(LATE) from None
            asked[0].count_overdue()
            raise overdue() from None

    async def _ask_until_answered(
        self, number: int, request: Request, asked: list[_Connection]
    ) -> Any:
        """Asks on one connection after the other; the one where it is in flight is in `asked`."""
        while True:
            try:
                asked.clear()
                home = self._homes.get(asyncio.get_running_loop())
                connection = None if home is None else home.connection
                if self._closed or connection is None or not connection.is_usable():
                    connection = await self._connected()
                asked.append(connection)
                return await connection.ask(number, request.packed())
            except (NoConnection, errors.Error) as reason:
                await self._pause(request, reason)

    def _request(
        self, number: int, method: str, params: list[Any], timeout: float | None
    ) -> Request:
        options = params[3] if method == "poold.call" and len(params) > 3 else None
        data = pack_request(number, method, params)
        return Request(data, options, timeout, self._connect_timeout)

    async def _pause(self, request: Request, reason: NoConnection | errors.Error) -> None:
        """Waits until a request can be asked again.

        Raises:
            poold.Error: it is not asked again, for this reason.
        """
        now, until = time.monotonic(), 0.0
        if isinstance(reason, errors.Error):
            if not may_ask_again(reason):
                raise reason
            if reason.code == "shutting_down":
                request.take_answer()
            # An idle connection that the daemon had closed is no reason to wait.
            if reason.code == "shutting_down" or request.tries:
                until = now + pause(request.tries)
            error = reason
        else:
            error = reason.error(request.waited() if self._reconnects else 0.0)
            until = self._home().next_try
            if not reason.is_passing:
                raise error
        if not self._reconnects or now >= request.waits_until():
            raise error
        request.tries += 1
        await asyncio.sleep(max(0.0, min(until, request.waits_until()) - now))

    async def _connected(self) -> _Connection:
        """The connection of this event loop, made now if there is none that can be used."""
        if self._closed:
            raise RuntimeError("the client is closed")
        home = self._home()
        if home.connection is not None and home.connection.is_usable():
            return home.connection
        if home.failure is not None and time.monotonic() < home.next_try:
            raise home.failure.bare()  # so the daemon is not asked by each call at once
        if home.attempt is None or home.attempt.done():
            home.attempt = asyncio.get_running_loop().create_task(self._reconnect(home))
            home.attempt.add_done_callback(_take_exception)
        # Shielded: who is cancelled leaves the attempt to the others.
        return await asyncio.shield(home.attempt)

    async def _reconnect(self, home: _Home) -> _Connection:
        if home.connection is not None and home.connection.lost is None:
            self._others.add(home.connection)  # some wait for their answers there
        try:
            home.connection = await self._connect()
        except NoConnection as reason:
            if self._reconnects:
                home.tries += 1
                home.next_try = time.monotonic() + pause(home.tries)
                home.failure = reason.bare()
            raise
        home.tries, home.failure = 0, None
        if self._closed:
            home.connection.lose("the client was closed")
        return home.connection

    def _home(self) -> _Home:
        loop = asyncio.get_running_loop()
        home = self._homes.get(loop)
        if home is None:
            for connection in [each.connection for each in self._homes.values()] + [*self._others]:
                if connection is not None:
                    connection.lose_if_orphaned()
            home = self._homes[loop] = _Home()
        return home

    @property
    def _connection(self) -> _Connection | None:
        return self._home().connection

    async def _subscribe(
        self, params: list[Any]
    ) -> tuple[_Connection, InParts, tuple[list[str], int, int]]:
        if self._closed:
            raise RuntimeError("the client is closed")
        try:
            connection = await self._connect()
        except NoConnection as reason:
            raise reason.error() from reason
        self._others.add(connection)
        events = connection.expect(EVENTS)
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, "poold.subscribe", params)
        try:
            async with asyncio.timeout(self._connect_timeout):
                answer = await connection.ask(number, data)
            return connection, events, subscribed(answer)
        except BaseException as error:
            connection.lose("no subscription")
            if isinstance(error, TimeoutError):
                raise overdue() from None
            raise

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        number = next(self._numbers) & ID_MAX
        hello = pack_request(number, "poold.hello", hello_params(self._name, self._reconnects))
        connection = _Connection(self._max_buffer_size)
        try:
            async with asyncio.timeout(self._connect_timeout):
                channel = await _open_socket(self.path)
                connection.channel = channel
                await loop.create_unix_connection(lambda: connection, sock=channel)
                connection.message_max = message_max(await connection.ask(number, hello))
        except BaseException as error:
            connection.lose("no greeting")
            if not isinstance(error, (OSError, errors.Error)):
                raise
            reason = str(error) or "no greeting in time"
            code = error.errno if isinstance(error, OSError) else None
            raise NoConnection(self.path, reason, code, is_passing(error)) from error
        return connection


async def _open_socket(path: str) -> socket.socket:
    """A socket connected to `path`; while the daemon's backlog is full, it tries again.  (asyncio
    would take the refusal for a connect that goes on by itself.)
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    pause = FIRST_PAUSE
    try:
        channel.setblocking(False)
        while True:
            try:
                channel.connect(path)
                return channel
            except BlockingIOError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE)
    except BaseException:
        channel.close()
        raise


def _take_exception(attempt: asyncio.Task[_Connection]) -> None:
    """It is nobody's fault that nobody waits any more."""
    if not attempt.cancelled():
        attempt.exception()


class _Home:
    """What the client has on one event loop."""

    def __init__(self) -> None:
        self.connection: _Connection | None = None
        self.attempt: asyncio.Task[_Connection] | None = None  # to connect, for all who wait
        self.failure: NoConnection | None = None  # of the last attempt, if it failed
        self.tries = 0  # in vain
        self.next_try = 0.0  # when there may be another


class _Connection(asyncio.Protocol):
    """One connection and the futures that wait for its answers."""

    def __init__(self, max_buffer_size: int) -> None:
        self.lost: str | None = None  # why, once it is
        self.message_max = math.inf  # bytes that the daemon takes
        self.channel: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._overdue = 0  # calls that were given up since the last answer to anyone
        self._decoder = wire.Decoder(max_buffer_size)
        self._futures: dict[int | str, asyncio.Future[Any]] = {}
        self._parts: dict[int | str, InParts] = {}
        self._transport: Any = None  # an asyncio.Transport, once it is connected
        self._closing = False  # the daemon will close it: no new calls
        self._halfway: int | None = None  # the request of which some bytes are not written
        self._writable = asyncio.Event()
        self._writable.set()

    async def ask(self, number: int, data: bytes) -> Any:
        """Sends a packed request and waits for its result; when cancelled, cancels the request."""
        check_size(data, self.message_max)
        if self.lost is not None or self._closing or not self._writable.is_set():
            await self._prepare()
        future = asyncio.get_running_loop().create_future()
        self._futures[number] = future
        try:
            self._write(data, number)
            return await future
        except asyncio.CancelledError:
            self.cancel(number)
            raise
        finally:
            self._futures.pop(number, None)
            self._close_if_retired()

    async def send_in_parts(self, number: int, data: bytes) -> InParts:
        """Sends a packed request whose answer is streamed."""
        check_size(data, self.message_max)
        await self._prepare()
        parts = self.expect(number)
        self._write(data, number)
        return parts

    def _write(self, data: bytes, number: int | None = None) -> None:
        """Writes a message; if anything interrupts that, nothing must be written after it.  Only
        the last message can be written in part: see `_prepare`.
        """
        try:
            self._halfway = None
            self._transport.write(data)
            if self._transport.is_closing():  # it was not written, nor will be
                self._halfway = number
                self._receive_rest()
                self.lose("the daemon closed the connection")
            elif self._transport.get_write_buffer_size() > 0:
                self._halfway = number
        except BaseException:
            self.lose("writing was interrupted")
            raise

    def _receive_rest(self) -> None:
        """Takes what came before the end, which the transport does not read any more."""
        while self.lost is None and self.channel is not None:
            try:
                data = self.channel.recv(wire.READ_SIZE, socket.MSG_DONTWAIT)
            except OSError:
                return
            if not data:
                return
            self.data_received(data)

    async def _prepare(self) -> None:
        """Waits until all before it is written."""
        while self.lost is None and not self._writable.is_set():
            await self._writable.wait()
        if self.lost is not None:
            raise lost_error(self.lost, "no")
        if self._closing:
            raise lost_error("the daemon closes the connection", "no")

    def expect(self, key: int | str) -> InParts:
        """Returns the object that will hold the parts of an answer, or the events; `cancel` or the
        answer ends it.
        """
        parts = self._parts[key] = InParts()
        self._futures[key] = parts.answer
        return parts

    def cancel(self, number: int) -> None:
        """Gives up a request, and cancels it at the daemon unless that has answered."""
        self._parts.pop(number, None)
        if self._futures.pop(number, None) is not None and self.lost is None:
            note = [wire.NOTIFICATION, "poold.cancel", [number]]
            self._write(wire.pack(note))
        self._close_if_retired()

    def is_usable(self) -> bool:
        """Whether new calls can be made on it."""
        return self.lost is None and not self._closing and self._overdue < OVERDUE_MAX

    def count_overdue(self) -> None:
        """A call was given up since no answer came in time.  When that happens several times in a
        row, the connection may be dead: it takes no more calls, and is closed after the last one.
        """
        self._overdue += 1
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        if self._futures or self.lost is not None:
            return
        if self._overdue >= OVERDUE_MAX:
            self.lose("the daemon did not answer for a long time")
        elif self._closing:
            self.lose("the daemon closes the connection")

    def lose(self, reason: str) -> None:
        """Closes the connection; every call in flight fails with peer_closed."""
        if self._loop.is_closed():
            return self._lose_orphan(reason)
        if asyncio._get_running_loop() is not self._loop:
            self._loop.call_soon_threadsafe(self.lose, reason)
            return
        if self.lost is None:
            self.lost = reason
            if self._transport is not None:
                self._transport.abort()
            elif self.channel is not None:
                self.channel.close()
        for key, future in list(self._futures.items()):
            if not future.done():
                executed = "no" if key == self._halfway else "maybe"
                future.set_exception(lost_error(self.lost, executed))
        self._writable.set()

    def lose_if_orphaned(self) -> None:
        """Closes the connection if its event loop was closed."""
        if self.lost is None and self._loop.is_closed():
            self._lose_orphan("its event loop was closed")

    def _lose_orphan(self, reason: str) -> None:
        """Nobody can wait for anything on a closed loop, and the transport cannot be closed."""
        self.lost = self.lost or reason
        self._futures.clear()
        self._parts.clear()
        if self.channel is not None:
            self.channel.close()

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # as of every stream
        self._transport.set_write_buffer_limits(0)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(str(exc) if exc else "the daemon closed the connection")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._halfway = None
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        error: wire.Unreadable | None = None
        try:
            messages = self._decoder.feed(data)
        except wire.Unreadable as caught:
            messages, error = caught.messages, caught
        for message in messages:
            if message[0] == wire.RESPONSE:
                failure = None if message[2] is None else errors.from_wire(message[2])
                self._settle(message[1], failure, message[3])
            elif message[0] == wire.NOTIFICATION:
                if message[1] == CLOSING:
                    self._closing = True
                number, value = part_of(message)
                if number is not None and number in self._parts:
                    self._parts[number].put(value)
            else:
                return self.lose("the daemon sent a request")
        if isinstance(error, wire.TooLarge):
            self._settle(error.number, too_large(error), None)
        if error is not None:
            self.lose(f"the daemon sent {error}")
        elif self._closing:
            self._close_if_retired()

    def _settle(self, number: int | None, failure: errors.Error | None, value: Any) -> None:
        self._overdue = 0
        future = None if number is None else self._futures.get(number)
        if number is None or future is None or future.done():
            return  # given up here when its answer was under way
        if self._parts.pop(number, None) is not None:
            del self._futures[number]
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(value)
