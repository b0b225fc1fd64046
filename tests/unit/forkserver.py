"""A fork server in bytes, without poold's package, that does what its argument says; for
test_forkserver.c.  Its workers sleep until they are killed."""

import os
import socket
import sys
import time

READY = b"\x93\x02\xa5ready\x90"


SLEEP = [sys.executable, "-SEIc", "import os, time; os.close(1); time.sleep(3600)"]


def fork(own_session: bool = True, environment: dict[str, str] | None = None) -> int:
    """A process whose parent is this one's parent, by its number.  With `environment`, it executes
    another program with that."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        worker = os.fork()
        if worker == 0:
            if own_session:
                os.setsid()
            os.write(writer, str(os.getpid()).encode())
            if environment is not None:
                os.dup2(writer, 1)
                os.execve(SLEEP[0], SLEEP, environment)
            time.sleep(3600)
        os._exit(0)
    os.waitpid(between, 0)
    pid = int(os.read(reader, 20))
    os.close(writer)
    if environment is not None:
        os.read(reader, 1)  # to the end of file: it has begun
    return pid


def child() -> int:
    """A child of this process, in a session of its own."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(3600)
    while os.getsid(pid) != pid:
        time.sleep(0.001)
    return pid


def lie(mode: str) -> int:
    """The number of a process that is none which the daemon has asked for."""
    if mode == "earlier":
        return earlier
    if mode == "sessionless":
        return fork(own_session=False)
    if mode == "sibling":
        return fork(environment={**os.environ, "POOLD_LIFE": "t/1/1"})
    if mode == "nobody":
        return 2**31 - 1
    if mode == "again":
        one_for_all.extend([fork()] if not one_for_all else [])
        return one_for_all[0]
    lies = {"stranger": 2, "first": 1, "daemon": os.getppid(), "itself": os.getpid()}
    return lies[mode] if mode in lies else child()


def answer(mode: str, number: int) -> bytes:
    head = bytes([0x94, 1, number])
    if mode == "refuse":
        return head + b"\x0b\xc0"  # EAGAIN
    if mode == "wordy":
        return head + b"\xa2no\xc0"
    if mode in LIES:
        return head + b"\xc0\xce" + lie(mode).to_bytes(4, "big")
    if mode == "negative":
        return head + b"\xc0\xff"
    if mode == "huge":
        return head + b"\xc0\xcf" + b"\xff" * 8
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


LIES = (
    "stranger", "first", "daemon", "itself", "child", "nobody",
    "earlier", "sessionless", "sibling", "again",
)  # fmt: skip

mode = sys.argv[1]
earlier = fork() if mode == "earlier" else 0
one_for_all: list[int] = []
if mode == "earlier":
    time.sleep(0.05)  # the kernel notes the begin of a process in hundredths of a second
control = socket.socket(fileno=int(os.environ["POOLD_PREFORK_FD"]))
if mode == "unready":
    sys.exit(3)
if mode == "deaf":
    time.sleep(3600)
if mode == "recall":
    READY = b"\x93\x02\xa5ready\x91\x82\xa1x\x01\xa6recall\xc3"
control.sendall(b"\x93\x02\xa5other\x90" + READY)
if mode == "twice":
    control.sendall(READY)
while True:
    data, passed, _, _ = socket.recv_fds(control, 4096, 4)
    if not data:
        if mode not in ("fork", "recall", "refuse", "show", "twice", "mute", "hang_up"):
            time.sleep(3600)  # the daemon kills who breaks the protocol; it must not end before
        sys.exit(0)
    if mode == "recall" and len(passed) in (2, 4):
        os.write(passed[-1], b"asked")
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
