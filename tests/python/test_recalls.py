"""Requests that a worker is asked to give back before they begin."""

from __future__ import annotations

import os
import select
import socket
import unittest

from support import Fifo, WorkerProcess, pack, request
from test_prefork import Server, adopt_orphans


def recalled(number: int) -> list:
    return [1, number, {"code": "recalled"}, None]


class RecallTest(unittest.TestCase):
    def start(self, target: str = "served", **options: object) -> WorkerProcess:
        worker = self.enterContext(WorkerProcess(target, recall=True, **options))
        self.assertIs(worker.ready["recall"], True)
        return worker

    def fifo(self) -> Fifo:
        return self.enterContext(Fifo())

    def check_quiet(self, worker: WorkerProcess) -> None:
        """It says nothing before the answer to a ping."""
        worker.send([0, 1000, "ping", []])
        self.assertEqual(worker.read(), [1, 1000, None, "pong"])


class TestPlain(RecallTest):
    def block(self, worker: WorkerProcess, fifo: Fifo) -> None:
        """Request 1 runs until the FIFO is released; 2 and 3 wait behind it."""
        worker.send(
            request(1, "block", [fifo.path]),
            request(2, "note", [fifo.trace]),
            request(3, "echo", ["third"]),
        )
        self.assertEqual(worker.read(), [2, "started", [1]])

    def release(self, worker: WorkerProcess, fifo: Fifo) -> None:
        fifo.release()
        self.assertEqual(worker.read(), [1, 1, None, "done"])

    def test_without_the_socket_nothing_is_offered(self) -> None:
        with WorkerProcess() as worker:
            self.assertNotIn("recall", worker.ready)

    def test_a_descriptor_that_is_no_socket(self) -> None:
        for text in ("x", "-1", "99999999999", "2", "77"):
            with WorkerProcess(environment={"POOLD_RECALL_FD": text}) as worker:
                self.assertNotIn("recall", worker.ready)
                self.assertEqual(worker.call("echo", 1), 1)

    def test_while_another_runs(self) -> None:
        worker, fifo = self.start(), self.fifo()
        self.block(worker, fifo)
        worker.recall(2)
        self.assertEqual(worker.read(), recalled(2))
        self.release(worker, fifo)
        self.assertEqual(worker.answer(3), (None, "third"))
        self.assertFalse(os.path.exists(fifo.trace))
        self.check_quiet(worker)

    def test_several_at_once(self) -> None:
        worker, fifo = self.start(), self.fifo()
        self.block(worker, fifo)
        worker.recall(3, 2)
        self.assertEqual([worker.read(), worker.read()], [recalled(3), recalled(2)])
        self.release(worker, fifo)
        worker.ask(4, "echo", [4])
        self.assertEqual(worker.answer(4), (None, 4))
        self.assertFalse(os.path.exists(fifo.trace))

    def test_before_it_has_come(self) -> None:
        """The question may overtake the request, which is then never begun."""
        worker, fifo = self.start(), self.fifo()
        worker.recall(1)
        self.assertEqual(worker.read(), recalled(1))
        worker.send(request(1, "note", [fifo.trace]), request(2, "echo", ["second"]))
        self.assertEqual(worker.answer(2), (None, "second"))
        self.assertFalse(os.path.exists(fifo.trace))

    def test_what_has_begun_or_is_over(self) -> None:
        worker, fifo = self.start(), self.fifo()
        self.block(worker, fifo)
        worker.recall(1, 3)
        self.assertEqual(worker.read(), recalled(3))
        self.release(worker, fifo)
        self.assertEqual(worker.answer(2), (None, None))
        worker.recall(1, 2, 3, 4)
        self.assertEqual(worker.read(), recalled(4))
        self.check_quiet(worker)

    def test_twice(self) -> None:
        worker, fifo = self.start(), self.fifo()
        self.block(worker, fifo)
        worker.recall(2, 2, 3)
        self.assertEqual([worker.read(), worker.read()], [recalled(2), recalled(3)])
        self.release(worker, fifo)
        self.check_quiet(worker)

    def test_cancelled_as_well(self) -> None:
        """Each is answered once, whichever came first."""
        worker, fifo = self.start(), self.fifo()
        self.block(worker, fifo)
        worker.recall(2)
        self.assertEqual(worker.read(), recalled(2))
        worker.send([2, "cancel", [2]], [2, "cancel", [3]])
        self.release(worker, fifo)
        self.assertEqual(worker.read()[2]["code"], "cancelled")
        worker.recall(3, 4)
        self.assertEqual(worker.read(), recalled(4))
        self.check_quiet(worker)

    def test_after_a_shutdown(self) -> None:
        """What it will not run any more it still gives back."""
        worker, fifo = self.start(), self.fifo()
        self.block(worker, fifo)
        worker.send([2, "shutdown", []])
        worker.recall(2)
        self.assertEqual(worker.read(), recalled(2))
        self.release(worker, fifo)
        self.assertEqual(worker.wait(), 0)
        self.assertFalse(os.path.exists(fifo.trace))

    def test_other_messages_and_the_end(self) -> None:
        worker = self.start()
        others = [2, "news", [1]], [2, "recall", []], [2, "recall", ["x"]], [2, "recall", 3]
        worker.recalls.sendall(b"".join(pack(message) for message in others))
        worker.recall(1)
        self.assertEqual(worker.read(), recalled(1))
        worker.recalls.close()
        self.assertEqual(worker.call("echo", 5), 5)
        self.check_quiet(worker)

    def test_behind_an_answer_that_is_being_written(self) -> None:
        """It comes after the whole answer, never within."""
        worker = self.start()
        worker.send(request(1, "echo", ["x" * (8 << 20)]), request(2, "echo", [2]))
        self.assertEqual(worker.read(), [2, "started", [1]])
        select.select([worker.channel], [], [])
        worker.recall(3)
        answer = worker.read()
        self.assertEqual((answer[:3], len(answer[3])), ([1, 1, None], 8 << 20))
        rest = [worker.read() for _ in range(3)]
        self.assertEqual([each for each in rest if each[1] != 3], [[2, "started", [2]], [1, 2, None, 2]])
        self.assertIn(recalled(3), rest)

    def test_children_do_not_hold_it(self) -> None:
        worker = self.start("lived")
        counts = worker.call("sockets_of_children")
        self.assertEqual(counts.pop("self"), 2)
        self.assertEqual(set(counts.values()), {0}, counts)
        worker.recall(100)
        self.assertEqual(worker.read(), recalled(100))


