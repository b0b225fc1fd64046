"""A concurrent.futures.Executor over a pool: for programs that use ProcessPoolExecutor.

    with poold.Executor("python") as executor:
        counts = list(executor.map(texts.word_count, chapters))

A function is called by its name, `module:function`, by a worker that serves just this function;
nothing is pickled, and no worker imports anything for it.  A function of the program's own main
module has that module's file name: `python3 -m poold.worker orders` serves those of orders.py.
"""

from __future__ import annotations

import atexit
import functools
import heapq
import itertools
import math
import os
import time
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from poold import errors, wire
from poold.again import Again, NeverLeft
from poold.call import Call
from poold.calls import (
    HEARTBEAT,
    ID_MAX,
    Seconds,
    deadline_of,
    lost_error,
    pack_request,
    seconds,
)
from poold.client import Client
from poold.futures import is_telling, watcher
from poold.names import qualified
from poold.roles import Role

__all__ = ["Executor", "name_of"]

T = TypeVar("T")

# Requests of one executor that are at the daemon at once, unless told otherwise.
WINDOW = 64

# The daemon had no room for a request; it was not executed, and is sent again.
_NO_ROOM = ("queue_full", "shed")

# So long a function may be on its way here, in the hands of a thread (seconds).
_ASTRAY_MAX = 5.0

# When the daemon does not say when (seconds).
_RETRY_AFTER = 0.05


class _NotYet(NeverLeft):
    """Why a function is not in flight that waits for its turn here."""


class _Sending(Again):
    """How the request of a function is sent, and sent again."""

    __slots__ = ()

    def postpone(self) -> None:
        """Now it waits for its turn."""
        self.refused = _NotYet("it was not sent yet")

    def is_postponed(self) -> bool:
        return self.refused is not self.asked and type(self.refused) is _NotYet

    def refuse(self, reason: Any) -> None:
        if not self.client._reconnects and (self.tries or type(reason) is not NeverLeft):
            self.ends = 0.0  # it fails with this
        super().refuse(reason)

    def wake(self, call: Call) -> None:
        if self.is_postponed():
            assert isinstance(call, _Task)
            call.executor._have_read()
        else:
            super().wake(call)


