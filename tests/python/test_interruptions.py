"""An exception of a signal handler at any step of the client, and a second one in what cleans up
after the first: nobody else waits for it, whatever was cut short.
"""

from __future__ import annotations

import contextlib
import dis
import random
import sys
import unittest
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import CodeType, FrameType
from typing import Any
from unittest import mock

import poold
from poold import call, connection, executor, futures
from support import PACKAGE, FakeServer, Peer

SOURCES = str(PACKAGE / "poold")

# Where this Python lets a signal handler run: after a function begins, after a call of a function in
# C, and where a loop begins anew.
_OPENINGS = ("RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD")

# So many steps after the first exception comes the second one, in what cleans up; 0: none comes.
AFTER = (0, 1, 1, 2, 3, 5, 8, 13)

Work = Callable[[], object]

# A thread that was not woken looks for itself as often as this, here (seconds).
HEARTBEAT = 0.01

# A call is given up after so long, and that is a failure here: nothing was lost on the way.
TIMEOUT = 5.0


# Methods: one is not answered, the other one is in parts.
SILENT, PARTS = "silent", "parts"


def serve(peer: Peer) -> None:
    """A script: each other call's result is its params."""
    while True:
        message = peer.read()
        if message[0] != 0 or message[3][1] == SILENT:
            continue
        number, params = message[1], message[3]
        for part in range(2 if params[1] == PARTS else 0):
            peer.send([2, "poold.chunk", [number, part]])
        peer.send([1, number, None, params])


class Interrupt(Exception):
    """What the signal handler raises."""


class Steps:
    """Counts the steps of this thread within the package at which a signal handler could run, and
    raises at some of them.

    Args:
        at: their numbers.
    """

    def __init__(self, *at: int) -> None:
        self.count = 0
        self._at = at
        self._last = max(at, default=0)
        self._is_open = False  # a handler could run before the next step
        self._openings: dict[CodeType, set[int]] = {}

    def run(self, work: Callable[[], object]) -> None:
        sys.setprofile(self._trace_again)
        sys.settrace(self._enter)
        try:
            work()
        except (Interrupt, poold.Error):
            pass
        finally:
            sys.setprofile(None)  # in this order
            sys.settrace(None)

    def _trace_again(self, frame: FrameType | None, *_: object) -> None:
        """A trace function that has raised is not called any more; so another one sets it anew."""
        if sys.gettrace() is None and self.count < self._last:
            sys.settrace(self._enter)
            while frame is not None:
                if frame.f_trace_opcodes:
                    frame.f_trace = self._step
                frame = frame.f_back

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        self._is_open = False
        if not frame.f_code.co_filename.startswith(SOURCES):
            return self._leave
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _leave(self, frame: FrameType, event: str, _: Any) -> Any:
        self._is_open = False
        return self._leave

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        was_open, self._is_open = self._is_open, False
        if event == "opcode":
            if was_open:
                self.count += 1
                if self.count in self._at:
                    raise Interrupt
            self._is_open = frame.f_lasti in self._openings_of(frame.f_code)
        return self._step

    def _openings_of(self, code: CodeType) -> set[int]:
        """The places of the steps after which a handler could run, unless they call a function in
        Python.
        """
        found = self._openings.get(code)
        if found is None:
            steps = dis.get_instructions(code)
            found = {step.offset for step in steps if step.opname.startswith(_OPENINGS)}
            self._openings[code] = found
        return found


class TestInterruptions(unittest.TestCase):
    """One piece of work is interrupted; another thread waits for something beside it, or after it.
    """

    def setUp(self) -> None:
        # Python closes the socket of a connection that was forgotten, and would report it.
        self.enterContext(warnings.catch_warnings())
        warnings.simplefilter("ignore", ResourceWarning)
        self.draw = random.Random(1)

    def judge(self, prepare: Callable[[poold.Client], tuple[Work, Work]]) -> None:
        """Interrupts the work at each of its steps, and once more soon after."""
        count = self.interrupt(prepare, beside=False)
        self.assertGreater(count, 20)
        for module in (call, connection, executor, futures):
            self.enterContext(mock.patch.object(module, "HEARTBEAT", HEARTBEAT))
        for first in range(1, count + 1):
            second, beside = first + self.draw.choice(AFTER), self.draw.random() < 0.5
            with self.subTest(first=first, second=second, beside=beside):
                self.interrupt(prepare, beside, first, second)

    def interrupt(
        self, prepare: Callable[[poold.Client], tuple[Work, Work]], beside: bool, *at: int
    ) -> int:
        """Interrupts it at these steps.  Returns how many it has."""
        steps = Steps(*at)
        with FakeServer(serve) as server, poold.Client(server.path, TIMEOUT, grace=0) as client:
            client.call("p", "m", 0)
            work, other = prepare(client)
            with ThreadPoolExecutor(1) as threads:
                if beside:
                    waits = threads.submit(other)
                steps.run(work)
                if not beside:
                    waits = threads.submit(other)
                error = waits.exception(2 * TIMEOUT)
            if error is not None:
                assert isinstance(error, poold.PoolConnectionError), error
            with contextlib.suppress(poold.PoolConnectionError):
                client.call("p", "m", 3)  # it may find that another one was cut short
            self.assertEqual(client.call("p", "m", 4)[2], [4])
        return steps.count

    def test_who_shares_an_executor(self) -> None:
        """It reads the answer for which the other one's request waits, and sends that."""

        def prepare(client: poold.Client) -> tuple[Work, Work]:
            pool = poold.Executor("p", 1, client=client)
            first, second = pool.submit("m", 1), pool.submit("m", 2)
            return first.result, second.result

        self.judge(prepare)

    def test_who_submits(self) -> None:
        def prepare(client: poold.Client) -> tuple[Work, Work]:
            pool = poold.Executor("p", 2, client=client)
            first = pool.submit("m", 1)
            return lambda: pool.submit("m", 2).cancel(), first.result

        self.judge(prepare)

    def test_who_cancels(self) -> None:
        """It cancels the one for which the other waits: that may end as if it had not."""

        def prepare(client: poold.Client) -> tuple[Work, Work]:
            pool = poold.Executor("p", 2, client=client)
            task = pool.submit("m", 1)

            def other() -> None:
                with contextlib.suppress(poold.Cancelled):
                    task.result()

            return task.cancel, other

        self.judge(prepare)

    def test_who_shares_a_client(self) -> None:
        """It reads the other one's answer."""

        def prepare(client: poold.Client) -> tuple[Work, Work]:
            second = client.start("p", "m", 2)
            return lambda: client.call("p", "m", 1), second.result

        self.judge(prepare)

    def test_who_sends_at_length(self) -> None:
        def prepare(client: poold.Client) -> tuple[Work, Work]:
            large = bytes(400_000)
            return lambda: client.call("p", "m", large), lambda: client.call("p", "m", 2)

        self.judge(prepare)

    def test_who_reads_a_stream(self) -> None:
        def prepare(client: poold.Client) -> tuple[Work, Work]:
            stream = client.stream("p", PARTS)
            return lambda: list(stream), lambda: client.call("p", "m", 2)

        self.judge(prepare)

    def test_who_gives_up(self) -> None:
        def prepare(client: poold.Client) -> tuple[Work, Work]:
            second = client.start("p", "m", 2)

            def work() -> None:
                silent = client.start("p", SILENT, timeout=0.01)
                silent.cancel()
                silent.result()

            return work, second.result

        self.judge(prepare)


if __name__ == "__main__":
    unittest.main()
