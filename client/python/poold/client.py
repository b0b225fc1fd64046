"""The blocking client.

One `Client` has one connection and may be used by many threads at once: the calls of all threads
are in flight on it together.  It starts no thread but while calls wait to be asked again: one of
the threads that wait for an answer reads for all of them (see `Connection`).

    with poold.Client() as client:
        count = client.call("python", "word_count", text)
        first, second = client.start("python", "slow", 1), client.start("python", "slow", 2)
        print(first.result(), second.result())
        for chunk in client.stream("python", "tell", "a story"):
            print(chunk)

The daemon retries requests.  The client asks again only what certainly was not executed, so that a
restart of the daemon loses nothing (see poold.again).
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from typing import Any, TypeVar, overload

from poold import errors, wire
from poold.again import Again, Asker, CutShort, NeverLeft, NoConnection, is_passing
from poold.call import AnyCall, Call, InParts
from poold.calls import (
    GRACE,
    ID_MAX,
    LATE,
    MAX_BUFFER_SIZE,
    Reply,
    Requests,
    Seconds,
    Settings,
    deadline_of,
    hello_params,
    lost_error,
    message_max,
    pack_request,
    params_of,
    patience,
    seconds,
    split_options,
    subscribe_params,
    subscribed,
    unsent,
)
from poold.connection import Connection, open_socket
from poold.proxy import Pool
from poold.roles import Role
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
        connect_timeout: seconds to connect and to exchange poold.hello; the time of a call counts
            meanwhile.  Also the timeout of the daemon's own methods (health and so on), and how
            long a call without a timeout waits for a connection.
        max_buffer_size: limit of one answer, in bytes.
        name: name of the program, sent to the daemon.
        reconnect: while there is no connection to the daemon, or it is stopping, calls wait within
            their own timeout and are asked again, unless they may have been executed.  False: they
            fail at once.

    Thread-safe.  A forked child may use it too: the child gets a connection of its own, and calls
    in flight stay with the parent.  A signal handler may raise while a call is being made or waited
    for: at the worst it costs the connection, so that calls in flight fail with
    PoolConnectionError, and the next call makes another.

    When several calls in a row got no answer, not even that their time is over, the connection may
    be dead: the next call makes another, and calls in flight go on waiting on the old one.
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
        reconnect: bool = True,
    ) -> None:
        chosen = Settings(
            path, timeout, grace, connect_timeout, max_buffer_size, name, reconnect
        )
        self.path = chosen.path
        self.timeout: Seconds | None = chosen.timeout
        self._grace = chosen.grace
        self._connect_timeout = chosen.connect_timeout
        self._max_buffer_size = chosen.max_buffer_size
        self._name = chosen.name
        self._numbers = itertools.count(1)
        self._connection: Connection | None = None
        self._others: weakref.WeakSet[Connection] = weakref.WeakSet()  # of events, and retired ones
        self._connector = Role()
        self._reconnects = reconnect
        self._asker = Asker()
        self._unfinished: Connection | None = None  # what the connecting thread has so far
        self._failure: NoConnection | None = None  # why nobody could connect the last time
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
        unfinished = self._unfinished
        if unfinished is not None:
            unfinished.lose("the client was closed")
        for connection in list(self._others):
            connection.lose("the client was closed")
        self._asker.wake()

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
            trace (str): W3C traceparent, or any text, at most 256 bytes, passed to the worker, the
                log and the error.  In a traceparent, the worker gets the span of its attempt as
                the parent.
            tracestate (str): W3C tracestate, at most 512 bytes, passed to the worker with a
                traceparent.
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
        params, limit, meta = self._params(pool, method, args, named)
        return _result(self._start("poold.call", params, limit, meta, Call))

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
        tracestate: str | None = None,
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
            tracestate=tracestate,
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
        params, limit, meta = self._params(pool, method, args, named, stream=True)
        call = self._start("poold.call", params, limit, meta, InParts)
        assert isinstance(call, InParts)
        return Stream(call)

    def _params(
        self, pool: str, method: str, args: tuple[Any, ...], named: dict[str, Any], **more: Any
    ) -> tuple[list[Any], float | None, bool]:
        """The params of a call, its timeout, and whether the result is a Reply."""
        if not named and not more and self.timeout is None and type(pool) is type(method) is str:
            return [pool, method, list(args)], None, False  # there is nothing to look at
        options, kwargs = split_options(named) if named else (named, named)
        timeout: Seconds | None = options.pop("timeout", None)
        limit = seconds("timeout", self.timeout if timeout is None else timeout)
        params = wire.call_params(pool, method, args, kwargs, timeout=limit, **options, **more)
        return params, limit, options.get("meta", False)

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

    def subscribe(
        self, *kinds: str, since: int | None = None, epoch: int | None = None
    ) -> Events:
        """Subscribes to events of the daemon: returns an iterator over maps, which has a
        connection of its own.

        Args:
            kinds: "breaker", "worker", "error", ...: `poolctl explain` lists them.  None: all
                kinds but "span".
            since: begin with the events that the daemon has kept with a larger "seq", such as
                that of the last event before the connection was lost; 0: with all that it has
                kept.  Without it only new events come.
            epoch: the "epoch" of that event.  If the daemon was started anew since, `since` says
                nothing, and all that it has kept comes.

        Raises:
            poold.Error: there is no such kind, or the daemon cannot be reached; while iterating:
                the connection was lost, and perhaps events with it.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        self._check_parent()
        try:
            connection = self._connector.hold(None, self._connect_beside)
        except NoConnection as reason:
            raise reason.error() from reason
        assert connection is not None  # it waited for its turn
        call = connection.expect_events()
        number = next(self._numbers) & ID_MAX
        data = pack_request(number, "poold.subscribe", subscribe_params(kinds, since, epoch))
        try:
            deadline = time.monotonic() + self._connect_timeout
            answer = connection.send_request(number, data, deadline, False, Call).result()
            return Events(call, connection, *subscribed(answer))
        except BaseException as error:
            connection.lose("no subscription")
            if isinstance(error, NeverLeft):
                raise lost_error(str(error), "no") from None
            raise

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
        return _result(self._start(method, checked, limit, False, Call))

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
        deadline = None if timeout is None else deadline_of(timeout, self._grace)
        if not self._reconnects:
            return self._send_once(number, data, deadline, meta, kind)
        options = params[3] if method == "poold.call" and len(params) > 3 else None
        connection = self._usable_now()
        again = Again(self, data, options, timeout, self._connect_timeout)
        try:
            if connection is None:
                if self._asker.failure is not None:  # it tries to connect already
                    raise self._asker.failure.bare()
                connection = self._connected(deadline)
            return connection.send_request(number, data, deadline, meta, kind, again)
        except (NoConnection, NeverLeft) as reason:
            again.refuse(reason)
            is_final = isinstance(reason, NoConnection) and not reason.is_passing
            if is_final or time.monotonic() >= again.waits_until():
                raise again.failure() from reason
        call = kind(number, None, deadline, meta, again)
        again.wake(call)
        return call

    def _send_once(
        self, number: int, data: bytes, deadline: float | None, meta: bool, kind: type[AnyCall]
    ) -> AnyCall:
        """Sends a request that is not to be asked again.  It has a second try only if no byte of it
        was written the first time: an idle connection that the daemon had closed.
        """
        try:
            try:
                connection = self._connected(deadline)
                return connection.send_request(number, data, deadline, meta, kind)
            except CutShort as reason:
                raise lost_error(str(reason), "no") from None
            except NeverLeft:
                connection = self._connected(deadline)
                return connection.send_request(number, data, deadline, meta, kind)
        except NeverLeft as reason:
            raise lost_error(str(reason), "no") from None
        except NoConnection as reason:
            raise reason.error() from reason

    def _ask_again(self, call: Call, again: Again) -> None:
        """Sends a call that is between two connections; called in the thread of the asker.

        Raises:
            NoConnection, NeverLeft: it is still there.
            poold.Error: it cannot be sent.
        """
        deadline = again.waits_until()
        self._connected(deadline).take_over(call, again)

    # --- the connection ---

    def _connected(self, deadline: float | None) -> Connection:
        """The connection, made now if there is none that can be used."""
        self._check_parent()
        found = self._usable()
        if found is None:
            # Who waits while another thread tries in vain does not try again: they would follow
            # each other for as long as the daemon is silent.
            found = self._connector.hold(deadline, self._reconnect, deadline, self._failure)
        if found is None:
            raise unsent(LATE)
        return found

    def _usable(self) -> Connection | None:
        if self._closed:
            raise RuntimeError("the client is closed")
        connection = self._connection
        return connection if connection is not None and connection.takes_calls() else None

    def _usable_now(self) -> Connection | None:
        """The connection of this process, if there is one that can be used."""
        if self._pid != os.getpid():
            self._check_parent()
        return self._usable_here()

    def _usable_here(self) -> Connection | None:
        """As _usable_now, in a process that was just looked at."""
        connection = self._connection
        return connection if connection is not None and connection.takes_calls() else None

    def _reconnect(self, deadline: float | None, known: NoConnection | None) -> Connection:
        """To be called by one thread at a time; `known` is the last failure when it began to wait.
        """
        found = self._usable()
        if found is not None:
            return found
        if self._failure is not None and self._failure is not known:
            raise self._failure.bare()
        old = self._connection
        if old is not None and old.lost is None:
            self._others.add(old)  # some wait for their answers there
            old.retire()
        elif old is not None:
            old.lose("it was lost")  # once more: the first time may have been interrupted
        connection = self._connection = self._connect(deadline)
        self._unfinished = None
        if self._closed:
            connection.lose("the client was closed")
        return connection

    def _connect_beside(self) -> Connection:
        """To be called by one thread at a time: a connection for events."""
        connection = self._connect(None)
        self._others.add(connection)
        self._unfinished = None
        return connection

    def _connect(self, deadline: float | None) -> Connection:
        if self._unfinished is not None:
            self._unfinished.lose("connecting was interrupted")
        until = time.monotonic() + self._connect_timeout
        try:
            return self._greet(until if deadline is None else min(until, deadline))
        except NoConnection as reason:
            if deadline is not None and deadline < until and time.monotonic() >= deadline:
                raise unsent(LATE) from reason
            self._failure = reason.bare()
            raise

    def _greet(self, until: float) -> Connection:
        connection = Connection(open_socket(self.path, until), self._max_buffer_size)
        self._unfinished = connection
        number = next(self._numbers) & ID_MAX
        try:
            data = pack_request(number, "poold.hello", hello_params(self._name, self._reconnects))
            welcome = connection.send_request(number, data, until, False, Call).result()
            connection.message_max = message_max(welcome)
            return connection
        except BaseException as error:
            connection.lose(str(error))
            if isinstance(error, (errors.Error, NeverLeft)):
                reason = f"no greeting: {error}"
                raise NoConnection(self.path, reason, is_passing=is_passing(error)) from error
            raise

    def _check_parent(self) -> None:
        """In the child after a fork: replaces the role, which a thread of the parent may hold, and
        leaves the parent its connection.
        """
        if self._pid == os.getpid():
            return
        self._connector = Role()
        self._asker = Asker()
        self._unfinished = None
        self._failure = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        self._pid = os.getpid()


def _result(call: Call) -> Any:
    """The result of a call for which nobody can wait a second time."""
    try:
        return call.result()
    except errors.Error:
        raise
    except BaseException:
        call.drop()
        raise
