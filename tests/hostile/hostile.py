"""Fails each call of the daemon once in turn, and judges what becomes of it.

usage: hostile.py [--kinds KIND,...] [--range A-B] [--seeds N] [--sample N] [--jobs N]
       hostile.py --case alloc:17:ENOMEM       one of them, with the fault's backtrace and the log
       hostile.py --case seed:5                the same for faults at random

Without options every call of every kind fails once in turn, with each of the faults of its kind;
allocations up to the 2,000th.  Each case is a daemon that is started with hostile_libc.so, gets some
work, loses a worker and is stopped: some 0.3 s.  Judged is, for every case:

- it lives: its exit status is 0, or it was refused at the start with a message, which is never
  status 78;
- it hears: afterwards new connections are let in and calls are answered right;
- each request gets exactly one answer, and no result has a changed byte;
- it leaves nothing behind: no process, no socket file.

The last line is "N passed, M failed", as tests/run.py wants it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import procs
from clock import Deadline, stretch
from harness import BUILD, MARK, Notices, pool, program, section, static_pool
from raw import Closed, ENDED, NOTIFICATION, Raw, RESPONSE, pack, request, unpack

LIBRARY = BUILD / "hostile_libc.so"

# What may happen to a call of each kind; as in hostile_libc.c.
FAULTS = {
    "alloc": ("ENOMEM",),
    "mmap": ("ENOMEM",),
    "read": ("EINTR", "EAGAIN", "short", "half"),
    "write": ("EINTR", "EAGAIN", "short", "half"),
    "open": ("EMFILE", "ENOMEM"),
    "socket": ("EMFILE", "ENOMEM"),
    "pipe": ("EMFILE",),
    "accept": ("EMFILE", "ENOMEM", "EINTR", "EAGAIN", "ECONNABORTED"),
    "connect": ("EINTR", "EAGAIN"),
    "bind": ("ENOMEM",),
    "poller": ("EMFILE", "ENOMEM"),
    "watch": ("ENOMEM",),
    "poll": ("EINTR", "few", "none"),
    "fork": ("EAGAIN", "ENOMEM"),
    "clone": ("EAGAIN", "ENOMEM"),
    "pidfd": ("EMFILE", "ENOMEM"),
    "signal": ("EAGAIN",),
    "wait": ("EINTR",),
    "fcntl": ("EINTR", "ENOMEM"),
    "random": ("EINTR",),
    "wall": ("+86400", "-86400"),
    "mono": ("+2", "+3600"),
}

ALLOCATIONS = 2000

# A clock is read everywhere: so many of its readings, evenly spread.
READINGS = 100

# How many times as often a sample has a kind of call as others.
WEIGHTS = {"alloc": 8, "read": 4, "write": 4, "open": 2, "accept": 2, "watch": 2}

# Seconds on an idle machine: for a start, for one answer, and until the daemon is well again.
PATIENCE = 8.0

# Seconds in which the guard ends what a killed daemon has left.
GUARD_TIME = 6.0

ROW = struct.Struct("16sQQ")


@dataclass
class Outcome:
    """What became of one case."""

    case: str
    faults: list[str] = field(default_factory=list)
    struck: bool = False
    refused: bool = False
    closed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    calls: dict[str, int] = field(default_factory=dict)
    log: str = ""
    seconds: float = 0.0


def environment_of(case: str) -> dict[str, str]:
    """What makes the library fail as the case says; `guard/` before it: in the guard."""
    where, _, fault = case.rpartition("/")
    place = {"HOSTILE_IN": where or "daemon"}
    if fault == "none":
        return place
    if fault.startswith("seed:"):
        return {**place, "HOSTILE_SEED": fault.partition(":")[2]}
    return {**place, "HOSTILE_FAULT": fault}


def payload(number: int, size: int) -> str:
    """A text that is like no other."""
    word = hashlib.sha256(str(number).encode()).hexdigest()
    return (word * (size // len(word) + 1))[:size]


class Client:
    """A connection that is made anew when it is closed, and asks what is unanswered once more.

    Each request that was sent on a connection gets one answer on it, or the connection is closed.
    """

    def __init__(self, path: str, outcome: Outcome) -> None:
        self.path = path
        self.outcome = outcome
        self.raw: Raw | None = None

    def connect(self) -> Raw:
        if self.raw is None:
            self.raw = Raw(self.path)
        return self.raw

    def drop(self) -> None:
        if self.raw is not None:
            self.raw.close()
        self.raw = None

    def ask_all(self, wanted: list[tuple[str, tuple[object, ...], Any]]) -> None:
        """Sends requests in one write and judges their answers.

        `wanted` has method, params, and the result as it must be when it is one; a function judges
        it otherwise.
        """
        for _ in range(3):
            raw = self.connect()
            numbers = {}
            data = b""
            for method, params, right in wanted:
                raw.number += 1
                numbers[raw.number] = right
                data += request(raw.number, method, pack(list(params)))
            try:
                raw.send(data)
                self._read_answers(raw, numbers)
                return
            except ENDED:
                self.outcome.closed += 1
                self.drop()
        raise AssertionError("its connection was closed three times")

    def _read_answers(self, raw: Raw, numbers: dict[int, Any]) -> None:
        chunks: Counter[int] = Counter()
        left = set(numbers)
        while left:
            try:
                message = unpack(raw.read_message(PATIENCE))
            except TimeoutError:
                raise AssertionError(f"no answer to the requests {sorted(left)}") from None
            if message[0] == NOTIFICATION and message[1] == "poold.chunk":
                number, value = message[2][:2]
                assert number in left and value == chunks[number], f"a wrong chunk: {message}"
                chunks[number] += 1
            if message[0] == NOTIFICATION:
                continue
            assert message[0] == RESPONSE and message[1] in left, f"not awaited: {message!r:.200}"
            left.remove(message[1])
            self._judge(message, numbers[message[1]])

    def _judge(self, message: list[Any], right: Any) -> None:
        _, number, error, result = message
        if error is not None:
            code = error["code"] if isinstance(error, dict) else error[1].partition(":")[0]
            self.outcome.errors[code] += 1
        elif callable(right):
            assert right(result), f"a wrong answer to {number}: {result!r:.200}"
        else:
            assert result == right, f"a changed answer to {number}: {result!r:.200}"


def call(name: str, method: str, args: object, **options: object) -> tuple[str, tuple[object, ...]]:
    return "poold.call", (name, method, args, options)


def anything(_: object) -> bool:
    return True


def work(path: str, outcome: Outcome) -> None:
    """Calls of every kind, and a worker's crash."""
    listener = Client(path, outcome)
    client = Client(path, outcome)
    listener.ask_all([("poold.subscribe", (), anything)])
    texts = [payload(size, size) for size in (1, 100, 5000, 20_000, 300_000)]
    client.ask_all([(*call("c", "echo", [text]), [text]) for text in texts])
    client.ask_all(
        [
            (*call("c", "add", [2, 3]), 5),
            (*call("c", "exception", ["x"]), anything),
            (*call("s", "count", [], session="a"), lambda found: found[0] >= 1),
            (*call("s", "count", [], session="a"), lambda found: found[0] >= 1),
            (*call("s", "stream", [4], stream=True), 4),
            (*call("c", "echo", ["k"], key="one"), ["k"]),
            (*call("c", "echo", ["k"], key="one"), ["k"]),
            ("poold.health", (), lambda found: "pools" in found),
            ("poold.status", (), lambda found: "requests" in found),
            ("poold.workers", (), lambda found: len(found) == 3),
            ("poold.stats", (), lambda found: "pools" in found),
            ("poold.sessions", (), anything),
            ("poold.no_such_method", (), anything),
        ]
    )
    client.ask_all(
        [
            (*call("s", "stream_then_crash", [2], stream=True), anything),
            (*call("c", "crash", []), anything),
            (*call("c", "echo", ["beside"]), ["beside"]),
        ]
    )
    client.ask_all(
        [
            ("poold.errors", (), anything),
            ("poold.doctor", (), anything),
            ("poold.kill_worker", ("c", 1), anything),
            (*call("c", "echo", ["after"]), ["after"]),
        ]
    )
    crowd(path, outcome)
    listener.ask_all([("poold.version", (), anything)])
    listener.drop()
    client.drop()


