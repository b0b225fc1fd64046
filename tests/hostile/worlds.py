"""Short lives of a daemon among clients and workers that misbehave, under a libc that does.

usage: worlds.py [--seeds A-B] [--jobs N] [--sabotage KIND]
       worlds.py --case 17          one world, with each fault's backtrace and the log

A seed draws a world: how each kind of system call behaves (hostile_libc.c), how a handful of clients do
(they write a byte at a time, read late or not at all, close one half or go in the middle of a request,
send what is no message, use an id twice, cancel), what workers do (they raise, die, answer twice, late or
to the wrong request, or are killed), and whether the daemon is asked to end or killed.  In each fourth
world the libc is an ordinary one: there nobody who behaves may notice anything.

Three ledgers are compared at the end: what the clients were told, what the workers wrote down as they
ran it, and what the daemon counted.  Judged are the promises of docs/RECOVERY.md:

- P1: each request that was sent whole gets one answer, its own; or its client goes, or is cut off
- P2: it comes in time
- P3: what must not run twice does not, and `executed` says the truth
- P4: attempts are no more than requests and the pool's budget
- P5: nothing is left in queues, and the buffers stay below memory_max
- P6: who behaves is served beside those that do not
- P7: when the daemon has ended, nothing of it is left

The last line is "N passed, M failed", as tests/run.py wants it.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import random
import select
import socket
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

import hostile
from clock import Deadline, stretch
from harness import MARK, pool, program, section
from hostile import Outcome, Run, payload
from raw import NOTIFICATION, RESPONSE, Closed, Raw, pack, request

import procs

STEPS = 60  # of the clients, in a world
TIMEOUT = 3.0  # seconds that a request has
LATE = 2.0  # seconds that an answer may come later than that, on an idle machine

# A pool has so many retries at once, and this share of its requests more.
BUDGET, BUDGET_RATIO = 20, 0.2

KINDS = ("drop", "double", "foreign", "twice", "unrun", "left")



@dataclass
class Asked:
    """A request: what is its answer, what it writes into the workers' ledger, and what came."""

    number: int
    pool: str
    note: str = ""
    due: Any = None  # its result; None: whatever it is
    repeats: bool = False  # it may run more than once
    sent_at: float = 0.0  # when its last byte was written
    answers: list[Any] = field(default_factory=list)
    times: int = 1  # that it was asked under its number

    def is_due(self, result: Any) -> bool:
        return self.due(result) if callable(self.due) else self.due in (None, result)


