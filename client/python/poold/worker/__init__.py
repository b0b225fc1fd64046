"""Serve Python functions as a poold worker.

The usual way is to write a module of plain functions and let the daemon run `python3 -m
poold.worker MODULE`.  A program may also register functions itself::

    worker = poold.Worker()

    @worker.function
    def word_count(text: str) -> int:
        return len(text.split())

    worker.serve()

A function gets the arguments of the caller and returns any value that can be sent (see
poold.codec).  It may also be called as "module:function", if it is that.
An exception that it raises reaches the caller as `poold.WorkerException`, except:
`poold.Rejected` (the request is wrong), `poold.Retryable` (another attempt may succeed),
`poold.Fatal` (this worker cannot continue: it answers, then exits and is replaced).
`poold.context()` returns details of the request being served.

A generator function serves streams: if the caller asked for a stream, each value is sent when it
is yielded, and the return value is the result; else the list of the values is the result.

Plain functions are called one at a time in the main thread.  With functions that are `async def`,
the worker runs an event loop there and serves up to `concurrency` requests at once; an
asynchronous generator serves streams; a plain function is called in the thread of the loop, which
it blocks meanwhile.  Cancelling a request cancels its task.

For sessions see `poold.session_class`: an instance for each session, whose state outlives the
worker.  A function may also store the state of the session at the daemon itself
(`poold.context().set_state`).

Functions of a module named `on_start()`, `on_shutdown()` and `on_session_end(session, reason)`, or
those decorated with `worker.on_start` and so on, are not served: they are called before the worker
reports that it is ready, when it was asked to stop and all requests are finished, and when a
session ends for this worker.

The protocol uses a socket of its own, so functions may print and read standard input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from poold.errors import Unusable
from poold.worker import shadows

try:
    from poold.worker.channel import (
        PREFORK_VARIABLE,
        SOCKET_VARIABLE,
        SetupError,
        ignore_interrupts,
        open_channel,
        recall_channel,
    )
    from poold.worker.current import Context, context
    from poold.worker.ending import say
    from poold.worker.functions import Function, Hooks, collect
    from poold.worker.server import Server
    from poold.worker.sessions import is_session_class, session_class
except Exception as error:
    # What these import may be a file of the worker's own.
    raise ImportError(shadows.explain() or str(error)) from error

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., object])
    T = TypeVar("T")
else:

    def overload(function):
        """That of `typing`, which only type checkers need."""
        return function


__all__ = [
    "CONCURRENCY",
    "Context",
    "PREFORK_VARIABLE",
    "SOCKET_VARIABLE",
    "SetupError",
    "Worker",
    "context",
    "ignore_interrupts",
    "session_class",
]

# Default of how many requests a worker with asynchronous functions serves at once.
CONCURRENCY = 16


class Worker:
    """A set of functions and the loop that serves them.

    Args:
        functions: what to serve: a module, a mapping of names to functions, functions, or an object
            with methods.
        concurrency: how many requests are served at once if there are asynchronous functions; None:
            `concurrency` of the module, or else CONCURRENCY.
    """

    def __init__(self, functions: object = None, *, concurrency: int | None = None) -> None:
        self.functions: dict[str, Function] = {}
        self.concurrency = concurrency
        self.hooks = Hooks()
        if functions is not None:
            self.add(functions)

    def add(self, functions: object) -> None:
        """Adds functions.

        Of a module, its public functions are served: those listed in `__all__`, or else those
        defined in it whose names do not begin with an underscore; and the methods of its session
        classes.  Of a mapping, its values are served under their keys; of a list or tuple,
        functions under their own names; of any other object, its public methods; of a class, those
        of an instance created without arguments.  Functions of a module or object named on_start,
        on_shutdown and on_session_end are not served: see the methods of these names here.
        """
        is_plain_class = isinstance(functions, type) and not is_session_class(functions)
        source = functions() if is_plain_class else functions  # type: ignore[operator]
        found, classes = collect(source)
        self.functions.update(found)
        self.hooks.session_classes += classes
        self.hooks.take_from(source)
        limit = getattr(source, "concurrency", None)
        if self.concurrency is None and type(limit) is int:
            self.concurrency = limit

    @overload
    def function(self, target: F, *, name: str | None = None) -> F: ...

    @overload
    def function(self, target: None = None, *, name: str | None = None) -> Callable[[F], F]: ...

    def function(self, target: Any = None, *, name: str | None = None) -> Any:
        """Decorator: serve this function, under its own name or under `name`."""
        if target is None:
            return lambda function: self.function(function, name=name)
        self.functions[name or target.__name__] = Function(target)
        return target

    def session_class(self, cls: type[T]) -> type[T]:
        """Decorator: serve the methods of this class, on an instance for each session; see
        poold.session_class."""
        self.add(session_class(cls))
        return cls

    def on_start(self, function: F) -> F:
        """Decorator: call this once before the worker reports that it is ready; in a pool with
        `prefork`, in each worker after the fork.

        An exception makes the start fail and is printed to standard error; after poold.Unusable
        the daemon does not try again.
        """
        self.hooks.start = function
        return function

    def on_shutdown(self, function: F) -> F:
        """Decorator: call this when the worker was asked to stop and all its requests are
        finished.  An exception is printed to standard error.
        """
        self.hooks.shutdown = function
        return function

    def on_session_end(self, function: F) -> F:
        """Decorator: call this with (session, reason) when a session ends for this worker, which
        should then free what it keeps for the session.

        The reason is "closed", "expired", "evicted" (too many sessions) or "moved" (to another
        worker).  It is called in the main thread, between requests and in order with them.  An
        exception is printed to standard error.
        """
        self.hooks.session_end = function
        return function

    def serve(self, functions: object = None) -> None:
        """Serves until the daemon, or SIGTERM, asks this worker to stop; then returns.

        Requests that have begun are finished first, unless they were cancelled.  If the daemon
        goes away, the process exits at once, even while a function runs; so it does, with status
        70, if something interrupts it while it writes to the daemon or reads from it.

        Raises:
            SetupError: POOLD_FD names no socket, or there is no function to serve.
            SystemExit: a function raised poold.Fatal (status 1), or on_start poold.Unusable (78).
        """
        if functions is not None:
            self.add(functions)
        if not self.functions:
            raise SetupError("no public function to serve")
        server = self.choose_server()
        try:
            server(self.functions, self.hooks, open_channel(), recall_channel()).run()
        except Unusable as error:
            say(f"poold.worker: {error}")
            sys.exit(os.EX_CONFIG)

    def is_async(self) -> bool:
        """Whether it needs an event loop."""
        functions = self.functions.values()
        return self.hooks.are_async() or any(function.is_async for function in functions)

    def choose_server(self) -> Callable[..., Server]:
        """What serves these functions, given them, the hooks, the channel and the recall socket.

        Raises:
            SetupError: a concurrency that does not fit.
        """
        if not self.is_async():
            if self.concurrency not in (None, 1):
                raise SetupError("concurrency is for asynchronous functions: there are none")
            return Server
        concurrency = CONCURRENCY if self.concurrency is None else self.concurrency
        if not 1 <= concurrency <= 64:
            raise SetupError(f"concurrency is a number from 1 to 64, not {concurrency}")

        from poold.worker.aserver import AsyncServer  # asyncio is slow to load

        return lambda functions, hooks, channel, recall: AsyncServer(
            functions, hooks, channel, recall, concurrency
        )
