"""A stock MessagePack-RPC server, which knows nothing of poold: `server.py ADDRESS`.

The address is the path of a Unix socket, or tcp:IP:PORT.  It serves each connection in a thread of
its own, one request after the other, and says on standard output that it listens.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable

import msgpack

REQUEST, RESPONSE = 0, 1

# What is served: each gets the connection, the request's id and its params, and answers.
METHODS: dict[str, Callable[[socket.socket, int, list], None]] = {}


def method(
    function: Callable[[socket.socket, int, list], None]
) -> Callable[[socket.socket, int, list], None]:
    """Decorator: a method that is served under the function's name."""
    METHODS[function.__name__] = function
    return function


def send(peer: socket.socket, message: object) -> None:
    peer.sendall(msgpack.packb(message))


def answer(peer: socket.socket, number: int, result: object) -> None:
    send(peer, [RESPONSE, number, None, result])


@method
def echo(peer: socket.socket, number: int, params: list) -> None:
    answer(peer, number, params)


@method
def pid(peer: socket.socket, number: int, params: list) -> None:
    answer(peer, number, os.getpid())


@method
def slow(peer: socket.socket, number: int, params: list) -> None:
    """Its second parameter, so many seconds later."""
    time.sleep(params[0])
    answer(peer, number, params[1])


@method
def wait(peer: socket.socket, number: int, params: list) -> None:
    """Says by the first file that it has begun, and waits for the second one."""
    begun, gate = params
    with open(begun, "x", encoding="ascii"):
        pass
    while not os.path.exists(gate):
        time.sleep(0.001)
    answer(peer, number, "waited")


@method
def close_once(peer: socket.socket, number: int, params: list) -> None:
    """Hangs up instead of an answer, the first time, which it notes in a file; then how often."""
    with open(params[0], "a", encoding="ascii") as notes:
        notes.write("x")
    times = os.path.getsize(params[0])
    if times == 1:
        peer.shutdown(socket.SHUT_RDWR)
    else:
        answer(peer, number, times)


@method
def half(peer: socket.socket, number: int, params: list) -> None:
    """Half an answer, then it hangs up."""
    peer.sendall(msgpack.packb([RESPONSE, number, None, "a" * 1000])[:500])
    peer.shutdown(socket.SHUT_RDWR)


@method
def garbage(peer: socket.socket, number: int, params: list) -> None:
    """Bytes that are no MessagePack."""
    peer.sendall(b"\xc1" * 64)


@method
def fail(peer: socket.socket, number: int, params: list) -> None:
    """A stock error."""
    send(peer, [RESPONSE, number, [0, params[0]], None])


@method
def ask(peer: socket.socket, number: int, params: list) -> None:
    """A request of its own comes before the answer."""
    send(peer, [REQUEST, 7, "poold.health", []])
    answer(peer, number, "asked")


def serve(peer: socket.socket) -> None:
    """Serves one connection until it is closed."""
    unpacker = msgpack.Unpacker(strict_map_key=False)
    with peer:
        try:
            while data := peer.recv(1 << 16):
                unpacker.feed(data)
                for message in unpacker:
                    serve_message(peer, message)
        except OSError:
            pass  # hung up, by either side


def serve_message(peer: socket.socket, message: list) -> None:
    if message[0] != REQUEST:
        return
    _, number, name, params = message
    if name in METHODS:
        METHODS[name](peer, number, params)
    else:
        send(peer, [RESPONSE, number, "no such method", None])


def listen(address: str) -> socket.socket:
    if address.startswith("tcp:"):
        _, host, port = address.split(":")
        return socket.create_server((host, int(port)))
    if os.path.exists(address):
        os.unlink(address)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen()
    return listener


def main() -> None:
    with listen(sys.argv[1]) as listener:
        print("listening", flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=serve, args=(peer,), daemon=True).start()


main()
