"""A fork server in bytes that answers each request with the number of another process of the
daemon's, one after the other: worker("forger", FILE), which counts its answers in that file."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path


def others(daemon: int) -> list[int]:
    """Whom it could name: the daemon, process 1, itself, its parent's other children."""
    children = Path(f"/proc/{daemon}/task/{daemon}/children").read_text(encoding="ascii")
    return [daemon, 1, os.getpid(), *sorted(map(int, children.split()))]


control = socket.socket(fileno=int(os.environ["POOLD_PREFORK_FD"]))
control.sendall(b"\x93\x02\xa5ready\x90")
count = Path(sys.argv[1])
while data := control.recv(4096):
    done = len(count.read_bytes())
    victims = others(os.getppid())
    count.write_bytes(b"." * (done + 1))
    victim = victims[done % len(victims)]
    control.sendall(bytes([0x94, 1, data[2], 0xC0, 0xCE]) + victim.to_bytes(4, "big"))
    time.sleep(3600)
