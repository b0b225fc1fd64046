"""A concurrent.futures.Executor over a pool: for programs that use ProcessPoolExecutor.

    with poold.Executor("python") as executor:
        counts = list(executor.map(texts.word_count, chapters))

A function is called by its name, `module:function`, by a worker that serves just this function;
nothing is pickled, and no worker imports anything for it.  A function of the program's own main
module has that module's file name: `python3 -m poold.worker orders` serves those of orders.py.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import os
import queue
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import InvalidStateError
from typing import Any, TypeVar

from poold import errors, wire
from poold.calls import Seconds, seconds
from poold.client import Call, Client
from poold.names import qualified

__all__ = ["Executor", "name_of"]

T = TypeVar("T")

# Requests of one executor that are at the daemon at once, unless told otherwise.
WINDOW = 64

# The daemon had no room for a request; it was not executed, and is sent again.
_NO_ROOM = ("queue_full", "shed")

# When the daemon does not say when (seconds).
_RETRY_AFTER = 0.05

# The state of a Future that was cancelled, and of which those who wait were not told yet.
_CANCELLED_STATE = "CANCELLED"


class _Task(futures.Future[Any]):
    """A function that was submitted."""

    _condition: threading.Condition

    def __init__(self, executor: Executor, params: list[Any]) -> None:
        super().__init__()
        self.executor = executor
        self.params = params
        self.call: Call | None = None  # while the daemon has it

    def cancel(self) -> bool:
        """Cancels it, also when it runs: the daemon is asked to cancel its request, and whatever
        the answer is, the future is cancelled.  Returns False if it is done.
        """
        with self._condition:
            if self.done():
                return self.cancelled()
            self._state = _CANCELLED_STATE  # also if it runs, which a Future does not allow
            self._condition.notify_all()
            self.set_running_or_notify_cancel()
        self._invoke_callbacks()  # type: ignore[attr-defined]
        self.executor._events.put((_CANCELLED, self))
        return True

    def begin(self) -> bool:
        """Returns False if it was cancelled."""
        with self._condition:
            return not self.done() and (self.running() or self.set_running_or_notify_cancel())

    def finish(self, call: Call) -> None:
        try:
            result = call.result(0)
        except BaseException as error:
            self.fail(error)
        else:
            try:
                self.set_result(result)
            except InvalidStateError:
                pass  # it was cancelled

    def fail(self, error: BaseException) -> None:
        try:
            self.set_exception(error)
        except InvalidStateError:
            pass


_SUBMITTED, _ANSWERED, _CANCELLED, _SHUT_DOWN = range(4)


class Executor(futures.Executor):
    """Calls functions in the workers of a pool.

    Args:
        pool: the pool's name.
        max_workers: how many requests of this executor the daemon has at once; others wait here.
            How many run at once is the pool's matter.
        client: whose connection is used; None: one of its own, closed by `shutdown`.
        path: the daemon's socket, for a client of its own; see poold.Client.
        options: options of every call (timeout, idempotent, priority, ...); see poold.Client.call.

    A worker that dies fails the requests that it had begun (PoolConnectionError, unless they are
    idempotent and tried again), and nothing else.  If the daemon has no room, a request is sent
    again later.

    A program that ends without `shutdown` waits until all that it has submitted is done.

    Raises:
        TypeError: pool is no name; `initializer` and other arguments that belong to processes of
            one's own.
    """

    def __init__(
        self,
        pool: str,
        max_workers: int | None = None,
        *,
        client: Client | None = None,
        path: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(pool, str):
            raise TypeError(f"pool is the name of a pool, a text, and not {pool!r}")
        window = WINDOW if max_workers is None else max_workers
        if not isinstance(window, int) or isinstance(window, bool):
            raise TypeError(f"max_workers is a number, not {max_workers!r}")
        if window < 1:
            raise ValueError(f"max_workers is above zero, not {max_workers!r}")
        _check_options(options)
        self.pool = pool
        self._timeout: Seconds | None = options.pop("timeout", None)
        self._options = options
        self._client = Client(path) if client is None else client
        self._owns_client = client is None
        self._window = window
        self._room = window  # less than that while the daemon has none
        self._waiting: deque[_Task] = deque()
        self._later: list[tuple[float, int, _Task]] = []
        self._order = itertools.count()
        self._in_flight = 0
        self._events: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_shut_down = False
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[..., T] | str, /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        """Calls a function with these arguments; returns the Future of its result.

        Args:
            fn: a function that can be named (a functools.partial of one, too), or a name:
                "module:function", or as the worker serves it.

        Raises:
            TypeError: fn has no name by which a worker could serve it.
            RuntimeError: after `shutdown`.
        """
        name, args, kwargs = _taken_apart(fn, args, kwargs)
        timeout = self._client.timeout if self._timeout is None else self._timeout
        limit = seconds("timeout", timeout)
        params = wire.call_params(self.pool, name, args, kwargs, timeout=limit, **self._options)
        task = _Task(self, params)
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._events.put((_SUBMITTED, task))
            if self._thread is None:
                # It is no daemon: a program that ends waits for what it has submitted, as with the
                # executors of the standard library.
                self._thread = threading.Thread(
                    target=self._run, name="poold-executor", daemon=False
                )
                self._thread.start()
        return task

    def map(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        fn: Callable[..., T] | str,
        /,
        *iterables: Any,
        timeout: Any = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """As that of ProcessPoolExecutor; each element is a request, whatever `chunksize` is."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        return super().map(fn, *iterables, timeout=timeout)  # type: ignore[arg-type]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more functions; with `cancel_futures` those that the daemon does not have yet are
        cancelled, and with `wait` this returns when all are done.
        """
        with self._lock:
            self._is_shut_down = True
            thread = self._thread
            self._events.put((_SHUT_DOWN, cancel_futures))
        if thread is None:
            self._close()
        elif wait and thread is not threading.current_thread():
            thread.join()

    # --- its thread ---

    def _run(self) -> None:
        while not self._is_idle():
            try:
                what, about = self._events.get(timeout=self._until_next())
            except queue.Empty:
                self._take_later()
                continue
            if what == _SUBMITTED:
                self._waiting.append(about)
            elif what == _ANSWERED:
                self._answered(*about)
            elif what == _CANCELLED:
                self._cancelled(about)
            elif about:
                self._cancel_waiting()
        if self._is_shut_down:
            self._close()

    def _is_idle(self) -> bool:
        """Sends what can be sent.  Returns True if there is nothing to do: then the thread ends, and
        the next `submit` starts another one, so that nothing holds an executor which was dropped.
        """
        self._send_waiting()
        if self._in_flight or self._waiting or self._later:
            return False
        with self._lock:
            if not self._events.empty():
                return False
            self._thread = None
            return True

    def _close(self) -> None:
        if self._owns_client:
            self._client.close()

    def _until_next(self) -> float | None:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None

    def _send_waiting(self) -> None:
        while self._waiting and self._in_flight < self._room:
            task = self._waiting.popleft()
            if not task.begin():
                continue
            try:
                limit = task.params[3].get("timeout_ms") if len(task.params) > 3 else None
                meta = bool(self._options.get("meta", False))
                timeout = None if limit is None else limit / 1000
                call = self._client._start("poold.call", task.params, timeout, meta, Call)
            except BaseException as error:
                task.fail(error)
                continue
            task.call = call
            self._in_flight += 1
            call.add_done_callback(functools.partial(self._tell, task))

    def _tell(self, task: _Task, call: Any) -> None:
        self._events.put((_ANSWERED, (task, call)))

    def _answered(self, task: _Task, call: Call) -> None:
        self._in_flight -= 1
        task.call = None
        error = None if call.cancelled() else call.exception(0)
        if isinstance(error, errors.ResourceError) and error.code in _NO_ROOM:
            if error.executed == "no" and not task.done():
                self._room = max(1, self._in_flight)
                after = time.monotonic() + (error.retry_after or _RETRY_AFTER)
                return heapq.heappush(self._later, (after, next(self._order), task))
        self._room = min(self._window, self._room + 1)
        task.finish(call)

    def _take_later(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._waiting.appendleft(heapq.heappop(self._later)[2])

    def _cancelled(self, task: _Task) -> None:
        if task.call is not None:
            task.call.cancel()

    def _cancel_waiting(self) -> None:
        for task in (*self._waiting, *(entry[2] for entry in self._later)):
            task.cancel()
        self._waiting.clear()
        self._later.clear()


_PROCESS_OPTIONS = {
    "initializer": "on_start() in the workers' module is called before the first request",
    "initargs": "on_start() in the workers' module is called before the first request",
    "mp_context": "how the workers start is in the pool's configuration",
    "max_tasks_per_child": "max_requests in the pool's configuration replaces its workers",
}


def _check_options(options: dict[str, Any]) -> None:
    for name, advice in _PROCESS_OPTIONS.items():
        if options.pop(name, None) not in (None, ()):
            raise TypeError(f"{name} is not for workers of the daemon: {advice}")
    for name in options:
        if name not in wire.OPTIONS:
            raise TypeError(f"an Executor has no option {name!r}")
    seconds("timeout", options.get("timeout"))


def _taken_apart(
    fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The name of a function, and its arguments with those of a partial."""
    while isinstance(fn, functools.partial):
        fn, args, kwargs = fn.func, fn.args + args, {**fn.keywords, **kwargs}
    return fn if isinstance(fn, str) else name_of(fn), args, kwargs


def name_of(fn: Any) -> str:
    """The name of a function for a worker that serves it, "module:function".

    Raises:
        TypeError: it has none.
    """
    bound = getattr(fn, "__self__", None)
    if bound is not None and not isinstance(bound, (type, types.ModuleType)):
        raise TypeError(f"{fn!r} is a method of an object, which a worker does not have")
    name = qualified(fn)
    if name is None:
        raise TypeError(f"{fn!r} has no name by which a worker could serve it")
    return name