def crowd(path: str, outcome: Outcome) -> None:
    """Many connections at once, and large answers to some."""
    clients = [Client(path, outcome) for _ in range(options.crowd)]
    for number, client in enumerate(clients):
        text = payload(1000 + number, 30_000 if number % 4 else 200_000)
        name = "s" if number % 3 else "c"
        client.ask_all(
            [
                (*call(name, "echo", [text]), [text]),
                (*call("fixed", "any", []), {"a": [1, "b"]}),
                (*call("c", "echo", [number], key=f"key {number}"), [number]),
                (*call("s", "count", [], session=f"session {number}"), anything),
            ]
        )
    for client in clients:
        client.drop()


def check_hearing(path: str) -> None:
    """New connections are let in, and all pools answer right."""
    deadline = Deadline(PATIENCE)
    text = payload(7, 50_000)
    said: object = None
    while not deadline.passed():
        try:
            with Raw(path) as raw:
                first = raw.answer_pool("c", "echo", [text])
                second = raw.answer_pool("s", "echo", [text])
                assert first.result in (None, [text]) and second.result in (None, [text])
                # A stream keeps its order: whatever were answered twice would come before this.
                last = raw.answer("poold.version")
                said = first.error or second.error or last.error
                if said is None:
                    return
        except (OSError, Closed, TimeoutError) as error:
            said = repr(error)
        time.sleep(0.01)
    raise AssertionError(f"it is deaf: {said}")


