"""Workers that speak JSON, under a daemon that the system refuses memory."""

from __future__ import annotations

import itertools
import random
import resource
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

from harness import SANITIZED, Daemon, DaemonTest, pool, worker
from raw import Answer, Closed, Raw
from servers import TOOLS

POOLS = {
    "bridge": pool("bridge", worker("packet4"), dialect="packet4-json"),
    "words": pool("words", worker("toolserver"), **TOOLS),
}
SPARE = tuple(1 << bits for bits in range(16, 24))
# The C library asks the system for this much more than it needs: with less to spare it may get nothing at all.
TOP_PAD = 128 << 10
SIZES = (100, 20_000, 100_000, 600_000)
TEXTS = ("plain", 'a\n"\\b', "äöü€", "\U0001f600", "\0", "", "0123456789abcdef" * 8)
NUMBERS = (0, -1, 127, 1 << 40, -(1 << 63), 1.0, -0.0, 0.1, 1e300, 5e-324, 2.5)


def some_value(chance: random.Random, size: int) -> list[Any]:
    """A list whose JSON has some `size` bytes."""
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    value: list[Any] = [chance.choice(TEXTS) * (size // 64), deep]
    while size > 0:
        count = chance.randrange(1, 200)
        value.append({
            f"key {place}": chance.choice(NUMBERS) if chance.random() < 0.5
            else [{"é": chance.choice(TEXTS)}]
            for place in range(count)
        })
        size -= 40 * count
    return value


def address_space(daemon: Daemon) -> int:
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def limit_memory(daemon: Daemon, limit: int) -> None:
    """Lets a running daemon have no more address space than that."""
    _, most = resource.prlimit(daemon.pid, resource.RLIMIT_AS)
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (limit, most))


def answer_to(client: Raw, method: str, params: list[Any]) -> Answer:
    """The answer to one request, also where the daemon closes the connection behind it."""
    try:
        client.ask(method, *params)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it could not take the request, and says so
    return client.read_of(client.number)


@unittest.skipIf(SANITIZED, "a sanitizer reserves address space, and ends where it gets none")
class JsonWithoutMemory(DaemonTest):
    """RLIMIT_AS, as `ulimit -v` sets it."""

    def start_both(self) -> Daemon:
        daemon = self.start(*POOLS.values(), response_max="32M", message_max="32M")
        daemon.announced.append("memory")
        return daemon

    def test_answers_are_right_or_there_are_none(self) -> None:
        chance = self.random(7)
        daemon = self.start_both()
        before = daemon.worker_pids()
        idle = address_space(daemon)
        codes: Counter[tuple[str, str | None]] = Counter()
        # It keeps what it has got once, so each limit is above the one before.
        for spare, size, name in itertools.product(SPARE, SIZES, POOLS):
            limit_memory(daemon, idle + spare)
            value = some_value(chance, size)
            try:
                with Raw(daemon.path) as client:
                    answer = answer_to(client, f"{name}.echo", value)
            except Closed:  # not even for an answer that says so
                self.assertLessEqual(spare, TOP_PAD)
                continue
            codes[name, answer.code] += 1
            if answer.error is None:
                # As text, because 1.0 is not 1.
                self.assertEqual(repr(answer.result), repr(value))
            else:
                self.assert_code(answer, "memory_limit")
        for name in POOLS:
            self.assertGreater(codes[name, None], 0)
            self.assertGreater(codes[name, "memory_limit"], 0, codes)
        self.assertEqual(daemon.worker_pids(), before)
        limit_memory(daemon, resource.RLIM_INFINITY)
        with Raw(daemon.path) as client:
            for name in POOLS:
                value = some_value(chance, 2_000_000)
                self.assertEqual(repr(client.call(f"{name}.echo", *value)), repr(value))

    def test_an_answer_that_has_no_room_at_all(self) -> None:
        """It is passed over while the worker still sends it, and the worker serves on."""
        daemon = self.start_both()
        before = daemon.worker_pids()
        client = daemon.connect()
        limit_memory(daemon, address_space(daemon) + (6 << 20))
        answer = client.answer_pool("bridge", "much", {"bytes": 20 << 20})
        self.assert_code(answer, "memory_limit")
        answer = client.answer_pool("words", "repeat", {"text": "x", "times": 20 << 20})
        self.assert_code(answer, "memory_limit")
        limit_memory(daemon, resource.RLIM_INFINITY)
        for name in POOLS:
            self.assertEqual(client.call(f"{name}.echo", 1), [1])
        self.assertEqual(daemon.worker_pids(), before)
