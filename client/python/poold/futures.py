"""What makes a `Call` a concurrent.futures.Future.

A client has no thread of its own: who waits for a call reads its answer.  Nobody waits for a
callback, nor does the waiting of concurrent.futures and asyncio read.  So the first of these makes
the call `watched`: a thread of its connection reads until the watched calls are answered, and one
thread of the process runs their callbacks.  Other calls do not pay for any of this.
"""

from __future__ import annotations

import heapq
import itertools
import os
import queue
import threading
import time
import traceback
import weakref
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import Any

from poold import errors
from poold.calls import overdue

# poold.Cancelled is also what concurrent.futures raises; a worker never needs to load that.
errors.Cancelled.__bases__ = (errors.RequestError, CancelledError)
Cancelled = errors.Cancelled

# The attributes of a Future, made when something asks for one of them.
_FIELDS = frozenset(
    ("_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks")
)

_RUNNING = "RUNNING"


class Watchable(Future[Any]):
    """Base class of Call."""

    __slots__ = ("_arrivals",)

    _connection: Any
    _deadline: float | None
    _outcomes: list[tuple[object, object]]
    _arrivals: queue.SimpleQueue[Any] | None  # where to tell that it was answered, if watched

    @property
    def _answered(self) -> bool:
        """Whether there is an outcome."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._watch()
        return self.__dict__[name]

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
        try:
            return self.result(0), None
        except Exception as error:
            return None, error

    def _watch(self) -> None:
        with _making:
            if "_condition" in self.__dict__:
                return
            self.__dict__.update(
                _state=_RUNNING,
                _result=None,
                _exception=None,
                _waiters=[],
                _done_callbacks=[],
                _condition=threading.Condition(),
            )
        watcher = _watcher()
        self._arrivals = watcher.arrivals
        if self._answered:
            self._tell_all()  # at once, as of any Future that is done
        else:
            watcher.arrivals.put(("watch", self))
            self._follow()

    def _is_between(self) -> bool:
        """Whether it is in flight nowhere, and will be asked again."""
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
        if self._arrivals is not None and connection is not None and not self._is_between():
            _reader_of(connection).add(self, connection)

    def _tell_all(self) -> None:
        """Tells everybody who waits for this as for a Future."""
        result, error = self._outcome()
        try:
            if error is not None:
                self.set_exception(error)
            else:
                self.set_result(result)
        except InvalidStateError:
            pass  # another thread was quicker


_making = threading.Lock()


class _Watcher:
    """Settles watched calls, and ends those whose time is up."""

    def __init__(self) -> None:
        self.arrivals: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._due: list[tuple[float, int, weakref.ref[Watchable]]] = []
        self._order = itertools.count()
        threading.Thread(target=self._run, name="poold-callbacks", daemon=True).start()

    def _run(self) -> None:
        while True:
            left = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            try:
                what, call = self.arrivals.get(timeout=left)
            except queue.Empty:
                self._end_overdue()
                continue
            if call._answered:
                try:
                    call._tell_all()
                except BaseException:  # what a callback raised to end its thread
                    traceback.print_exc()
            elif call._deadline is not None:
                entry = (call._deadline, next(self._order), weakref.ref(call))
                heapq.heappush(self._due, entry)
            del call

    def _end_overdue(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            call = heapq.heappop(self._due)[2]()
            if call is not None and not call._answered:
                if call._is_between():
                    call.give_up_overdue()
                else:
                    call.give_up(overdue())


class _Reader:
    """Reads from one connection while watched calls are in flight on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[int, tuple[Watchable, Any]] = {}
        self._is_running = False

    def add(self, call: Watchable, connection: Any) -> None:
        with self._lock:
            self._calls[id(call)] = call, connection
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._run, name="poold-reader", daemon=True).start()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            call, connection = found
            try:
                connection.wait(call, None)
            except BaseException as error:  # in a forked child, say, nothing will come
                _finish_with(call, error)

    def _next(self) -> tuple[Watchable, Any] | None:
        """A call in flight and its connection; None: there is none, and the thread ends."""
        with self._lock:
            while self._calls:
                key, (call, connection) = next(iter(self._calls.items()))
                is_here = call._connection is connection and not call._is_between()
                if is_here and not call._answered:
                    return call, connection
                del self._calls[key]
            self._is_running = False
            return None


def _finish_with(call: Watchable, error: BaseException) -> None:
    if not isinstance(error, errors.Error):
        error = errors.make("peer_closed", str(error), executed="maybe", retryable=True)
    try:
        call.give_up(error)
    except errors.Error:
        pass  # it is finished, and nobody need be told


def _leave_parent() -> None:
    """In a forked child: the threads are the parent's, and perhaps hold the lock."""
    global _making, _instance
    _making = threading.Lock()
    _instance = None
    _readers.clear()


_instance: _Watcher | None = None
# A reader knows its connection only by the calls, so a connection that is dropped can be closed.
_readers: weakref.WeakKeyDictionary[Any, _Reader] = weakref.WeakKeyDictionary()


def _watcher() -> _Watcher:
    """That of this process."""
    global _instance
    with _making:
        if _instance is None:
            _instance = _Watcher()
        return _instance


def _reader_of(connection: Any) -> _Reader:
    with _making:
        reader = _readers.get(connection)
        if reader is None:
            reader = _readers[connection] = _Reader()
        return reader


os.register_at_fork(after_in_child=_leave_parent)
