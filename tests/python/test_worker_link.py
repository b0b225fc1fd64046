"""The channel of a worker when its writes are interrupted or do not fit."""

from __future__ import annotations

import os
import socket
import subprocess
import unittest

from poold.worker.link import Link
from support import PATIENCE, start_python

# Blocks in a write that nobody reads; the handler of a signal goes on in the middle of it.
PROGRAM = """
import os, signal, socket
from poold.worker.link import Link
link = Link(socket.socket(fileno=int(os.environ["POOLD_FD"])))
signal.signal(signal.SIGALRM, lambda *_: link.{step})
signal.setitimer(signal.ITIMER_REAL, 0.1)
link.flush(bytearray(1 << 24))
"""


class TestLink(unittest.TestCase):
    def test_nothing_else_in_the_middle_of_a_message(self) -> None:
        for step in ("read(1)", "write(b'x')", "flush(bytearray(b'x'))", "drain(bytearray(b'x'))"):
            ours, theirs = socket.socketpair()
            with self.subTest(step), ours:
                process = start_python("-c", PROGRAM.format(step=step), channel=theirs,
                                       stderr=subprocess.PIPE, text=True)
                theirs.close()
                _, text = process.communicate(timeout=PATIENCE)
                self.assertEqual(process.returncode, os.EX_SOFTWARE, text)
                self.assertIn("a message to the daemon is incomplete", text)

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
