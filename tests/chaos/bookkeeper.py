"""A worker that keeps a book of what it runs: one row when a call begins, one when it ends.

The same function is served in three ways:

    python3 -m poold.worker bookkeeper      as a worker of poold, forked or not
    python3 bookkeeper.py                   MessagePack-RPC on standard input and output
    python3 bookkeeper.py SOCKET            MessagePack-RPC, to all who connect there

The variable BOOK names the file of rows.  BOOK_BAD says what goes wrong here and nowhere else:
`worker:N` (the worker with that number ends at each call), `session:NAME` (calls of that session
do).  Each row is written at once, so that it is there whatever happens to the process next.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable

# Kind (B: begins, E: ends), the process, the checksum of the bytes that came, the call's number.
ROW = struct.Struct("<cxxxIIQ")

_file = -1


def note(kind: bytes, number: int, checksum: int) -> None:
    """Adds a row.  It is short and goes to the end of the file in one write: rows never mix."""
    global _file
    if _file < 0:
        _file = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    os.write(_file, ROW.pack(kind, os.getpid(), checksum, number))


def answer_to(number: int, data: bytes) -> list[object]:
    """What a call is answered with: both sides know it, and it depends on every byte that came."""
    back = data[::-1]
    return [number, back, zlib.crc32(back)]


def work(number: int, data: bytes, msec: float) -> list[object]:
    """Takes so long, and gives the bytes back from end to start."""
    checksum = zlib.crc32(data)
    note(b"B", number, checksum)
    time.sleep(msec / 1000)
    note(b"E", number, checksum)
    return answer_to(number, data)


def fragile(number: int, data: bytes, msec: float) -> list[object]:
    """The same, but where BOOK_BAD says so the process ends in the middle."""
    note(b"B", number, zlib.crc32(data))
    kind, _, name = os.environ.get("BOOK_BAD", "").partition(":")
    if kind == "worker" and int(os.environ["POOLD_WORKER"]) == int(name):
        os._exit(3)
    if kind == "session" and _session() == name:
        os._exit(3)
    time.sleep(msec / 1000)
    note(b"E", number, zlib.crc32(data))
    return answer_to(number, data)


def faulty(number: int, data: bytes, msec: float) -> None:
    """A method that fails each time."""
    note(b"B", number, zlib.crc32(data))
    time.sleep(msec / 1000)
    raise ValueError(f"call {number} fails, as it must")


def _session() -> str | None:
    import poold

    return poold.context().session


def _serve(read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
    """MessagePack-RPC, one request after the other, until the stream ends or makes no sense."""
    import msgpack

    unpacker = msgpack.Unpacker(max_buffer_size=1 << 30, strict_map_key=False)
    while data := read():
        unpacker.feed(data)
        for message in unpacker:
            if isinstance(message, list) and len(message) == 4 and message[0] == 0:
                write(msgpack.packb([1, message[1], *_outcome(message[2], message[3])]))


def _outcome(method: object, params: object) -> tuple[object, object]:
    """Error and result."""
    try:
        if method != "work" or not isinstance(params, list):
            return f"no method {method}", None
        return None, work(*params)
    except (TypeError, ValueError, struct.error) as error:
        return str(error), None


def _serve_peer(peer: socket.socket) -> None:
    try:
        with peer:
            _serve(lambda: peer.recv(1 << 16), peer.sendall)
    except (OSError, ValueError):
        pass  # it hung up, or sent garbage


def _listen(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("listening", flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_serve_peer, args=(peer,), daemon=True).start()


def _main() -> None:
    if len(sys.argv) > 1:
        _listen(sys.argv[1])
    else:
        _serve(lambda: os.read(0, 1 << 16), lambda data: (sys.stdout.buffer.write(data), sys.stdout.flush()))


if __name__ == "__main__":
    _main()
