"""What a function can know of the request that it serves."""

from __future__ import annotations

import time
from collections.abc import Callable


class Context:
    """What is known of one request.

    Attributes:
        request (int): the daemon's number of the request, the same for each of its attempts.
        attempt (int): 1 for the first try.
        priority (str | None): "critical", "normal" or "sheddable".
        trace (str | None): the caller's trace id.
        session (str | None): the session that the request belongs to.
        state (bytes | None): the session's state as it was last committed: what the last request
            that succeeded has set, here or in another worker.
        stream (bool): whether the caller takes the values of a generator one by one.
    """

    __slots__ = (
        "request",
        "attempt",
        "priority",
        "trace",
        "session",
        "state",
        "stream",
        "_deadline",
        "_handed",
    )

    def __init__(self, fields: dict, received: float, handed: list) -> None:
        self.request = fields.get("request", 0)
        self.attempt = fields.get("attempt", 1)
        self.priority = fields.get("priority")
        self.trace = fields.get("trace")
        self.session = fields.get("session")
        self.state = fields.get("state")
        self.stream = fields.get("stream") is True
        self._handed = handed
        self._deadline = deadline_of(fields, received)

    def remaining(self) -> float:
        """Seconds until the daemon gives this request up, 0.0 when they have run out; infinite when
        it set no deadline.

        Counted from when this worker read the request.  One that waited in the socket behind
        another has a little less than this says.
        """
        return max(0.0, self._deadline - time.monotonic())

    def set_state(self, data: bytes | None) -> None:
        """Hands the session's state to the daemon, together with the result; the last one set
        counts.  If the request fails after all, the state stays what it was.

        Args:
            data: bytes in any format that the functions agree upon; None clears the state.

        Raises:
            LookupError: the request has no session, or is over.
            TypeError: no bytes.
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


def deadline_of(fields: dict, received: float) -> float:
    """When the daemon gives the request up, in time.monotonic()'s seconds."""
    left = fields.get("deadline_ms")
    return float("inf") if left is None else received + left / 1000


# A request's context map, when it came, and the state that is handed back, in a list if there is
# one.
Current = tuple[dict, float, list]

# Stands in that list when the state has been handed back, for tasks that live on.
OVER = object()


def _nothing() -> None:
    return None


_find: Callable[[], Current | None] = _nothing


def find_with(find: Callable[[], Current | None]) -> None:
    """From now on, `find` tells which request is being served here."""
    global _find
    _find = find


def find() -> Current | None:
    """The request that is being served here, as the server keeps it."""
    return _find()
