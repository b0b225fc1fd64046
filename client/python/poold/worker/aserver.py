"""A worker with asynchronous functions: an event loop in the main thread, and a task for each
request."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from poold import wire
from poold.worker import current, forks
from poold.worker.channel import tell_step
from poold.worker.failures import cancelled, complain, describe, undecodable, unknown_method
from poold.worker.functions import Function, Hooks, find
from poold.worker.server import Server, Stopped, call, chunk_overhead, credit_of, split

# A stream waits while more bytes than this are still to be written.
OUTPUT_PAUSE = 256 * 1024

_request: contextvars.ContextVar[current.Current | None] = contextvars.ContextVar(
    "poold_request", default=None
)


def _vital(method: Callable[..., None]) -> Callable[..., None]:
    """Decorator for what the loop calls: the worker ends if anything interrupts it.

    The loop itself would log that and go on, with a message that was written in part.  A process
    that the worker's code has forked serves nothing, should it come back to the loop.
    """

    def guarded(self: AsyncServer, *arguments: Any) -> None:
        try:
            if not self._link.is_child:
                method(self, *arguments)
        except BaseException as error:
            self._link.end_by(error, "between two steps of its event loop")

    return guarded


class _Task:
    """A request that is being served."""

    __slots__ = ("task", "began", "deadline", "unwanted", "answered", "credit", "credited")

    def __init__(self, task: asyncio.Task[None], deadline: float, credit: int | None) -> None:
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
        recall: socket.socket | None,
        concurrency: int,
    ) -> None:
        super().__init__(functions, hooks, channel, recall)
        self.concurrency = concurrency
        self._tasks: dict[int, _Task] = {}  # in the order in which they began
        self._began: float | None = None  # the first of them did
        self._ending: set[asyncio.Task[None]] = set()  # on_session_end at work
        self._blocked = False  # the daemon takes nothing for now
        self._flush_is_due = False
        self._is_serving = False

    def _take_page(self, recall: socket.socket | None) -> None:
        """None: a page can tell what has begun only where one request runs at a time."""

    def run(self) -> None:
        self._prepare()
        current.find_with(_request.get)
        with asyncio.Runner() as runner:
            runner.run(self._begin_serving())
            try:
                runner.run(self._serve_to_the_end())
            except BaseException as error:
                # Whatever the loop was about to do is lost.
                if self._link.is_child:
                    self._link.end_child(error)
                self._link.end_by(error, "in its event loop")
            runner.run(self._finish())
        if self._status:
            sys.exit(self._status)

    async def _begin_serving(self) -> None:
        self._events = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._events.create_future()
        self._written = asyncio.Event()
        self._written.set()
        if self._hooks.start is not None:
            tell_step("on_start")
            await _finish(self._hooks.start())
        before = signal.getsignal(signal.SIGTERM)
        self._events.add_signal_handler(signal.SIGTERM, self._on_terminate)
        forks.handles(signal.SIGTERM, before)
        # A signal of a child would be taken for one of the worker.
        forks.in_child(lambda: signal.set_wakeup_fd(-1))
        self._link.channel.setblocking(False)

    async def _serve_to_the_end(self) -> None:
        self._announce()
        self._events.add_reader(self._link.number, self._on_readable)
        if self._recalls is not None:
            self._events.add_reader(self._recalls.number, self._on_recall)
        await self._done
        self._events.remove_reader(self._link.number)
        self._stop_recalls()
        await self._written.wait()

    async def _finish(self) -> None:
        self._finished = True
        if self._hooks.shutdown is not None:
            try:
                await _finish(self._hooks.shutdown())
            except BaseException as error:
                self._failed_aside("on_shutdown failed", error)

    # --- in and out -------------------------------------------------------------------------------

    @_vital
    def _on_readable(self) -> None:
        self._receive(socket.MSG_DONTWAIT)
        self._dispatch()
        self._flush_soon()

    @_vital
    def _on_recall(self) -> None:
        assert self._recalls is not None
        answers = self._recalls.read()
        if answers is None:
            self._stop_recalls()
        for answer in answers or ():
            self._put(answer)

    def _stop_recalls(self) -> None:
        if self._recalls is not None:
            self._events.remove_reader(self._recalls.number)

    def _recalls_beside(self) -> None:
        return None  # the loop reads them

    def _flush_soon(self) -> None:
        """Schedules one write for all messages of this turn of the loop."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._events.call_soon(self._flush)

    @_vital
    def _flush(self) -> None:
        self._flush_is_due = False
        if self._blocked or not self._output:
            return
        self._link.drain(self._output)
        if self._output:
            self._blocked = True
            self._written.clear()
            self._events.add_writer(self._link.number, self._on_writable)

    @_vital
    def _on_writable(self) -> None:
        self._blocked = False
        self._events.remove_writer(self._link.number)
        self._flush()
        if not self._blocked:
            self._written.set()
            self._dispatch()

    def _put(self, data: bytes) -> None:
        self._output += data
        self._flush_soon()

    def _nudge(self) -> None:
        pass  # the loop has a timer for each deadline

    # --- requests ---------------------------------------------------------------------------------

    @_vital
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

    def _begin(self, message: list[Any]) -> None:
        _, number, method, params = message
        recalls = self._recalls
        if recalls is not None:
            recalls.begun = number
            if recalls.given and not recalls.is_wanted(number):
                return  # it was given back
        self._output += self._packer([wire.NOTIFICATION, "started", [number]])
        args, fields = split(params)
        function = self._functions.get(method) if type(method) is str else None
        if function is None:
            function = find(self._functions, method)
        if function is None:
            return self._fail(number, unknown_method(method, self._functions))
        if type(args) is wire.Undecodable:
            return self._fail(number, undecodable(args))
        request: current.Current = (fields, self._received, [])
        task = self._events.create_task(self._serve_task(number, function, args, request))
        task.add_done_callback(lambda task: self._ended(number, task))
        deadline = current.deadline_of(fields, self._received)
        self._tasks[number] = _Task(task, deadline, credit_of(fields))
        self._note_oldest()

    def _note_oldest(self) -> None:
        first = next(iter(self._tasks.values()), None)
        self._began = None if first is None else first.began

    def _oldest(self) -> float | None:
        return self._began

    async def _serve_task(
        self, number: int, function: Function, args: object, request: current.Current
    ) -> None:
        _request.set(request)
        here = self._tasks[number]
        try:
            await self._written.wait()  # `started` first
            result = await self._run(number, function, args, request[0].get("stream") is True)
        except BaseException as error:
            if self._link.is_child:
                self._link.end_child(error)
            self._settle(here, number, request, None, error)
        else:
            if self._link.is_child:
                self._link.end_child(None)
            self._settle(here, number, request, result, None)

    @_vital
    def _settle(
        self,
        here: _Task,
        number: int,
        request: current.Current,
        result: object,
        error: BaseException | None,
    ) -> None:
        """Answers a request, which has ended with this result or error."""
        if error is None:
            self._answer(number, result, request[2])
        elif type(error) is Stopped:
            self._fail(number, error.error)
        elif here.unwanted and issubclass(type(error), asyncio.CancelledError):
            self._fail(number, cancelled("while it ran"))
        else:
            self._fail(number, describe(error))
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
        self, number: int, values: AsyncGeneratorType[Any, Any], streaming: bool
    ) -> object:
        collected: list[object] = []
        try:
            async for value in values:
                await self._take(number, value, None if streaming else collected)
        finally:
            try:
                await values.aclose()
            except BaseException as error:
                complain("a generator that was stopped failed", error)
        return None if streaming else collected

    async def _drain_plain(
        self, number: int, values: GeneratorType[Any, Any, Any], streaming: bool
    ) -> object:
        collected: list[object] = []
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

    async def _take(self, number: int, value: object, collected: list[object] | None) -> None:
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

    @_vital
    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        here = self._tasks.pop(number)
        if not here.answered:  # it was cancelled before its first step, or interrupted at its last
            error = None if task.cancelled() else task.exception()
            self._fail(number, describe(error) if error else cancelled("before it began"))
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

    @_vital
    def _on_terminate(self, *_: object) -> None:
        """Finishes the running requests, except those that are, or become, late."""
        self._stopping = True
        for here in self._tasks.values():
            if here.deadline < float("inf"):
                self._events.call_at(here.deadline, here.give_up)
        self._dispatch()

    def _take_notification(self, message: list[Any]) -> None:
        super()._take_notification(message)
        if message[1] == "shutdown":
            self._events.call_soon(self._dispatch)

    # --- sessions ---------------------------------------------------------------------------------

    def _end_session(self, session: str, reason: str) -> None:
        async def end() -> None:
            try:
                await _finish(self._hooks.end_session(session, reason))
            except BaseException as error:
                self._failed_aside(f"on_session_end for session {session!r} failed", error)

        task = self._events.create_task(end())
        self._ending.add(task)
        task.add_done_callback(self._session_ended)

    @_vital
    def _session_ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        self._dispatch()


async def _finish(result: object) -> object:
    """What a hook has returned, whatever kind of function it is."""
    return await result if inspect.isawaitable(result) else result

