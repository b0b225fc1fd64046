"""Asynchronous functions of a worker, as a real process over a socket pair."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import unittest

from support import PATIENCE, WorkerProcess, request


class AsyncTest(unittest.TestCase):
    def setUp(self) -> None:
        self.worker = self.enterContext(WorkerProcess("aserved"))

    def ask_started(self, number: int, method: str, args: object, **context: object) -> None:
        self.worker.ask(number, method, args, **context)
        self.assertEqual(self.worker.read(), [2, "started", [number]])


class TestCalls(AsyncTest):
    def test_ready_says_how_many(self) -> None:
        self.assertEqual(self.worker.ready["concurrency"], 16)
        self.assertIs(self.worker.ready["started"], True)
        self.assertEqual(self.worker.steps, ["python", "import aserved", "on_start"])

    def test_plain_and_asynchronous_functions(self) -> None:
        self.assertEqual(self.worker.call("echo", {"a": [1]}), {"a": [1]})
        self.assertEqual(self.worker.call("plain", 1), ["plain", 1])
        self.assertEqual(self.worker.call("told"), ["started"])
        self.assertEqual(self.worker.fail("plain", [1, 2])["code"], "rejected")
        self.assertEqual(self.worker.fail("no_such", [])["code"], "unknown_method")

    def test_a_failure(self) -> None:
        error = self.worker.fail("fail", ["what happened"])
        self.assertEqual((error["type"], error["message"]), ("ValueError", "what happened"))
        lines = error["traceback"].splitlines()
        self.assertIn("aserved.py", lines[1])
        self.assertEqual(self.worker.fail("cancel_itself", [])["code"], "exception")
        self.assertEqual(self.worker.call("echo", 1), 1)

    def test_arguments_that_python_cannot_hold(self) -> None:
        unhashable = b"\x94\x00\x05\xa4echo" + b"\x92\x91\x81\x91\x01\x02\x80"
        self.worker.send_bytes(unhashable)
        error, _ = self.worker.answer(5)
        self.assertEqual(error["code"], "encode_error")
        self.assertIn("cannot be said in Python: unhashable type: 'list'", error["message"])
        self.assertEqual(self.worker.call("echo", 1), 1)

    def test_large_results(self) -> None:
        data = bytes(5_000_000)
        self.assertEqual(self.worker.call("echo", data), data)
        self.assertEqual(self.worker.call("plain", data), ["plain", data])

    def test_ping_while_busy(self) -> None:
        self.ask_started(1, "wait_for", ["a"])
        self.worker.send([0, 2, "ping", []])
        self.assertEqual(self.worker.read(), [1, 2, None, "pong"])


class TestConcurrency(AsyncTest):
    def test_one_that_waits_holds_nobody_up(self) -> None:
        self.ask_started(1, "wait_for", ["a"])
        self.ask_started(2, "wait_for", ["b"])
        self.worker.ask(3, "release", ["b"])
        self.assertEqual(self.worker.read(), [2, "started", [3]])
        self.assertCountEqual(
            [self.worker.read(), self.worker.read()], [[1, 3, None, None], [1, 2, None, "b"]]
        )
        self.worker.ask(4, "release", ["a"])
        self.assertEqual(self.worker.read(), [2, "started", [4]])
        self.assertCountEqual(
            [self.worker.read(), self.worker.read()], [[1, 4, None, None], [1, 1, None, "a"]]
        )

    def test_no_more_than_allowed(self) -> None:
        with WorkerProcess("aserved", options=("--concurrency", "2")) as worker:
            self.assertEqual(worker.ready["concurrency"], 2)
            for number in (1, 2, 3):
                worker.ask(number, "wait_for", ["a"])
            self.assertEqual([worker.read()[2], worker.read()[2]], [[1], [2]])
            worker.send([2, "cancel", [1]])
            self.assertEqual(worker.read()[2]["code"], "cancelled")
            self.assertEqual(worker.read(), [2, "started", [3]])

    def test_the_context_is_each_tasks_own(self) -> None:
        for number in (1, 2, 3):
            self.ask_started(number, "who_in_turn", ["a"], request=100 + number)
        self.worker.ask(4, "release", ["a"])
        answers = {message[1]: message[3] for message in (self.worker.read() for _ in range(5))
                   if message[0] == 1}
        self.assertEqual(
            answers, {number: [100 + number] * 3 for number in (1, 2, 3)} | {4: None}
        )

    def test_a_task_that_lives_on_hands_nothing_back(self) -> None:
        self.worker.ask(1, "outlive", [], session="s")
        self.assertEqual(self.worker.answer(1), (None, None))
        self.assertIsNone(self.worker.call("release", "outlived"))
        self.assertIn("the request is over", self.worker.call("told")[-1])


class TestCancel(AsyncTest):
    def test_a_task_is_cancelled(self) -> None:
        self.ask_started(1, "wait_tidily", ["a"])
        self.worker.send([2, "cancel", [1]])
        kind, number, error, _ = self.worker.read()
        self.assertEqual((kind, number, error["code"]), (1, 1, "cancelled"))
        self.assertEqual(self.worker.call("told"), ["started", "tidied a"])

    def test_one_that_does_not_want_to(self) -> None:
        self.ask_started(1, "wait_stubbornly", ["a"])
        self.worker.send([2, "cancel", [1]])
        self.assertEqual(self.worker.call("told"), ["started", "cancelled"])
        self.worker.ask(2, "release", ["a"])
        messages = [self.worker.read() for _ in range(3)]
        self.assertIn([1, 1, None, "a"], messages)

    def test_in_the_same_read(self) -> None:
        self.worker.send(request(1, "wait_for", ["a"]), [2, "cancel", [1]])
        messages = [self.worker.read()]
        while messages[-1][0] != 1:
            messages.append(self.worker.read())
        self.assertEqual(messages[-1][2]["code"], "cancelled")
        self.worker.send([2, "cancel", [99]], [2, "cancel", ["x"]], [2, "cancel", []])
        self.assertEqual(self.worker.call("echo", 1), 1)


class TestStreams(AsyncTest):
    def test_values_one_by_one(self) -> None:
        self.worker.ask(1, "values", [1, "two"], stream=True)
        found = [self.worker.read() for _ in range(4)]
        self.assertEqual(
            found,
            [
                [2, "started", [1]],
                [2, "chunk", [1, 1]],
                [2, "chunk", [1, "two"]],
                [1, 1, None, None],
            ],
        )

    def test_values_as_a_list(self) -> None:
        self.assertEqual(self.worker.call("values", 1, 2), [1, 2])
        self.assertEqual(self.worker.call("plain_values", 3), [0, 1, 2])

    def test_a_plain_generator(self) -> None:
        self.worker.ask(1, "plain_values", [2], stream=True)
        found = [self.worker.read() for _ in range(4)]
        self.assertEqual(found[1:], [[2, "chunk", [1, 0]], [2, "chunk", [1, 1]],
                                     [1, 1, None, "the end"]])

    def test_chunks_wait_for_credit(self) -> None:
        """Each stream has its own, and what has none waits for nobody."""
        self.worker.ask(1, "values", [1, "two", 3], stream=True, credit=1)
        self.assertEqual(self.worker.read(), [2, "started", [1]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, 1]])
        self.worker.ask(2, "values", ["other"], stream=True, credit=1)
        found = [self.worker.read() for _ in range(3)]
        self.assertEqual(found[:2], [[2, "started", [2]], [2, "chunk", [2, "other"]]])
        self.assertEqual(found[2][:2], [1, 2])
        self.worker.send([2, "credit", [2, 100]], [2, "credit", [1, 0]], [0, 3, "ping", []])
        self.assertEqual(self.worker.read(), [1, 3, None, "pong"])
        self.worker.send([2, "credit", [1, 1]])
        self.assertEqual(self.worker.read(), [2, "chunk", [1, "two"]])
        self.worker.send([2, "cancel", [1]])
        self.assertEqual(self.worker.read()[2]["code"], "cancelled")

    def test_a_cancelled_one_is_closed(self) -> None:
        self.worker.ask(1, "values_without_end", ["closed"], stream=True)
        for _ in range(20):
            self.worker.read()
        self.worker.send([2, "cancel", [1]])
        while (message := self.worker.read())[0] != 1:
            self.assertEqual(message[1], "chunk")
        self.assertEqual(message[2]["code"], "cancelled")
        self.assertEqual(self.worker.call("told"), ["started", "closed"])

    def test_a_reader_that_stalls_stops_it(self) -> None:
        """What it would yield does not pile up in memory; when it is read again, all goes on."""
        self.worker.ask(1, "values_without_end", ["closed"], stream=True)
        self.wait_resting()
        self.worker.ask(2, "echo", [bytes(300_000)])
        while (message := self.worker.read())[:2] != [1, 2]:
            self.assertIn(message[1], ("chunk", "started"))

    def wait_resting(self) -> None:
        """Until the worker sleeps, and has used no processor time for a while."""
        deadline = time.monotonic() + PATIENCE
        used, since = ("", ""), 0.0
        while time.monotonic() - since < 0.3:
            self.assertLess(time.monotonic(), deadline, "it goes on and on")
            with open(f"/proc/{self.worker.process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(") ")[2].split()
            now = (fields[0], fields[11])
            if now != used or now[0] != "S":
                used, since = now, time.monotonic()
            time.sleep(0.02)

    def test_what_cannot_be_sent(self) -> None:
        self.worker.ask(1, "odd_values", [], stream=True)
        found = [self.worker.read() for _ in range(3)]
        self.assertIn("a chunk of type 'object' cannot be sent", found[2][2]["message"])
        self.assertIn("a result of type", self.worker.fail("odd_values", [])["message"])


class TestEnds(AsyncTest):
    def test_shutdown_finishes_what_was_begun(self) -> None:
        self.ask_started(1, "wait_for", ["a"])
        self.ask_started(2, "wait_for", ["b"])
        self.worker.send(request(3, "release", ["a"]))
        self.assertEqual(self.worker.read(), [2, "started", [3]])
        self.worker.read()
        self.worker.read()
        self.worker.send(request(4, "release", ["b"]), [2, "shutdown", []])
        # It may be dropped or begun: it came before.
        self.worker.send([2, "cancel", [2]])
        self.assertEqual(self.worker.wait(), 0)

    def test_shutdown_waits_longer_than_a_sign_of_life_takes(self) -> None:
        self.ask_started(1, "wait_for", ["a"])
        self.worker.process.terminate()
        while not self.worker.signs:
            self.worker.channel.settimeout(0.1)
            try:
                self.worker.read()
            except TimeoutError:
                pass
        self.worker.send([2, "cancel", [1]])
        self.worker.channel.settimeout(PATIENCE)
        self.assertEqual(self.worker.read()[2]["code"], "cancelled")
        self.assertEqual(self.worker.wait(), 0)

    def test_shutdown_when_idle(self) -> None:
        self.worker.send([2, "shutdown", []])
        self.assertEqual(self.worker.wait(), 0)

    def test_terminate_when_idle(self) -> None:
        self.worker.process.terminate()
        self.assertEqual(self.worker.wait(), 0)

    def test_terminate_finishes_what_has_time(self) -> None:
        self.ask_started(1, "wait_tidily", ["a"], deadline_ms=100)
        self.worker.process.terminate()
        self.assertEqual(self.worker.read()[2]["code"], "cancelled")
        self.assertEqual(self.worker.wait(), 0)

    def test_fatal_answers_and_ends(self) -> None:
        self.ask_started(1, "wait_for", ["a"])
        self.worker.ask(2, "fail_fatally", [])
        self.assertEqual(self.worker.read(), [2, "started", [2]])
        self.assertIs(self.worker.read()[2]["fatal"], True)
        self.worker.send([2, "cancel", [1]])
        self.assertEqual(self.worker.wait(), 1)

    def test_end_of_the_daemon_while_busy(self) -> None:
        for method, args in (("wait_stubbornly", ["a"]), ("block", [60])):
            with self.subTest(method), WorkerProcess("aserved") as worker:
                worker.ask(1, method, args)
                self.assertEqual(worker.read(), [2, "started", [1]])
                worker.close()
                self.assertEqual(worker.wait(), 0)

    def test_hooks(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace")
            with WorkerProcess("aserved", environment={"TRACE": trace}) as worker:
                worker.send([2, "session_end", ["s", "closed"]])
                while worker.call("told") != ["started", "s closed"]:
                    pass
                worker.send([2, "shutdown", []])
                self.assertEqual(worker.wait(), 0)
            with open(trace, encoding="utf-8") as file:
                self.assertEqual(file.read(), "shutdown\n")

    def test_signs_of_life_while_the_loop_is_blocked(self) -> None:
        self.ask_started(1, "block", [2.5])
        self.assertEqual(self.worker.read()[:2], [1, 1])
        self.assertGreaterEqual(self.worker.signs[0], 1000)


class TestSurroundings(unittest.TestCase):
    def test_records_carry_their_tasks_request(self) -> None:
        with WorkerProcess("aserved", stderr=subprocess.PIPE) as worker:
            worker.ask(1, "say", ["hello"], request=41, trace="00-ab-cd-01")
            worker.answer(1)
            line = worker.process.stderr.readline()
        self.assertEqual(line, b"<4>aserved: hello request=41 trace=00-ab-cd-01\n")

    def test_concurrency_that_does_not_fit(self) -> None:
        for target, options, text in (
            ("served", ("--concurrency", "2"), b"there are none"),
            ("aserved", ("--concurrency", "0"), b"from 1 to 64"),
            ("aserved", ("--concurrency", "65"), b"from 1 to 64"),
            ("aserved", ("--concurrency", "x"), b"usage:"),
        ):
            with self.subTest(options):
                worker = WorkerProcess(target, stderr=subprocess.PIPE, options=options)
                _, errors = worker.process.communicate()
                self.assertIn(text, errors)
                self.assertEqual(worker.process.returncode, 78)
                worker.close()

    def test_the_stack_is_written(self) -> None:
        with WorkerProcess("aserved", stderr=subprocess.PIPE) as worker:
            worker.ask(1, "block", [30])
            worker.read()
            self.assertEqual(worker.ready["stack"], signal.SIGURG)
            self.assertIn(b"aserved.py", worker.stack("block"))


if __name__ == "__main__":
    unittest.main()
