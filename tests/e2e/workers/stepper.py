"""A worker that starts in steps, each an argument: `say TEXT`, `step NAME`, `raw HEX`, `ready`, `close`."""

from __future__ import annotations

import os
import sys
import time

CHANNEL = int(os.environ["POOLD_FD"])


def main(arguments: list[str]) -> None:
    for argument in arguments:
        verb, _, rest = argument.partition(" ")
        if verb == "say":
            print(rest, flush=True)
        elif verb == "step":
            name = rest.encode()
            os.write(CHANNEL, b"\x93\x02\xa4step\x91" + bytes([0xA0 | len(name)]) + name)
        elif verb == "raw":
            os.write(CHANNEL, bytes.fromhex(rest))
        elif verb == "close":
            os.close(CHANNEL)
        else:
            os.write(CHANNEL, b"\x93\x02\xa5ready\x90")
    time.sleep(1000)


main(sys.argv[1:])
