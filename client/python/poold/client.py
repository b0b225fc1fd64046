"""The blocking client.

One `Client` holds one connection and may be used by many threads at once: all their calls are in
flight on it together.  It starts no thread: of those that wait for an answer one reads for all
(see `Connection`).

    with poold.Client() as client:
        count = client.call("python", "word_count", text)
        first, second = client.start("python", "slow", 1), client.start("python", "slow", 2)
        print(first.result(), second.result())

The daemon retries; the client never does.  Only a request of which no byte could be handed over is
sent on a new connection.
"""

from __future__ import annotations

import itertools
import os
import threading
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
    unreachable,
)
from poold.connection import Call, Connection, NeverLeft, open_socket

__all__ = ["Call", "Client", "Reply"]


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
        )
        return self._start("poold.call", params, timeout, meta)

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

    def _start(self, method: str, params: list, timeout: float | None, meta: bool) -> Call:
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, method, params)
        limit = None if timeout is None else timeout + self._grace
        try:
            return self._connected().send_request(number, data, limit, meta)
        except NeverLeft:
            pass  # an idle connection that the daemon had closed: it restarted, perhaps
        try:
            return self._connected().send_request(number, data, limit, meta)
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
