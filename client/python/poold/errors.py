"""All errors that a call can raise, and those that a worker may raise on purpose.

One class for each category of the protocol's error table, and one for each code that programs
commonly handle by itself::

    Error
        InitializationError         no worker could be started
        PoolConnectionError         a worker, or the daemon itself, went away
        CommunicationError          arguments or result could not be encoded or decoded
        PoolTimeoutError            no answer in time
            DeadlineExceeded
        ResourceError               queue full, pool unavailable, shed: try later
            CircuitOpen
        HealthCheckError
        SessionError
        WorkerException             the worker's own code raised an exception
        PoolSystemError             the daemon failed, or is stopping
        RequestError                the request itself is wrong
            Rejected
            Cancelled

A class has "Pool" in its name if Python has a builtin class of the plain name.  A worker raises
`Rejected`, `Retryable` or `Fatal` to say how a failure is to be handled.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any


class Error(Exception):
    """A call failed.

    Attributes:
        code (str): name of the error, from the protocol's table: "attempt_timeout".
        category (str): category of the code: "timeout_error".
        severity (str): "warning", "minor", "major" or "critical"; for people and alerts.
        strategy (str): how the daemon handles such an error: "abandon", "immediate_retry",
            "backoff_retry", "circuit_break" or "failover".
        message (str): one sentence for people.
        retryable (bool): whether the same call may succeed later.  The daemon has made its own
            retries already.
        retry_after (float | None): seconds to wait before that; None: not known.
        executed (str): whether the code of a worker was executed: "no", "maybe" or "yes".
        request (int | None): the daemon's number of the request, as in its log.
        pool (str | None), adapter (str | None), worker (int | None), pid (int | None): where the
            last attempt was made.
        method (str | None): the method that was called.
        session (str | None): the session of the request.
        circuit (str | None): state of the circuit breaker of the pool or method: "closed", "open",
            "half_open", "forced_open", "disabled" or "observing".
        queue_depth (int | None): requests that waited in the pool at that time.
        outcome (str | None): who ended the request, and where it was then, in two letters of the
            protocol's table: "WA", a worker in the first attempt.
        trace (str | None), span (str | None), attempt_span (str | None): the trace id of the call's
            W3C traceparent, and in it the ids of the spans of the request and of its last attempt;
            or the call's own text as `trace`.
        attempt (int): number of attempts; 0: the request was never sent to a worker.
        detail (dict): details that depend on the code: exit status, signal, standard error...
        attempts (list[dict]): each attempt with pool, worker, code, message, started_ms, run_ms
            and delay_ms.
        raw (dict): the error map as received (empty for an error of the client itself).
    """

    code: Any = "internal"
    message = ""

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = fields.get("code", self.code)
        known = CODES.get(self.code, UNKNOWN) if isinstance(self.code, str) else UNKNOWN
        self.category, self.severity, self.strategy = known
        self.retryable = False
        self.retry_after: float | None = None
        self.executed: str | None = None
        self.request: int | None = None
        self.pool: str | None = None
        self.adapter: str | None = None
        self.worker: int | None = None
        self.pid: int | None = None
        self.method: str | None = None
        self.session: str | None = None
        self.circuit: str | None = None
        self.queue_depth: int | None = None
        self.outcome: str | None = None
        self.trace: str | None = None
        self.span: str | None = None
        self.attempt_span: str | None = None
        self.attempt = 0
        self.detail: dict[str, Any] = {}
        self.attempts: list[dict[str, Any]] = []
        self.raw: dict[str, Any] = {}
        self.__dict__.update(fields)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InitializationError(Error):
    """No worker could be started: spawn_failed, init_failed, init_timeout."""

    code = "init_failed"


class PoolConnectionError(Error):
    """A connection ended: worker_exited, worker_killed, connect_failed, peer_closed.

    connect_failed and peer_closed without a `worker` are about the daemon: the client could not
    connect to it, or the connection was lost while the call was in flight.
    """

    code = "peer_closed"


class CommunicationError(Error):
    """A message could not be encoded or decoded: encode_error, decode_error, protocol_violation,
    response_too_large.
    """

    code = "protocol_violation"


class PoolTimeoutError(Error):
    """No answer in time: attempt_timeout, queue_timeout, deadline_exceeded."""

    code = "attempt_timeout"


class DeadlineExceeded(PoolTimeoutError):
    """The time limit of the call was reached: deadline_exceeded, from the daemon or this client."""

    code = "deadline_exceeded"


class ResourceError(Error):
    """A resource is exhausted or closed; see `retry_after`: queue_full, pool_unavailable,
    circuit_open, shed, retry_budget_exhausted, memory_limit, process_limit.
    """

    code = "pool_unavailable"


class CircuitOpen(ResourceError):
    """The circuit breaker rejects requests since the pool has failed too often; `retry_after` says
    for how long.
    """

    code = "circuit_open"


class HealthCheckError(Error):
    """A worker failed its health check: health_check_failed, health_check_timeout."""

    code = "health_check_failed"


class SessionError(Error):
    """session_not_found, session_expired, session_lost, session_limit."""

    code = "session_not_found"


class WorkerException(Error):
    """The worker's own code raised an exception.

    `message` is the exception's own text.  Besides the attributes of `Error`:

    Attributes:
        type (str): the exception's class: "ValueError", "json.decoder.JSONDecodeError".
        traceback (str): as Python prints it, its oldest part cut off beyond 16 KiB; may be empty.
    """

    code = "exception"

    @property
    def type(self) -> str:
        return self.detail.get("type", "")

    @property
    def traceback(self) -> str:
        return self.detail.get("traceback", "")

    def __str__(self) -> str:
        return f"{self.code}: {self.type}: {self.message}" if self.type else super().__str__()


class PoolSystemError(Error):
    """The daemon itself failed, or is stopping: internal, shutting_down."""

    code = "internal"


class RequestError(Error):
    """The request is wrong, so a retry cannot help: invalid_request, rejected, unknown_pool,
    unknown_method, payload_too_large, permission_denied, cancelled.
    """

    code = "invalid_request"


class Rejected(RequestError):
    """The worker rejected the request.

    A worker raises it with one sentence: `raise poold.Rejected("no such file: ...")`, and with
    `severity=` if it is more than a warning.  It is never retried, and does not count as a failure
    of the worker or the pool.
    """

    code = "rejected"

    def __init__(self, message: str = "", **fields: object) -> None:
        _check_severity(fields.get("severity"))
        super().__init__(message, **fields)


if TYPE_CHECKING:
    from concurrent.futures import CancelledError
else:

    class CancelledError(Exception):
        """Stands for that of concurrent.futures, which poold.futures puts here: a worker does not
        load it."""


class Cancelled(RequestError, CancelledError):
    """The request was cancelled by the caller.

    In a program with a client this is also a concurrent.futures.CancelledError.
    """

    code = "cancelled"


class Retryable(Exception):
    """Raised by a worker's function: another attempt may succeed.

    Args:
        message: one sentence for people.
        after: seconds to wait before the retry; None: the daemon chooses.
        severity: "warning", "minor", "major" or "critical"; None: the daemon chooses.
    """

    message: str = ""
    after: float | None = None
    severity: str | None = None

    def __init__(
        self, message: str = "", after: float | None = None, *, severity: str | None = None
    ) -> None:
        _check_severity(severity)
        super().__init__(message, after)
        self.message = message
        self.after = after
        self.severity = severity

    def __str__(self) -> str:
        return str(self.message)


class Fatal(Exception):
    """Raised by a worker's function: this worker cannot continue.  It answers with this error,
    then exits and is replaced.

    Args:
        message: one sentence for people.
        severity: "warning", "minor", "major" or "critical"; None: the daemon chooses.
    """

    severity: str | None = None

    def __init__(self, message: str = "", *, severity: str | None = None) -> None:
        _check_severity(severity)
        super().__init__(message)
        self.severity = severity


class Unusable(Exception):
    """Raised by a worker's module or by on_start: the worker cannot work as configured, and
    starting it again would not help.  The daemon stops trying.
    """


SEVERITIES = ("warning", "minor", "major", "critical")


def _check_severity(word: object) -> None:
    if word is not None and word not in SEVERITIES:
        raise ValueError(f"severity is {', '.join(SEVERITIES[:-1])} or critical, not {word!r}")


CATEGORIES: dict[str, type[Error]] = {
    "initialization_error": InitializationError,
    "connection_error": PoolConnectionError,
    "communication_error": CommunicationError,
    "timeout_error": PoolTimeoutError,
    "resource_error": ResourceError,
    "health_check_error": HealthCheckError,
    "session_error": SessionError,
    "application_error": WorkerException,
    "system_error": PoolSystemError,
    "request_error": RequestError,
}

SPECIFIC: dict[str, type[Error]] = {
    each.code: each for each in (DeadlineExceeded, CircuitOpen, Rejected, Cancelled)
}

UNKNOWN = ("system_error", "major", "abandon")

# code: (category, severity, strategy), for errors of the client itself and for stock errors, which
# are plain text.  An error map from the daemon has all three.
CODES: dict[str, tuple[str, str, str]] = {
    "spawn_failed": ("initialization_error", "critical", "circuit_break"),
    "init_failed": ("initialization_error", "critical", "circuit_break"),
    "init_timeout": ("initialization_error", "critical", "circuit_break"),
    "worker_exited": ("connection_error", "major", "backoff_retry"),
    "worker_killed": ("connection_error", "major", "backoff_retry"),
    "connect_failed": ("connection_error", "major", "backoff_retry"),
    "peer_closed": ("connection_error", "major", "backoff_retry"),
    "encode_error": ("communication_error", "major", "abandon"),
    "decode_error": ("communication_error", "major", "immediate_retry"),
    "protocol_violation": ("communication_error", "major", "immediate_retry"),
    "response_too_large": ("communication_error", "major", "abandon"),
    "attempt_timeout": ("timeout_error", "major", "backoff_retry"),
    "queue_timeout": ("timeout_error", "major", "abandon"),
    "deadline_exceeded": ("timeout_error", "major", "abandon"),
    "queue_full": ("resource_error", "critical", "failover"),
    "pool_unavailable": ("resource_error", "critical", "failover"),
    "circuit_open": ("resource_error", "warning", "failover"),
    "shed": ("resource_error", "warning", "failover"),
    "retry_budget_exhausted": ("resource_error", "critical", "failover"),
    "memory_limit": ("resource_error", "critical", "failover"),
    "process_limit": ("resource_error", "critical", "failover"),
    "health_check_failed": ("health_check_error", "minor", "backoff_retry"),
    "health_check_timeout": ("health_check_error", "minor", "backoff_retry"),
    "session_not_found": ("session_error", "minor", "immediate_retry"),
    "session_expired": ("session_error", "minor", "immediate_retry"),
    "session_lost": ("session_error", "minor", "immediate_retry"),
    "session_limit": ("session_error", "minor", "immediate_retry"),
    "exception": ("application_error", "major", "failover"),
    "internal": ("system_error", "critical", "abandon"),
    "shutting_down": ("system_error", "critical", "abandon"),
    "invalid_request": ("request_error", "warning", "abandon"),
    "rejected": ("request_error", "warning", "abandon"),
    "unknown_pool": ("request_error", "warning", "abandon"),
    "unknown_method": ("request_error", "warning", "abandon"),
    "payload_too_large": ("request_error", "warning", "abandon"),
    "permission_denied": ("request_error", "warning", "abandon"),
    "cancelled": ("request_error", "warning", "abandon"),
}

# The public name of each class is poold.NAME, also in tracebacks and pickles.
for _each in (Error, Retryable, Fatal, *CATEGORIES.values(), *SPECIFIC.values()):
    _each.__module__ = "poold"


def make(code: str, message: str, **fields: object) -> Error:
    """Creates the error of that code, of the class that belongs to it; does not raise it."""
    category = CODES.get(code, UNKNOWN)[0]
    kind = SPECIFIC.get(code) or CATEGORIES[category]
    return kind(message, code=code, **fields)


# Attributes of Error with the value of the map's key of the same name, or None.
_PLAIN = (
    "executed",
    "request",
    "pool",
    "adapter",
    "worker",
    "pid",
    "method",
    "session",
    "circuit",
    "queue_depth",
    "outcome",
    "trace",
    "span",
    "attempt_span",
)


def from_wire(value: object) -> Error:
    """Creates the error for the error element of a response: the protocol's map, a stock error
    [number, "CODE: text"], or any other value.  One without a code is a worker's: an `exception`.
    """
    if isinstance(value, dict):
        return _from_map(value)
    text = value
    if isinstance(value, list) and len(value) == 2:
        text = value[1]
    said = _text_of(text)
    code, separator, rest = said.partition(":")
    if separator and code in CODES:
        return make(code, rest.removeprefix(" "))
    return make("exception", said)


def _text_of(value: object) -> str:
    """What another server sent instead of a text, as a text."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except RecursionError:
        return "an error that is nested too deeply"


def _word(raw: dict[str, Any], key: str, default: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else default


def _from_map(raw: dict[str, Any]) -> Error:
    code = _word(raw, "code", "") or "exception"
    known = CODES.get(code, UNKNOWN)
    category = _word(raw, "category", known[0])
    kind: type[Error] = SPECIFIC.get(code, CATEGORIES.get(category, Error))
    detail = raw.get("detail")
    detail = detail if isinstance(detail, dict) else {}
    message = raw.get("message", "")
    if kind is WorkerException:
        message = detail.get("message", message)
    error = kind(_text_of(message), code=code, category=category, detail=detail, raw=raw)
    error.severity = _word(raw, "severity", known[1])
    error.strategy = _word(raw, "strategy", known[2])
    error.retryable = raw.get("retryable") is True
    after = raw.get("retry_after_ms")
    if isinstance(after, (int, float)) and not isinstance(after, bool):
        error.retry_after = after / 1000
    for name in _PLAIN:
        setattr(error, name, raw.get(name))
    attempt = raw.get("attempt")
    error.attempt = attempt if type(attempt) is int else 0
    attempts = raw.get("attempts")
    error.attempts = attempts if isinstance(attempts, list) else []
    return error
