"""An echo worker behind an Erlang port with {packet, 4}."""

from __future__ import annotations

import struct
import sys

from echo_functions import echo

HEAD = struct.Struct(">I")


def main() -> None:
    """Serves until the port is closed."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(HEAD.size):
        answer = echo(source.read(HEAD.unpack(head)[0]))
        sink.write(HEAD.pack(len(answer)) + answer)
        sink.flush()


if __name__ == "__main__":
    main()
