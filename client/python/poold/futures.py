"""What makes a `Call` a concurrent.futures.Future.

A client has no thread of its own: who waits for a call reads its answer.  Nobody waits for a
callback, nor does the waiting of concurrent.futures and asyncio read.  So the first of these makes
the call `watched`: a thread of its connection reads until the watched calls are answered, and tells
everybody who waits for them.  Other calls do not pay for any of this.

Callbacks are the program's own, and may take long.  So one thread at a time runs them; meanwhile
one thread of the process, the watcher, reads now and then what has come, and ends the calls whose
time is up.
"""

from __future__ import annotations

import math
import os
import queue
import threading
import time
import traceback
from _thread import get_ident
from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from poold import errors, threads
from poold.calls import HEARTBEAT, lost_error, overdue

if TYPE_CHECKING:
    from threading import Condition as RLock  # that of an RLock may have no subclasses
else:
    from _thread import RLock

# poold.Cancelled is also what concurrent.futures raises; a worker never needs to load that.
errors.Cancelled.__bases__ = (errors.RequestError, CancelledError)
Cancelled = errors.Cancelled

_RUNNING = "RUNNING"


class _Condition(RLock):
    """What a Future needs of a threading.Condition, without what that does in Python.  Nobody waits
    in it: who waits for a call reads, or is a waiter of concurrent.futures.
    """

    def notify_all(self) -> None:
        """There is nobody to notify."""


class _Lazy:
    """An attribute of a Future, which is made with the others when something asks for one of them:
    then the object has its own, which comes before this one of its class.

    With a `__getattr__` in place of these, Python would look up every attribute of a call by the
    slow way.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, call: Any, owner: type) -> Any:
        if call is None:
            return self
        call._watch()
        return call.__dict__[self._name]


class Watchable(Future[Any]):
    """Base class of Call."""

    __slots__ = ("_is_watched",)

    _connection: Any
    _deadline: float | None
    _is_watched: bool  # whether the watcher has to know that it is answered

    _condition: Any = _Lazy()
    _state: Any = _Lazy()
    _result: Any = _Lazy()
    _exception: Any = _Lazy()
    _waiters: Any = _Lazy()
    _done_callbacks: Any = _Lazy()

    @property
    def _answered(self) -> bool:
        """Whether there is an outcome."""
        raise NotImplementedError

    def __repr__(self) -> str:
        state = "answered" if self._answered else "in flight"
        return f"<{type(self).__module__}.{type(self).__name__} {state}>"

    def cancelled(self) -> bool:
        """Whether `result` would raise Cancelled at once."""
        return self.done() and isinstance(self._outcome()[1], CancelledError)

    def running(self) -> bool:
        """Whether it has not been answered yet."""
        return not self.done()

    def exception(self, timeout: Any = None) -> BaseException | None:
        """Waits for the answer as `result` does; returns the error, None after a success.

        Raises:
            poold.Cancelled: the call was cancelled.
            TimeoutError: no answer within `timeout`.
        """
        try:
            self.result(timeout)
        except CancelledError:
            raise
        except errors.Error as error:
            return error
        return None

    def _outcome(self) -> tuple[Any, BaseException | None]:
        """(result, None) or (None, error) of a call that is answered."""
        raise NotImplementedError

    def _settle(self, error: object, value: object) -> None:
        """Sets the outcome, unless there is one."""
        raise NotImplementedError

    def _watch(self) -> None:
        # The attributes come last: while they lack, because an exception came first, the next one
        # who asks for them begins anew.  From then on the watcher knows it.
        self._is_watched = True
        if not self.is_ours():
            self._settle(lost_error("made before a fork, the call is the parent's", "maybe"), None)
        watcher().watch(self)
        with _making:
            if "_condition" in self.__dict__:
                return
            self.__dict__.update(
                _state=_RUNNING,
                _result=None,
                _exception=None,
                _waiters=[],
                _done_callbacks=[],
                _condition=_Condition(),
            )
        if self._answered:
            self._tell_all()  # at once, as of any Future that is done
        else:
            self._follow()

    def is_ours(self) -> bool:
        """False in a forked child: the call is the parent's."""
        raise NotImplementedError

    def _is_between(self) -> bool:
        """Whether it is in flight nowhere, and will be asked again."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Has it asked again, if it waits for that."""
        raise NotImplementedError

    def give_up(self, error: errors.Error) -> None:
        """Finishes it with this error."""
        raise NotImplementedError

    def give_up_overdue(self) -> None:
        """Finishes it since its time is over."""
        raise NotImplementedError

    def _follow(self) -> None:
        """Has the answer read, if it is watched, on the connection where it is in flight now.
        Called when it is watched, and when it has another connection.
        """
        connection = self._connection
        if self._is_watched and connection is not None and not self._is_between():
            connection.background.start(connection)

    def _tell_all(self) -> None:
        """Tells everybody who waits for this as for a Future; that it was told before is no harm.
        """
        result, error = self._outcome()
        try:
            if error is not None:
                self.set_exception(error)
            else:
                self.set_result(result)
        except InvalidStateError:
            pass
        finally:
            watcher().watched.pop(self, None)


