"""JSON-RPC servers on standard input and output, each written in another usual way: `piped.py WAY`.

All know the methods `pid`, `much` (a text of so many bytes), `size` (of a text), `leave` (exit
status) and `files` (what standard input, output and error are).  Only the standard library is
needed.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import select
import stat
import sys
from typing import Any, BinaryIO

GETPIPE_SZ = 1032


def files() -> list[dict[str, Any]]:
    """The standard files, as the system knows them."""
    found = []
    for fd in range(3):
        status = os.fstat(fd)
        is_pipe = stat.S_ISFIFO(status.st_mode)
        found.append({
            "pipe": is_pipe,
            "mine": status.st_uid == os.geteuid(),
            "inode": status.st_ino,
            "access": fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE,
            "blocks": os.get_blocking(fd),
            "bytes": fcntl.fcntl(fd, GETPIPE_SZ) if is_pipe else 0,
        })
    return found


def result_of(method: str, params: list) -> object:
    if method == "much":
        return "x" * params[0]
    if method == "size":
        return len(params[0])
    if method == "files":
        return files()
    if method == "leave":
        os._exit(params[0])
    return os.getpid()


def answer(line: bytes) -> bytes:
    """The answer to a request; empty to a notification."""
    message = json.loads(line)
    if "id" not in message:
        return b""
    result = result_of(message["method"], message.get("params") or [])
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode() + b"\n"


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    for line in source:
        sink.write(answer(line))
        sink.flush()


# --- asyncio -------------------------------------------------------------------------------------


async def open_reader() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def both_asyncio() -> None:
    """As the textbooks have it."""
    reader = await open_reader()
    transport, protocol = await asyncio.get_running_loop().connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())
    while line := await reader.readline():
        writer.write(answer(line))
        await writer.drain()


async def reads_asyncio() -> None:
    """Reads with asyncio, which makes its input non-blocking, and writes plainly."""
    reader = await open_reader()
    while line := await reader.readline():
        sys.stdout.buffer.write(answer(line))
        sys.stdout.buffer.flush()


async def with_helper() -> None:
    """A child process reads for it, from the standard input that it inherits."""
    child = await asyncio.create_subprocess_exec("cat", stdout=asyncio.subprocess.PIPE,
                                                 limit=1 << 26)
    assert child.stdout is not None
    while line := await child.stdout.readline():
        rest = answer(line)
        while rest:  # a signal may cut a write short
            rest = rest[os.write(1, rest) :]
    await child.wait()


# --- other ways ----------------------------------------------------------------------------------


def plain() -> None:
    serve(sys.stdin.buffer, sys.stdout.buffer)


def nonblocking() -> None:
    """Polls its input, which does not block; its output does."""
    os.set_blocking(0, False)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    begun = b""
    while True:
        poll.poll()
        part = os.read(0, 65536)
        if not part:
            return
        *lines, begun = (begun + part).split(b"\n")
        for line in lines:
            sys.stdout.buffer.write(answer(line))
            sys.stdout.buffer.flush()


def epoll() -> None:
    """Both of them non-blocking, level-triggered."""
    os.set_blocking(0, False)
    os.set_blocking(1, False)
    ready = select.epoll()
    ready.register(0, select.EPOLLIN)
    begun, out = b"", b""
    while True:
        for fd, _ in ready.poll():
            if fd == 0:
                part = os.read(0, 65536)
                if not part:
                    return
                *lines, begun = (begun + part).split(b"\n")
                if lines and not out:
                    ready.register(1, select.EPOLLOUT)
                out += b"".join(answer(line) for line in lines)
            elif fd == 1:
                out = out[os.write(1, out):]
                if not out:
                    ready.unregister(1)


def reopened() -> None:
    """Opens both anew by their paths, and closes those that it was given."""
    with open("/dev/stdin", "rb") as source, open("/proc/self/fd/1", "wb") as sink:
        os.close(0)
        os.close(1)
        serve(source, sink)


def duplicated() -> None:
    """Keeps the protocol to itself: prints go to standard error, reads find nothing."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    print("this is for people")
    serve(source, sink)


def small_pieces() -> None:
    """Asks for a smaller pipe, and writes each byte of a short answer alone."""
    F_SETPIPE_SZ = 1031
    fcntl.fcntl(1, F_SETPIPE_SZ, 4096)
    for line in sys.stdin.buffer:
        reply = answer(line)
        step = 1 if len(reply) < 1000 else 4096
        for at in range(0, len(reply), step):
            os.write(1, reply[at:at + step])


# --- one side closed -----------------------------------------------------------------------------


def closes_output() -> None:
    """Answers the first request; at the second it closes its output, and it reads to the end."""
    os.write(1, answer(sys.stdin.buffer.readline()))
    sys.stdin.buffer.readline()
    os.close(1)
    while sys.stdin.buffer.readline():
        pass
    select.select([], [], [])


def closes_input() -> None:
    """Answers the first request; at the second it closes its input before it answers."""
    os.write(1, answer(os.read(0, 65536)))
    line = os.read(0, 65536)
    os.close(0)
    os.write(1, answer(line))
    select.select([], [], [])


WAYS = {
    function.__name__: function
    for function in (
        both_asyncio, reads_asyncio, with_helper, plain, nonblocking, epoll, reopened, duplicated,
        small_pieces, closes_output, closes_input,
    )
}

way = WAYS[sys.argv[1]]
if asyncio.iscoroutinefunction(way):
    asyncio.run(way())
else:
    way()
