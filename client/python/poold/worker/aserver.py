"""A worker with asynchronous functions: an event loop in the main thread, and a task for each
request."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import signal
import socket
import sys
import time
from types import AsyncGeneratorType, GeneratorType

from poold import wire
from poold.worker import current
from poold.worker.channel import tell_step
from poold.worker.failures import cancelled, complain, describe, undecodable, unknown_method
from poold.worker.functions import Function, Hooks, find
from poold.worker.server import Server, Stopped, call, chunk_overhead, credit_of, split

# A stream waits while more bytes than this are still to be written.
OUTPUT_PAUSE = 256 * 1024

_request: contextvars.ContextVar[current.Current | None] = contextvars.ContextVar(
    "poold_request", default=None
)


class _Task:
    """A request that is being served."""

    __slots__ = ("task", "began", "deadline", "unwanted", "answered", "credit", "credited")

    def __init__(self, task: asyncio.Task, deadline: float, credit: int | None) -> None:
        self.task = task
        self.began = time.monotonic()
        self.deadline = deadline
        self.unwanted = False  # it was cancelled
        self.answered = False
        self.credit = credit  # bytes of its chunks that may be sent; None: any number
        self.credited = asyncio.Event()

    def give_up(self) -> None:
        self.unwanted = True
        self.task.cancel()


class AsyncServer(Server):
    """Serves up to `concurrency` requests at once."""

    def __init__(
        self,
        functions: dict[str, Function],
        hooks: Hooks,
        channel: socket.socket,
        concurrency: int,
    ) -> None:
        super().__init__(functions, hooks, channel)
        self.concurrency = concurrency
        self._tasks: dict[int, _Task] = {}  # in the order in which they began
        self._ending: set[asyncio.Task] = set()  # on_session_end at work
        self._blocked = False  # the daemon takes nothing for now
        self._flush_is_due = False
        self._dispatch_is_due = False

    def run(self) -> None:
        self._prepare()
        current.find_with(_request.get)
        asyncio.run(self._main())
        if self._status:
            sys.exit(self._status)

    async def _main(self) -> None:
        self._events = asyncio.get_running_loop()
        self._done = self._events.create_future()
        self._written = asyncio.Event()
        self._written.set()
        self._channel.setblocking(False)
        if self._hooks.start is not None:
            tell_step("on_start")
            await _finish(self._hooks.start())
        self._events.add_signal_handler(signal.SIGTERM, self._on_terminate)
        self._announce()
        self._flush_soon()
        self._events.add_reader(self._channel, self._on_readable)
        await self._done
        self._events.remove_reader(self._channel)
        await self._written.wait()
        self._finished = True
        if self._hooks.shutdown is not None:
            try:
                await _finish(self._hooks.shutdown())
            except BaseException as error:
                complain("on_shutdown failed", error)

    # --- in and out -------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            self._receive()
        except OSError:
            os._exit(0)  # the daemon is gone: nobody waits for an answer
        self._dispatch()
        self._flush_soon()

    def _flush_soon(self) -> None:
        """Schedules one write for all messages of this turn of the loop."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._events.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._blocked or not self._output:
            return
        try:
            # Other holders of the lock never block.
            with self._writing:
                count = self._channel.send(self._output)
        except BlockingIOError:
            count = 0
        except OSError:
            os._exit(0)
        del self._output[:count]
        if self._output:
            self._blocked = True
            self._written.clear()
            self._events.add_writer(self._channel, self._on_writable)

    def _on_writable(self) -> None:
        self._blocked = False
        self._events.remove_writer(self._channel)
        self._flush()
        if not self._blocked:
            self._written.set()
            self._dispatch()

    def _put(self, data: bytes) -> None:
        self._output += data
        if len(data) > wire.KEEP_SIZE:
            self._packer = wire.packer()
        self._flush_soon()

    def _nudge(self) -> None:
        pass  # the loop has a timer for each deadline

    def _beat(self, ran: float) -> None:
        # A partly written message must be completed.
        if not self._blocked:
            super()._beat(ran)

    # --- requests ---------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Begins what there is room for; ends when there is nothing left to do."""
        if self._stopping:
            self._drop_requests()
        while self._requests and not self._blocked and len(self._tasks) < self.concurrency:
            message = self._requests.popleft()
            if message[0] == wire.REQUEST:
                self._begin(message)
            else:
                self._end_session(*message[2][:2])
        self._flush()
        is_over = not (self._tasks or self._requests or self._ending)
        if self._stopping and is_over and not self._done.done():
            self._done.set_result(None)

    def _begin(self, message: list) -> None:
        _, number, method, params = message
        self._output += self._packer.pack((wire.NOTIFICATION, "started", (number,)))
        args, fields = split(params)
        function = self._functions.get(method) if type(method) is str else None
        if function is None:
            function = find(self._functions, method)
        if function is None:
            return self._fail(number, unknown_method(method, self._functions))
        if type(args) is wire.Undecodable:
            return self._fail(number, undecodable(args))
        request = (fields, self._received, [])
        task = self._events.create_task(self._serve_task(number, function, args, request))
        task.add_done_callback(lambda _: self._ended(number))
        deadline = current.deadline_of(fields, self._received)
        self._tasks[number] = _Task(task, deadline, credit_of(fields))
        self._note_oldest()

    def _note_oldest(self) -> None:
        first = next(iter(self._tasks.values()), None)
        self._began = 0.0 if first is None else first.began

    async def _serve_task(
        self, number: int, function: Function, args: object, request: current.Current
    ) -> None:
        _request.set(request)
        here = self._tasks[number]
        try:
            await self._written.wait()  # `started` first
            result = await self._run(number, function, args, request[0].get("stream") is True)
        except Stopped as stop:
            self._fail(number, stop.error)
        except BaseException as error:
            if here.unwanted and isinstance(error, asyncio.CancelledError):
                self._fail(number, cancelled("while it ran"))
            else:
                self._fail(number, describe(error))
        else:
            self._answer(number, result, request[2])
        here.answered = True
        request[2][:] = [current.OVER]
        self._flush_soon()

    async def _run(self, number: int, function: Function, args: object, streaming: bool) -> object:
        result = call(function, args)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, AsyncGeneratorType):
            return await self._drain_async(number, result, streaming)
        if type(result) is GeneratorType:
            return await self._drain_plain(number, result, streaming)
        return result

    async def _drain_async(
        self, number: int, values: AsyncGeneratorType, streaming: bool
    ) -> object:
        collected: list = []
        try:
            async for value in values:
                await self._take(number, value, None if streaming else collected)
        finally:
            try:
                await values.aclose()
            except BaseException as error:
                complain("a generator that was stopped failed", error)
        return None if streaming else collected

    async def _drain_plain(self, number: int, values: GeneratorType, streaming: bool) -> object:
        collected: list = []
        try:
            while True:
                value = next(values)
                await self._take(number, value, None if streaming else collected)
                await asyncio.sleep(0)  # the others, and a cancel, have their turn
        except StopIteration as end:
            return end.value if streaming else collected
        finally:
            try:
                values.close()
            except BaseException as error:
                complain("a generator that was stopped failed", error)

    async def _take(self, number: int, value: object, collected: list | None) -> None:
        if collected is not None:
            collected.append(value)
            return
        chunk = self._pack_chunk(number, value)
        here = self._tasks[number]
        if here.credit is not None:
            while here.credit <= 0:
                here.credited.clear()
                await here.credited.wait()
            here.credit -= len(chunk) - chunk_overhead(number)
        self._put(chunk)
        if len(self._output) > OUTPUT_PAUSE:
            self._flush()
            await self._written.wait()

    def _ended(self, number: int) -> None:
        here = self._tasks.pop(number)
        if not here.answered:  # it was cancelled before its first step
            self._fail(number, cancelled("before it began"))
        self._note_oldest()
        self._dispatch()

    def _cancel(self, number: object) -> None:
        here = self._tasks.get(number) if type(number) is int else None
        if here is not None:
            here.give_up()
        else:
            super()._cancel(number)

    def _take_credit(self, number: object, size: object) -> None:
        here = self._tasks.get(number) if type(number) is int else None
        if here is not None and here.credit is not None and type(size) is int:
            here.credit += size
            here.credited.set()

    def _on_terminate(self, *_: object) -> None:
        """Finishes the running requests, except those that are, or become, late."""
        self._stopping = True
        for here in self._tasks.values():
            if here.deadline < float("inf"):
                self._events.call_at(here.deadline, here.give_up)
        self._dispatch()

    def _take_notification(self, message: list) -> None:
        super()._take_notification(message)
        if message[1] == "shutdown":
            self._events.call_soon(self._dispatch)

    # --- sessions ---------------------------------------------------------------------------------

    def _end_session(self, session: str, reason: str) -> None:
        async def end() -> None:
            try:
                await _finish(self._hooks.end_session(session, reason))
            except BaseException as error:
                complain(f"on_session_end for session {session!r} failed", error)

        task = self._events.create_task(end())
        self._ending.add(task)
        task.add_done_callback(self._session_ended)

    def _session_ended(self, task: asyncio.Task) -> None:
        self._ending.discard(task)
        self._dispatch()


async def _finish(result: object) -> object:
    """What a hook has returned, whatever kind of function it is."""
    return await result if inspect.isawaitable(result) else result