class Ledger:
    """What workers have run: the lines that they wrote."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "ledger"
        self.gate = directory / "open"
        self.gate.touch()

    def args(self, note: str, then: str) -> list[str]:
        return [str(self.path), note, str(self.gate), *([then] if then else [])]

    def runs(self) -> Counter[str]:
        text = self.path.read_text(encoding="ascii") if self.path.exists() else ""
        return Counter(text.splitlines())


class Peer:
    """A client with habits of its own, which are drawn: it never blocks."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.draw = random.Random(f"{world.seed} {name}")
        self.name = name
        self.asked: dict[int, Asked] = {}
        self.out = bytearray()
        self.ends: list[tuple[int, Asked]] = []  # where each request ends in what is written
        self.written = 0
        self.number = 0
        self.is_open = False
        self.is_rude = False  # it did what the daemon may end a connection for
        self.is_half = False
        self.unpacker = msgpack.Unpacker(max_buffer_size=0, strict_map_key=False)
        self.piece = self.draw.choice([1, 7, 1000, 1 << 20])  # bytes at a time, either way
        self.reads = self.draw.choice([0.05, 0.5, 0.9])
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def connect(self) -> None:
        try:
            self.socket.connect(self.world.path)
        except OSError as error:
            if self.world.is_still:
                self.world.blame("P6", f"{self.name} is not let in: {error}")
            self.close()
            return
        self.socket.setblocking(False)
        self.is_open = True
        self.put("poold.hello", [{"client": "worlds", "errors": "map"}], Asked(0, "", due=None))

    def close(self) -> None:
        self.socket.close()
        self.is_open = False

    # --- what it does ---

    def step(self) -> None:
        if not self.is_open:
            return
        if self.draw.random() < self.reads:
            self.read()
        if not self.is_half:
            self.draw.choices(
                [self.ask, self.push, self.cancel, self.report, self.be_rude, self.leave],
                [30, 40, 5, 8, 2, 2],
            )[0]()

    def put(self, method: str, params: list[Any], asked: Asked) -> None:
        self.number += 1
        asked.number = self.number
        self.asked[self.number] = asked
        self.out += request(self.number, method, pack(params))
        self.ends.append((self.written + len(self.out), asked))

    def ask(self) -> None:
        for _ in range(self.draw.choice([1, 1, 1, 5])):
            self.draw.choices(
                [self.ask_echo, self.ask_run, self.ask_unruly, self.ask_parts], [4, 8, 3, 1]
            )[0]()

    def call(self, name: str, method: str, args: Any, asked: Asked, **options: Any) -> None:
        asked.pool = name
        self.put("poold.call", [name, method, args, {"timeout_ms": int(TIMEOUT * 1000), **options}], asked)

    def ask_echo(self) -> None:
        text = payload(self.draw.randrange(10**9), self.draw.choice([3, 300, 3000, 40_000]))
        self.call("honest", "echo", [text], Asked(0, "", due=[text]))

    def ask_run(self) -> None:
        """One that its worker writes down; what is due is known, so is what must not run again."""
        note = f"{self.name}.{self.number + 1}"
        then = self.draw.choice(["", "", "", "", "raise", "die"])
        asked = Asked(0, "", note, note)
        options: dict[str, Any] = {"idempotent": self.draw.random() < 0.4}
        asked.repeats = options["idempotent"]
        if self.draw.random() < 0.2:
            options["key"] = asked.note = asked.due = f"k{self.draw.randrange(3)}"
            then = ""
        elif self.draw.random() < 0.2:
            options["session"] = f"s{self.draw.randrange(2)}"
            asked.due = lambda said: str(said).endswith(f"{note},")
        self.call("ledger", "run", self.world.ledger.args(asked.note, then), asked, **options)

    def ask_unruly(self) -> None:
        args = [payload(self.draw.randrange(10**9), 40)]
        method = self.draw.choice(["echo", "twice", "again", "unknown"])
        self.call("unruly", method, args, Asked(0, "", due=args), idempotent=True)

    def ask_parts(self) -> None:
        parts = self.draw.choice([1, 20])
        self.call("parts", "stream", [parts], Asked(0, "", due=parts), stream=True)

    def report(self) -> None:
        method = self.draw.choice(["health", "status", "workers", "stats", "errors", "sessions", "clients"])
        self.put(f"poold.{method}", [], Asked(0, ""))

    def cancel(self) -> None:
        pending = [asked for asked in self.asked.values() if not asked.answers]
        if pending:
            asked = self.draw.choice(pending)
            self.out += pack([NOTIFICATION, "poold.cancel", [asked.number]])

    def be_rude(self) -> None:
        self.is_rude = True
        if self.draw.random() < 0.5:
            self.out += self.draw.choice([b"\xc1", b"\xc0", pack([0, "x", 1, []]), bytes(20)])
        elif self.asked:
            asked = self.draw.choice(list(self.asked.values()))
            # Not in flight any more, it is answered: who knows whether it is.
            asked.times, asked.due = asked.times + 1, None
            self.out += request(asked.number, "poold.health", pack([]))

    def leave(self) -> None:
        if self.draw.random() < 0.5:
            self.is_half = True
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        else:
            self.close()

    # --- bytes ---

    def push(self, size: int = 0) -> None:
        if not self.out:
            return
        try:
            sent = self.socket.send(self.out[: size or self.piece])
        except BlockingIOError:
            return
        except OSError:
            self.cut_off()
            return
        self.written += sent
        del self.out[:sent]
        while self.ends and self.ends[0][0] <= self.written:
            self.ends.pop(0)[1].sent_at = time.monotonic()

    def read(self, size: int = 0) -> None:
        try:
            data = self.socket.recv(size or self.piece)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.cut_off()
            return
        self.unpacker.feed(data)
        for message in self.unpacker:
            self.take(message)

    def cut_off(self) -> None:
        if self.world.is_still and not self.is_rude and not self.is_half:
            self.world.blame("P6", f"{self.name} did nothing wrong and is cut off")
        self.close()

    def take(self, message: Any) -> None:
        if message[0] == NOTIFICATION:
            return
        asked = self.asked.get(message[1])
        if asked and not asked.sent_at and self.is_refused_begun(asked, message):
            asked.sent_at = time.monotonic()
        if message[0] != RESPONSE or not asked or not asked.sent_at:
            self.world.blame("P1", f"{self.name} has an answer that it did not ask for: {message!r:.120}")
            return
        for answer in self.world.sabotage_answer(message, asked):
            self.judge(answer, asked)

    def is_refused_begun(self, asked: Asked, message: Any) -> bool:
        """Whether the request, of which a part was written, found no memory for the rest."""
        is_begun = bool(self.ends) and self.ends[0][1] is asked
        return is_begun and isinstance(message[2], dict) and message[2]["code"] == "memory_limit"

    def judge(self, message: Any, asked: Asked) -> None:
        _, _, error, result = message
        if isinstance(error, list):  # its hello was refused
            error = {"code": error[1].partition(":")[0], "executed": "?"}
        asked.answers.append(error or "result")
        if len(asked.answers) > asked.times:
            self.world.blame("P1", f"{self.name} has two answers to {asked.number}")
        late = time.monotonic() - asked.sent_at - TIMEOUT
        if asked.pool and late > 0 and late > stretch(LATE) and not self.reads_late():
            self.world.blame("P2", f"{asked.number} of {self.name} is answered {late:.1f} s too late")
        if error is None and not asked.is_due(result):
            self.world.blame("P1", f"{self.name}: a wrong answer to {asked.number}: {result!r:.120}")
        if error is not None:
            self.world.outcome.errors[error["code"]] += 1

    def reads_late(self) -> bool:
        """When an answer came is not known of one that does not look."""
        return self.reads < 0.9 or self.piece < 1000

    def owes(self) -> list[Asked]:
        return [asked for asked in self.asked.values() if asked.sent_at and not asked.answers]

    def finish(self) -> None:
        """Sends the rest, and reads until nothing is owed any more."""
        deadline = Deadline(TIMEOUT + LATE)
        while self.is_open and (self.out or self.owes()) and not deadline.passed():
            events = select.POLLIN | (select.POLLOUT if self.out and not self.is_half else 0)
            waiting = select.poll()
            waiting.register(self.socket, events)
            waiting.poll(min(100, deadline.left_ms()))
            if not self.is_half:
                self.push(1 << 20)
            if self.is_open:
                self.read(1 << 20)
        if self.is_open and not self.is_half and not self.is_rude and self.owes():
            self.world.blame("P1", f"{self.name} has no answer to {[a.number for a in self.owes()]}")


