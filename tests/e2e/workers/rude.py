"""A worker that speaks the dialect without the package and misbehaves: when it starts as its argument
says, and when it is called as the method says.

    rude.py [START]

START is one of STARTS, by default `politely`; a method is one of METHODS.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable

import msgpack

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import NoReturn

READY = [2, "ready", [{"pid": os.getpid(), "version": "0"}]]
STARTS: dict[str, Callable[[], None]] = {}
METHODS: dict[str, Callable[[int, object], None]] = {}
# Bytes of one of many messages.
FLOOD = 1 << 16
# What the daemon says of the request that is served.
context: dict[str, object] = {}

channel = socket.socket(fileno=int(os.environ["POOLD_FD"]))


def start(function: Callable[[], None]) -> Callable[[], None]:
    """Decorator: a way to start."""
    STARTS[function.__name__] = function
    return function


def method(function: Callable[[int, object], None]) -> Callable[[int, object], None]:
    """Decorator: a way to be called."""
    METHODS[function.__name__] = function
    return function


def send(message: object) -> None:
    """Writes one message to the daemon; ends this process if the daemon has closed the channel."""
    send_bytes(msgpack.packb(message))


def send_bytes(data: bytes) -> None:
    try:
        channel.sendall(data)
    except OSError:
        sys.exit(0)


def receive() -> bytes:
    """Bytes from the daemon; none when it has closed the channel."""
    try:
        return channel.recv(FLOOD)
    except ConnectionError:
        return b""


def answer(number: int, result: object) -> None:
    send([1, number, None, result])


def sleep_forever() -> NoReturn:
    """Lives on, whatever becomes of the channel."""
    while True:
        signal.pause()


# --- while it is called: each gets the request's id and its arguments -----------------------------


@method
def echo(number: int, args: object) -> None:
    answer(number, args)


@method
def garbage(number: int, args: object) -> None:
    """Bytes that are no MessagePack."""
    send_bytes(b"\xc1" * 64)
    sleep_forever()


@method
def text(number: int, args: object) -> None:
    """Valid MessagePack, and no message: what a stray print() would do."""
    send_bytes(b"Traceback (most recent call last):\n")
    sleep_forever()


@method
def half(number: int, args: object) -> None:
    """Half of an answer, then it is gone."""
    send_bytes(msgpack.packb([1, number, None, "a" * 1000])[:500])
    os._exit(5)


@method
def half_killed(number: int, args: object) -> None:
    """Half of an answer, then it is killed."""
    send_bytes(msgpack.packb([1, number, None, "a" * 1000])[:500])
    os.kill(os.getpid(), signal.SIGKILL)


@method
def half_silent(number: int, args: object) -> None:
    """Half of an answer, then nothing more."""
    send_bytes(msgpack.packb([1, number, None, "a" * 1000])[:500])
    sleep_forever()


@method
def gigabyte(number: int, args: object) -> None:
    """The announcement of a result of 1 GiB."""
    send_bytes(b"\x94\x01" + msgpack.packb(number) + b"\xc0\xc6\x40\x00\x00\x00" + b"x" * 1000)
    sleep_forever()


@method
def large(number: int, args: object) -> None:
    """A result of so many bytes, all of them sent."""
    answer(number, b"x" * int(args))


@method
def deep(number: int, args: object) -> None:
    """A legal result: an array in an array, as often as asked."""
    nesting = b"\x91" * int(args) + b"\xc0"
    send_bytes(b"\x94\x01" + msgpack.packb(number) + b"\xc0" + nesting)


@method
def wide(number: int, args: object) -> None:
    """The announcement of an array with 2^32 - 1 items."""
    send_bytes(b"\x94\x01" + msgpack.packb(number) + b"\xc0\xdd\xff\xff\xff\xff" + b"\xc0" * 1000)
    sleep_forever()


@method
def unknown_id(number: int, args: object) -> None:
    """An answer to something that nobody asked."""
    answer(number + 1000, args)
    sleep_forever()


@method
def twice(number: int, args: object) -> None:
    """Two answers, one after the other."""
    answer(number, args)
    answer(number, args)


@method
def late(number: int, args: object) -> None:
    """The answer comes after the deadline, whatever anybody says meanwhile."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(args))
    answer(number, "late")


@method
def silent(number: int, args: object) -> None:
    """No answer, though it goes on reading."""


@method
def deaf(number: int, args: object) -> None:
    """No answer, and it reads no more."""
    sleep_forever()


@method
def hang_up(number: int, args: object) -> None:
    """Closes its channel and lives on."""
    channel.close()
    sleep_forever()


@method
def half_close(number: int, args: object) -> None:
    """Closes its channel for writing and lives on."""
    channel.shutdown(socket.SHUT_WR)
    sleep_forever()