class TestAsync(RecallTest):
    def test_what_waits_for_a_place(self) -> None:
        worker = self.start("aserved", options=("--concurrency", "2"))
        worker.send(
            request(1, "wait_for", ["a"]), request(2, "wait_for", ["b"]), request(3, "echo", [3])
        )
        self.assertEqual([worker.read(), worker.read()], [[2, "started", [1]], [2, "started", [2]]])
        worker.recall(1, 2, 3, 3, 4)
        self.assertEqual([worker.read(), worker.read()], [recalled(3), recalled(4)])
        worker.send([2, "cancel", [1]], [2, "cancel", [3]])
        self.assertEqual(worker.read()[:2], [1, 1])
        worker.send(request(4, "echo", [4]), request(5, "release", ["b"]))
        read = [worker.read() for _ in range(3)]
        self.assertIn([2, "started", [5]], read)
        self.assertIn([1, 2, None, "b"], read)
        self.check_quiet(worker)

    def test_the_end(self) -> None:
        worker = self.start("aserved")
        worker.recall(1)
        self.assertEqual(worker.read(), recalled(1))
        worker.recalls.close()
        self.assertEqual(worker.call("echo", 5), 5)
        self.check_quiet(worker)


class TestForked(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        adopt_orphans()

    def test_with_a_recall_socket(self) -> None:
        """It comes last, beside the channel alone or with the standard files."""
        standard = [os.open(os.devnull, os.O_WRONLY) for _ in range(2)]
        self.addCleanup(lambda: [os.close(file) for file in standard])
        with Server("served") as server:
            for number, files in ((1, []), (2, standard)):
                ours, theirs = socket.socketpair()
                channel, answer = server.fork(number, *files, theirs.fileno())
                theirs.close()
                self.assertIsNone(answer[2])
                message = channel.read()
                while message[1] == "step":
                    message = channel.read()
                self.assertIs(message[2][0]["recall"], True)
                ours.sendall(pack([2, "recall", [1]]))
                self.assertEqual(channel.read(), recalled(1))
                ours.close()
                channel.close()


if __name__ == "__main__":
    unittest.main()