class World(Run):
    """One seed."""

    def __init__(self, case: str, trace: bool, sabotage: str = "") -> None:
        self.seed = int(case)
        self.draw = random.Random(self.seed)
        self.is_still = self.seed % 4 == 0
        self.is_killed = self.draw.random() < 0.2
        self.sabotage = sabotage
        super().__init__(case, trace)
        self.ledger = Ledger(self.directory)

    def _write_configuration(self) -> None:
        daemon = {
            "socket": self.path,
            "log_target": "stderr",
            "requests_max": 256,
            "workers_max": 12,
            "memory_max": "64M",
            "message_max": "4M",
            "response_max": "4M",
            "output_max": "16M",
            "drain_timeout": "5s",
            "core_dumps": "yes",
        }
        options: dict[str, object] = {"queue_max": 200, "queue_bytes_max": "16M"}
        pools = (
            pool("honest", program("workers/echo"), **options),
            pool("ledger", program("workers/ledger"), workers=2, **options),
            pool("unruly", program("workers/unruly"), workers=2, **options),
            pool("parts", program("workers/session"), **options),
        )
        mark = f"env.{MARK} = {self.mark}\n"
        off = [section(f"breaker {name}", {"mode": "off"}) for name in ("honest", "ledger", "unruly", "parts")]
        text = "\n".join([section("daemon", daemon), *[p + mark for p in pools], *off])
        (self.directory / "conf").write_text(text)

    def blame(self, promise: str, text: str) -> None:
        self.outcome.faults.append(f"{promise}: {text}")

    # --- sabotage: what the judge must see ---

    def sabotage_answer(self, message: Any, asked: Asked) -> list[Any]:
        """What comes of an answer: itself, where nobody meddles."""
        if not asked.pool or not self.sabotage or self.draw.random() > 0.1:
            return [message]
        if self.sabotage == "drop":
            return []
        if self.sabotage == "foreign" and message[2] is None:
            return [[message[0], message[1], None, ["another's"]]]
        return [message, message] if self.sabotage == "double" else [message]

    def sabotage_ledger(self, runs: Counter[str]) -> None:
        for line in list(runs):
            if self.sabotage == "twice" and line.startswith("begin c"):
                runs[line] += 1
            elif self.sabotage == "unrun":
                del runs[line]

    # --- its life ---

    def live(self) -> None:
        world = {} if self.is_still else {"HOSTILE_WORLD": str(self.seed)}
        is_calm = self.draw.random() < 0.75  # at the start
        self.start({"HOSTILE_IN": "daemon", **world, **({"HOSTILE_CALM": "1"} if is_calm else {})})
        if not self.is_ready():
            status = self.process.wait()
            self.outcome.refused = True
            if status != 1:
                self.blame("P6", f"refused with status {status}")
            self.check_nothing_left()
            return
        self.set_calm(self.is_still)
        peers = [Peer(self, f"c{i}") for i in range(self.draw.choice([2, 4, 6]))]
        for peer in peers:
            peer.connect()
        self.go_on(peers)
        self.set_calm(True)
        for peer in peers:
            peer.finish()
            peer.close()
        self.judge_end(peers)
        self.end()

    def set_calm(self, calm: bool) -> None:
        """Whether no call fails from now on."""
        with open(self.directory / "counts", "r+b") as file, mmap.mmap(file.fileno(), 0) as rows:
            at = rows.find(b"calm\0")
            rows[at + 16 : at + 24] = int(calm).to_bytes(8, sys.byteorder)

    def go_on(self, peers: list[Peer]) -> None:
        for _ in range(STEPS):
            for peer in peers:
                peer.step()
            if self.draw.random() < 0.03:
                self.kill_worker()
            if self.draw.random() < 0.2:
                time.sleep(0.001)

    def kill_worker(self) -> None:
        """One of those that are not the honest pool's."""
        workers = [pid for pid in procs.children(self.process.pid)
                   if procs.variable(pid, "POOLD_POOL") not in (None, "honest")]
        if workers:
            procs.kill(self.draw.choice(workers))

    # --- the judge ---

    def judge_end(self, peers: list[Peer]) -> None:
        """What is so when the storm is over."""
        deadline = Deadline(hostile.PATIENCE)
        said: object = None
        while not deadline.passed():
            try:
                with Raw(self.path, map_errors=True) as raw:
                    said = self.find_fault(raw)
                    if said is None:
                        stats = raw.call("poold.stats")
                        status = raw.call("poold.status")
                        self.judge_counts(peers, stats, status)
                        self.judge_runs(peers)
                        return
            except (OSError, Closed, TimeoutError) as error:
                said = repr(error)
            time.sleep(0.005)
        self.blame("P6", f"it is not well again: {said}")

    def find_fault(self, raw: Raw) -> object:
        """Each pool answers, and none has anything left to do; or what is not so."""
        text = [payload(self.seed, 20_000)]
        calls = [("honest", "echo", text), ("unruly", "echo", text), ("parts", "echo", text),
                 ("ledger", "warm", [])]
        for name, method, args in calls:
            answer = raw.answer_pool(name, method, args)
            if answer.error is not None or (args and answer.result != args):
                return f"{name}: {answer}"
        pools = raw.call("poold.stats")["pools"]
        busy = {name: of["queued"] + of["running"] for name, of in pools.items()}
        return f"requests are left: {busy}" if any(busy.values()) else None

    def judge_counts(self, peers: list[Peer], stats: Any, status: Any) -> None:
        for name, of in stats["pools"].items():
            if of["requests"] != of["succeeded"] + of["failed"] + of["cancelled"]:
                self.blame("P1", f"pool {name}: its requests are not the sum of their ends: {of}"[:400])
            results = sum(asked.answers[:1] == ["result"] for peer in peers
                          for asked in peer.asked.values() if asked.pool == name)
            if results > of["succeeded"]:
                self.blame("P1", f"pool {name}: {results} results were seen, {of['succeeded']} counted")
            if of["retried"] > BUDGET + BUDGET_RATIO * of["requests"] + 1:
                self.blame("P4", f"pool {name}: {of['retried']} retries of {of['requests']} requests")
            if of["attempts"] > of["requests"] + of["retried"] + of["moved"] + of["requeued"]:
                self.blame("P4", f"pool {name}: {of['attempts']} attempts at {of['requests']} requests")
        ends = stats["ends"]
        if sum(ends.values()) + stats["daemon"]["connections"] != stats["daemon"]["connections_accepted"]:
            self.blame("P1", f"connections accepted are not those that ended or are open: {stats['daemon']}, {ends}")
        if status["peaks"]["start"]["buffers"] > status["memory"]["max"]:
            self.blame("P5", f"buffers had {status['peaks']['start']['buffers']} bytes")
        honest = stats["pools"]["honest"]
        if self.is_still and (honest["worker_starts"] != 1 or honest["failed"]):
            self.blame("P6", f"the honest pool was disturbed: {honest}"[:400])

    def judge_runs(self, peers: list[Peer]) -> None:
        """The clients' ledger against the workers'."""
        runs = self.ledger.runs()
        self.sabotage_ledger(runs)
        for asked in (a for peer in peers for a in peer.asked.values() if a.note):
            begun, ended = runs[f"begin {asked.note}"], runs[f"end {asked.note}"]
            of_key = asked.note.startswith("k")
            said = asked.answers[0] if asked.answers else None
            if begun > 1 and not asked.repeats and not of_key:
                self.blame("P3", f"{asked.note} ran {begun} times")
            if of_key and ended > 1:
                self.blame("P3", f"the key {asked.note} succeeded {ended} times")
            if said == "result" and ended == 0:
                self.blame("P3", f"{asked.note} has a result and never ran")
            if isinstance(said, dict) and said["executed"] == "no" and begun and not of_key:
                self.blame("P3", f'{asked.note} ran {begun} times: "executed no" ({said["code"]})')
            if isinstance(said, dict) and said["executed"] == "yes" and not begun:
                self.blame("P3", f'{asked.note} never ran: "executed yes" ({said["code"]})')

    def end(self) -> None:
        if self.sabotage == "left":
            hostile.subprocess.Popen(["sleep", "60"], env={MARK: self.mark})
        try:
            if self.is_killed:
                self.process.kill()
                self.process.wait()
                self.check_no_process(hostile.GUARD_TIME)
            else:
                self.stop()
                self.check_nothing_left()
        except AssertionError as error:
            self.blame("P7", str(error))


