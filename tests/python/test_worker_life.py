"""How a worker starts, lives, is seen and ends, as a real process over a socket pair."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from support import PATIENCE, WorkerProcess, start_python


class LifeTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="poold-test-"))
        self.trace = os.path.join(folder, "trace")
        self.fifo = os.path.join(folder, "fifo")
        os.mkfifo(self.fifo)

    def start(self, target: str = "lived", **environment: str) -> WorkerProcess:
        variables = {"TRACE": self.trace, **environment}
        return WorkerProcess(target, stderr=subprocess.PIPE, environment=variables)

    def traces(self) -> list[str]:
        if not os.path.exists(self.trace):
            return []
        with open(self.trace, encoding="utf-8") as file:
            return file.read().split()

    def wait_running(self) -> None:
        """Until a function that runs for ever does."""
        deadline = time.monotonic() + PATIENCE
        while "running" not in self.traces():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)

    def release(self) -> None:
        with open(self.fifo, "w", encoding="utf-8") as fifo:
            fifo.write("done")

    def ask_started(self, worker: WorkerProcess, method: str, *args: object,
                    **context: object) -> None:
        worker.ask(1, method, list(args), **context)
        self.assertEqual(worker.read(), [2, "started", [1]])


class TestStart(LifeTest):
    def test_steps(self) -> None:
        with self.start() as worker:
            self.assertEqual(worker.steps, ["python", "import lived", "on_start"])
            self.assertEqual(self.traces(), ["start"])

    def test_a_failed_start(self) -> None:
        for fault, status, text in (
            ("error", 1, b"ValueError: no database"),
            ("unusable", 78, b"poold.worker: the licence is missing\n"),
            ("exit", 78, b""),
        ):
            with self.subTest(fault):
                worker = self.start(START_FAULT=fault)
                _, errors = worker.process.communicate()
                self.assertIn(text, errors)
                self.assertEqual(worker.process.returncode, status)
                self.assertEqual(b"Traceback" in errors, status == 1)
                heard = []
                try:
                    while True:
                        heard.append(worker.read())
                except EOFError:
                    pass
                self.assertEqual(heard[-1], [2, "step", ["on_start"]])
                worker.close()

    def test_hooks_are_not_served(self) -> None:
        with self.start() as worker:
            for name in ("on_start", "on_shutdown"):
                self.assertEqual(worker.fail(name, [])["code"], "unknown_method")

    def test_an_unusable_module(self) -> None:
        status, text = run("odd.unusable")
        self.assertEqual((status, text), (78, "poold.worker: it needs a newer kernel\n"))


class TestEnd(LifeTest):
    def test_each_way_is_tidy(self) -> None:
        for end in ("shutdown", "terminate"):
            with self.subTest(end), self.start() as worker:
                self.ask_started(worker, "block", self.fifo)
                if end == "shutdown":
                    worker.send([2, "shutdown", []])
                else:
                    worker.process.terminate()
                self.release()
                self.assertEqual(worker.read(), [1, 1, None, "done"])
                self.assertEqual(worker.wait(), 0)
                self.assertEqual(self.traces(), ["start", "shutdown", "atexit"])
                os.unlink(self.trace)

    def test_what_waits_is_left_to_others(self) -> None:
        with self.start() as worker:
            self.ask_started(worker, "block", self.fifo)
            worker.ask(2, "echo", ["x"])
            worker.process.terminate()
            self.release()
            self.assertEqual(worker.read(), [1, 1, None, "done"])
            self.assertEqual(worker.wait(), 0)
            self.assertRaises((EOFError, ConnectionResetError), worker.read)

    def test_what_is_late_is_broken_off(self) -> None:
        for method in ("sleep_for_ever", "values_for_ever"):
            with self.subTest(method), self.start() as worker:
                self.ask_started(worker, method, deadline_ms=1, stream=False)
                self.wait_running()
                time.sleep(0.01)  # the deadline, not an event
                worker.process.terminate()
                error = worker.read()[2]
                self.assertEqual((error["code"], error["message"]),
                                 ("cancelled", "cancelled while it ran"))
                self.assertEqual(worker.wait(), 0)
                self.assertIn("unwound" if method == "sleep_for_ever" else "closed",
                              self.traces())
                os.unlink(self.trace)

    def test_what_becomes_late_is_broken_off_then(self) -> None:
        with self.start() as worker:
            self.ask_started(worker, "sleep_for_ever", deadline_ms=300)
            self.wait_running()
            worker.process.terminate()
            self.assertEqual(worker.read()[2]["code"], "cancelled")
            self.assertEqual(worker.wait(), 0)

    def test_what_was_cancelled_is_broken_off(self) -> None:
        with self.start() as worker:
            self.ask_started(worker, "sleep_for_ever")
            self.wait_running()
            worker.send([2, "cancel", [1]])
            worker.process.terminate()
            self.assertEqual(worker.read()[2]["code"], "cancelled")
            self.assertEqual(worker.wait(), 0)
            self.assertIn("unwound", self.traces())

    def test_a_storm_of_signals(self) -> None:
        for _ in range(10):
            with self.start() as worker:
                for number in range(1, 20):
                    worker.ask(number, "echo", [number])
                for _ in range(20):
                    worker.process.terminate()
                self.assertEqual(worker.wait(), 0, worker.process.stderr.read())

    def test_a_shutdown_hook_that_fails(self) -> None:
        with self.start(SHUTDOWN_FAULT="1") as worker:
            worker.send([2, "shutdown", []])
            self.assertEqual(worker.wait(), 0)
            self.assertIn(b"on_shutdown failed", worker.process.stderr.read())


class TestSigns(LifeTest):
    def test_alive_while_busy(self) -> None:
        with self.start() as worker:
            self.ask_started(worker, "sleep", 3.2)
            self.assertEqual(worker.read(), [1, 1, None, "slept"])
            self.assertGreaterEqual(len(worker.signs), 2)
            self.assertEqual(worker.signs, sorted(worker.signs))
            self.assertGreaterEqual(worker.signs[0], 1000)

    def test_none_when_idle_or_quick(self) -> None:
        with self.start() as worker:
            for number in range(3):
                self.assertEqual(worker.call("sleep", 0.1), "slept")
            readable, _, _ = select.select([worker.channel], [], [], 1.5)
            self.assertEqual((readable, worker.signs), ([], []))

    def test_the_stack_on_a_signal(self) -> None:
        for method, args in (("sleep", [30]), ("hold_the_lock", [30])):
            with self.subTest(method), self.start() as worker:
                self.assertEqual(worker.ready["stack"], signal.SIGURG)
                self.ask_started(worker, method, *args)
                self.assertIn(b"Current thread 0x", worker.stack(method))
                self.assertIsNone(worker.process.poll())

    def test_a_handler_of_the_workers_own_is_kept(self) -> None:
        with WorkerProcess("odd.signals") as worker:
            self.assertNotIn("stack", worker.ready)
            worker.process.send_signal(signal.SIGURG)
            while worker.call("count") == 0:
                pass


class TestLogs(LifeTest):
    def start_logging(self) -> WorkerProcess:
        return self.start(POOLD_POOL="shop", POOLD_WORKER="2")

    def test_lines_say_how_grave_and_which_request(self) -> None:
        with self.start_logging() as worker:
            for level, number in ((50, 2), (40, 3), (30, 4), (20, 6)):
                worker.ask(1, "chat", [level, "text"], request=812)
                worker.answer(1)
                line = worker.process.stderr.readline().decode()
                self.assertEqual(
                    line, f"<{number}>lived.deep: text pool=shop worker=2 request=812\n"
                )
            worker.ask(1, "chat", [10, "a detail"])
            worker.ask(2, "chat", [20, "seen"], trace="00-ab-cd-01")
            worker.answer(1)
            worker.answer(2)
            line = worker.process.stderr.readline().decode()
            self.assertIn("seen pool=shop worker=2 request=1 trace=00-ab-cd-01\n", line)

    def test_a_traceback_is_one_line(self) -> None:
        with self.start_logging() as worker:
            worker.call("chat_with_trace")
            line = worker.process.stderr.readline().decode()
            self.assertIn(r"it failed\nTraceback (most recent call last):\n", line)
            self.assertIn(r"ValueError: two\nlines pool=shop", line)

    def test_from_another_thread(self) -> None:
        with self.start_logging() as worker:
            worker.ask(1, "chat_in_thread", ["aside"], request=5)
            worker.answer(1)
            self.assertIn(b"aside", worker.process.stderr.readline())

    def test_a_set_up_of_the_workers_own_is_kept(self) -> None:
        with WorkerProcess("odd.logs", stderr=subprocess.PIPE) as worker:
            worker.ask(1, "say", ["text"], request=9)
            worker.answer(1)
            self.assertEqual(worker.process.stderr.readline(), b"own text request=9\n")


class TestInterrupted(LifeTest):
    """What cannot be written whole ends the channel, and its end says why."""

    SIZE = 3_000_000  # more than a socket takes while nobody reads

    def ends(self, method: str, *args: object, **context: object) -> tuple[bytes, bytes]:
        """What came from a worker that nobody read until it ended, and what it said."""
        with WorkerProcess("odd.interrupted", stderr=subprocess.PIPE) as worker:
            worker.ask(1, method, list(args), **context)
            self.assertEqual(worker.wait(), os.EX_SOFTWARE)
            sent = b""
            while data := worker.channel.recv(1 << 20):
                sent += data
            return sent, worker.process.stderr.read()

    def check(self, sent: bytes, said: bytes, name: str) -> None:
        # The next signal may come before the first is taken note of.
        reason = rf"interrupted while it wrote to the daemon, by {name}|message to the daemon is incomplete"
        self.assertRegex(said.decode(), reason)
        # Nothing stands behind the half message.
        self.assertIn(b"x" * 1000, sent)
        self.assertTrue(sent.endswith(b"x"))

    def test_results_and_parts(self) -> None:
        with WorkerProcess("odd.interrupted") as worker:
            names = worker.call("kinds")
        for name in names:
            for method, context in (("result", {}), ("parts", {"stream": True})):
                with self.subTest(name=name, method=method):
                    sent, said = self.ends(method, name, 0, self.SIZE, **context)
                    self.check(sent, said, name)

    def test_restored_interrupts(self) -> None:
        sent, said = self.ends("interrupt", self.SIZE)
        self.check(sent, said, "KeyboardInterrupt")

    def test_when_idle(self) -> None:
        with WorkerProcess("odd.interrupted", stderr=subprocess.PIPE) as worker:
            self.assertEqual(worker.call("result", "ValueError", 1.0, 5), b"xxxxx")
            self.assertEqual(worker.wait(), os.EX_SOFTWARE)
            self.assertIn(b"interrupted", worker.process.stderr.read())
            self.assertRaises(EOFError, worker.read)


class TestSurroundings(LifeTest):
    def test_stray_output_leaves_the_protocol_alone(self) -> None:
        with self.start() as worker:
            worker.call("write_raw", b"\x93\x01\xc1 no message\n")
            self.assertEqual(worker.call("fork_and_print", "a child's"), 0)
            worker.call("close_stdout")
            worker.call("chat", 40, "still heard")
            self.assertEqual(worker.call("echo", 1), 1)
            self.assertFalse(worker.has_more())
            output, errors = worker.process.stdout.read1(1000), b""
            while b"still heard" not in errors:
                errors += os.read(worker.process.stderr.fileno(), 1000)
            self.assertIn(b"no message\n", output)
            self.assertIn(b"a child's", output)

    def test_children_hold_no_channel(self) -> None:
        with self.start() as worker:
            counts = worker.call("sockets_of_children")
            self.assertEqual(counts.pop("self"), 1)
            self.assertEqual(set(counts.values()), {0}, counts)
            self.assertFalse(worker.has_more())


def run(*arguments: str) -> tuple[int, str]:
    """A worker that does not get far: its status, and what it said."""
    ours, theirs = socket.socketpair()
    process = start_python(
        "-m", "poold.worker", *arguments, channel=theirs, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )
    text, _ = process.communicate(timeout=PATIENCE)
    ours.close()
    theirs.close()
    return process.returncode, text


class TestCheck(unittest.TestCase):
    def check(self, *arguments: str) -> tuple[int, str]:
        process = start_python(
            "-m", "poold.worker", "--check", *arguments, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        text, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, text

    def test_what_is_served(self) -> None:
        status, text = self.check("lived")
        lines = text.splitlines()
        self.assertEqual((status, lines[0]), (0, "lived serves:"))
        self.assertIn("  chat(level, text)", lines)
        self.assertIn("  called by itself: on_start, on_shutdown", lines)

    def test_threads_of_the_module(self) -> None:
        status, text = self.check("odd.threaded")
        self.assertEqual(status, 0)
        self.assertIn("threads started by importing: 1 (not for prefork: see on_start)", text)

    def test_asynchronous_functions_and_session_classes(self) -> None:
        status, text = self.check("kept")
        self.assertEqual(status, 0)
        self.assertIn("append(text)  (async)", text)
        self.assertIn("an instance for each session: Cart", text)
        self.assertIn("concurrency: 16", text)

    def test_what_is_wrong(self) -> None:
        for arguments, status, text in (
            (["no_such_module"], 78, "there is no module 'no_such_module'"),
            (["odd.empty"], 78, "odd.empty: no public function"),
            (["odd.broken"], 1, "ValueError: broken at import"),
            (["odd.unusable"], 78, "it needs a newer kernel"),
            (["--concurrency", "2", "served"], 78, "there are none"),
            ([], 78, "usage:"),
        ):
            with self.subTest(arguments):
                found = self.check(*arguments)
                self.assertEqual(found[0], status, found[1])
                self.assertIn(text, found[1])


if __name__ == "__main__":
    unittest.main()