class Run:
    """One daemon under a hostile library."""

    def __init__(self, case: str, trace: bool) -> None:
        self.outcome = Outcome(case)
        self.directory = Path(tempfile.mkdtemp(prefix="poold-hostile-"))
        self.path = str(self.directory / "s")
        self.mark = f"{random.SystemRandom().getrandbits(64):016x}"
        self.notices = Notices(self.directory / "n")
        self.trace = trace
        self._write_configuration()

    def _write_configuration(self) -> None:
        options = {"queue_max": 64}
        daemon = {
            "socket": self.path,
            "log_target": "stderr",
            "requests_max": 256,
            "workers_max": 8,
            "sessions_max": 512,
            "keys_max": 512,
            "drain_timeout": "5s",
            "core_dumps": "yes",
        }
        mark = f"env.{MARK} = {self.mark}\n"
        pools = (
            pool("c", program("workers/echo"), workers=2, max_crash_retries=0, **options),
            pool("s", self._session_command(), **options),
        )
        fixed = static_pool("fixed", answer='{"a": [1, "b"]}', **options)
        breakers = [section(f"breaker {name}", {"mode": "off"}) for name in "cs"]
        text = "\n".join([section("daemon", daemon), *[p + mark for p in pools], fixed, *breakers])
        (self.directory / "conf").write_text(text)

    def _session_command(self) -> str:
        """In cases of the guard, with a process that only the guard ends after the daemon."""
        command = program("workers/session")
        return f"sh -c 'sleep 600 & exec {command}'" if self.is_guards() else command

    def is_guards(self) -> bool:
        return self.outcome.case.startswith("guard/")

    def start(self, hostile: dict[str, str]) -> None:
        trace = {"HOSTILE_TRACE": "1"} if self.trace else {}
        self.notices.heard.clear()
        self.log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [str(BUILD / "poold"), "-c", str(self.directory / "conf")],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env={
                "PATH": os.environ["PATH"],
                "NOTIFY_SOCKET": str(self.notices.path),
                MARK: self.mark,
                "LD_PRELOAD": str(LIBRARY),
                **({"HOSTILE_COUNTS": str(self.directory / "counts")} if hostile else {}),
                **trace,
                **hostile,
            },
        )
        self.pidfd = os.pidfd_open(self.process.pid)

    def is_ready(self) -> bool:
        """Waits for READY=1; False: it has ended before."""
        try:
            self.notices.wait_for("READY=1", self.pidfd, PATIENCE)
        except AssertionError:
            if self.process.poll() is not None:
                return False
            raise AssertionError("it does not become ready") from None
        return True

    def judge_refusal(self) -> None:
        status = self.process.returncode
        self.outcome.refused = True
        assert status == 1, f"refused with status {status}"
        assert self.text().strip(), "refused without a word"

    def text(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        waited = select.poll()
        waited.register(self.pidfd, select.POLLIN)
        assert waited.poll(stretch(PATIENCE) * 1000), "it does not stop"
        status = self.process.wait()
        assert status == 0, f"it ends with status {status}"

    def check_no_process(self, seconds: float) -> None:
        left = procs.wait_gone(procs.marked(MARK, self.mark), seconds)
        assert not left, f"left running: {[procs.describe(pid) for pid in left]}"

    def check_nothing_left(self) -> None:
        self.check_no_process(2.0)
        assert not os.path.exists(self.path), "its socket file is left"

    def start_again(self) -> None:
        """Nothing of the life before hinders the next."""
        self._close()
        self.start({})
        assert self.is_ready(), "it can't be started again"
        self.stop()
        self.check_nothing_left()

    def live(self) -> None:
        self.start(environment_of(self.outcome.case))
        if not self.is_ready():
            self.process.wait()
            self.judge_refusal()
            self.check_nothing_left()
            self.start_again()
            return
        work(self.path, self.outcome)
        check_hearing(self.path)
        if self.is_guards():
            self.process.kill()
            self.process.wait()
            self.check_no_process(GUARD_TIME)
            self.start_again()
        else:
            self.stop()
            self.check_nothing_left()

    def judge(self) -> Outcome:
        begin = time.monotonic()
        try:
            self.live()
        except (AssertionError, OSError) as error:
            status = self.process.poll()
            end = "" if status is None else f" (it has ended with status {status})"
            self.outcome.faults.append(f"{error}{end}")
        finally:
            self._clear_away()
        self.outcome.seconds = time.monotonic() - begin
        return self.outcome

    def _clear_away(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in procs.marked(MARK, self.mark) if self.outcome.faults else []:
            procs.kill(pid)
        procs.reap_adopted(set())
        self.outcome.log = self.text()
        self._read_counts()
        self._close()
        self.notices.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _close(self) -> None:
        os.close(self.pidfd)
        self.log.close()

    def _read_counts(self) -> None:
        try:
            rows = (self.directory / "counts").read_bytes()
        except OSError:
            return
        for name, calls, struck in ROW.iter_unpack(rows):
            self.outcome.calls[name.rstrip(b"\0").decode()] = calls
            self.outcome.struck |= struck > 0


def judge(case: str, trace: bool = False) -> Outcome:
    procs.adopt_orphans()
    return Run(case, trace).judge()


def count_calls(where: str) -> dict[str, int]:
    """How many calls of each kind there are when none fails."""
    outcome = judge(f"{where}none")
    assert not outcome.faults, f"without a fault: {outcome.faults}\n{outcome.log}"
    return outcome.calls


def all_cases(kinds: list[str], first: int, last: int, where: str) -> list[str]:
    """One for each call and fault, and some beyond the last call that was counted."""
    calls = count_calls(where)
    print("calls: " + ", ".join(f"{kind} {calls[kind]}" for kind in kinds), flush=True)
    return [
        f"{where}{kind}:{k}:{how}"
        for kind in kinds
        for k in places(kind, calls[kind], first, last)
        for how in FAULTS[kind]
    ]


def places(kind: str, calls: int, first: int, last: int) -> range:
    """Which calls of a kind are to fail, in turn."""
    if kind in ("wall", "mono"):
        return range(first, calls + 1, max(1, calls // READINGS))
    return range(first, min(last, calls + calls // 20 + 1) + 1)


def draw(cases: list[str], count: int, source: random.Random) -> list[str]:
    """Some of the cases, of each kind by its weight and not by how often it is called."""
    left: dict[str, list[str]] = {}
    for case in cases:
        left.setdefault(case.partition(":")[0], []).append(case)
    drawn: list[str] = []
    while left and len(drawn) < count:
        kinds = list(left)
        weights = [WEIGHTS.get(kind.rpartition("/")[2], 1) for kind in kinds]
        kind = source.choices(kinds, weights)[0]
        drawn.append(left[kind].pop(source.randrange(len(left[kind]))))
        if not left[kind]:
            del left[kind]
    return drawn


def show(outcome: Outcome) -> None:
    print(f"{outcome.case}: {'; '.join(outcome.faults) or 'well'}; {outcome.seconds:.2f} s,"
          f" {'struck' if outcome.struck else 'not struck'}"
          f"{', refused' if outcome.refused else ''}, closed {outcome.closed},"
          f" errors {dict(outcome.errors)}", flush=True)


def run_all(cases: list[str], jobs: int) -> int:
    """Runs all; returns how many failed."""
    tally: dict[str, Counter[str]] = {}
    failed = 0
    with ProcessPoolExecutor(jobs) as executor:
        for outcome in executor.map(judge, cases, chunksize=4):
            counts = tally.setdefault(outcome.case.partition(":")[0], Counter())
            counts["cases"] += 1
            counts["struck"] += outcome.struck
            counts["refused"] += outcome.refused
            counts["closed"] += outcome.closed > 0
            counts["failed"] += bool(outcome.faults)
            if outcome.faults:
                failed += 1
                show(outcome)
                print("".join(f"| {line}\n" for line in outcome.log.splitlines()[-12:]), flush=True)
    for kind, counts in tally.items():
        print(f"{kind}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    return failed


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--kinds", default=",".join(FAULTS))
    parser.add_argument("--range", default=f"1-{ALLOCATIONS}")
    parser.add_argument("--guard", action="store_true", help="in the guard, not in the daemon")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--crowd", type=int, default=12, help="connections at once")
    parser.add_argument("--case")
    return parser.parse_args()


def main() -> int:
    if options.case:
        outcome = judge(options.case, trace=True)
        print(outcome.log)
        show(outcome)
        return 1 if outcome.faults else 0
    first, _, last = options.range.partition("-")
    where = "guard/" if options.guard else ""
    cases = [f"{where}seed:{seed}" for seed in range(1, options.seeds + 1)]
    if not options.seeds or options.sample:
        kinds = options.kinds.split(",")
        cases += all_cases(kinds, int(first), int(last or first), where)
    if options.sample:
        seed = int(os.environ.get("POOLD_SEED", random.SystemRandom().getrandbits(32)))
        print(f"POOLD_SEED={seed}")
        cases = draw(cases, options.sample, random.Random(seed))
    failed = run_all(cases, options.jobs)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    options = read_options()
    sys.exit(main())
