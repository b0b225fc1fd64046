"""Serve Python functions as a poold worker.

The usual way is to write a module of plain functions and let the daemon run
`python3 -m poold.worker MODULE`.  A program may also say what it serves::

    worker = poold.Worker()

    @worker.function
    def word_count(text: str) -> int:
        return len(text.split())

    worker.serve()

A function gets the caller's arguments and returns anything MessagePack can say.  What it raises
reaches the caller as `poold.WorkerException`, except: `poold.Rejected` (the caller is wrong),
`poold.Retryable` (try again), `poold.Fatal` (this worker is broken: it answers, then ends, and is
replaced).  `poold.context()` tells about the request being served.

A generator function serves streams: where the caller asked for one, each value is sent as soon as
it is yielded and the return value is the result; else the list of values is the result.

Plain functions are served one after the other in the main thread.  With functions that are `async
def` the worker runs an event loop there, and serves up to `concurrency` requests at once; an
asynchronous generator serves streams; a plain function beside them runs in the loop's thread, and
nothing else does meanwhile.  Cancelling a request cancels its task.

Requests of one session belong together: see `poold.session_class` for an instance per session
whose state outlives the worker.  A worker may also keep what it likes by itself and hand a copy to
the daemon (`poold.context().set_state`).

A module's functions `on_start()`, `on_shutdown()` and `on_session_end(session, reason)`, or those
decorated with `worker.on_start` and so on, are not served: they are called before the worker says
that it is ready, when it has been asked to stop and nothing runs any more, and when what is kept
for a session can go.

The protocol has a socket of its own, so print() and reading standard input harm nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from poold.errors import Unusable
from poold.worker.channel import (
    PREFORK_VARIABLE,
    SOCKET_VARIABLE,
    SetupError,
    ignore_interrupts,
    open_channel,
)
from poold.worker.current import Context, context
from poold.worker.functions import Function, Hooks, collect
from poold.worker.server import Server
from poold.worker.sessions import is_session_class, session_class

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

# Requests that a worker with asynchronous functions serves at once, if it does not say.
CONCURRENCY = 16


class Worker:
    """A set of functions and the loop that serves them.

    Args:
        functions: a module, a mapping of names to functions, functions, or an object with
            methods, to begin with.
        concurrency: how many requests are served at once, where some functions are asynchronous;
            None: what a module has under the name `concurrency`, or else CONCURRENCY.
    """

    def __init__(self, functions: object = None, *, concurrency: int | None = None) -> None:
        self.functions: dict[str, Function] = {}
        self.concurrency = concurrency
        self.hooks = Hooks()
        if functions is not None:
            self.add(functions)

    def add(self, functions: object) -> None:
        """Adds functions.

        A module gives its public functions: those listed in `__all__`, or else those defined in it
        whose names do not begin with an underscore; and the methods of its session classes.  A
        mapping gives what it holds under its keys; a list or tuple gives functions under their own
        names; any other object gives its public methods, a class those of an instance made without
        arguments.  What a module or object has under the names on_start, on_shutdown and
        on_session_end is not served: see the functions of these names here.
        """
        is_plain_class = isinstance(functions, type) and not is_session_class(functions)
        source = functions() if is_plain_class else functions
        found, classes = collect(source)
        self.functions.update(found)
        self.hooks.session_classes += classes
        self.hooks.take_from(source)
        limit = getattr(source, "concurrency", None)
        if self.concurrency is None and type(limit) is int:
            self.concurrency = limit

    def function(self, target: object = None, *, name: str | None = None) -> object:
        """Decorator: serve this function, under its own name or under `name`."""
        if target is None:
            return lambda function: self.function(function, name=name)
        self.functions[name or target.__name__] = Function(target)
        return target

    def session_class(self, cls: type) -> type:
        """Decorator: serve the methods of this class, on an instance for each session; see
        poold.session_class."""
        self.add(session_class(cls))
        return cls

    def on_start(self, function: Callable[[], object]) -> object:
        """Decorator: call this once before the worker says that it is ready; in a pool with
        `prefork`, in each worker after it was forked.

        What it raises is a failed start, told on standard error; with poold.Unusable the daemon
        does not try again.
        """
        self.hooks.start = function
        return function

    def on_shutdown(self, function: Callable[[], object]) -> object:
        """Decorator: call this when the worker was asked to stop and all that it had begun is done.
        What it raises is printed on standard error."""
        self.hooks.shutdown = function
        return function

    def on_session_end(self, function: Callable[[str, str], object]) -> object:
        """Decorator: call this with (session, reason) when the daemon says that whatever is kept
        here for a session is to be dropped.

        The reason is "closed", "expired", "evicted" (there were too many) or "moved" (it goes on in
        another worker).  It runs in the main thread, between requests and in order with them.  What
        it raises is printed on standard error.
        """
        self.hooks.session_end = function
        return function

    def serve(self, functions: object = None) -> None:
        """Serves until the daemon asks this worker to stop, or SIGTERM does; then returns.

        What has been begun is finished first, unless nobody waits for it any more.  Ends the
        process at once when the daemon goes away, also while a function runs.

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
            server(self.functions, self.hooks, open_channel()).run()
        except Unusable as error:
            sys.stderr.write(f"poold.worker: {error}\n")
            sys.exit(os.EX_CONFIG)

    def is_async(self) -> bool:
        """Whether it needs an event loop."""
        functions = self.functions.values()
        return self.hooks.are_async() or any(function.is_async for function in functions)

    def choose_server(self) -> Callable[..., Server]:
        """What serves these functions, given them, the hooks and the channel.

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

        return lambda *arguments: AsyncServer(*arguments, concurrency)
