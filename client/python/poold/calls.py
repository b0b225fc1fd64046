"""Code that the blocking client and the asyncio client share."""

# mypy: no-warn-return-any
# The daemon's answers have the types that its protocol says.

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from datetime import timedelta
from typing import Any, NamedTuple, SupportsFloat, Union

from poold import __version__, errors, wire
from poold.lookup import default_path as default_path
from poold.origins import raised_by_handler

# The daemon's default limit of an answer, and room for its envelope.
MAX_BUFFER_SIZE = (64 << 20) + 4096

# Seconds after which a waiting thread looks for itself whether it has to read.
HEARTBEAT = 0.5

# How long after the deadline the daemon may take to answer, in seconds.
GRACE = 1.0

# A time limit: a number of seconds, or a datetime.timedelta.
Seconds = Union[SupportsFloat, timedelta]

# A client waits so long at most, 11 days, or else without end (seconds).
TIME_MAX = 1e6

TINY = sys.float_info.min
# So many calls in a row without any answer, not even the daemon's own to a call whose time is over,
# and the connection may be dead: the next calls are made on a new one.
OVERDUE_MAX = 3

ID_MAX = 0xFFFFFFFF

# Used as the id of notifications that belong to no call: poold.event.
EVENTS = "events"

# The notification that the daemon closes the connection soon.
CLOSING = "poold.closing"


class Reply(NamedTuple):
    """The result of a call with meta=True.

    Attributes:
        result: the result of the method.
        meta: how it was produced:
            "served_by" (str): the pool that answered,
            "attempts" (int): number of attempts,
            "degraded" (bool): whether a fallback pool answered,
            "queue_ms", "run_ms" (float): time until it was first sent to a worker, and time since
            it was last sent,
            "worker" (int): the worker's number in its pool; 0 for a pool without workers,
            "state_lost" (bool; only for a request with a session): whether state of the session
            that was only in a worker's memory was lost with that worker,
            "stored" (bool; only for a request with a key): whether this is the stored answer of an
            earlier request with the key.
    """

    result: Any
    meta: dict[str, Any]


class _Restart:
    """The type of RESTART."""

    def __repr__(self) -> str:
        return "poold.RESTART"


# Among the chunks of a restartable stream: the stream begins again; all chunks before are void.
RESTART = _Restart()


class Inbox:
    """Chunks or events that were received but not read yet."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: deque[Any] = deque()

    def put(self, value: object) -> None:
        if value is RESTART:
            self.values.clear()
        self.values.append(value)

    def take(self) -> Any:
        """Returns the next one.

        Raises:
            CommunicationError: Python cannot represent it (decode_error).
        """
        value = self.values.popleft()
        if isinstance(value, wire.Undecodable):
            raise _unsayable("chunk", value, "maybe")
        return value


def part_of(message: list[Any]) -> tuple[int | str | None, object]:
    """Returns (id, value) for a chunk of the call with that id, (EVENTS, value) for an event, and
    (None, None) for any other notification.
    """
    _, method, params = message
    if isinstance(params, list) and params:
        number = params[0]
        if method == "poold.event":
            return (EVENTS, number) if isinstance(number, dict) else (None, None)
        if type(number) is int:
            if method == wire.CHUNK and len(params) > 1:
                return number, params[1]
            if method == "poold.restart":
                return number, RESTART
    return None, None


def split_options(named: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits keyword arguments into the options of a call and the keyword arguments of its method.
    """
    options = {name: value for name, value in named.items() if name in wire.OPTIONS}
    return options, {name: value for name, value in named.items() if name not in options}


def subscribe_params(kinds: tuple[str, ...], since: int | None, epoch: int | None) -> list[Any]:
    """The params of poold.subscribe: no kinds mean all but "span"."""
    named = (("since", since), ("epoch", epoch))
    options = {name: value for name, value in named if value is not None}
    if options:
        return [list(kinds), options]
    return [list(kinds)] if kinds else []


