"""The page in which a worker stores which request it begins, instead of sending `started`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import unittest

from support import Fifo, WorkerProcess, pack, request, send_page
from test_prefork import Server, adopt_orphans
from test_worker_forks import Forks


class Gate(Fifo):
    """A FIFO that also says when the function waits for it."""

    def wait(self) -> None:
        self._file = open(self.path, "w", encoding="utf-8")

    def close(self) -> None:
        self._file.close()

    def release(self) -> None:
        with self._file:
            self._file.write("done")


class PageTest(unittest.TestCase):
    def start(self, target: str = "served", **options: object) -> WorkerProcess:
        worker = self.enterContext(WorkerProcess(target, page=True, **options))
        self.assertIs(worker.ready["page"], True)
        self.assertNotIn("started", worker.ready)
        return worker

    def fifo(self) -> Gate:
        return self.enterContext(Gate())

    def test_it_is_stored_before_the_function_runs(self) -> None:
        worker, fifo = self.start(), self.fifo()
        self.assertEqual(worker.page[0], 0)
        worker.send(request(3, "block", [fifo.path]))
        fifo.wait()
        self.assertEqual(worker.page[0], 3)
        fifo.release()
        self.assertEqual(worker.read(), [1, 3, None, "done"])
        self.assertEqual(worker.page[0], 3)

    def test_the_one_before_was_answered_first(self) -> None:
        worker, first, second = self.start(), self.fifo(), self.fifo()
        worker.send(request(1, "block", [first.path]), request(2, "block", [second.path]))
        first.wait()
        self.assertEqual(worker.page[0], 1)
        first.release()
        self.assertEqual(worker.read(), [1, 1, None, "done"])
        second.wait()
        self.addCleanup(second.close)
        self.assertEqual(worker.page[0], 2)
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        self.assertEqual(worker.page[0], 2)

    def test_whatever_is_answered_was_stored(self) -> None:
        worker = self.start()
        for number, method in enumerate(("no_such_function", "raise_value_error", "echo"), start=1):
            worker.send(request(number, method, []))
            self.assertEqual(worker.read()[:2], [1, number])
            self.assertEqual(worker.page[0], number)

    def test_a_health_check_is_not(self) -> None:
        worker = self.start()
        self.assertEqual(worker.call("echo", 1), 1)
        worker.send([0, 9, "ping", []])
        self.assertEqual(worker.read(), [1, 9, None, "pong"])
        self.assertEqual(worker.page[0], 7)

    def test_nor_what_is_cancelled_or_given_back(self) -> None:
        worker, fifo = self.start(), self.fifo()
        worker.send(
            request(1, "block", [fifo.path]), request(2, "echo", ["two"]), request(3, "echo", ["3"])
        )
        fifo.wait()
        worker.recall(3)
        self.assertEqual(worker.read(), [1, 3, {"code": "recalled"}, None])
        worker.send([2, "cancel", [2]])
        fifo.release()
        self.assertEqual(worker.read(), [1, 1, None, "done"])
        answer = worker.read()
        self.assertEqual(answer[:2], [1, 2])
        self.assertEqual(answer[2]["code"], "cancelled")
        worker.send([0, 9, "ping", []])
        self.assertEqual(worker.read(), [1, 9, None, "pong"])
        self.assertEqual(worker.page[0], 1)

    def test_streams(self) -> None:
        worker = self.start()
        worker.ask(4, "generate", [1, 2], stream=True)
        self.assertEqual(worker.read()[:2], [2, "chunk"])
        self.assertEqual(worker.page[0], 4)

    def test_without_a_descriptor_there_is_none(self) -> None:
        for message in ([2, "page", []], [2, "news", []]):
            with WorkerProcess(recall=True, before=lambda recalls, m=message: recalls.send(pack(m))
                               ) as worker:
                self.assertNotIn("page", worker.ready)
                self.assertIs(worker.ready["started"], True)
                self.assertEqual(worker.call("echo", 1), 1)

    def test_a_descriptor_that_cannot_be_mapped(self) -> None:
        def send_pipe(recalls: socket.socket) -> None:
            reader, writer = os.pipe()
            socket.send_fds(recalls, [pack([2, "page", []])], [reader])
            os.close(reader)
            os.close(writer)

        with WorkerProcess(recall=True, before=send_pipe) as worker:
            self.assertNotIn("page", worker.ready)
            self.assertEqual(worker.call("echo", 1), 1)

    def test_one_that_runs_several_at_a_time_does_not_take_it(self) -> None:
        with WorkerProcess("aserved", recall=True, before=send_page) as worker:
            self.assertNotIn("page", worker.ready)
            self.assertIs(worker.ready["recall"], True)
            worker.ask(1, "echo", ["x"])
            self.assertEqual(worker.answer(1), (None, "x"))

    def test_in_a_forked_worker(self) -> None:
        adopt_orphans()
        server = self.enterContext(Server("served"))
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        page = send_page(ours)
        channel, answer = server.fork(1, theirs.fileno())
        self.addCleanup(channel.close)
        theirs.close()
        message = channel.read()
        while message[1] == "step":
            message = channel.read()
        self.assertIs(message[2][0]["page"], True)
        channel.send(request(5, "echo", ["x"]))
        self.assertEqual(channel.read(), [1, 5, None, "x"])
        self.assertEqual(page[0], 5)
        channel.send([2, "shutdown", []])
        os.waitpid(answer[3], 0)


class TestForks(Forks, unittest.TestCase):
    """Children of a worker that has a page: none of them stores anything there."""

    target = "odd.forking"

    def setUp(self) -> None:
        self.worker = self.enterContext(
            WorkerProcess(self.target, page=True, stderr=subprocess.PIPE)
        )
        self.assertIs(self.worker.ready["page"], True)

    def tearDown(self) -> None:
        self.assertEqual(self.worker.page[0], 7)
        super().tearDown()


if __name__ == "__main__":
    unittest.main()
