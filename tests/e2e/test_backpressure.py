"""Clients that read more slowly than they are answered hold back their own workers and requests, and nobody else's."""

from __future__ import annotations

import shlex
import sys
import time

import harness
import procs
from bystander import Bystander, BystanderTest
from clock import Timed, eventually, ms
from harness import Daemon, program, worker
from raw import NOTIFICATION, RESPONSE, Closed, Raw, pack, unpack

TELLER = shlex.join([sys.executable, "-m", "poold.worker", "teller"])
ASYNC_TELLER = shlex.join([sys.executable, "-m", "poold.worker", "async_teller"])
IN_C = program("workers/session")

# So little that what nobody reads would fill it at once.
LIMITS = {
    "message_max": "1M",
    "response_max": "1M",
    "output_pause": "1M",
    "output_max": "4M",
    "memory_max": "24M",
    "stall_timeout": "60s",
}


def pool(name: str, command: str, **options: object) -> str:
    return harness.pool(name, command, queue_bytes_max="4M", **options)


class BackpressureTest(BystanderTest):
    """A daemon with little memory, and a pool `tell` of workers that stream."""

    def start_tellers(self, command: str, **options: object) -> Daemon:
        daemon = self.start(pool("tell", command, **options), **LIMITS)
        daemon.announced.append("pool=tell")
        return daemon

    def read_parts(self, client: Raw, number: int, count: int, size: int, pause: float) -> int:
        """Reads a whole stream slowly, and asks other things on the same connection meanwhile.

        Returns:
            how many of these were answered before the stream was over.
        """
        others: set[int] = set()
        answered = part = 0
        while True:
            message = unpack(client.read_message())
            if message[0] == RESPONSE and message[1] == number:
                self.assertEqual(message[2:], [None, count])
                self.assertEqual(part, count)
                break
            if message[0] == RESPONSE:
                others.remove(message[1])
                self.assertIsNone(message[2])
                answered += 1
                continue
            self.assertEqual(message[:2], [NOTIFICATION, "poold.chunk"])
            self.assertEqual(message[2][0], number)
            self.assertEqual(message[2][1], bytes([part % 256]) * size)
            part += 1
            if part % 10 == 0:
                others.add(client.ask("poold.health"))
            time.sleep(pause)
        while others:
            others.remove(client.read().id)
        return answered


class SteadyReaders(BackpressureTest):
    """A reader that is slower than the worker, but reads."""

    def check(self, command: str, **options: object) -> None:
        daemon = self.start_tellers(command, **options)
        before = daemon.worker_pids("tell")
        client = daemon.connect()
        number = client.ask_pool("tell", "tell_large", [80, 500_000], stream=True)
        self.assertGreaterEqual(self.read_parts(client, number, 80, 500_000, 0.005), 7)
        client.check_quiet()
        self.assertEqual(daemon.worker_pids("tell"), before)
        if not harness.SANITIZED:
            self.assertLess(procs.peak_bytes(daemon.pid), 64 << 20)

    def test_of_a_python_worker(self) -> None:
        self.check(TELLER)

    def test_of_an_async_worker(self) -> None:
        self.check(ASYNC_TELLER)

    def test_of_a_worker_in_c(self) -> None:
        self.check(IN_C)

    def test_of_a_worker_that_knows_no_credit(self) -> None:
        self.check(worker("old_teller"))

    def test_who_reads_a_little_at_a_time_is_not_cut_off(self) -> None:
        """In stall_timeout it takes less than makes room in the socket again."""
        options = {**LIMITS, "stall_timeout": ms(1000)}
        daemon = self.start(pool("tell", TELLER), **options)
        client = daemon.connect()
        number = client.ask_pool("tell", "tell_large", [20, 200_000], stream=True)
        for _ in range(35):
            client.read_exactly(10_000)
            time.sleep(0.1)
        self.assertEqual(daemon.ask("poold.stats")["daemon"]["connections_stalled"], 0)
        client.cancel(number)

    def test_its_attempt_has_no_time_limit_meanwhile(self) -> None:
        """The worker would tell for a moment; reading takes far longer than attempt_timeout."""
        daemon = self.start_tellers(TELLER, attempt_timeout=ms(600))
        before = daemon.worker_pids("tell")
        client = daemon.connect()
        number = client.ask_pool("tell", "tell_large", [40, 250_000], stream=True)
        with Timed() as timed:
            self.read_parts(client, number, 40, 250_000, 0.04)
        self.assertGreater(timed.seconds, 1.2)
        self.assertEqual(daemon.worker_pids("tell"), before)


