"""A fork server in bytes, without poold's package, that does what its argument says; for
test_forkserver.c.  Its workers sleep until they are killed."""

import os
import socket
import sys
import time

READY = b"\x93\x02\xa5ready\x90"


def fork() -> int:
    """A process whose parent is this one's parent, by its number."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        worker = os.fork()
        if worker == 0:
            os.setsid()
            os.write(writer, str(os.getpid()).encode())
            time.sleep(3600)
        os._exit(0)
    os.waitpid(between, 0)
    return int(os.read(reader, 20))


def answer(mode: str, number: int) -> bytes:
    head = bytes([0x94, 1, number])
    if mode == "refuse":
        return head + b"\x0b\xc0"  # EAGAIN
    if mode == "stranger":
        return head + b"\xc0\x02"  # a process that is no child of the daemon's
    if mode == "garbage":
        return b"\xc1"
    if mode == "text":
        return head + b"\xc0\xa3pid"
    if mode == "request":
        return bytes([0x94, 0, number, 0xA1, 0x78, 0x90])
    if mode == "other_id":
        return bytes([0x94, 1, 99, 0xC0, 0xCD, 0x30, 0x39])
    if mode == "half":
        return bytes([0x94, 1])
    return head + b"\xc0\xce" + fork().to_bytes(4, "big")


mode = sys.argv[1]
control = socket.socket(fileno=int(os.environ["POOLD_PREFORK_FD"]))
if mode == "unready":
    sys.exit(3)
if mode == "deaf":
    time.sleep(3600)
control.sendall(b"\x93\x02\xa5other\x90" + READY)
if mode == "twice":
    control.sendall(READY)
while True:
    data, passed, _, _ = socket.recv_fds(control, 4096, 3)
    if not data:
        if mode in ("garbage", "text", "request", "other_id", "half"):
            time.sleep(3600)  # the daemon kills who breaks the protocol; it must not end before
        sys.exit(0)
    if mode == "show":
        os.write(passed[1], data[9:])
        os.write(passed[2], b"here")
        mode = "refuse"
    for descriptor in passed:
        os.close(descriptor)
    if mode == "die":
        sys.exit(4)
    if mode == "hang_up":
        control.close()
        time.sleep(3600)
    if mode != "mute":
        control.sendall(answer(mode, data[2]))
