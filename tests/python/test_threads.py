"""Threads of the library, and the end of a program."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest

from support import PACKAGE, PATIENCE


class TestEnd(unittest.TestCase):
    PROGRAM = """
import _thread
import atexit
import os
import time

def tell(what):
    os.write(1, f"{what}\\n".encode())

def late():
    from_another = _thread.allocate_lock()
    from_another.acquire()

    def start():
        try:
            threads.start(tell, "too late")
        except RuntimeError as error:
            tell(error)
        from_another.release()

    _thread.start_new_thread(start, ())
    from_another.acquire()
    threads.start(tell, "the main thread's")
    tell("the end")

atexit.register(late)  # first, so it is called last

from poold import threads

def start_late(run, arguments):
    def begin():
        time.sleep(0.3)  # for a program that does not wait to end before
        tell("begins")
        run(*arguments)

    _thread.start_new_thread(begin, ())

threads.start_new_thread = start_late
threads.start(time.sleep, 60)
"""

    def test_it_waits_until_they_have_begun(self) -> None:
        """But not until they end; later no thread but the main one starts others."""
        found = subprocess.run(
            [sys.executable, "-c", self.PROGRAM],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            text=True,
            check=True,
        )
        lines = found.stdout.splitlines()
        self.assertEqual(
            lines[:3], ["begins", "no thread is started any more, the program ends", "begins"]
        )
        self.assertIn("the end", lines)


if __name__ == "__main__":
    unittest.main()