class DeafStreams(BackpressureTest):
    """Streams that nobody reads."""

    def check(self, command: str) -> None:
        daemon = self.start_tellers(command, workers=12, cancel_grace="20s")
        before = sorted(daemon.worker_pids("tell"))
        deaf = [daemon.connect() for _ in range(10)]
        for client in deaf:
            client.ask_pool("tell", "tell_large", [500, 200_000], stream=True, timeout_ms=4000)
        with Bystander(daemon, "tell.echo"):
            eventually(lambda: daemon.pool("tell")["running"] >= 10, "all are at work")
            eventually(lambda: daemon.counters("tell")["errors"].get("deadline_exceeded") == 10,
                       "their own deadlines end them")
            buffers = daemon.ask("poold.status")["memory"]["buffers"]
            self.assertLess(buffers, 12 << 20)
            eventually(lambda: daemon.pool("tell")["workers"]["busy"] <= 1,
                       "the workers have given them up, or told to the end")
        self.assertEqual(sorted(daemon.worker_pids("tell")), before)
        counters = daemon.counters("tell")
        self.assertEqual(counters["worker_kills"], 0)
        for client in deaf:
            client.close()

    def test_of_python_workers(self) -> None:
        self.check(TELLER)

    def test_of_workers_in_c(self) -> None:
        self.check(IN_C)

    def test_of_workers_that_know_no_credit(self) -> None:
        self.check(worker("old_teller"))

    def test_one_is_cut_off_in_the_end(self) -> None:
        options = {**LIMITS, "stall_timeout": ms(500)}
        daemon = self.start(pool("tell", TELLER), **options)
        before = daemon.worker_pids("tell")
        client = daemon.connect()
        with Timed() as timed:
            client.ask_pool("tell", "tell_large", [500, 200_000], stream=True)
            eventually(lambda: daemon.ask("poold.stats")["daemon"]["connections_stalled"] == 1,
                       "it is cut off")
        self.assertGreaterEqual(timed.seconds, 0.4)
        self.assertEqual(daemon.connect().call_pool("tell", "tell", [1]), [0])
        self.assertEqual(daemon.worker_pids("tell"), before)

    def test_output_max_is_for_what_nothing_holds_back(self) -> None:
        """A worker that knows no credit and runs several requests must be heard."""
        daemon = self.start(pool("tell", worker("old_teller", "2")), **LIMITS)
        client = daemon.connect()
        client.ask_pool("tell", "tell_large", [100, 200_000], stream=True)
        eventually(lambda: daemon.ask("poold.stats")["daemon"]["connections_stalled"] == 1,
                   "it is cut off")
        self.assertRaises(Closed, self.read_all, client)

    @staticmethod
    def read_all(client: Raw) -> None:
        while True:
            client.read_message()


class ManyAnswers(BackpressureTest):
    """A client that asks for more than it reads at the time."""

    def test_all_come_in_order_once_it_reads(self) -> None:
        daemon = self.start(pool("big", TELLER), **LIMITS)
        client = daemon.connect()
        asked = [client.ask_pool("big", "big", [500_000, n]) for n in range(60)]
        with Bystander(daemon, "big.small"):
            eventually(lambda: daemon.pool("big")["queue"]["held"] > 40, "the others wait for their client")
            self.assertLess(daemon.ask("poold.status")["memory"]["buffers"], 8 << 20)
            found = [client.read_of(number).result for number in asked]
        self.assertEqual(found, [bytes([n]) * 500_000 for n in range(60)])
        client.check_quiet()
        self.assertEqual(daemon.counters("big")["errors"], {})

    def test_their_deadlines_hold(self) -> None:
        daemon = self.start(pool("big", TELLER), **LIMITS)
        daemon.announced.append("pool=big")
        client = daemon.connect(map_errors=True)
        asked = [client.ask_pool("big", "big", [500_000, n], timeout_ms=1500) for n in range(20)]
        eventually(lambda: daemon.counters("big")["errors"].get("queue_timeout", 0) > 10,
                   "they end unsent")
        answers = {each.id: each for each in (client.read() for _ in asked)}
        self.assertEqual(sorted(answers), asked)
        self.assertEqual({each.code for each in answers.values()}, {None, "queue_timeout"})
        client.check_quiet()

    def test_it_may_leave(self) -> None:
        daemon = self.start(pool("big", TELLER), **LIMITS)
        client = daemon.connect()
        for number in range(20):
            client.ask_pool("big", "big", [500_000, number])
        eventually(lambda: daemon.pool("big")["queue"]["held"] > 10, "the others wait for their client")
        client.close()
        eventually(lambda: daemon.pool("big")["queue"]["held"] == 0, "nobody waits for them")
        self.assertEqual(daemon.connect().call_pool("big", "small", [7]), [7])


class ShortOfMemory(BackpressureTest):
    """What the daemon has no memory for is its own limit, and no fault of a worker."""

    LITTLE = {
        "message_max": "1M",
        "response_max": "5M",
        "output_pause": "1M",
        "output_max": "6M",
        "memory_max": "8M",
    }

    def check(self, command: str, stream: bool) -> None:
        daemon = self.start(pool("tell", command, workers=2), **self.LITTLE)
        daemon.announced += ["pool=tell", "memory is short"]
        before = sorted(daemon.worker_pids("tell"))
        client = daemon.connect(map_errors=True)
        begun = pack([0, 9, "tell.echo", [bytes(900_000)]])[:-1]
        crowd = [daemon.connect() for _ in range(5)]
        for each in crowd:
            each.send(begun)
        eventually(lambda: daemon.ask("poold.status")["memory"]["buffers"] > 4_500_000,
                   "they take most of it")
        for _ in range(3):
            if stream:
                number = client.ask_pool("tell", "tell_large", [2, 4_500_000], stream=True)
                answer = client.read_of(number)
            else:
                answer = client.answer_pool("tell", "big", [4_500_000, 1])
            self.assert_code(answer, "memory_limit")
            self.assertEqual(client.call("tell.echo", 5), [5])
        for each in crowd:
            each.close()
        eventually(lambda: daemon.ask("poold.status")["memory"]["buffers"] < 1 << 20,
                   "they give it back")
        self.assertEqual(client.call("tell.echo", 5), [5])
        self.assertEqual(daemon.counters("tell")["worker_kills"], 0)
        self.assertEqual(daemon.counters("tell")["errors"], {"memory_limit": 3})
        if not stream:
            self.assertEqual(client.call_pool("tell", "big", [4_500_000, 1]),
                             bytes([1]) * 4_500_000)
        self.assertEqual(sorted(daemon.worker_pids("tell")), before)

    def test_for_an_answer(self) -> None:
        self.check(TELLER, False)

    def test_for_a_part(self) -> None:
        self.check(TELLER, True)

    def test_for_a_part_of_a_worker_in_c(self) -> None:
        self.check(IN_C, True)
