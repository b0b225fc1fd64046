"""What a function can know about the request that it serves."""

from __future__ import annotations

import time
from collections.abc import Callable

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any


class Context:
    """Details of one request.

    Attributes:
        request (int): the daemon's number of the request, the same for each of its attempts.
        attempt (int): number of the attempt; 1 is the first.
        priority (str | None): "critical", "normal" or "sheddable".
        trace (str | None): the caller's trace id; of a W3C traceparent, with the span of this
            attempt as the parent.
        tracestate (str | None): the caller's W3C tracestate.
        session (str | None): name of the session.
        state (bytes | None): state of the session as stored by its last successful request, in this
            worker or another.
        stream (bool): whether the caller gets the values of a generator one by one.
    """

    __slots__ = (
        "request",
        "attempt",
        "priority",
        "trace",
        "tracestate",
        "session",
        "state",
        "stream",
        "_deadline",
        "_handed",
    )

    request: int
    attempt: int
    priority: str | None
    trace: str | None
    tracestate: str | None
    session: str | None
    state: bytes | None
    stream: bool

    def __init__(self, fields: dict[str, Any], received: float, handed: list[Any]) -> None:
        self.request = fields.get("request", 0)
        self.attempt = fields.get("attempt", 1)
        self.priority = fields.get("priority")
        self.trace = fields.get("trace")
        self.tracestate = fields.get("tracestate")
        self.session = fields.get("session")
        self.state = fields.get("state")
        self.stream = fields.get("stream") is True
        self._handed = handed
        self._deadline = deadline_of(fields, received)

    def remaining(self) -> float:
        """Seconds until the deadline of the request; 0.0 after it; infinite without a deadline.

        Counted from when this worker read the request.  If the request waited in the socket behind
        another one, a little less time is left than this returns.
        """
        return max(0.0, self._deadline - time.monotonic())

    def set_state(self, data: bytes | None) -> None:
        """Stores the state of the session at the daemon when the request succeeds; of several
        calls the last one counts.  If the request fails, the state is not changed.

        Args:
            data: bytes in any format that the functions agree upon; None clears the state.

        Raises:
            LookupError: the request has no session, or is finished.
            TypeError: data is not bytes.
        """
        current = _find()
        if current is None or current[2] is not self._handed or self._handed == [OVER]:
            raise LookupError("the request is over: its state was handed back with the result")
        if self.session is None:
            raise LookupError("the request has no session: the caller names one (session=...)")
        if data is not None:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(f"a state is bytes or None, not {type(data).__name__}")
            data = bytes(data)
        self._handed[:] = [data]


def context() -> Context:
    """The context of the request being served.

    Raises:
        LookupError: no request is being served.
    """
    current = _find()
    if current is None:
        raise LookupError("no request is being served: poold.context() is for a worker's functions")
    return Context(*current)


def deadline_of(fields: dict[str, Any], received: float) -> float:
    """Returns the request's deadline in seconds of time.monotonic()."""
    left: int | None = fields.get("deadline_ms")
    return float("inf") if left is None else received + left / 1000


# A request's context map, when it came, and the state that is handed back, in a list if there is
# one.
Current = tuple[dict[str, object], float, list[object]]

# Stands in that list when the state has been handed back, for tasks that live on.
OVER = object()


def _nothing() -> None:
    return None


_find: Callable[[], Current | None] = _nothing


def find_with(find: Callable[[], Current | None]) -> None:
    """Sets the function that returns the request being served."""
    global _find
    _find = find


def find() -> Current | None:
    """Returns the request being served, as the server keeps it."""
    return _find()
