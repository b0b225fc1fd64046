"""Answers in parts: chunks come before the result, in order, and never twice unasked."""

from __future__ import annotations

import asyncio
import itertools
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import poold
from poold.aio import AsyncClient

import procs
from clients import PoolctlTest, poolctl
from clock import Timed, eventually, ms, stretch
from harness import BUILD, Daemon, pool, program, retry, worker
from raw import NOTIFICATION, RESPONSE, Raw, unpack

TELLER = shlex.join([sys.executable, "-m", "poold.worker", "teller"])


class StreamTest(PoolctlTest):
    """A pool of workers that answer in parts."""

    def start_tellers(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(pool("tell", TELLER, **options), *more)
        daemon.announced.append("pool=tell")
        return daemon, self.connect_client(daemon)


class Parts(StreamTest):
    """Chunks, then the result."""

    def test_in_order_and_before_the_result(self) -> None:
        _, client = self.start_tellers()
        stream = client.stream("tell", "tell", 200)
        self.assertEqual(list(stream), list(range(200)))
        self.assertEqual(stream.result, 400)

    def test_on_the_wire(self) -> None:
        """Notifications with the request's own id, then one response."""
        daemon, _ = self.start_tellers()
        raw = daemon.connect()
        raw.number = 76
        number = raw.ask_pool("tell", "tell", [3], stream=True)
        messages = [unpack(raw.read_message()) for _ in range(4)]
        self.assertEqual(
            messages,
            [[NOTIFICATION, "poold.chunk", [number, n]] for n in range(3)]
            + [[RESPONSE, number, None, 6]],
        )
        raw.check_quiet()

    def test_each_as_soon_as_it_is_there(self) -> None:
        daemon, client = self.start_tellers()
        path = daemon.directory / "gate"
        with client.stream("tell", "tell_at_gates", str(path), 5) as stream:
            for number in range(5):
                self.assertEqual(next(stream), number)
                (daemon.directory / f"gate-{number + 1}").touch()
            self.assertRaises(StopIteration, next, stream)
            self.assertEqual(stream.result, 10)

    def test_without_the_option_the_values_come_as_a_list(self) -> None:
        _, client = self.start_tellers()
        self.assertEqual(client.call("tell", "tell", 5), [0, 1, 2, 3, 4])

    def test_a_function_that_gives_no_parts(self) -> None:
        daemon, client = self.start_tellers(pool("c", program("workers/echo")))
        stream = client.stream("c", "echo", 7)
        self.assertEqual((list(stream), stream.result), ([], [7]))

    def test_many_at_once_on_one_connection(self) -> None:
        _, client = self.start_tellers(workers=3)
        streams = [client.stream("tell", "tell", 20 + n) for n in range(12)]
        self.assertEqual([list(stream) for stream in streams],
                         [list(range(20 + n)) for n in range(12)])

    def test_large_parts(self) -> None:
        daemon, client = self.start_tellers()
        daemon.growth_max += 32 << 20
        for number, chunk in enumerate(client.stream("tell", "tell_large", 40, 300_000)):
            self.assertEqual(chunk, bytes([number]) * 300_000)

    def test_meta_comes_with_the_result(self) -> None:
        _, client = self.start_tellers()
        stream = client.stream("tell", "tell", 2, meta=True)
        self.assertEqual(list(stream), [0, 1])
        self.assertEqual((stream.result.result, stream.result.meta["attempts"]), (4, 1))

    def test_a_worker_in_c(self) -> None:
        daemon, client = self.start_tellers(pool("c", program("workers/session")))
        stream = client.stream("c", "stream", 50)
        self.assertEqual((list(stream), stream.result), (list(range(50)), 50))


class Asynchronous(StreamTest):
    """The same with poold.aio."""

    def test_in_order_and_before_the_result(self) -> None:
        daemon, _ = self.start_tellers()

        async def run() -> tuple[list[int], int]:
            async with AsyncClient(daemon.path) as client:
                stream = client.stream("tell", "tell", 200)
                return [chunk async for chunk in stream], stream.result

        self.assertEqual(asyncio.run(run()), (list(range(200)), 400))

    def test_many_at_once(self) -> None:
        daemon, _ = self.start_tellers(workers=3)

        async def gather(stream: AsyncIterator[int]) -> list[int]:
            return [chunk async for chunk in stream]

        async def run() -> list[list[int]]:
            async with AsyncClient(daemon.path) as client:
                streams = (client.stream("tell", "tell", 20 + n) for n in range(12))
                return await asyncio.gather(*(gather(stream) for stream in streams))

        self.assertEqual(asyncio.run(run()), [list(range(20 + n)) for n in range(12)])

    def test_leaving_it_stops_the_worker(self) -> None:
        daemon, _ = self.start_tellers()
        stopped = daemon.directory / "stopped"

        async def run() -> list[int]:
            async with AsyncClient(daemon.path) as client:
                found = []
                async with client.stream("tell", "tell_without_end", str(stopped)) as stream:
                    async for chunk in stream:
                        found.append(chunk)
                        if len(found) == 3:
                            break
                await asyncio.to_thread(eventually, stopped.exists, "the worker has stopped")
                return found

        self.assertEqual(asyncio.run(run()), [0, 1, 2])


class Poolctl(StreamTest):
    """poolctl call --stream"""

    def test_a_line_for_each_part(self) -> None:
        daemon, _ = self.start_tellers()
        told = self.succeed(daemon, "call", "--stream", "tell", "tell", "[4]")
        self.assertEqual([json.loads(line) for line in told.splitlines()], [0, 1, 2, 3, 8])

    def test_each_as_soon_as_it_is_there(self) -> None:
        daemon, _ = self.start_tellers()
        path = daemon.directory / "gate"
        command = [str(BUILD / "poolctl"), "--socket", daemon.path, "call", "--stream", "tell"]
        command += ["tell_at_gates", json.dumps([str(path), 3])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for number in range(3):
                self.assertEqual(json.loads(process.stdout.readline()), number)
                (daemon.directory / f"gate-{number + 1}").touch()
            self.assertEqual(json.loads(process.stdout.read()), 6)
        self.assertEqual(process.returncode, 0)

    def test_a_failure_in_the_middle(self) -> None:
        daemon, _ = self.start_tellers()
        arguments = json.dumps([3, "raise", str(daemon.directory / "notes")])
        done = poolctl(daemon, "call", "--stream", "tell", "tell_then", arguments)
        self.assertEqual((done.returncode, done.stdout.split()), (1, ["0", "1", "2"]))
        self.assertIn("in the middle", done.stderr)


class Cancelled(StreamTest):
    """Who has enough stops the worker."""

    def check_stopped(self, daemon: Daemon) -> None:
        """The worker stopped in mid-stream, and serves on."""
        before = daemon.worker_pids("tell")
        eventually((daemon.directory / "stopped").exists, "the worker has stopped")
        eventually(lambda: daemon.counters("tell")["cancelled"] == 1, "it is counted")
        self.assertEqual(self.connect_client(daemon).call("tell", "tell", 1), [0])
        self.assertEqual(daemon.worker_pids("tell"), before)

    def test_by_closing_the_stream(self) -> None:
        daemon, client = self.start_tellers()
        stream = client.stream("tell", "tell_without_end", str(daemon.directory / "stopped"))
        self.assertEqual([next(stream) for _ in range(5)], list(range(5)))
        stream.close()
        self.assertRaises(StopIteration, next, stream)
        with self.assertRaises(poold.Cancelled):
            stream.result
        self.check_stopped(daemon)

    def test_by_a_notification(self) -> None:
        daemon, _ = self.start_tellers()
        raw = daemon.connect()
        arguments = [str(daemon.directory / "stopped")]
        number = raw.ask_pool("tell", "tell_without_end", arguments, stream=True)
        raw.read_message()
        raw.cancel(number)
        self.assertEqual(self.read_to_answer(raw)[2][1][:9], "cancelled")
        raw.check_quiet()
        self.check_stopped(daemon)

    @staticmethod
    def read_to_answer(raw: Raw) -> list:
        """The response behind all chunks."""
        while (message := unpack(raw.read_message()))[0] == NOTIFICATION:
            pass
        return message

    def test_by_leaving(self) -> None:
        daemon, _ = self.start_tellers()
        with Raw(daemon.path) as raw:
            arguments = [str(daemon.directory / "stopped")]
            raw.ask_pool("tell", "tell_without_end", arguments, stream=True)
            raw.read_message()
        self.check_stopped(daemon)

    def test_by_its_deadline(self) -> None:
        daemon, client = self.start_tellers()
        stopped = daemon.directory / "stopped"
        deadline = stretch(0.2)
        with Timed() as timed, self.assertRaises(poold.PoolTimeoutError) as raised:
            for _ in client.stream("tell", "tell_without_end", str(stopped), timeout=deadline):
                pass
        self.assertEqual(raised.exception.code, "deadline_exceeded")
        self.assert_in_time(timed, deadline)


class Broken(StreamTest):
    """What fails in mid-stream."""

    def check_fails(self, client: poold.Client, daemon: Daemon, how: str, code: str) -> None:
        """Fails after three chunks, and is not run again."""
        notes = daemon.directory / f"notes-{how}"
        stream = client.stream("tell", "tell_then", 3, how, str(notes), timeout=stretch(20))
        self.assertEqual([next(stream) for _ in range(3)], [0, 1, 2])
        with self.assertRaises(poold.Error) as raised:
            next(stream)
        self.assertEqual((raised.exception.code, raised.exception.attempt), (code, 1))
        self.assertEqual(len(notes.read_text()), 1)

    def test_nothing_is_tried_again_after_the_first_part(self) -> None:
        """Not even what is idempotent: the client has a part of the answer."""
        daemon, client = self.start_tellers(
            retry("tell", backoff="none"), workers=2, idempotent=True, attempt_timeout=ms(600)
        )
        cases = {
            "kill": "worker_killed",
            "hang": "attempt_timeout",
            "raise": "exception",
            "Retryable": "exception",
        }
        for how, code in cases.items():
            with self.subTest(how):
                self.check_fails(client, daemon, how, code)

    def test_before_the_first_part_it_is(self) -> None:
        daemon, client = self.start_tellers(
            retry("tell", backoff="none"), workers=2, idempotent=True
        )
        notes = str(daemon.directory / "notes")
        stream = client.stream("tell", "tell_then", 0, "kill", notes)
        self.assertEqual((list(stream), stream.result), (list(range(10)), 2))

    def test_a_stream_that_may_begin_again_does(self) -> None:
        daemon, client = self.start_tellers(
            retry("tell", backoff="none"), workers=2, idempotent=True, attempt_timeout=ms(600)
        )
        for how in ("kill", "hang", "Retryable"):
            with self.subTest(how):
                notes = str(daemon.directory / how)
                stream = client.stream("tell", "tell_then", 3, how, notes, restartable=True)
                void = list(itertools.takewhile(lambda part: part is not poold.RESTART, stream))
                # Parts that became void before the client took them are not seen.
                self.assertEqual(void, [0, 1, 2][: len(void)])
                self.assertEqual((list(stream), stream.result), (list(range(10)), 2))

    def test_that_is_said_on_the_wire(self) -> None:
        daemon, _ = self.start_tellers(
            retry("tell", backoff="none"), workers=2, idempotent=True
        )
        raw = daemon.connect()
        arguments = [2, "kill", str(daemon.directory / "notes")]
        number = raw.ask_pool("tell", "tell_then", arguments, stream=True, restartable=True)
        messages = []
        while not messages or messages[-1][0] == NOTIFICATION:
            messages.append(unpack(raw.read_message()))
        self.assertEqual(
            messages,
            [[NOTIFICATION, "poold.chunk", [number, n]] for n in range(2)]
            + [[NOTIFICATION, "poold.restart", [number]]]
            + [[NOTIFICATION, "poold.chunk", [number, n]] for n in range(10)]
            + [[RESPONSE, number, None, 2]],
        )

    def test_one_that_may_not_run_twice_does_not_begin_again(self) -> None:
        daemon, client = self.start_tellers(workers=2)
        notes = daemon.directory / "notes"
        stream = client.stream("tell", "tell_then", 3, "kill", str(notes), restartable=True)
        with self.assertRaises(poold.PoolConnectionError):
            list(stream)
        self.assertEqual(len(notes.read_text()), 1)

    def test_parts_that_nobody_asked_for(self) -> None:
        daemon = self.start(pool("rude", worker("rude")))
        daemon.announced.append("pool=rude")
        client = self.connect_client(daemon)
        stream = client.stream("rude", "chunk")
        self.assertEqual((list(stream), stream.result), (["part"], "whole"))
        self.failure("protocol_violation", client, "rude", "chunk")
        self.failure("protocol_violation", client, "rude", "foreign_chunk")
        (before,) = daemon.wait_workers("rude", 1)
        stream = client.stream("rude", "late_chunk")
        self.assertEqual((list(stream), stream.result), ([], "whole"))
        daemon.wait_workers("rude", 1, apart_from=(before,))
        self.assertEqual(client.call("rude", "echo", [1]), [[1]])

    def test_a_worker_that_is_killed_from_outside(self) -> None:
        daemon, client = self.start_tellers(workers=2)
        path = daemon.directory / "gate"
        stream = client.stream("tell", "tell_at_gates", str(path), 9)
        self.assertEqual(next(stream), 0)
        (busy,) = [each["pid"] for each in daemon.workers("tell") if each["in_flight"]]
        procs.kill(busy, signal.SIGKILL)
        with self.assertRaises(poold.PoolConnectionError) as raised:
            next(stream)
        self.assertEqual(raised.exception.code, "worker_killed")
        self.assertEqual(client.call("tell", "tell", 1), [0])