class _Watcher:
    """Knows the watched calls of the process that are not answered yet."""

    def __init__(self) -> None:
        self.watched: dict[Watchable, None] = {}
        self.kept: dict[Any, None] = {}  # executors that have something to do
        self.readers: set[int] = set()  # threads that come to `tell` themselves
        self.teller = 0  # the thread that runs callbacks
        self._arrived: deque[Watchable] = deque()
        self._telling = threading.Lock()
        self._wakes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._next_look = math.inf
        threads.start(self._run)

    def watch(self, call: Watchable) -> None:
        self.watched[call] = None
        self.look_at(math.inf if call._deadline is None else call._deadline)

    def keep(self, executor: Any) -> None:
        """Calls its `look` every HEARTBEAT, until that has returned None."""
        self.kept[executor] = None
        self.look_at(math.inf)

    def look_at(self, when: float) -> None:
        """Has the thread look at this time, and every HEARTBEAT before."""
        # First the thread forgets when it looks, then it looks: so nobody forgets to wake it.
        if self._next_look == math.inf or when < self._next_look:
            self._wakes.put(True)

    def arrive(self, call: Watchable) -> None:
        """To be called when a watched call is answered."""
        self._arrived.append(call)
        if get_ident() not in self.readers:
            self._wakes.put(False)

    def has_arrived(self) -> bool:
        """Whether somebody has to be told, and no thread does it."""
        return bool(self._arrived) and not self._telling.locked()

    def tell(self) -> None:
        """Runs the callbacks of the calls that are answered, unless another thread does: that looks
        again before it ends.
        """
        while self._arrived and self._telling.acquire(blocking=False):
            self.teller = get_ident()
            try:
                while self._arrived:
                    self._arrived.popleft()._tell_all()
            except BaseException:  # what a callback raised to end its thread
                traceback.print_exc()
            finally:
                self.teller = 0
                self._telling.release()

    def _run(self) -> None:
        while True:
            left = self._next_look - time.monotonic()
            try:
                is_asked = self._wakes.get(timeout=None if left == math.inf else max(0.0, left))
            except queue.Empty:
                is_asked = True
            if is_asked:
                self._look()
            self.tell()

    def _look(self) -> None:
        self._next_look = math.inf
        now = time.monotonic()
        soonest = now + HEARTBEAT
        connections = set()
        for call in list(self.watched):
            if call._answered:
                self._arrived.append(call)  # an exception may have come before it was
            elif call._deadline is None or call._deadline > now:
                soonest = min(soonest, call._deadline or math.inf)
                connections.add(call._connection)
                call._wake()  # the thread that asks again may not have come to begin
            elif call._is_between():
                call.give_up_overdue()
            else:
                call.give_up(overdue())
        for executor in list(self.kept):
            del self.kept[executor]  # first, as it may be kept again at any moment
            due = executor.look()
            if due is not None:
                self.kept[executor] = None
                soonest = min(soonest, due)
        for connection in connections - {None}:
            connection.read_if_nobody_does()
        if self.watched or self.kept:
            self._next_look = soonest


class BackgroundReader:
    """The thread that reads from one connection while watched calls are in flight on it.  It stays
    for a moment after them, as the next ones are made often just then; but it goes at once when
    other threads wait for their answers, which they read with less effort themselves.
    """

    def __init__(self) -> None:
        self._turns: list[Any] = []
        self._running = threading.Lock()

    def start(self, connection: Any) -> None:
        """Has the thread read, if it does not already."""
        if not self._running.locked():
            try:
                threads.start(self._run, connection)
            except RuntimeError:
                pass  # the watcher reads, if seldom

    def _run(self, connection: Any) -> None:
        while self._running.acquire(blocking=False):
            try:
                self._read(connection)
            finally:
                self._running.release()
            if not _is_in_flight_on(connection):
                return

    def _read(self, connection: Any) -> None:
        found = watcher()
        found.readers.add(get_ident())
        try:
            while True:
                came = connection.wait(self, time.monotonic() + HEARTBEAT)
                found.tell()
                if not came or connection.lost is not None or connection.others_wait(self):
                    if not _is_in_flight_on(connection):
                        return
        finally:
            found.readers.discard(get_ident())
            found.tell()

    def _has_news(self, connection: Any) -> bool:
        if watcher().has_arrived() or connection.lost is not None:
            return True
        return connection.others_wait(self) and not _is_in_flight_on(connection)


def _is_in_flight_on(connection: Any) -> bool:
    """Whether a watched call is."""
    return any(
        call._connection is connection and not call._answered and not call._is_between()
        for call in list(watcher().watched)
    )


def is_telling() -> bool:
    """Whether this thread runs callbacks at the moment."""
    return watcher().teller == get_ident()


def _leave_parent() -> None:
    """In a forked child: the threads are the parent's, and perhaps hold the lock."""
    global _making, _instance
    _making = threading.Lock()
    _instance = None


_making = threading.Lock()
_instance: _Watcher | None = None


def watcher() -> _Watcher:
    """That of this process."""
    return _instance or _made()


def _made() -> _Watcher:
    global _instance
    with _making:
        if _instance is None:
            _instance = _Watcher()
        return _instance


os.register_at_fork(after_in_child=_leave_parent)