@method
def stubborn(number: int, args: object) -> None:
    """No answer, no channel, and deaf to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.close()
    sleep_forever()


@method
def flood_notes(number: int, args: object) -> None:
    """Notifications that nobody knows, without an end."""
    while True:
        send([2, "noise", ["x" * FLOOD]])


@method
def flood_alive(number: int, args: object) -> None:
    """Signs of life without end, in one piece, then the answer."""
    send_bytes(msgpack.packb([2, "alive", [0]]) * 1_000_000)
    answer(number, "alive")


@method
def flood_and_exit(number: int, args: object) -> None:
    """The same without an answer."""
    send_bytes(msgpack.packb([2, "alive", [0]]) * 1_000_000)
    sys.exit(3)


@method
def flood_requests(number: int, args: object) -> None:
    """Requests of its own, without an end; their answers are never read."""
    while True:
        send([0, 1, "poold.health", ["x" * 100]])


@method
def flood_errors(number: int, args: object) -> None:
    """A great deal of text on standard error, then an answer."""
    for _ in range(200):
        sys.stderr.write("x" * 1000 + "\n")
    sys.stderr.write("y" * 100_000)
    sys.stderr.flush()
    answer(number, args)


@method
def five_elements(number: int, args: object) -> None:
    """A response of five elements."""
    send([1, number, None, args, "more"])
    sleep_forever()


@method
def fourth_type(number: int, args: object) -> None:
    """A message of a type that does not exist."""
    send([3, number, None, args])
    sleep_forever()


@method
def ready_again(number: int, args: object) -> None:
    """Says once more that it is ready, before it answers."""
    send(READY)
    answer(number, args)


@method
def error_number(number: int, args: object) -> None:
    """A stock error."""
    send([1, number, [0, "a stock error"], None])


@method
def error_text(number: int, args: object) -> None:
    """A bare text as the error."""
    send([1, number, "a bare text", None])


@method
def error_odd(number: int, args: object) -> None:
    """An error map that has wrong types and a code of the daemon's own."""
    send([1, number, {"code": "internal", "type": 7, "message": None, "retryable": "yes"}, None])


@method
def error_and_result(number: int, args: object) -> None:
    """Both an error and a result."""
    send([1, number, {"message": "both"}, "both"])


@method
def byte_by_byte(number: int, args: object) -> None:
    """An answer that comes in single bytes."""
    for byte in msgpack.packb([1, number, None, args]):
        send_bytes(bytes([byte]))


@method
def orphans(number: int, args: object) -> None:
    """Leaves a grandchild behind, with the channel open in it, and is gone."""
    # Imported here, as most of these processes never need it.
    import subprocess

    subprocess.Popen(["sleep", "1000"], pass_fds=[channel.fileno()])
    os._exit(6)


@method
def read_nothing(number: int, args: object) -> None:
    """Answers, and never reads again."""
    answer(number, args)
    sleep_forever()


# --- sessions and streams -------------------------------------------------------------------------


@method
def session_state(number: int, args: object) -> None:
    """The state of the session as it came."""
    answer(number, context.get("state"))


@method
def state_then_death(number: int, args: object) -> None:
    """Hands back a state and dies, the first time; then it answers without another word of one."""
    if context["attempt"] == 1:
        send([2, "state", [number, b"of the dead"]])
        os._exit(4)
    answer(number, "well")


@method
def two_states(number: int, args: object) -> None:
    """Hands back a state, then another one."""
    send([2, "state", [number, b"first"]])
    send([2, "state", [number, b"second"]])
    answer(number, "well")


@method
def foreign_state(number: int, args: object) -> None:
    """Hands back the state of a request that it does not have."""
    send([2, "state", [number + 1000, b"stolen"]])
    sleep_forever()


@method
def foreign_chunk(number: int, args: object) -> None:
    """A part of an answer to nothing that was asked."""
    send([2, "chunk", [number + 1000, "part"]])
    sleep_forever()


@method
def chunk(number: int, args: object) -> None:
    """A part of an answer, wanted or not, then the answer."""
    send([2, "chunk", [number, "part"]])
    answer(number, "whole")


@method
def late_chunk(number: int, args: object) -> None:
    """The answer, then a part of it."""
    answer(number, "whole")
    send([2, "chunk", [number, "part"]])


# --- when it starts -------------------------------------------------------------------------------


@start
def politely() -> None:
    send(READY)


@start
def never_ready() -> None:
    """Reads what comes and says nothing."""


@start
def ready_then_deaf() -> None:
    send(READY)
    sleep_forever()


@start
def garbage_first() -> None:
    send_bytes(b"\xc1\xc1\xc1\xc1")
    sleep_forever()


@start
def exit_at_once() -> None:
    os._exit(7)


@start
def exit_well() -> None:
    os._exit(0)


@start
def exit_config() -> None:
    sys.stderr.write("rude: this will never work\n")
    os._exit(78)


@start
def answer_first() -> None:
    """An answer before anything was asked."""
    answer(1, "nothing was asked")
    send(READY)


@start
def ready_wrongly() -> None:
    """Facts of wrong types."""
    send([2, "ready", [{"pid": "one", "concurrency": "many", "version": 0}]])


@start
def ready_bare() -> None:
    """No facts at all."""
    send([2, "ready", []])


@start
def hang_up_first() -> None:
    channel.close()
    sleep_forever()


def serve(message: list) -> None:
    """Does what one message asks for."""
    if message[0] == 0 and message[2] == "ping" and message[3] == []:
        answer(message[1], "pong")
    elif message[0] == 0:
        context.clear()
        context.update(message[3][1])
        METHODS[message[2]](message[1], message[3][0])
    elif message[0] == 2 and message[1] == "shutdown":
        sys.exit(0)


def main() -> None:
    STARTS[sys.argv[1] if len(sys.argv) > 1 else "politely"]()
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
    while data := receive():
        unpacker.feed(data)
        for message in unpacker:
            serve(message)


main()
