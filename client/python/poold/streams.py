"""Answers in parts, and events, for the blocking client."""

from __future__ import annotations

from typing import Any

from poold import errors
from poold.calls import closed_error, unfinished
from poold.connection import Connection, InParts


class _Parts:
    """What streams and subscriptions have in common."""

    def __init__(self, call: InParts, connection: Connection) -> None:
        self._call = call
        self._connection = connection
        self._closed = False

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        try:
            return self._call.next_part()
        except errors.Error:
            if self._closed:
                raise StopIteration from None
            raise

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError


class Stream(_Parts):
    """An answer that comes in parts: an iterator over its chunks; Client.stream makes it.

    Chunks that come while something else of the same client is waited for are kept until they are
    taken.  Where the stream may begin again (restartable=True), poold.RESTART among them says that
    all chunks before it are void; those not taken by then are dropped.

    A stream that is closed, or that nobody refers to any more, before its end cancels its request.
    For one thread at a time, but any thread may close it.
    """

    @property
    def result(self) -> Any:
        """What the call returned; to be had after the last chunk.

        Raises:
            LookupError: there may be more chunks.
            poold.Error: the call failed; Cancelled if the stream was closed before its end.
        """
        if not self._call._answered or self._call.inbox.values:
            raise unfinished()
        return self._call.result()

    def close(self) -> None:
        """Gives up what has not come yet; there will be no more chunks."""
        self._closed = True
        self._call.inbox.values.clear()
        if self._connection.is_ours():
            self._connection.give_up(self._call, closed_error())

    def __del__(self) -> None:
        if not self._closed:
            self._connection.drop(self._call)


class Events(_Parts):
    """What happens in the daemon: an iterator over maps, each with "kind", "seq", "at_ms" and what
    belongs to the kind; Client.subscribe makes it.

    It waits for the next event as long as it takes.  "lost" in a map says how many events before
    it were dropped because they were not taken in time.

    Attributes:
        kinds (list[str]): the kinds of events that come.
    """

    def __init__(self, call: InParts, connection: Connection, kinds: list[str]) -> None:
        super().__init__(call, connection)
        self.kinds = kinds

    def close(self) -> None:
        """Ends the subscription and its connection."""
        self._closed = True
        self._connection.lose("the subscription was closed")

    def __del__(self) -> None:
        if not self._closed:
            self._connection.abandon()
