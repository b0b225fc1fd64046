"""A worker that speaks the dialect without the package, and has a page.  Its method `run(note, path)` returns the
note, after it has done as that says:

    honest        nothing else
    dies          ends while it runs, the first time (until `path` is there)
    dies before   ends before it has stored that it begins, the first time
    stays         does not store it
    back          stores 0
    jumps         stores an id that it was not sent
    high          stores more than 32 bits
    started       sends `started` as well
    ends back     stores 0 and ends
    ends ahead    stores an id that it was not sent, and ends
    ends high     stores more than 32 bits, and ends
    hole          makes a hole in the page's file: it reads as 0

With the argument `unsaid` it does not say that it uses its page, and with `several` it says that it runs two at a
time: then it also sends `started`.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import sys

import msgpack

channel = socket.socket(fileno=int(os.environ["POOLD_FD"]))
recalls = socket.socket(fileno=int(os.environ["POOLD_RECALL_FD"]))
data, (file,), _, _ = socket.recv_fds(recalls, 64, 1)
assert msgpack.unpackb(data) == [2, "page", []], data
memory = mmap.mmap(file, 4096)
page = memoryview(memory).cast("Q")
says = sys.argv[1:]
unpacker = msgpack.Unpacker(raw=False)


def send(*message: object) -> None:
    channel.sendall(msgpack.packb(list(message)))


def make_hole() -> None:
    keep_size, punch_hole = 1, 2
    libc = ctypes.CDLL(None, use_errno=True)
    hole = [ctypes.c_long(0), ctypes.c_long(4096)]
    assert libc.fallocate(file, keep_size | punch_hole, *hole) == 0, ctypes.get_errno()


def begin(number: int, note: str, path: str) -> None:
    how = note
    if how.startswith("dies"):
        if os.path.exists(path):
            how = "honest"
        else:
            os.close(os.open(path, os.O_CREAT))
    if how == "dies before":
        os._exit(3)
    stored = {"stays": page[0], "back": 0, "jumps": number + 1, "high": number + (1 << 32)}
    page[0] = stored.get(how.removeprefix("ends "), number)
    if how == "ends ahead":
        page[0] = number + 1
    if how == "started" or says:
        send(2, "started", [number])
    if how == "hole":
        make_hole()
    if how.startswith(("dies", "ends")):
        os._exit(3)


facts = {"recall": True, "page": True}
if says == ["unsaid"]:
    facts = {"started": True}
elif says == ["several"]:
    facts |= {"started": True, "concurrency": 2}
send(2, "ready", [facts])
while True:
    received = channel.recv(1 << 16)
    if not received:
        break
    unpacker.feed(received)
    for message in unpacker:
        if message[:2] == [2, "shutdown"]:
            sys.exit(0)
        if message[0] != 0:
            continue
        _, number, method, params = message
        if method != "ping":
            begin(number, *params[0])
        send(1, number, None, "pong" if method == "ping" else params[0][0])
