"""The channel of a worker when its writes are interrupted or do not fit."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
import unittest

from poold.worker.link import Link
from support import PATIENCE, start_python

# Blocks in a write that nobody reads; the handler of a signal goes on in the middle of it.
PROGRAM = """
import os, signal, socket
from poold.worker.link import Link
link = Link(socket.socket(fileno=int(os.environ["POOLD_FD"])))
signal.signal(signal.SIGALRM, lambda *_: link.{step})
link.flush(bytearray(1 << 24))
"""

# Whatever it does to end, the same signal raises again.
UNENDING = """
import os, socket
from poold.worker import link
def again():
    raise KeyboardInterrupt
link.ignore_signals = again
link.Link(socket.socket(fileno=int(os.environ["POOLD_FD"]))).end_by(KeyboardInterrupt(), "now")
"""


class TestLink(unittest.TestCase):
    def test_nothing_else_in_the_middle_of_a_message(self) -> None:
        for step in ("read(1)", "write(b'x')", "write_short(b'x')", "flush(bytearray(b'x'))", "drain(bytearray(b'x'))"):
            ours, theirs = socket.socketpair()
            with self.subTest(step), ours:
                process = start_python("-c", PROGRAM.format(step=step), channel=theirs,
                                       stderr=subprocess.PIPE, text=True)
                theirs.close()
                text = self.interrupt(process, ours)
                self.assertEqual(process.returncode, os.EX_SOFTWARE, text)
                self.assertIn("a message to the daemon is incomplete", text)

    @staticmethod
    def interrupt(process: subprocess.Popen[str], channel: socket.socket) -> str:
        """Interrupts it once it writes; returns what it says until its end."""
        if not select.select([channel], [], [], PATIENCE)[0]:
            raise AssertionError("it writes nothing")
        deadline = time.monotonic() + PATIENCE
        while True:
            # A signal that comes just before the write begins to wait does not end that wait.
            process.send_signal(signal.SIGALRM)
            try:
                return process.communicate(timeout=1.0)[1]
            except subprocess.TimeoutExpired:
                assert time.monotonic() < deadline, "it goes on"

    def test_a_signal_that_never_lets_it_end(self) -> None:
        ours, theirs = socket.socketpair()
        with ours:
            process = start_python("-c", UNENDING, channel=theirs)
            theirs.close()
            self.assertEqual(process.wait(PATIENCE), os.EX_SOFTWARE)

    def test_a_socket_that_is_full(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            link = Link(theirs)
            output = bytearray(1 << 24)
            before = 0
            while len(output) != before:
                before = len(output)
                link.drain(output)
            self.assertGreater(before, 0)
            taken = (1 << 24) - before
            while taken:
                taken -= len(ours.recv(1 << 20))
            link.drain(output)
            self.assertLess(len(output), before)


if __name__ == "__main__":
    unittest.main()
