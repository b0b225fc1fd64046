"""The blocking client.

One `Client` holds one connection and may be used by many threads at once: all their calls are in
flight on it together.  It starts no thread: of those that wait for an answer one reads for all
(see `Connection`).

    with poold.Client() as client:
        count = client.call("python", "word_count", text)
        first, second = client.start("python", "slow", 1), client.start("python", "slow", 2)
        print(first.result(), second.result())
        for chunk in client.stream("python", "tell", "a story"):
            print(chunk)

The daemon retries; the client never does.  Only a request of which no byte could be handed over is
sent on a new connection.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from typing import Any

from poold import errors, wire
from poold.calls import (
    GRACE,
    ID_MAX,
    MAX_BUFFER_SIZE,
    Reply,
    Requests,
    default_path,
    hello_params,
    lost_error,
    message_max,
    pack_request,
    patience,
    split_options,
    subscribe_params,
    unreachable,
)
from poold.connection import Call, Connection, InParts, NeverLeft, open_socket
from poold.streams import Events, Stream

__all__ = ["Call", "Client", "Events", "Reply", "Stream"]


class Client(Requests):
    """A connection to the daemon, made when it is first needed and again after it was lost.

    Args:
        path: the daemon's socket; None: $POOLD_SOCKET, or else /run/poold/poold.sock.
        timeout: seconds for each call that does not say its own; None: the pool's own limit holds,
            and the client waits as long as the daemon does.
        grace: seconds beyond a call's timeout that the client waits for the daemon's answer, before
            it gives up by itself with DeadlineExceeded.
        connect_timeout: seconds to reach the daemon and be greeted, beside a call's own timeout;
            and for the daemon's own methods (health and so on).
        max_buffer_size: bytes that one answer may have.
        name: what the daemon is told this client is.

    Safe with threads.  A forked child may go on using it: it gets a connection of its own, and
    calls in flight stay with the parent.
    """

    def __init__(
        self,
        path: str | None = None,
        timeout: float | None = None,
        *,
        grace: float = GRACE,
        connect_timeout: float = 10.0,
        max_buffer_size: int = MAX_BUFFER_SIZE,
        name: str = "poold-python",
    ) -> None:
        self.path = path or default_path()
        self.timeout = timeout
        self._grace = grace
        self._connect_timeout = connect_timeout
        self._max_buffer_size = max_buffer_size
        self._name = name
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
        """Gives up what is in flight (PoolConnectionError) and closes the connection, for good."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.lose("the client was closed")
        for connection in list(self._subscriptions):
            connection.lose("the client was closed")

    def call(self, pool: str, method: str, /, *args: Any, **named: Any) -> Any:
        """Runs a method on a worker of a pool and waits for its result.

        Args:
            args: positional arguments, or
            named: keyword arguments (a request carries one or the other), and these options:
            timeout (float): seconds for everything, queueing and retries included.
            meta (bool): the result is a Reply(result, meta).
            idempotent (bool): whether the daemon may run it again when it may have run already;
                None: as the pool is configured.
            priority (str): "critical", "normal" or "sheddable".
            max_attempts (int): 1 forbids retries.
            trace (str): passed on to the worker and the journal, at most 256 bytes.
            session (str): the session that the request belongs to, of 1 to 128 bytes: its requests
                run one after the other, where the pool can at the same worker, and the state that
                they leave is kept by the daemon.
            session_create (bool): False: the session has to be there already (session_not_found).
            key (str): 1 to 128 bytes that name this request: of those with the same key one runs to
                success, and the others get its answer.
            fallback (bool): False forbids the pool's fallback chain.
            restartable (bool): a stream may begin again when it fails half-way; see `stream`.

        Raises:
            poold.Error: see poold.errors.
            TypeError: positional and keyword arguments together.
        """
        return self.start(pool, method, *args, **named).result()

    def start(
        self,
        pool: str,
        method: str,
        /,
        *args: Any,
        timeout: float | None = None,
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
        """As `call`, but returns at once, with a handle for the result."""
        timeout = self.timeout if timeout is None else timeout
        params = wire.call_params(
            pool,
            method,
            args,
            kwargs,
            timeout=timeout,
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
        return self._start("poold.call", params, timeout, meta)

    def stream(self, pool: str, method: str, /, *args: Any, **named: Any) -> Stream:
        """As `call`, for a method that yields: an iterator over its chunks as they come.

            stream = client.stream("python", "tell", "a story", timeout=60)
            for chunk in stream:
                print(chunk)
            print(stream.result)

        What fails in mid-stream is raised by the iterator, after the chunks that came before.

        Args:
            args, named: as for `call`; `timeout` is for the whole stream.  With restartable=True
                the daemon may run the request again after chunks have come; the iterator then gives
                poold.RESTART: all before it is void, and the stream begins again.
        """
        options, kwargs = split_options(named)
        timeout = options.pop("timeout", None)
        timeout = self.timeout if timeout is None else timeout
        params = wire.call_params(
            pool, method, args, kwargs, timeout=timeout, stream=True, **options
        )
        call = self._start("poold.call", params, timeout, options.get("meta", False), InParts)
        return Stream(call, call._connection)

    def subscribe(self, *kinds: str) -> Events:
        """What happens in the daemon from now on: an iterator over maps, with its own connection.

        Args:
            kinds: "breaker", "failover", "recovery", "health", "worker", "session", "error"; none:
                all of them.

        Raises:
            poold.Error: there is no such kind, or the daemon cannot be reached; while iterating:
                the connection was lost, and with it perhaps some events.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        connection = self._connect()
        self._subscriptions.add(connection)
        call = connection.expect_events()
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, "poold.subscribe", subscribe_params(kinds))
        try:
            asked = connection.send_request(number, data, self._connect_timeout, False)
            answer = asked.result()
        except BaseException as error:
            connection.lose("no subscription")
            if isinstance(error, NeverLeft):
                raise lost_error(str(error), "no") from None
            raise
        return Events(call, connection, answer["kinds"])

    def request(self, method: str, params: list | tuple = (), timeout: float | None = None) -> Any:
        """Asks the daemon itself, or POOL.METHOD with default options.

        Args:
            method: "poold.health", "python.word_count".
            params: the method's parameters.
            timeout: seconds to wait for the answer.

        Raises:
            poold.Error: see poold.errors.
        """
        if timeout is None:
            timeout = patience(method, self.timeout, self._connect_timeout)
        return self._start(method, list(params), timeout, False).result()

    def _start(
        self,
        method: str,
        params: list,
        timeout: float | None,
        meta: bool,
        kind: type[Call] = Call,
    ) -> Call:
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, method, params)
        limit = None if timeout is None else timeout + self._grace
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
        """After a fork: the lock may have been held by a thread that does not exist here."""
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
            call = connection.send_request(number, data, self._connect_timeout, False)
            welcome = call.result()
        except (errors.Error, NeverLeft) as error:
            connection.lose(str(error))
            raise unreachable(self.path, f"no greeting: {error}") from error
        connection.message_max = message_max(welcome)
        return connection
