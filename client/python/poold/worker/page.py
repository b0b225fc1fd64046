"""The page that a worker shares with the daemon: it stores there which request it begins, instead of sending
a message each time.
"""

from __future__ import annotations

import mmap
import socket

from poold import wire
from poold.worker import descriptors, forks

_SIZE = 4096
_MESSAGE = wire.pack([wire.NOTIFICATION, "page", []])


class Page:
    """Attributes:
        begun: its number, as item 0, is the id of the request that has begun last.  An assignment there is
            one store of eight bytes.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)
        self.begun = memoryview(self._memory).cast("Q")
        # What a child stores would be taken for this process's.  The memory stays with the child, without
        # MADV_DONTFORK: else `mmap` would unmap there, in the end, what has this address by then.
        forks.in_child(self.begun.release)


def take(recall: socket.socket) -> Page | None:
    """Takes the page that the daemon has put on the recall socket; None: there is none, or no memory for it.
    For before anything else is read there."""
    held: list[int] = []
    try:
        data, held = descriptors.receive(recall, len(_MESSAGE), 1, socket.MSG_DONTWAIT)
        return Page(held[0]) if held and data == _MESSAGE else None
    except (OSError, ValueError, MemoryError):
        return None
    finally:
        descriptors.close(held)
