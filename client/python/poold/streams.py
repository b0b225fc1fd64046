"""Streamed answers and events for the blocking client."""

from __future__ import annotations

from typing import Any

from poold import errors
from poold.call import InParts
from poold.calls import closed_error, unfinished
from poold.connection import Connection


class _Parts:
    """Base class of streams and subscriptions."""

    def __init__(self, call: InParts) -> None:
        self._call = call
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
    """A streamed answer: an iterator over its chunks, created by Client.stream.

    Chunks that arrive while another call of the same client is awaited are kept until they are
    read.  If the stream may begin again (restartable=True), poold.RESTART among the chunks means:
    discard all chunks before it; those not read yet are discarded already.

    Closing a stream before its end, or dropping the last reference to it, cancels its request.  It
    may be used by one thread at a time, but any thread may close it.
    """

    @property
    def result(self) -> Any:
        """The result of the call, available after the last chunk.

        Raises:
            LookupError: there may be more chunks.
            poold.Error: the call failed; Cancelled if the stream was closed before its end.
        """
        if not self._call._answered or self._call.inbox.values:
            raise unfinished()
        return self._call.result()

    def close(self) -> None:
        """Gives up the rest of the stream; there are no more chunks after this."""
        self._closed = True
        self._call.inbox.values.clear()
        if self._call.is_ours():
            self._call.give_up(closed_error())

    def __del__(self) -> None:
        if not self._closed:
            self._call.drop()


class Events(_Parts):
    """Events of the daemon: an iterator over maps, each with "kind", "seq", "at_ms", "epoch" and
    the keys of its kind; created by Client.subscribe.

    It waits for the next event without a time limit.  An event of the kind "gap" stands for those
    that were not read in time; its "lost" is how many they were.

    Attributes:
        kinds (list[str]): the kinds of events that are delivered.
        epoch (int): when the daemon was started, in milliseconds since 1970, as in each event.
        lost (int): with `since`, how many of the wanted events are not kept any more; where the
            daemon does not know it, as many as they may be at most.
    """

    def __init__(
        self, call: InParts, connection: Connection, kinds: list[str], epoch: int, lost: int
    ) -> None:
        super().__init__(call)
        self._connection = connection
        self.kinds = kinds
        self.epoch = epoch
        self.lost = lost

    def close(self) -> None:
        """Ends the subscription and closes its connection."""
        self._closed = True
        self._connection.lose("the subscription was closed")

    def __del__(self) -> None:
        if not self._closed:
            self._connection.abandon()
