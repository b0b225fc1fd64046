"""Memory is shared: who takes much of it waits or is refused, and nobody else notices."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections import Counter

from clock import Deadline, eventually, ms
from harness import C_TOOLS, UNRULY, Daemon, DaemonTest, pool
from raw import Closed, Raw, call_params, pack, request

TELLER = shlex.join([sys.executable, "-m", "poold.worker", "teller"])

MIB = 1 << 20
MEMORY = 64 * MIB
LIMITS = {
    "message_max": "16M",
    "response_max": "16M",
    "output_max": "32M",
    "memory_max": MEMORY,
    "stall_timeout": "60s",
}
SHORT = "memory is short"


class Honest:
    """A client that makes small and large calls all the time and reads each answer.

    Use it as a context: leaving it raises what went wrong, and an error if nothing went on.
    """

    SIZES = (1024, MIB, 1024, 1024)

    def __init__(self, daemon: Daemon) -> None:
        self._client = Raw(daemon.path)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fault: BaseException | None = None
        self.count = 0
        self.worst = 0.0

    def _run(self) -> None:
        try:
            while not self._leaving.wait(0.002):
                value = bytes([self.count % 256]) * self.SIZES[self.count % len(self.SIZES)]
                begin = time.monotonic()
                assert self._client.call("well.echo", value) == [value]
                self.worst = max(self.worst, time.monotonic() - begin)
                self.count += 1
        except BaseException as fault:
            self._fault = fault

    def wait_for_more(self, count: int = 20) -> None:
        """Waits until it has made so many more calls."""
        enough = self.count + count
        eventually(lambda: self.count >= enough or self._fault, "the honest client is served")

    def __enter__(self) -> Honest:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._fault is None:
            self.wait_for_more()
        self._leaving.set()
        self._thread.join()
        self._client.close()
        if self._fault is not None:
            raise AssertionError(f"the honest client was harmed: {self._fault!r}") from self._fault


class Kept(DaemonTest):
    """The answers of keys are copied for each who asks."""

    def test_where_there_is_no_room_for_a_copy(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), **LIMITS)
        daemon.announced += [SHORT, "pool=tools", "there was no memory for the answer"]
        client = daemon.connect(map_errors=True)
        value = b"x" * (8 * MIB)
        self.assertEqual(client.call_pool("tools", "echo", [value], key="k"), value)
        crowd = [daemon.connect(map_errors=True) for _ in range(20)]
        numbers = [one.ask_pool("tools", "echo", [], key="k") for one in crowd]
        eventually(lambda: daemon.ask("poold.stats")["daemon"]["answers_lost"] > 0, "some are refused")
        refused = 0
        for one, number in zip(crowd, numbers):
            try:
                answer = one.read_of(number)
            except Closed:
                continue
            if answer.error is None:
                self.assertEqual(answer.result, value)
            else:
                self.assert_code(answer, "memory_limit")
                refused += answer.error["message"] == "there was no memory for the answer"
        self.assertGreater(refused, 0)
        self.assertEqual(client.call_pool("tools", "echo", [], key="k"), value)


class MemoryTest(DaemonTest):
    """A daemon with little memory, and a pool `well` for those who behave."""

    def start_short(self, *pools: str, **options: object) -> Daemon:
        daemon = self.start(*pools, pool("well", UNRULY, queue_bytes_max=options.get("memory_max", "64M")), **{**LIMITS, **options})
        # To fill and clear so much memory takes a moment on a busy machine.
        daemon.announced += [SHORT, "pool=tell", "the daemon stood still"]
        daemon.growth_max = 96 * MIB  # what is given back in the end is tidied up a moment later
        return daemon

    @staticmethod
    def buffers(daemon: Daemon) -> int:
        return daemon.ask("poold.status")["memory"]["buffers"]

    @staticmethod
    def daemon_counter(daemon: Daemon, name: str) -> int:
        return daemon.ask("poold.stats")["daemon"][name]


class NeverRead(MemoryTest):
    """Clients that ask for large answers and read none."""

    def check(self, count: int) -> None:
        tellers = pool("tell", TELLER, workers=4)
        daemon = self.start_short(tellers, stall_timeout=ms(1500))
        before = sorted(daemon.worker_pids())
        with Honest(daemon) as honest:
            deaf = [daemon.connect() for _ in range(count)]
            for number, client in enumerate(deaf):
                client.ask_pool("tell", "big", [8 * MIB, number])
            health = eventually(lambda: self.degraded(daemon), "it says that memory is short")
            self.assertEqual(health["status"], "degraded")
            self.assertRegex(health["reasons"][0], r"memory: \d\d % of memory_max is in use")
            eventually(lambda: self.answered(daemon) == count, "all have an answer")
            honest.wait_for_more()
            self.assertLess(self.buffers(daemon), MEMORY * 92 // 100)
            taken = daemon.counters("tell")["succeeded"]
            self.assertGreaterEqual(taken, 5)
            eventually(lambda: self.daemon_counter(daemon, "connections_stalled") == taken,
                       "those that did not read are closed")
            eventually(lambda: self.buffers(daemon) < 10 * MIB, "the memory is given back")
            eventually(lambda: daemon.ask("poold.health")["status"] == "ok", "all is well")
        self.assertEqual(set(daemon.counters("tell")["errors"]) - {"memory_limit"}, set())
        self.assertEqual(daemon.counters("well")["errors"], {})
        self.assertEqual(sorted(daemon.worker_pids()), before)
        daemon.log.wait_for(rf"{SHORT}.* uid \d+, pid \d+")

    @staticmethod
    def degraded(daemon: Daemon) -> dict[str, object]:
        health = daemon.ask("poold.health")
        return health if "reasons" in health else {}

    @staticmethod
    def answered(daemon: Daemon) -> int:
        counters = daemon.counters("tell")
        return counters["succeeded"] + counters["failed"]

    def test_fourteen(self) -> None:
        self.check(14)

    def test_a_hundred(self) -> None:
        self.check(100)

    def test_who_reads_in_the_end_has_its_answer(self) -> None:
        daemon = self.start_short(pool("tell", TELLER, workers=4))
        slow = [daemon.connect(map_errors=True) for _ in range(10)]
        asked = [each.ask_pool("tell", "big", [8 * MIB, 7]) for each in slow]
        eventually(lambda: self.answered(daemon) == 10, "all have an answer")
        codes: Counter[str | None] = Counter()
        for client, number in zip(slow, asked):
            answer = client.read_of(number)
            codes[answer.code] += 1
            if answer.code is None:
                self.assertEqual(answer.result, bytes([7]) * (8 * MIB))
            client.check_quiet()
        self.assertEqual(set(codes), {None, "memory_limit"})
        self.assertGreaterEqual(codes[None], 5)

    def test_what_was_read_in_part_counts_whole(self) -> None:
        """Its memory is all there until its last byte is taken."""
        daemon = self.start_short(pool("tell", TELLER, workers=4))
        client = daemon.connect()
        client.ask_pool("tell", "big", [14 * MIB, 1])
        client.read_exactly(14 * MIB - 100_000 - MIB // 2)
        others = [daemon.connect() for _ in range(9)]
        for each in others:
            each.ask_pool("tell", "big", [8 * MIB, 1])
        eventually(lambda: self.answered(daemon) == 10, "all have an answer")
        daemon.log.wait_for(rf"{SHORT}.*: 14\.\d MiB, of which 14\.\d are answers")


class HalfSent(MemoryTest):
    """Clients that send half of a large message and stop."""

    def check(self, count: int) -> None:
        daemon = self.start_short()
        before = daemon.worker_pids()
        half = request(9, "well.echo", pack([bytes(15 * MIB)]))[: 8 * MIB]
        clients = [daemon.connect() for _ in range(count)]
        writers = [threading.Thread(target=each.send, args=(half,), daemon=True) for each in clients]
        with Honest(daemon) as honest:
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()
            eventually(lambda: self.buffers(daemon) < MEMORY * 85 // 100, "room was made")
            honest.wait_for_more()
            self.assertGreater(self.daemon_counter(daemon, "requests_unfinished"), 0)
            self.assertEqual(daemon.ask("poold.status")["connections"], count + 2)
        self.check_refused(clients, len(half))
        self.assertEqual(daemon.counters("well")["errors"], {})
        self.assertEqual(daemon.worker_pids(), before)

    def check_refused(self, clients: list[Raw], sent: int) -> None:
        """Those that were refused know which request, and can go on behind it."""
        refused = 0
        for client in clients:
            try:
                answer = client.read(seconds=0.05)
            except TimeoutError:
                client.close()
                continue
            refused += 1
            self.assertEqual((answer.id, answer.code), (9, "memory_limit"))
            if refused == 1:
                client.send(bytes(15 * MIB + 100 - sent))
                client.close()
        self.assertGreater(refused, 0)

    def test_fourteen(self) -> None:
        self.check(14)

    def test_forty(self) -> None:
        self.check(40)

    def test_a_refused_one_goes_on(self) -> None:
        daemon = self.start_short()
        daemon.announced.append("pool=well")
        message = request(9, "well.echo", pack([bytes(15 * MIB)]))
        clients = [daemon.connect() for _ in range(6)]
        writers = [threading.Thread(target=each.send, args=(message[:-100],), daemon=True)
                   for each in clients]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        for client in clients:
            client.send(message[-100:])
        codes = Counter(client.read_of(9).code for client in clients)
        self.assertLessEqual(set(codes), {None, "memory_limit"})
        self.assertGreater(codes["memory_limit"], 0)
        self.check_captured(daemon, codes["memory_limit"])
        for client in clients:
            self.assertEqual(client.call("well.echo", 5), [5])
        self.assertEqual(clients[0].call("well.echo", bytes(15 * MIB)), [bytes(15 * MIB)])

    def check_captured(self, daemon: Daemon, count: int) -> None:
        """So many were refused, before a pool had them or by the pool."""
        counts = Counter(daemon.ask("poold.stats")["refusals"]) + Counter(daemon.counters("well")["errors"])
        self.assertEqual(counts, {"memory_limit": count})
        entry = daemon.ask("poold.errors", 1)[0]
        self.assertEqual((entry["code"], entry["outcome"][0], entry["peer"]["pid"]), ("memory_limit", "D", os.getpid()))
        daemon.log.wait_for("request (refused|failed): code=memory_limit ")


class Queued(MemoryTest):
    """Clients that send more large requests than can be kept."""

    COUNT = 12

    def test_each_is_answered(self) -> None:
        slow = pool("slow", C_TOOLS, workers=2)
        daemon = self.start_short(slow)
        before = sorted(daemon.worker_pids())
        clients = [daemon.connect() for _ in range(14)]
        params = call_params("slow", "length", pack([bytes(MIB)]))
        messages = b"".join(request(number, "poold.call", params) for number in range(self.COUNT))
        writers = [threading.Thread(target=each.send, args=(messages,), daemon=True)
                   for each in clients]
        faults: list[object] = []
        readers = [threading.Thread(target=self.read_all, args=(each, faults), daemon=True)
                   for each in clients]
        with Honest(daemon):
            for thread in writers + readers:
                thread.start()
            for thread in writers + readers:
                thread.join()
        self.assertEqual(faults, [])
        self.assertEqual(daemon.counters("slow")["errors"], {})
        self.assertEqual(sorted(daemon.worker_pids()), before)

    def read_all(self, client: Raw, faults: list[object]) -> None:
        try:
            for _ in range(self.COUNT):
                answer = client.read(seconds=60)
                if answer.result != MIB and answer.code != "memory_limit":
                    faults.append(answer)
        except BaseException as fault:
            faults.append(fault)


class Steps(MemoryTest):
    """What is refused at 85, 92 and 95 %."""

    MAX = 8 * MIB

    def fill(self, daemon: Daemon, percent: int) -> None:
        """Has clients that don't read hold so much, in pieces below anybody's share."""
        deadline = Deadline(30)
        while (found := self.buffers(daemon) * 100 // self.MAX) < percent:
            self.assertFalse(deadline.passed())
            size, count = (1_000_000, 1) if found < 70 else (60_000, 6) if found < 89 else (18_000, 16)
            client = daemon.connect()
            for _ in range(count):
                client.ask_pool("tell", "big", [size, 1], priority="critical")
            eventually(lambda: self.is_idle(daemon), "they are answered, or wait for it to read")

    @staticmethod
    def is_idle(daemon: Daemon) -> bool:
        (found,) = [each for each in daemon.ask("poold.pools") if each["name"] == "tell"]
        return found["running"] == found["queue"]["length"] == 0

    def codes(self, client: Raw) -> list[str | None]:
        return [client.answer_pool("well", "echo", 1, priority=priority).code
                for priority in ("sheddable", "normal", "critical")]

    def test_they_are_taken_one_after_the_other(self) -> None:
        daemon = self.start_short(pool("tell", TELLER, queue_bytes_max="8M"), memory_max=self.MAX, output_max="8M",
                                  message_max="4M", response_max="4M", output_pause="4M",)
        client = daemon.connect(map_errors=True)
        self.fill(daemon, 70)
        self.assertEqual(self.codes(client), [None, None, None])
        self.fill(daemon, 85)
        self.assertEqual(self.codes(client), ["memory_limit", None, None])
        self.fill(daemon, 92)
        self.assertEqual(self.codes(client), ["memory_limit", "memory_limit", None])
        answer = client.answer_pool("well", "echo", 1)
        self.assertIn("92 % of memory_max", answer.error["message"])
        self.assertTrue(answer.error["retryable"])
        self.fill(daemon, 95)
        self.assertEqual(self.codes(client), ["memory_limit"] * 3)
        with daemon.connect() as newcomer:
            self.assertEqual(newcomer.call("poold.health")["status"], "degraded")
            self.assertEqual(newcomer.call("poold.drain", "well")["drained"], True)
        daemon.announced.append("pool=well")


class Large(DaemonTest):
    """Buffers hold what is in flight, and little more."""

    ROOM = 1.1
    SMALL = MIB  # of the daemon's buffers: what this test's own questions take

    def start_large(self, **options: object) -> Daemon:
        # All are let in, however long the first runs took.
        options = {"queue_bytes_max": "256M", "admission": False, **options}
        return self.start(pool("large", C_TOOLS, **options), message_max="20M", response_max="20M", memory_max="512M")

    @staticmethod
    def peak(daemon: Daemon) -> int:
        return daemon.ask("poold.status")["peaks"]["start"]["buffers"]

    def test_a_request_and_its_answer(self) -> None:
        for size in (16 * MIB - 1000, 16 * MIB, 16 * MIB + 1000, 19 * MIB):
            for meta in (False, True):
                with self.subTest(size=size, meta=meta):
                    self.check_echo(size, meta)

    def check_echo(self, size: int, meta: bool) -> None:
        daemon = self.start_large()
        with daemon.connect() as client:
            for _ in range(3):
                value = os.urandom(16) + bytes(size - 16)
                found = client.call("poold.call", "large", "echo", [value], {"meta": meta})
                self.assertEqual(found["result"] if meta else found, value)
        peak = self.peak(daemon)
        self.assertGreater(peak, 1.9 * size)  # it is measured
        self.assertLessEqual(peak, self.ROOM * 2 * size)
        daemon.growth_max = 64 * MIB  # what is given back is tidied up a moment later

    def test_many_that_wait(self) -> None:
        """Whatever their size, and whether it is that of the connection's last message or not."""
        for size in (64 * 1024, 65 * 1024, 150 * 1024, 300 * 1024, MIB):
            with self.subTest(size=size):
                self.check_waiting(size, max(16, 32 * MIB // size // 4))

    def check_waiting(self, size: int, count: int) -> None:
        daemon = self.start_large(workers=1)
        clients = [daemon.connect() for _ in range(4)]
        for client in clients[:2]:
            self.assertEqual(client.call("poold.call", "large", "length", [bytes(size)]), size)
        with daemon.connect() as first:
            working = daemon.occupy(first, pool="large")
            asked = [(client, client.ask_pool("large", "length", [bytes(size)]))
                     for _ in range(count) for client in clients]
            eventually(lambda: daemon.pool("large")["queue"]["length"] == len(asked), "all wait")
            held = daemon.ask("poold.status")["memory"]["buffers"]
            self.assertGreater(held, size * len(asked))
            self.assertLessEqual(held, self.ROOM * size * len(asked) + self.SMALL)
            self.assertLessEqual(self.peak(daemon), self.ROOM * size * len(asked) + self.SMALL)
            daemon.release()
            first.read_of(working)
            answers = [(client, client.read()) for client, _ in asked]
            self.assertEqual({answer.result for _, answer in answers}, {size})
            self.assertEqual({(client, answer.id) for client, answer in answers}, set(asked))
        daemon.growth_max = 64 * MIB

    def test_many_answers_that_nobody_reads(self) -> None:
        for size, each in ((150 * 1024, 16), (MIB, 2)):
            with self.subTest(size=size):
                self.check_unread(size, each)

    def check_unread(self, size: int, each: int) -> None:
        daemon = self.start_large(workers=2)
        clients = [daemon.connect() for _ in range(16)]
        count = each * len(clients)
        asked = [(client, client.ask_pool("large", "big", [size])) for _ in range(each) for client in clients]
        eventually(lambda: daemon.counters("large")["succeeded"] == count, "all have an answer")
        self.assertGreater(daemon.ask("poold.status")["memory"]["buffers"], size * count // 2)
        self.assertLessEqual(self.peak(daemon), self.ROOM * size * count + self.SMALL)
        for client in clients:
            answers = {client.read().id for _ in range(each)}
            self.assertEqual(answers, {number for other, number in asked if other is client})
        daemon.growth_max = 64 * MIB