class _Task(Call):
    """A function that was submitted.  While it waits for its turn, it is like a call that has to be
    asked again: between two connections.
    """

    __slots__ = ("executor",)

    _again: _Sending

    # Call is named below, as `super()` would make an object for each step of each function.

    def __init__(
        self, executor: Executor, number: int, deadline: float | None, again: _Sending
    ) -> None:
        self.executor = executor
        Call.__init__(self, number, None, deadline, executor._meta, again)

    def cancel(self) -> bool:
        """Cancels it, also when it runs: the daemon is asked to cancel its request, and whatever
        the answer is, the future is cancelled.  Returns False if it is done.
        """
        if not self._answered:
            executed = "no" if self._again.is_postponed() else "maybe"
            self.give_up(errors.make("cancelled", "the future was cancelled", executed=executed))
        return self.cancelled()

    def running(self) -> bool:
        """Whether the daemon has it."""
        return not self.done() and not self._again.is_postponed()

    def _is_at_asker(self) -> bool:
        """Whether it is being sent by the thread that asks calls again."""
        again = self._again
        return again.is_being_asked or (self._is_between() and not again.is_postponed())

    def _take_answer(self, error: object, value: object) -> None:
        if isinstance(error, dict) and error.get("code") in _NO_ROOM:
            refusal = errors.from_wire(error)
            if isinstance(refusal, errors.ResourceError) and refusal.executed == "no":
                return self.executor._put_off(self, refusal.retry_after or _RETRY_AFTER)
        Call._take_answer(self, error, value)

    def _settle(self, error: object, value: object) -> None:
        # In this order: what is in flight and has no outcome is found by `look`.
        Call._settle(self, error, value)
        self.executor._leave_flight(self)

    def _notify(self) -> None:
        self._notify_waiting()
        if self.executor._waiting:
            self.executor._advance()

    def _notify_waiting(self) -> None:
        """As `_notify`, for who sends what waits for its turn anyway."""
        if self._answered and not self._is_watched:
            self.executor._forget(self)
        if not self._again.is_postponed():
            Call._notify(self)

    def _tell_all(self) -> None:
        Call._tell_all(self)
        self.executor._forget(self)


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

    Who waits for a result reads it from the connection, as with a Client: then no other thread has
    to be woken.  Callbacks are run one after the other by a thread of the library.

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
        self._meta = bool(options.get("meta", False))
        self._client = Client(path) if client is None else client
        self._owns_client = client is None
        self._window = window
        self._is_shut_down = False
        self._is_kept = False  # the watcher looks
        self._turns: list[SimpleQueue[None]] = []  # of who waits for the end
        self._begin()
        _executors.add(self)

    def _begin(self) -> None:
        """There is nothing to do, yet or in this forked child."""
        self._pid = os.getpid()
        self._room = self._window  # less than that while the daemon has none
        self._unfinished: dict[_Task, None] = {}
        self._in_flight: dict[_Task, None] = {}  # those that the daemon has
        self._waiting: deque[_Task] = deque()  # for their turn
        self._later: list[tuple[float, int, _Task]] = []  # the daemon had no room for them
        self._order = itertools.count()
        self._handed: _Task | None = None  # the last that could not be sent without waiting
        self._sender = Role()
        self._seen: dict[_Task, None] = {}  # what was in flight at the last look
        self._astray: dict[_Task, float] = {}  # what was nowhere, and since when
        self._is_kept = False

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
        client = self._client
        given = client.timeout if self._timeout is None else self._timeout
        timeout = None if given is None else seconds("timeout", given)
        params: list[Any] = [self.pool, name, list(args)]
        if given is not None or kwargs or self._options:
            params = wire.call_params(
                self.pool, name, args, kwargs, timeout=timeout, **self._options
            )
        self._check_parent()
        number = next(client._numbers) & ID_MAX
        options = params[3] if len(params) > 3 else None
        try:
            data = pack_request(number, "poold.call", params)
        except errors.Error as error:
            failed = _Task(self, number, None, _Sending(client, b"", options, timeout, 0.0))
            failed._settle(error, None)
            return failed
        again = _Sending(client, data, options, timeout, client._connect_timeout)
        task = None
        if not self._waiting and not self._is_shut_down:
            task = self._sender.hold(0, self._send_at_once, again, number)
        if task is None:
            task = _Task(self, number, None, again)
            again.postpone()
            # In this order: who shuts it down finds the function, or is found.
            self._unfinished[task] = None
            if self._is_shut_down:
                self._forget(task)
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append(task)
            self._advance()
        if not self._is_kept:
            self._is_kept = True
            watcher().keep(self)
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
        self._check_parent()
        self._is_shut_down = True
        if cancel_futures:
            for task in [*self._waiting, *(entry[2] for entry in self._later)]:
                task.cancel()
        if not self._unfinished:
            self._end()
        elif wait and not is_telling():
            self._await_all()
        else:
            self._have_read()

    def _check_parent(self) -> None:
        """In the child after a fork: what was submitted before is the parent's."""
        pid = os.getpid()
        if self._client._pid != pid:
            self._client._check_parent()
        if self._pid != pid:
            self._begin()

    # --- sending: by whoever submits or reads, if that needs no waiting ---

    def _send_at_once(self, again: _Sending, number: int) -> _Task | None:
        """Sends a request that is new, in the process that was looked at.  None: it was not."""
        connection = self._client._usable_here()
        if connection is None or len(self._in_flight) >= self._room:
            return None
        limit = again.timeout
        deadline = None if limit is None else deadline_of(limit, self._client._grace)
        task = _Task(self, number, deadline, again)
        self._unfinished[task] = None
        self._in_flight[task] = None
        if not self._is_shut_down and connection.take_over_at_once(task, again):
            return task
        self._in_flight.pop(task, None)
        self._forget(task)
        return None

    def _advance(self) -> None:
        """Sends what waits for its turn, as far as there is room."""
        while self._can_send():
            if self._sender.hold(0, self._send_next) is None:
                return  # that thread looks again

    def _can_send(self) -> bool:
        if len(self._in_flight) >= self._room:
            return False
        handed = self._handed
        if handed is not None and handed._is_at_asker():
            return False
        return bool(self._waiting) or self._is_due()

    def _is_due(self) -> bool:
        return bool(self._later) and self._later[0][0] <= time.monotonic()

    def _send_next(self) -> bool:
        while self._is_due():
            self._waiting.appendleft(heapq.heappop(self._later)[2])
        if not self._can_send():
            return False
        # No signal handler comes between these steps; if one does, `look` finds the function.
        task = self._waiting[0]
        self._in_flight[task] = None
        self._waiting.popleft()
        if task._outcomes:  # it was cancelled
            self._leave_flight(task)
        else:
            self._send(task, task._again)
        return True

    def _send(self, task: _Task, again: _Sending) -> None:
        again.begin()
        task._deadline = deadline_of(again.timeout, self._client._grace)
        connection = self._client._usable_now()
        if connection is not None and connection.take_over_at_once(task, again):
            return task._notify_waiting()  # `_advance` goes on, in a loop
        # The thread that asks again does it, and makes a connection or waits for room in the socket.
        self._handed = task
        again.refused = NeverLeft("there was no connection yet")
        again.wake(task)

    # --- what becomes of it ---

    def _leave_flight(self, task: _Task) -> None:
        if self._takes_out(task) and self._room < self._window:
            self._room = min(self._window, self._room + 1)

    def _takes_out(self, task: _Task) -> bool:
        """Takes it out of flight.  Only who has done that puts it anywhere else: what two threads
        put somewhere would be sent twice."""
        return self._in_flight.pop(task, self) is None

    def _put_off(self, task: _Task, after: float) -> None:
        """The daemon has no room for it, and is asked again after so many seconds."""
        task._again.postpone()
        if not self._takes_out(task):
            return  # it waits for its turn already
        task._connection = task._deadline = None
        self._room = max(1, len(self._in_flight))
        due = time.monotonic() + after
        heapq.heappush(self._later, (due, next(self._order), task))
        watcher().look_at(due)

    def _forget(self, task: _Task) -> None:
        """It is done, and its callbacks have run."""
        self._in_flight.pop(task, None)
        self._unfinished.pop(task, None)
        if self._is_shut_down and not self._unfinished:
            self._end()

    def _end(self) -> None:
        """After the last function; may be repeated."""
        if self._owns_client:
            self._client.close()
        for turn in list(self._turns):
            turn.put(None)

    # --- waiting ---

    def _have_read(self) -> None:
        """Has the answers read, though perhaps nobody waits for those in flight."""
        for task in list(self._in_flight):
            connection = task._connection
            if connection is not None and not task._is_between() and not task._answered:
                if not connection._reading:
                    task._watch()
                return

    def _await_all(self) -> None:
        if self._unfinished:
            watcher().keep(self)  # a submit that was cut short may not have come to that
        for task in list(self._unfinished):
            task._await(None)
        turn: SimpleQueue[None] = SimpleQueue()
        self._turns.append(turn)
        while self._unfinished:  # a callback runs
            try:
                turn.get(timeout=HEARTBEAT)
            except Empty:
                pass
        self._turns.remove(turn)

    def look(self) -> float | None:
        """Called by the watcher: until there is nothing to do, for those for which nobody waits, and
        should an exception have cut short a step.  Returns when to come at the latest.
        """
        self._is_kept = False
        if not self._unfinished:
            self._seen = {}
            return None
        self._is_kept = True
        for task in list(self._unfinished):
            if task._answered and task not in watcher().watched:
                self._leave_flight(task)
                self._forget(task)
        self._settle_astray()
        before, self._seen = self._seen, self._in_flight.copy()
        have_stayed = [task for task in self._seen if task in before]
        self._sender.hold(0, self._mend, have_stayed)
        self._advance()
        if handed := self._handed:
            handed._wake()  # the thread that asks again may not have come to begin
        if have_stayed:
            self._have_read()
        return self._later[0][0] if self._later else math.inf

    def _settle_astray(self) -> None:
        """Settles what was submitted and is nowhere: it was on its way from one place to another, and
        that was cut short.  A thread that only waits for its turn at the interpreter has it soon.
        """
        before, self._astray = self._astray, {}
        places = (self._in_flight, self._waiting, self._later)
        if len(self._unfinished) <= sum(map(len, places)):
            return  # nothing is, as nearly always
        here = {*self._in_flight, *self._waiting, *(entry[2] for entry in self._later)}
        now = time.monotonic()
        for task in list(self._unfinished):
            if task not in here and not task._outcomes:
                self._astray[task] = before.get(task, now)
        for task, since in self._astray.items():
            if now - since >= _ASTRAY_MAX:
                task._fail(lost_error("sending it was interrupted", "no"))

    def _mend(self, tasks: list[_Task]) -> None:
        """Takes back the functions whose sending was cut short; nobody sends meanwhile."""
        for task in tasks:
            if task._again.is_postponed():
                if self._takes_out(task):
                    self._waiting.appendleft(task)
            elif _is_cut_short(task):
                task._fail(lost_error("sending it was interrupted", "maybe"))
        if self._handed is not None and not self._handed._is_at_asker():
            self._handed = None


def _is_cut_short(task: _Task) -> bool:
    """Whether it is on its way, and nobody sends it.  In these steps, as meanwhile the thread that
    asks again may give it a connection, and an answer may take that away.
    """
    return not task._is_between() and task._connection is None and not task._is_between()


# Those of the program, which waits for them when it ends.
_executors: weakref.WeakSet[Executor] = weakref.WeakSet()


@atexit.register
def _await_executors() -> None:
    for executor in list(_executors):
        if executor._pid == os.getpid():
            executor._await_all()


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