def seconds(name: str, value: Seconds | None, least: float = 0.0) -> float | None:
    """A time limit as a caller may give it, in seconds; None stays None.

    Raises:
        TypeError: it is no time.
        ValueError: it is not above `least`.
    """
    if type(value) is float and value > least:
        return value
    if type(value) is int and least < value < TIME_MAX:
        return value
    if value is None:
        return None
    if isinstance(value, timedelta):
        number = value.total_seconds()
    elif isinstance(value, (str, bytes, bytearray, bool)):
        raise TypeError(f"{name} is a number of seconds or a timedelta, not {value!r}")
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        except (TypeError, ValueError):
            raise TypeError(
                f"{name} is a number of seconds or a timedelta, not {value!r}"
            ) from None
    if not number > least:
        above = "above zero" if least == 0.0 else "not below zero"
        raise ValueError(f"{name} is in seconds and {above}, not {value!r}")
    return number


def limit_of(timeout: float | None, grace: float) -> float | None:
    """How long a call with this timeout waits for its answer, in seconds; None: without end."""
    return None if timeout is None or timeout + grace >= TIME_MAX else timeout + grace


def deadline_of(timeout: float | None, grace: float) -> float | None:
    """When a call that is sent now is given up, in seconds of time.monotonic(); None: never."""
    limit = limit_of(timeout, grace)
    return None if limit is None else time.monotonic() + limit


def until_of(timeout: Seconds | None) -> float | None:
    """Until when to wait so long, in seconds of time.monotonic(); None: without end."""
    left = None if timeout is None else seconds("timeout", timeout, -math.inf)
    return None if left is None or left >= TIME_MAX else time.monotonic() + left


class Settings:
    """What both clients are made with; see poold.Client."""

    def __init__(
        self,
        path: str | bytes | os.PathLike[str] | None,
        timeout: Seconds | None,
        grace: Seconds,
        connect_timeout: Seconds,
        max_buffer_size: int,
        name: str,
        reconnect: bool,
    ) -> None:
        try:
            self.path = os.fsdecode(default_path() if path is None else path) or default_path()
        except TypeError:
            raise TypeError(f"path is that of the daemon's socket, not {path!r}") from None
        if not isinstance(name, str):
            raise TypeError(f"name is the name of the program, a text, not {name!r}")
        if not isinstance(max_buffer_size, int) or isinstance(max_buffer_size, bool):
            raise TypeError(f"max_buffer_size is a number of bytes, not {max_buffer_size!r}")
        if max_buffer_size < 0:
            raise ValueError(f"max_buffer_size is a number of bytes, not {max_buffer_size!r}")
        if not isinstance(reconnect, bool):
            raise TypeError(f"reconnect is True or False, not {reconnect!r}")
        self.timeout = seconds("timeout", timeout)
        self.grace = _needed("grace", grace, -TINY)
        self.connect_timeout = _needed("connect_timeout", connect_timeout, 0.0)
        self.max_buffer_size = max_buffer_size
        self.name = name


def _needed(name: str, value: Seconds | None, least: float) -> float:
    number = seconds(name, value, least)
    if number is None:
        raise TypeError(f"{name} is a number of seconds or a timedelta, not None")
    return min(number, TIME_MAX)


def params_of(method: str, params: list[Any] | tuple[Any, ...]) -> list[Any]:
    """The params of a request, as a list.

    Raises:
        TypeError: method is no name, or params no list.
    """
    if not isinstance(method, str):
        raise TypeError(f"method is the name of a method, a text, and not {method!r}")
    if not isinstance(params, (list, tuple)):
        raise TypeError(f"params is a list, and not {params!r}")
    return list(params)


def patience(method: str, calls: Seconds | None, daemon: float) -> Seconds | None:
    """The timeout for `method`, in seconds, if the caller gives none: the daemon's own methods are
    answered at once.
    """
    return daemon if method.startswith("poold.") and method != "poold.call" else calls


