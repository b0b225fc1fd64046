"""Streamed answers and events for the asyncio client."""

from __future__ import annotations

import asyncio
from typing import Any

from poold import errors
from poold.again import NoConnection, Request, may_ask_again
from poold.calls import (
    LATE,
    Inbox,
    closed_error,
    lost_error,
    overdue,
    reply_value,
    subscribe_params,
    unfinished,
    unsent,
)


class _Parts:
    """Base class of streams and subscriptions."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._connection: Any = None  # once it has begun
        self._parts: InParts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # the same
        self._closed = False

    async def _begin(self) -> None:
        raise NotImplementedError

    def _give_up(self) -> None:
        raise NotImplementedError

    def __aiter__(self) -> Any:
        return self

    async def __aenter__(self) -> Any:
        await self._begin_once()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Gives up the rest; there are no more chunks or events after this."""
        self._closed = True
        if self._parts is not None:
            self._parts.inbox.values.clear()
            self._parts.fail(closed_error())
            self._give_up()

    async def _begin_once(self) -> None:
        if self._parts is None:
            self._loop = asyncio.get_running_loop()
            await self._begin()

    def _begun(self) -> InParts:
        """The parts, once it has begun."""
        assert self._parts is not None
        return self._parts

    async def _next(self, deadline: float | None) -> Any:
        """The next part, by `deadline` (the loop's time); StopAsyncIteration at the end."""
        if self._closed:
            raise StopAsyncIteration
        parts = self._begun()
        inbox = parts.inbox
        if self._loop is not asyncio.get_running_loop():
            raise lost_error("its event loop was closed", "maybe")
        if inbox.values and deadline is not None and not parts.answer.done():
            await self._end_in_time(parts, deadline)
        try:
            if not inbox.values:
                async with asyncio.timeout_at(deadline):
                    await parts.wait()
            if inbox.values:
                return inbox.take()
        except TimeoutError:
            self._connection.count_overdue()
            self._fail(overdue())
        except asyncio.CancelledError:
            self._fail(closed_error())
            raise
        except errors.Error as error:
            self._fail(error)
            raise
        try:
            parts.answer.result()
        except errors.Error:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        raise StopAsyncIteration

    async def _end_in_time(self, parts: InParts, deadline: float) -> None:
        """Gives up a stream whose time is over, though parts keep coming: it ends after those that
        were received.
        """
        loop = asyncio.get_running_loop()
        if loop.time() <= deadline:
            return
        for _ in range(2):  # the loop reads what came while the program was busy
            await asyncio.sleep(0)
        if not parts.answer.done():
            self._connection.count_overdue()
            parts.fail(overdue())
            self._give_up()

    def _fail(self, error: errors.Error) -> None:
        parts = self._begun()
        parts.inbox.values.clear()
        parts.fail(error)
        self._give_up()

    def __del__(self) -> None:
        loop = self._loop
        if loop is not None and self._parts is not None and not self._parts.answer.done():
            try:
                # The garbage collector may run this in another thread.
                loop.call_soon_threadsafe(self._give_up_later())
            except RuntimeError:
                pass  # the loop is closed, and the connection with it

    def _give_up_later(self) -> Any:
        raise NotImplementedError


class AsyncStream(_Parts):
    """A streamed answer: an asynchronous iterator over its chunks, created by AsyncClient.stream.
    Otherwise as poold.Stream.

    Closing the stream before its end, or dropping the last reference to it, cancels its request;
    so does cancelling a task that waits for a chunk.
    """

    def __init__(
        self, client: Any, number: int, request: Request, limit: float | None, meta: bool
    ) -> None:
        super().__init__(client)
        self._number = number
        self._request = request
        self._limit = limit
        self._deadline: float | None = None
        self._meta = meta

    @property
    def result(self) -> Any:
        """The result of the call, available after the last chunk.

        Raises:
            LookupError: there may be more chunks.
            poold.Error: the call failed; Cancelled if the stream was closed before its end.
        """
        parts = self._parts
        if parts is None or not parts.answer.done() or parts.inbox.values:
            raise unfinished()
        return reply_value(parts.answer.result(), self._meta)

    async def __anext__(self) -> Any:
        if not self._closed:
            await self._begin_once()
        while True:
            try:
                return await self._next(self._deadline)
            except errors.Error as error:
                if self._closed or not may_ask_again(error):
                    raise
                await self._send(error)
                if self._closed:  # by another task, meanwhile
                    self._give_up()

    async def _begin(self) -> None:
        if self._limit is not None:
            self._deadline = asyncio.get_running_loop().time() + self._limit
        self._request.begin()
        await self._send(None)

    async def _send(self, reason: NoConnection | errors.Error | None) -> None:
        """Sends the request, after `reason` once more."""
        expiry = asyncio.timeout_at(self._deadline)
        try:
            async with expiry:
                while True:
                    if reason is not None:
                        await self._client._pause(self._request, reason)
                    try:
                        connection = await self._client._connected()
                        self._connection = connection
                        data = self._request.packed()
                        self._parts = await connection.send_in_parts(self._number, data)
                        return
                    except (NoConnection, errors.Error) as failure:
                        reason = failure
        except TimeoutError:
            if not expiry.expired():
                raise
            raise unsent(LATE) from None

    def _give_up(self) -> None:
        self._connection.cancel(self._number)

    def _give_up_later(self) -> Any:
        connection, number = self._connection, self._number
        return lambda: connection.cancel(number)


class AsyncEvents(_Parts):
    """Events of the daemon: an asynchronous iterator over maps, created by AsyncClient.subscribe.
    Otherwise as poold.Events.

    Attributes:
        kinds (list[str]), epoch (int), lost (int): as of poold.Events; set when the subscription
            begins.
    """

    def __init__(
        self, client: Any, kinds: tuple[str, ...], since: int | None, epoch: int | None
    ) -> None:
        super().__init__(client)
        self._params = subscribe_params(kinds, since, epoch)
        self.kinds = list(kinds)
        self.epoch = 0
        self.lost = 0

    async def __anext__(self) -> dict[str, Any]:
        if not self._closed:
            await self._begin_once()
        event: dict[str, Any] = await self._next(None)
        return event

    async def _begin(self) -> None:
        self._connection, self._parts, found = await self._client._subscribe(self._params)
        self.kinds, self.epoch, self.lost = found

    def _give_up(self) -> None:
        self._connection.lose("the subscription was closed")

    def _give_up_later(self) -> Any:
        connection = self._connection
        return lambda: connection.lose("the subscription was closed")


class InParts:
    """The connection's side of a stream or a subscription."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answer.add_done_callback(self._answered)
        self._arrived = asyncio.Event()

    async def wait(self) -> None:
        """Waits until there is something in the inbox, or the answer."""
        while not self.inbox.values and not self.answer.done():
            self._arrived.clear()
            await self._arrived.wait()

    def put(self, value: object) -> None:
        self.inbox.put(value)
        self._arrived.set()

    def fail(self, error: errors.Error) -> None:
        if not self.answer.done() and not self.answer.get_loop().is_closed():
            self.answer.set_exception(error)

    def _answered(self, answer: asyncio.Future[Any]) -> None:
        answer.exception()  # taken: it is nobody's fault that nobody asks
        self._arrived.set()