def judge(case: str, sabotage: str = "", trace: bool = False) -> Outcome:
    procs.adopt_orphans()
    return World(case, trace, sabotage).judge()


def run_all(cases: list[str], sabotage: str, jobs: int) -> int:
    """Runs all; returns how many failed."""
    begun = time.monotonic()
    totals: Counter[str] = Counter()
    failed = 0
    with ProcessPoolExecutor(jobs) as executor:
        for outcome in executor.map(judge, cases, [sabotage] * len(cases), chunksize=2):
            totals["struck"] += outcome.struck
            totals["refused"] += outcome.refused
            totals["errors"] += sum(outcome.errors.values())
            if outcome.faults:
                failed += 1
                print(f"seed {outcome.case}: " + "; ".join(outcome.faults))
                print(f"  again: {sys.executable} {sys.argv[0]} --case {outcome.case}", flush=True)
    minutes = (time.monotonic() - begun) / 60
    print(f"{len(cases)} worlds, {len(cases) / minutes:.0f} a minute: "
          + ", ".join(f"{name} {n}" for name, n in totals.items()))
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--seeds", default="1-100")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sabotage", choices=KINDS, default="")
    parser.add_argument("--case")
    options = parser.parse_args()
    if options.case:
        outcome = judge(options.case, options.sabotage, trace=True)
        print(outcome.log)
        hostile.show(outcome)
        return 1 if outcome.faults else 0
    first, _, last = options.seeds.partition("-")
    cases = [str(seed) for seed in range(int(first), int(last or first) + 1)]
    failed = run_all(cases, options.sabotage, options.jobs)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