def hello_params(name: str, reconnect: bool) -> list[Any]:
    """The params of the poold.hello that begins each connection."""
    hello: dict[str, Any] = {"client": name, "version": __version__, "errors": "map"}
    if reconnect:
        hello["closing"] = True
    return [hello]


def reply_value(value: object, meta: bool) -> object:
    """The result of a call, as the caller gets it.

    Raises:
        CommunicationError: Python cannot represent it (decode_error).
    """
    if isinstance(value, wire.Undecodable):
        raise _unsayable("result", value, "yes")
    if meta and isinstance(value, dict):
        found = value.get("meta")
        return Reply(value.get("result"), found if isinstance(found, dict) else {})
    return value


def _unsayable(what: str, value: wire.Undecodable, executed: str) -> errors.Error:
    message = f"the {what} cannot be said in Python: {value}"
    return errors.make("decode_error", message, executed=executed)


def pack_request(number: int, method: str, params: list[Any]) -> bytes:
    """Packs a request.

    Raises:
        CommunicationError: MessagePack cannot represent an argument (encode_error).
    """
    try:
        return wire.pack([wire.REQUEST, number, method, params])
    except Exception as error:
        if raised_by_handler(error):
            raise
        message = f"the arguments cannot be sent: {reason_of(error)}"
        raise errors.make("encode_error", message, executed="no") from error


def reason_of(error: Exception) -> str:
    """The text of what packing arguments has raised, which may be their own."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return text or wire.type_name(type(error))


def overdue() -> errors.Error:
    """The error of a call that was not answered in time, grace included."""
    message = "no answer by the deadline, not even the daemon's own"
    return errors.make("deadline_exceeded", message, executed="maybe", retryable=True)


# The reason, if it was not connected by then.
LATE = "the deadline passed while connecting to the daemon"


def unsent(reason: str) -> errors.Error:
    """The error of a call whose time was over before it was sent."""
    return errors.make("deadline_exceeded", reason, executed="no", retryable=True)


def closed_by_client() -> errors.Error:
    """The error of a call that was not sent when the client was closed."""
    return lost_error("the client was closed", "no")


def closed_error() -> errors.Error:
    """The error of a stream that was closed by the program."""
    return errors.make("cancelled", "the stream was closed before its end", executed="maybe")


def cancelled_error(executed: str) -> errors.Error:
    """The error of a call that was cancelled while it waited to be asked again."""
    return errors.make("cancelled", "the call was cancelled before it was sent", executed=executed)


def unfinished() -> LookupError:
    """The error of reading the result of a stream before its end."""
    return LookupError("the result comes at the end of the stream")


def lost_error(reason: str, executed: str) -> errors.Error:
    """The error of a call whose connection was lost."""
    message = f"the connection was lost: {reason}"
    return errors.make("peer_closed", message, executed=executed, retryable=True)


def too_large(error: wire.TooLarge) -> errors.Error:
    """The error of a call whose answer is larger than max_buffer_size."""
    return errors.make("response_too_large", f"the answer is {error}", executed="yes")


def message_max(welcome: object) -> float:
    """The daemon's limit of a message in bytes, from its answer to poold.hello."""
    limits = welcome.get("limits") if isinstance(welcome, dict) else None
    limit = limits.get("message_max") if isinstance(limits, dict) else None
    return limit if type(limit) is int and limit > 0 else math.inf


def subscribed(answer: object) -> tuple[list[str], int, int]:
    """The kinds of events that will come, the start of the daemon and the number of lost events,
    from the answer to poold.subscribe.  A daemon that does not tell the last two: 0.

    Raises:
        CommunicationError: that is no answer to poold.subscribe (protocol_violation).
    """
    kinds = answer.get("kinds") if isinstance(answer, dict) else None
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        text = "the daemon's answer to poold.subscribe names no kinds of events"
        raise errors.make("protocol_violation", text, executed="maybe")
    numbers = (answer.get(name) for name in ("epoch", "lost")) if isinstance(answer, dict) else ()
    epoch, lost = (value if type(value) is int else 0 for value in numbers)
    return kinds, epoch, lost


