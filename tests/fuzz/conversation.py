"""Whole conversations of clients and workers with a real daemon, drawn and then changed at random.

usage: conversation.py [--seconds N] [--seed N] [--found DIR]
       conversation.py FILE...                          holds these again
       conversation.py --choose FILE...                 says which of them bring all that all bring

The conversations in tests/fuzz/corpus/conversation and in DIR are the beginning, and new ones follow for
so many seconds (10).  Half of them are drawn (talk.py), half
are two of the corpus, crossed.  What is judged after each:

- the daemon lives, and has answered a bystander right all the time;
- each request that was sent as it should be has exactly one answer, in time, and no other's bytes;
- no answer says that the daemon itself failed (`internal`), and all that it writes is a message;

and after each daemon, of whom some hold 25 conversations: nothing is left over, its log says nothing
of the bystander's pool, and no sanitizer has reported anything (tests/e2e/harness.py).

A conversation that brought an answer or a line of the log of a new kind is kept in DIR
(BUILD/corpus/conversation), and so is one that failed, made as short as it can be: those that tell
most belong into the corpus.  The last line is "N passed, M failed".
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import select
import shlex
import socket
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import msgpack

import procs
from bystander import Bystander
from clock import Deadline, begin_scenario, measure_scenario
from harness import BUILD, SANITIZED, UNRULY, Daemon, breaker, pool, static_pool
from raw import PATIENCE, Raw, pack
from talk import CLIENTS, Move, Talk, crossed

CORPUS = HERE / "corpus" / "conversation"

# So many conversations are held with one daemon.
BATCH = 25

# Seconds within which the bystander is answered on an idle machine.
HONEST = 2.0

# Of the pools whose workers misbehave.
WORKERS = {"act": 3, "rpc": 2, "chain": 1}

# So many shorter ones are tried when one failed.
SHRINKS = 60

NOTES = {"poold.chunk", "poold.restart", "poold.event", "poold.closing"}


def actor(dialect: str) -> str:
    return shlex.join([sys.executable, str(HERE / "actor.py"), dialect])


def make_daemon(seed: object) -> Daemon:
    """A daemon with a pool of each kind, all of whose times are short."""
    quick = {"attempt_timeout": "200ms", "timeout": "500ms", "cancel_grace": "100ms", "kill_grace": "50ms",
             "env.ACTOR_SEED": seed, "ping_interval": "1s", "ping_timeout": "200ms"}
    daemon = Daemon((
        pool("act", actor("poold"), workers=WORKERS["act"], **quick),
        pool("rpc", actor("msgpack-rpc"), workers=WORKERS["rpc"], dialect="msgpack-rpc", **quick),
        pool("chain", actor("poold"), workers=WORKERS["chain"], fallback="act mock", return_dwell="20ms", return_step="5ms", **quick),
        static_pool("mock", answer='"mock"'),
        pool("well", UNRULY),
        breaker("act", open_timeout="50ms"),
    ), {"key_ttl": "1s", "session_ttl": "1s", "sessions_max": 3, "keys_max": 4, "memory_max": "128M"})
    daemon.announced.append(r"^(?!.*pool=well)")
    daemon.growth_max, daemon.settle_time = 48 << 20, 30.0
    return daemon


class Peer:
    """A client of a conversation: its connection, and what it may expect there.

    Attributes:
        exact: whether all that was sent was as it should be.
    """

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.exact = True
        self.is_closed = False
        self.open: dict[int, int | None] = {}
        self.answered: set[int] = set()
        self._pending: list[Any] = []
        self._unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=1 << 30)

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Writes all of it, and reads meanwhile.  Whoever is closed meanwhile may have expected it."""
        while data and not self.is_closed:
            _, can_write, _ = select.select([], [self.socket], [], 0.02)
            try:
                if can_write:
                    data = data[self.socket.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                self.is_closed = True
            if data:
                assert not deadline.passed(), "the daemon does not read"
                self._pending = self.read()

    def read(self) -> list[Any]:
        """The messages that have come by now."""
        found, self._pending = self._pending, []
        while not self.is_closed:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.is_closed = not data
            self._unpacker.feed(data)
            found += self._unpacker
        return found

    def wait(self, seconds: float) -> None:
        select.select([self.socket], [], [], seconds)


class Stage:
    """Holds conversations with a daemon.

    Attributes:
        seen: what kinds of answers there were.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._peers: list[Peer | None] = []
        self.seen: set[str] = set()
        self._control = Raw(daemon.path)

    def close(self) -> None:
        self._control.close()

    def hold(self, moves: list[Move]) -> None:
        """Holds one conversation to its end.

        Raises:
            AssertionError: something was not as it has to be.
        """
        self._peers = [None] * CLIENTS
        try:
            for move in moves:
                self._do(*move)
            for peer in self._peers:
                if peer:
                    self._end(peer)
        finally:
            for at in range(CLIENTS):
                self._leave(at)
        self._restore()

    def _do(self, word: str, at: int, *rest: Any) -> None:
        peer = self._peers[at] if word != "pause" else None
        if word == "pause":
            time.sleep(at / 1000)
        elif word == "open" and peer is None:
            self._peers[at] = Peer(self._daemon.path)
        elif word == "send" and peer:
            self._send(peer, *rest)
        elif word == "read" and peer:
            self._take(peer)
        elif word == "half" and peer:
            peer.exact = False
            try:
                peer.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        elif word == "close":
            self._leave(at)

    def _send(self, peer: Peer, data: str, ids: list[list[Any]], clean: bool) -> None:
        peer.exact = peer.exact and clean
        peer.open.update({number: result for number, result in ids})
        peer.send(bytes.fromhex(data), Deadline(PATIENCE))

    def _leave(self, at: int) -> None:
        peer, self._peers[at] = self._peers[at], None
        if peer:
            peer.socket.close()

    def _take(self, peer: Peer) -> None:
        for message in peer.read():
            self._judge(peer, message)

    def _judge(self, peer: Peer, message: Any) -> None:
        assert isinstance(message, list) and message, f"no message: {message!r}"
        if message[0] == 2:
            assert len(message) == 3 and message[1] in NOTES, f"unknown: {message}"
            self.seen.add(message[1])
            return
        assert len(message) == 4 and message[0] == 1 and (message[2] is None or message[3] is None), f"odd: {message}"
        number, error, result = message[1:]
        self.seen.add(self._kind(error))
        assert "internal" != self._code(error), f"the daemon failed: {error}"
        if not peer.exact:
            return
        assert number in peer.open, f"an answer to nothing that is open (answered: {number in peer.answered}): {message}"
        wanted = peer.open.pop(number)
        peer.answered.add(number)
        if isinstance(result, dict) and "meta" in result:
            result = result["result"]
        if wanted is not None and error is None and result != "mock":
            assert result == wanted, f"{number} has the answer {result!r}, not {wanted}"

    @staticmethod
    def _code(error: Any) -> str:
        if isinstance(error, dict):
            return str(error["code"])
        return str(error[1]).partition(":")[0] if error is not None else "result"

    def _kind(self, error: Any) -> str:
        more = f" {error['executed']} {error.get('outcome')}" if isinstance(error, dict) else ""
        return self._code(error) + more

    def _end(self, peer: Peer) -> None:
        """Waits until all is answered, and nothing twice."""
        deadline = Deadline(PATIENCE)
        self._take(peer)
        self._take_all(peer, deadline)
        if peer.exact:
            peer.open[0xFFFFFFFF] = None
            peer.send(pack([0, 0xFFFFFFFF, "poold.version", []]), deadline)
            self._take_all(peer, deadline)

    def _take_all(self, peer: Peer, deadline: Deadline) -> None:
        """Reads until each request is answered, where that is to be expected."""
        while peer.exact and peer.open:
            assert not peer.is_closed, f"closed, though all was as it should be; open: {sorted(peer.open)}"
            assert not deadline.passed(), f"no answer to {sorted(peer.open)}"
            peer.wait(0.05)
            self._take(peer)

    def _restore(self) -> None:
        """The next conversation finds all pools in service."""
        for name, workers in WORKERS.items():
            for method, *params in (("resume",), ("breaker_reset",), ("resize", workers)):
                self._control.answer(f"poold.{method}", name, *params)


def log_kinds(lines: list[str]) -> set[str]:
    """Lines of a log, without what differs from one to the next."""
    texts = (re.sub(r"^\S+ |[^ ]*[0-9=/'\"][^ ]*", "", line)[:50] for line in lines)
    return {f"log {text.strip()}" for text in texts}


class Session:
    """A daemon, and the conversations that were held with it."""

    def __init__(self, seed: object) -> None:
        begin_scenario()
        self.daemon = make_daemon(seed)
        self.held = 0

    def wait_full(self) -> None:
        """Waits until all workers are there.  Some come late: they end as soon as they are ready."""
        self.daemon.wait_ready()
        for name, workers in WORKERS.items():
            self.daemon.wait_workers(name, workers)
        self.daemon.take_measure()

    def run(self, talks: list[list[Move]]) -> tuple[int | None, str, list[set[str]]]:
        """Holds these.  Returns which of them failed, or None; why, or ""; and what each brought."""
        brought: list[set[str]] = []
        at: int | None = None
        try:
            self.wait_full()
            with Bystander(self.daemon) as bystander:
                with closing(Stage(self.daemon)) as stage:
                    for at, moves in enumerate(talks):
                        stage.seen, before = set(), len(self.daemon.log.lines)
                        stage.hold(moves)
                        brought.append(stage.seen | log_kinds(self.daemon.log.lines[before:]))
            at = None
            limit = HONEST * measure_scenario()
            assert max(bystander.latencies) < limit, f"the bystander waited {max(bystander.latencies):.2f} s"
            self.daemon.finish()
            return None, "", brought
        except (AssertionError, OSError) as fault:
            text = f"{fault}"
            try:
                self.daemon.finish()
            except AssertionError as more:
                text += f"\n{more}"
            return at, text, brought


def fails(moves: list[Move]) -> str:
    """Why a conversation with a daemon of its own fails; "" when it does not."""
    return Session("alone").run([moves])[1]


def shrink(moves: list[Move]) -> list[Move]:
    """A shorter one that still fails."""
    tries, size = SHRINKS, max(1, len(moves) // 2)
    while size and tries:
        at = 0
        while at < len(moves) and tries:
            shorter = moves[:at] + moves[at + size :]
            tries -= 1
            if fails(shorter):
                moves = shorter
            else:
                at += size
        size //= 2
    return moves


def write(folder: Path, moves: list[Move]) -> Path:
    """Writes a conversation, a move a line; its name comes from what it holds."""
    text = "[\n" + ",\n".join(json.dumps(move) for move in moves) + "\n]\n"
    path = folder / f"{hashlib.sha1(text.encode()).hexdigest()[:12]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
    return path


def read(path: Path) -> list[Move]:
    return json.loads(path.read_text(encoding="ascii"))


class Fuzzer:
    """Draws conversations, and keeps those that bring something new.

    Args:
        seed: of all that is drawn.
        found: where they are kept.
    """

    def __init__(self, seed: int, found: Path) -> None:
        self._draw = random.Random(seed)
        self._found = found
        self.corpus = [read(path) for path in sorted([*CORPUS.glob("*.json"), *found.glob("*.json")])]
        self._known: set[str] = set()
        self.passed, self.failed, self.kept = 0, 0, 0

    def next(self) -> list[Move]:
        seed = self._draw.randrange(1 << 40)
        if self._draw.random() < 0.5 or len(self.corpus) < 2:
            return Talk(seed).make()
        return crossed(seed, self._draw.choice(self.corpus), self._draw.choice(self.corpus))

    def run(self, talks: list[list[Move]], keep: bool = True) -> None:
        """Holds some, with one daemon."""
        at, why, brought = Session(self._draw.randrange(1 << 30)).run(talks)
        for moves, kinds in zip(talks, brought):
            self.passed += 1
            if kinds - self._known and keep:
                write(self._found, moves)
                self.corpus.append(moves)
                self.kept += 1
            self._known |= kinds
        if why:
            self._tell(talks if at is None else talks[: at + 1], why)

    def _tell(self, talks: list[list[Move]], why: str) -> None:
        """Says what failed, with a file that shows it again, if one conversation alone does."""
        self.failed += 1
        print(f"FAIL: {why}", flush=True)
        for moves in reversed(talks):
            if fails(moves):
                print(f"the same again: conversation.py {write(self._found / 'failed', shrink(moves))}", flush=True)
                return
        paths = [write(self._found / "failed", moves) for moves in talks]
        print("only together:", *paths, flush=True)


def choose(paths: list[Path]) -> list[Path]:
    """A few of them that bring every kind of answer and of line that all together bring."""
    brought: dict[Path, set[str]] = {}
    for begin in range(0, len(paths), BATCH):
        some = paths[begin : begin + BATCH]
        brought.update(zip(some, Session("choose").run([read(path) for path in some])[2]))
    chosen: list[Path] = []
    left = set().union(*brought.values())
    while left:
        best = max(brought, key=lambda path: len(brought[path] & left))
        if not brought[best] & left:
            break
        chosen.append(best)
        left -= brought[best]
    return chosen


def main() -> int:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("POOLD_SEED") or random.randrange(1 << 31)))
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--found", type=Path, default=BUILD / "corpus" / "conversation")
    words = parser.parse_args()
    procs.adopt_orphans()
    if words.choose:
        print(*choose(words.files), sep="\n")
        return 0
    fuzzer = Fuzzer(words.seed, words.found)
    if words.files:
        fuzzer.run([read(path) for path in words.files], keep=False)
    else:
        end = time.monotonic() + words.seconds
        print(f"seed {words.seed}, {len(fuzzer.corpus)} in the corpus", flush=True)
        fuzzer.run(fuzzer.corpus[:], keep=False)
        while time.monotonic() < end:
            fuzzer.run([fuzzer.next() for _ in range(BATCH)])
        print(f"{fuzzer.kept} brought something new; they are in {words.found}")
    print(f"{fuzzer.passed} passed, {fuzzer.failed} failed")
    return 1 if fuzzer.failed else 0


if __name__ == "__main__":
    sys.exit(main())
