"""What a call costs the program that makes it: the lines about a single call, from C and Python.

Run as a program, this is the client in Python: one_call.py SOCKET PAYLOAD_BYTES SECONDS.  It writes
the same as one_call does, which is the client in C.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median

from servers import PYTHONPATH, BenchError, Daemon, Place, Shape, pin
from speed import Pace
from table import Row

PAYLOADS = {64: "64 B", 65536: "64 KiB"}


def ask(command: list[str], daemon: Daemon, payload: int, seconds: float) -> dict[str, float]:
    """Lets a client make calls for so long, on the daemon's own core."""
    done = subprocess.run(
        [*command, daemon.socket, str(payload), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        preexec_fn=pin,
    )
    if done.returncode != 0:
        raise BenchError(f"{command[0]}: {done.stderr.strip()[-200:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def one_call(place: Place, pace: Pace) -> list[Row]:
    """The rows: the clients by turns, on one core, so that it does not matter who is put where."""
    clients = {
        "C": [place.program("one_call")],
        "Python": [sys.executable, __file__],
    }
    rows = []
    for worker in clients:
        shape = Shape(workers=1, pinned=True, is_default=True, python=worker == "Python")
        with Daemon(place, shape) as daemon:
            for payload, size in PAYLOADS.items():
                turns = [
                    {name: ask(command, daemon, payload, pace.seconds / 2)
                     for name, command in clients.items()}
                    for _ in range(pace.runs)
                ]
                for name in clients:
                    p50, cpu = (
                        median(turn[name][key] for turn in turns) for key in ("p50_us", "cpu_us")
                    )
                    rows.append(Row(
                        f"one call of {size} from {name}, worker in {worker}, one core: p50",
                        f"{p50:.1f} us, of these {cpu:.1f} us in the client",
                        data={"client": name, "worker": worker, "payload": size,
                              "p50_us": round(p50, 1), "cpu_us": round(cpu, 1)},
                    ))
    return rows


def main() -> None:
    """The client in Python."""
    import poold

    path, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    payload = bytes(size)
    with poold.Client(path) as client:

        def call_for(span: float) -> list[float]:
            spans = []
            now = time.perf_counter()
            end = now + span
            while now < end:
                begin = now
                answer = client.call("echo", "echo", payload)
                if answer not in (payload, [payload]):  # a worker in C answers with all arguments
                    raise SystemExit("an answer that differs from what was asked")
                now = time.perf_counter()
                spans.append(now - begin)
            return spans

        call_for(seconds / 10)
        used = time.process_time()
        spans = call_for(seconds)
        used = time.process_time() - used
    print(json.dumps({"p50_us": median(spans) * 1e6, "cpu_us": used / len(spans) * 1e6}))


if __name__ == "__main__":
    main()