def check_size(data: bytes, limit: float) -> None:
    """Raises payload_too_large if the request is too large: the daemon would close the connection.
    """
    if len(data) > limit:
        text = f"a request of {len(data)} bytes; the daemon takes {limit}"
        raise errors.make("payload_too_large", text, executed="no")


def unreachable(path: str, reason: str) -> errors.Error:
    """The error for a failed connection to the daemon."""
    message = f"the daemon cannot be reached at {path}: {reason}"
    return errors.make("connect_failed", message, executed="no", retryable=True)


class Requests:
    """The daemon's own methods; base class of the blocking and the asyncio client.

    With AsyncClient each is to be awaited.
    """

    def request(
        self,
        method: str,
        params: list[Any] | tuple[Any, ...] = (),
        timeout: Seconds | None = None,
    ) -> Any:
        raise NotImplementedError

    def health(self) -> dict[str, Any]:
        """Health of each pool, with reasons: {status, ready, draining, guard, pools}."""
        return self.request("poold.health")

    def doctor(self) -> list[dict[str, Any]]:
        """Checks everything that pools need in order to work: findings with pool, check, status
        ("ok", "warning", "fault"), text and advice.
        """
        return self.request("poold.doctor")

    def status(self) -> dict[str, Any]:
        """Overview of the daemon and its pools."""
        return self.request("poold.status")

    def stats(self) -> dict[str, Any]:
        """All counters: {daemon: {...}, pools: {NAME: {...}}}."""
        return self.request("poold.stats")

    def metrics(self) -> str:
        """All metrics in the Prometheus text format."""
        return self.request("poold.metrics")

    def pools(self) -> list[dict[str, Any]]:
        """All pools with their limits and state."""
        return self.request("poold.pools")

    def methods(self) -> list[dict[str, Any]]:
        """The methods of all pools: {pool, method, windows}; method None: all others together."""
        return self.request("poold.methods")

    def workers(self) -> list[dict[str, Any]]:
        """All workers with their state and history."""
        return self.request("poold.workers")

    def breakers(self) -> list[dict[str, Any]]:
        """All circuit breakers: state, reason, and since when."""
        return self.request("poold.breakers")

    def recoveries(self) -> dict[str, Any]:
        """Requests that are being retried or moved to another pool, and totals: {active, counters,
        mean_ms, p99_ms, by_category, by_strategy}.
        """
        return self.request("poold.recoveries")

    def errors(self, limit: int | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        """The last errors, newest first, at most `limit`, of all kinds or one: error maps with
        "at_ms" (since 1970) and "kind" ("request", "incident", "refusal", or "connection" for a
        client that was cut off, with "reason" in place of an error).
        """
        if kind is not None:
            return self.request("poold.errors", [0xFFFFFFFF if limit is None else limit, kind])
        return self.request("poold.errors", [] if limit is None else [limit])

    def sessions(self, limit: int | None = None) -> dict[str, Any]:
        """Open sessions, at most `limit`: {count, max, tombstones, sessions}."""
        return self.request("poold.sessions", [] if limit is None else [limit])

    def clients(self, limit: int | None = None) -> dict[str, Any]:
        """Who is connected, at most `limit`: {count, more, clients}.  Who may not control the daemon
        sees the connections of its own user alone.
        """
        return self.request("poold.clients", [] if limit is None else [limit])

    def requests(
        self, pool: str | None = None, *, only: str | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Requests that are not answered yet, the oldest first, at most `limit`:
        {count, more, requests}.

        Args:
            pool: only those that are at this pool now.
            only: "queued", those that are at no worker, or "running", the others.
        """
        return self.request("poold.requests", [{"pool": pool, "only": only, "max": limit}])

    def alerts(self) -> dict[str, Any]:
        """Alerts that are pending, firing or silenced, the last ones, and their rules:
        {active, history, rules}.
        """
        return self.request("poold.alerts", [])

    def alert_test(self, alert: str) -> dict[str, Any]:
        """Lets the alert of that rule fire as a test of its destinations: {alert, for_ms}."""
        return self.request("poold.alert_test", [alert])

    def alert_silence(self, alert: str, seconds: int) -> dict[str, Any]:
        """Puts off the reports of a rule's alerts for that time; 0 ends it: {alert, silenced_ms}."""
        return self.request("poold.alert_silence", [alert, seconds])

    def session_close(self, session: str, uid: int | None = None) -> bool:
        """Closes a session: its state is deleted, and the worker that holds it is notified.

        It is one's own; that of another user, `uid`, may be closed by who may control the daemon.
        """
        return self.request("poold.session_close", [session] if uid is None else [session, uid])

    # For root, the daemon's own user and the members of its admin_group, or of that of the pool;
    # others get a RequestError (permission_denied).

    def breaker_reset(self, pool: str, method: str | None = None) -> dict[str, Any]:
        """Closes the circuit breaker of a pool, or of one method; it then works automatically
        again.
        """
        return self.request("poold.breaker_reset", _breaker_params(pool, method))

    def breaker_open(self, pool: str, method: str | None = None) -> dict[str, Any]:
        """Keeps the breaker open until it is reset: all requests are rejected."""
        return self.request("poold.breaker_open", _breaker_params(pool, method))

    def breaker_disable(self, pool: str, method: str | None = None) -> dict[str, Any]:
        """Makes the breaker admit all requests until it is reset."""
        return self.request("poold.breaker_disable", _breaker_params(pool, method))

    def breaker_observe(self, pool: str, method: str | None = None) -> dict[str, Any]:
        """Makes the breaker admit all requests until it is reset, and report when it would open."""
        return self.request("poold.breaker_observe", _breaker_params(pool, method))

    def recovery_cancel(self, id: int) -> bool:
        """Stops a recovery: its request fails with the original error."""
        return self.request("poold.recovery_cancel", [id])

    def config(self, pool: str | None = None) -> list[dict[str, Any]]:
        """The running configuration: sections with section, name and values, each with its key,
        value, default and source (FILE:LINE; None: it is the default).
        """
        return self.request("poold.config", [pool])

    def request_cancel(self, id: int) -> dict[str, Any]:
        """Ends a request, by its number in `requests`, with the error cancelled: {id, pool, method}."""
        return self.request("poold.request_cancel", [id])

    def restart_workers(self, pool: str) -> dict[str, Any]:
        """Starts a rolling restart, which replaces the workers one by one: {pool, roll}; `pools`
        shows its progress.
        """
        return self.request("poold.restart_workers", [pool])

    def resize(self, pool: str, min: int, max: int) -> dict[str, Any]:
        """Changes the least and the greatest number of workers of the pool until the daemon
        restarts.
        """
        return self.request("poold.resize", [pool, min, max])

    def kill_worker(self, pool: str, worker: int, signal: str = "TERM") -> dict[str, Any]:
        """Sends a worker a signal that ends it (TERM, KILL, INT, QUIT or ABRT); it is replaced."""
        return self.request("poold.kill_worker", [pool, worker, signal])

    def stack(self, pool: str, worker: int) -> dict[str, Any]:
        """Makes a worker write the stack traces of its threads; they come as an event of kind
        "worker" whose "what" is "stack".
        """
        return self.request("poold.stack", [pool, worker])

    def drain(self, pool: str) -> dict[str, Any]:
        """Takes the pool out of service: accepted requests are finished, new ones go to its
        fallback pool or are refused.
        """
        return self.request("poold.drain", [pool])

    def resume(self, pool: str) -> dict[str, Any]:
        """Puts a drained pool back into service."""
        return self.request("poold.resume", [pool])

    def version(self) -> dict[str, Any]:
        """{server, version, protocol, pid, uptime_ms}."""
        return self.request("poold.version")


def _breaker_params(pool: str, method: str | None) -> list[Any]:
    return [pool] if method is None else [pool, method]
