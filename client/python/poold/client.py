"""The blocking client.

One `Client` has one connection and may be used by many threads at once: the calls of all threads
are in flight on it together.  It starts no thread: one of the threads that wait for an answer
reads for all of them (see `Connection`).

    with poold.Client() as client:
        count = client.call("python", "word_count", text)
        first, second = client.start("python", "slow", 1), client.start("python", "slow", 2)
        print(first.result(), second.result())
        for chunk in client.stream("python", "tell", "a story"):
            print(chunk)

The daemon retries requests; the client does not.  It sends a request on a new connection only if
no byte of it was written to the old one.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from typing import Any, TypeVar, overload

from poold import errors, wire
from poold.calls import (
    GRACE,
    ID_MAX,
    MAX_BUFFER_SIZE,
    Reply,
    Requests,
    Seconds,
    Settings,
    hello_params,
    lost_error,
    message_max,
    pack_request,
    limit_of,
    params_of,
    patience,
    seconds,
    split_options,
    subscribe_params,
    unreachable,
)
from poold.connection import AnyCall, Call, Connection, InParts, NeverLeft, open_socket
from poold.proxy import Pool
from poold.streams import Events, Stream

T = TypeVar("T")

__all__ = ["Call", "Client", "Events", "Reply", "Stream"]


class Client(Requests):
    """A connection to the daemon, made for the first request and again after it was lost.

    Args:
        path: the daemon's socket; None: see poold.lookup.
        timeout: seconds for each call that does not set its own; None: the daemon applies the
            timeout of the pool, and the client waits without a limit of its own.
        grace: seconds after the timeout of a call that the client still waits for the daemon's
            answer, before it raises DeadlineExceeded itself.
        connect_timeout: seconds to connect and to exchange poold.hello, in addition to the timeout
            of a call; also the timeout of the daemon's own methods (health and so on).
        max_buffer_size: limit of one answer, in bytes.
        name: name of the program, sent to the daemon.

    Thread-safe.  A forked child may use it too: the child gets a connection of its own, and calls
    in flight stay with the parent.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        timeout: Seconds | None = None,
        *,
        grace: Seconds = GRACE,
        connect_timeout: Seconds = 10.0,
        max_buffer_size: int = MAX_BUFFER_SIZE,
        name: str = "poold-python",
    ) -> None:
        chosen = Settings(path, timeout, grace, connect_timeout, max_buffer_size, name)
        self.path = chosen.path
        self.timeout: Seconds | None = chosen.timeout
        self._grace = chosen.grace
        self._connect_timeout = chosen.connect_timeout
        self._max_buffer_size = chosen.max_buffer_size
        self._name = chosen.name
        self._numbers = itertools.count(1)
        self._connection: Connection | None = None
        self._subscriptions: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection for good; calls in flight fail with PoolConnectionError."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.lose("the client was closed")
        for connection in list(self._subscriptions):
            connection.lose("the client was closed")

    def call(self, pool: str, method: str, /, *args: Any, **named: Any) -> Any:
        """Calls a method of a pool and waits for its result.

        Args:
            args: positional arguments.
            named: keyword arguments, and these options:
            timeout (float): seconds for the whole call, including queueing and retries; or a
                timedelta; infinite: as long as the daemon allows.
            meta (bool): the result is a Reply(result, meta).
            idempotent (bool): True: executing it twice does no harm, so the daemon may retry it
                after a failure; None: as configured for the pool.
            priority (str): "critical", "normal" or "sheddable".
            max_attempts (int): limit of the attempts; 1: no retries.
            trace (str): W3C traceparent, passed to the worker and the journal, at most 256 bytes.
            session (str): name of the session, 1 to 128 bytes: requests of a session are executed
                one after the other, if possible by the same worker, and the daemon keeps the state
                that the worker stores for the session.
            session_create (bool): False: fail with session_not_found if the session does not exist.
            key (str): idempotency key, 1 to 128 bytes: of all requests with the same key one
                succeeds, and the others get its answer.
            fallback (bool): False: do not use the fallback pools of the pool.
            restartable (bool): a stream may begin again after a failure; see `stream`.

        Raises:
            poold.Error: see poold.errors.
            TypeError, ValueError: an option is of another type, or out of its range.
        """
        return self.start(pool, method, *args, **named).result()

    def start(
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
        session: str | None = None,
        session_create: bool | None = None,
        key: str | None = None,
        fallback: bool | None = None,
        restartable: bool | None = None,
        **kwargs: Any,
    ) -> Call:
        """As `call`, but returns at once, with a Call from which to get the result."""
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
            session=session,
            session_create=session_create,
            key=key,
            fallback=fallback,
            restartable=restartable,
        )
        return self._start("poold.call", params, limit, meta, Call)

    def stream(self, pool: str, method: str, /, *args: Any, **named: Any) -> Stream:
        """As `call`, for a method that yields: returns an iterator over its chunks as they arrive.

            stream = client.stream("python", "tell", "a story", timeout=60)
            for chunk in stream:
                print(chunk)
            print(stream.result)

        If the call fails, the iterator raises the error after the chunks that came before it.

        Args:
            args, named: as for `call`; `timeout` is for the whole stream.  With restartable=True
                the daemon may retry the request after chunks were sent; the iterator then gives
                poold.RESTART: discard all chunks before it, the stream begins again.
        """
        options, kwargs = split_options(named)
        timeout: Seconds | None = options.pop("timeout", None)
        limit = seconds("timeout", self.timeout if timeout is None else timeout)
        params = wire.call_params(
            pool, method, args, kwargs, timeout=limit, stream=True, **options
        )
        call = self._start("poold.call", params, limit, options.get("meta", False), InParts)
        assert isinstance(call, InParts)
        return Stream(call, call._connection)

    @overload
    def pool(self, name: str, /, **options: Any) -> Pool: ...

    @overload
    def pool(self, name: str, api: type[T], /, **options: Any) -> T: ...

    def pool(self, name: str, api: Any = None, /, **options: Any) -> Any:
        """A pool whose methods are attributes: `client.pool("python").word_count(text)`.

        Args:
            name: the pool's name.
            api: a class with the signatures of its methods: for type checkers the pool is
                an instance of it.  Nothing else is done with it.
            options: options of every call: timeout, idempotent, ...
        """
        for option in options:
            if option not in wire.OPTIONS:
                raise TypeError(f"a call has no option {option!r}")
        return Pool(self, name, options)

    def subscribe(self, *kinds: str) -> Events:
        """Subscribes to events of the daemon: returns an iterator over maps, which has a
        connection of its own.

        Args:
            kinds: "breaker", "failover", "recovery", "health", "worker", "session", "error",
                "stall"; none:
                all kinds.

        Raises:
            poold.Error: there is no such kind, or the daemon cannot be reached; while iterating:
                the connection was lost, and perhaps events with it.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        connection = self._connect()
        self._subscriptions.add(connection)
        call = connection.expect_events()
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, "poold.subscribe", subscribe_params(kinds))
        try:
            asked = connection.send_request(number, data, self._connect_timeout, False, Call)
            answer = asked.result()
        except BaseException as error:
            connection.lose("no subscription")
            if isinstance(error, NeverLeft):
                raise lost_error(str(error), "no") from None
            raise
        return Events(call, connection, answer["kinds"])

    def request(
        self,
        method: str,
        params: list[Any] | tuple[Any, ...] = (),
        timeout: Seconds | None = None,
    ) -> Any:
        """Calls a method of the daemon, or POOL.METHOD with default options.

        Args:
            method: "poold.health", "python.word_count".
            params: the params of the method.
            timeout: seconds to wait for the answer.

        Raises:
            poold.Error: see poold.errors.
        """
        checked = params_of(method, params)
        if timeout is None:
            timeout = patience(method, self.timeout, self._connect_timeout)
        limit = seconds("timeout", timeout)
        return self._start(method, checked, limit, False, Call).result()

    def _start(
        self,
        method: str,
        params: list[Any],
        timeout: float | None,
        meta: bool,
        kind: type[AnyCall],
    ) -> AnyCall:
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, method, params)
        limit = limit_of(timeout, self._grace)
        try:
            return self._connected().send_request(number, data, limit, meta, kind)
        except NeverLeft:
            pass  # an idle connection that the daemon had closed: it restarted, perhaps
        try:
            return self._connected().send_request(number, data, limit, meta, kind)
        except NeverLeft as reason:
            raise lost_error(str(reason), "no") from None

    def _connected(self) -> Connection:
        if self._pid != os.getpid():
            self._forget_parent()
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._connection is None or self._connection.lost:
                self._connection = None
                self._connection = self._connect()
            return self._connection

    def _forget_parent(self) -> None:
        """To be called in the child after a fork: replaces the lock, which a thread of the parent
        may hold.
        """
        self._pid = os.getpid()
        self._lock = threading.Lock()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _connect(self) -> Connection:
        channel = open_socket(self.path, self._connect_timeout)
        connection = Connection(channel, self._max_buffer_size)
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, "poold.hello", hello_params(self._name))
        try:
            call = connection.send_request(number, data, self._connect_timeout, False, Call)
            welcome = call.result()
        except (errors.Error, NeverLeft) as error:
            connection.lose(str(error))
            raise unreachable(self.path, f"no greeting: {error}") from error
        connection.message_max = message_max(welcome)
        return connection
