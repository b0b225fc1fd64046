"""The fork server, spoken to as the daemon does."""

from __future__ import annotations

import array
import os
import select
import signal
import socket
import subprocess
import sys
import unittest

from support import PATIENCE, Peer, end, pack, request, start_python

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "e2e"))

from procs import adopt_orphans, is_alive, stop, wait_gone  # noqa: E402


class Server(Peer):
    """A fork server at the other end of a socket pair."""

    def __init__(self, target: str, **environment: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(ours)
        self.process = start_python(
            "-m", "poold.worker", target, channel=theirs, variable="POOLD_PREFORK_FD",
            environment=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        theirs.close()
        self.steps: list[str] = []

    def __enter__(self) -> Server:
        message = self.read()
        while message[1] == "step":
            self.steps += message[2]
            message = self.read()
        assert message[:2] == [2, "ready"], message
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        end(self.process)

    def fork(self, number: int = 1, *descriptors: int, **additions: str) -> tuple[Peer, list]:
        """A channel to a new worker, and the answer."""
        ours, theirs = socket.socketpair()
        message = pack([0, number, "fork", [additions]])
        passed = array.array("i", [theirs.fileno(), *descriptors])
        self.channel.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        theirs.close()
        return Peer(ours), self.read()




class TestForkServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        adopt_orphans()

    def serve(self, target: str = "served", **environment: str) -> Server:
        return self.enterContext(Server(target, **environment))

    def fork(self, server: Server, *arguments: int, **additions: str) -> tuple[Peer, int]:
        channel, answer = server.fork(1, *arguments, **additions)
        self.assertEqual(answer[:3], [1, 1, None])
        self.addCleanup(channel.close)
        return channel, answer[3]

    def until_ready(self, channel: Peer) -> dict:
        message = channel.read()
        while message[1] == "step":
            message = channel.read()
        self.assertEqual(message[1], "ready")
        return message[2][0]

    def reap(self, pid: int) -> int:
        self.assertEqual(wait_gone([pid], PATIENCE), [])
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_a_worker_is_forked(self) -> None:
        server = self.serve()
        self.assertEqual(server.steps, ["python", "import served"])
        channel, pid = self.fork(server, POOLD_WORKER="7")
        self.assertEqual(self.until_ready(channel)["pid"], pid)
        self.assertEqual((os.getsid(pid), os.getpgid(pid)), (pid, pid))
        channel.send(request(5, "echo", ["x"]))
        self.assertEqual([channel.read(), channel.read()], [[2, "started", [5]], [1, 5, None, "x"]])
        channel.send([2, "shutdown", []])
        self.assertEqual(self.reap(pid), 0)

    def test_its_environment_is_seen_from_outside(self) -> None:
        server = self.serve(POOLD_WORKER="0000000000", A="short", B="")
        channel, pid = self.fork(server, POOLD_WORKER="7", A="too long for it", C="new")
        with open(f"/proc/{pid}/environ", encoding="ascii") as file:
            seen = file.read().split("\0")
        self.assertIn("POOLD_WORKER=7", seen)
        self.assertIn("A=short", seen)
        with open(f"/proc/{server.process.pid}/environ", encoding="ascii") as file:
            before = file.read().split("\0")
        self.assertEqual([text for text in seen if text and not text.startswith("POOLD_W")],
                         [text for text in before if text and not text.startswith("POOLD_W")])
        self.until_ready(channel)
        channel.send(request(1, "variables", ["POOLD_WORKER", "A", "B", "C"]))
        channel.read()
        self.assertEqual(channel.read()[3], ["7", "too long for it", "", "new"])
        channel.send([2, "shutdown", []])
        self.assertEqual(self.reap(pid), 0)

    def test_many_workers_are_each_their_own(self) -> None:
        server = self.serve()
        workers = [self.fork(server) for _ in range(5)]
        self.assertEqual(len({pid for _, pid in workers}), 5)
        for channel, pid in workers:
            self.assertEqual(self.until_ready(channel)["pid"], pid)
            channel.close()
            self.assertEqual(self.reap(pid), 0)
        self.assertIsNone(server.process.poll())

    def test_hooks_run_in_the_worker(self) -> None:
        server = self.serve("lived", START_FAULT="unusable")
        channel, pid = self.fork(server)
        self.assertEqual(channel.read(), [2, "step", ["on_start"]])
        self.assertEqual(self.reap(pid), 78)
        self.assertIsNone(server.process.poll())

    def test_asynchronous_workers(self) -> None:
        channel, pid = self.fork(self.serve("aserved"))
        self.assertEqual(self.until_ready(channel)["concurrency"], 16)
        channel.send([2, "shutdown", []])
        self.assertEqual(self.reap(pid), 0)

    def test_output_of_its_own(self) -> None:
        reader, writer = os.pipe()
        channel, pid = self.fork(self.serve(), writer, writer)
        os.close(writer)
        self.until_ready(channel)
        channel.send(request(1, "say", ["a line"]))
        text = b""
        while text.count(b"a line\n") < 2:
            self.assertTrue(select.select([reader], [], [], PATIENCE)[0])
            text += os.read(reader, 100)
        channel.close()
        self.reap(pid)
        os.close(reader)

    def test_the_end_of_the_control_socket(self) -> None:
        server = self.serve("lived")
        channel, pid = self.fork(server)
        self.until_ready(channel)
        server.close()
        self.assertEqual(server.process.wait(PATIENCE), 0)
        self.assertTrue(is_alive(pid), "its workers are the daemon's")
        channel.close()
        self.reap(pid)

    def test_interrupts_are_the_daemons_affair(self) -> None:
        server = self.serve()
        server.process.send_signal(signal.SIGINT)
        _, pid = self.fork(server)
        os.kill(pid, signal.SIGKILL)
        self.reap(pid)

    def test_what_the_module_prints_is_printed_once(self) -> None:
        server = self.serve("odd.chatty")
        for _ in range(2):
            channel, pid = self.fork(server)
            self.until_ready(channel)
            channel.send([2, "shutdown", []])
            self.assertEqual(self.reap(pid), 0)
        server.close()
        output, _ = server.process.communicate(timeout=PATIENCE)
        self.assertEqual(output, b"imported\n")

    def test_what_is_no_request(self) -> None:
        for message in ([0, 1, "fork", [{}]], [2, "fork", []], [0, 1, "other", [{}]]):
            with self.subTest(message), Server("served") as server:
                server.send(message)
                self.assertEqual(server.process.wait(PATIENCE), os.EX_PROTOCOL)

    def test_no_process_to_be_had(self) -> None:
        server = self.serve("odd.crowded")
        _, answer = server.fork(3)
        self.assertEqual(answer, [1, 3, 11, None])
        self.assertIsNone(server.process.poll())

    def test_a_worker_dies_with_its_parent(self) -> None:
        """Whoever adopts it is the daemon to it; here a process between."""
        reader, writer = os.pipe()
        daemon = os.fork()
        if daemon == 0:
            try:
                adopt_orphans()
                with Server("served") as server:
                    channel, answer = server.fork()
                    self.until_ready(channel)
                    os.write(writer, str(answer[3]).encode())
                    os.kill(os.getpid(), signal.SIGSTOP)
            finally:
                os._exit(1)
        os.close(writer)
        pid = int(os.read(reader, 20))
        os.close(reader)
        self.assertTrue(is_alive(pid))
        stop(pid)  # what it does itself at the end of its channel is not meant
        os.kill(daemon, signal.SIGKILL)
        os.waitpid(daemon, 0)
        self.assertEqual(self.reap(pid), -signal.SIGKILL)

    def test_threads_of_the_module_are_told_of(self) -> None:
        server = self.serve("odd.threaded")
        self.assertIn(b"importing started 1 threads", server.process.stderr.readline())

    def test_an_import_that_fails(self) -> None:
        for target, status in (("odd.broken", 1), ("no_such_module", 78), ("odd.unusable", 78)):
            with self.subTest(target):
                server = Server(target)
                self.assertEqual(server.process.wait(PATIENCE), status)
                server.process.communicate()
                server.close()


if __name__ == "__main__":
    unittest.main()
