"""Answers over response_max: workers of the SDKs say so themselves, and stay."""

from __future__ import annotations

import shlex
import sys

from harness import TOOLBOX, DaemonTest, pool, program

TELLER = shlex.join([sys.executable, "-m", "poold.worker", "teller"])
ASYNC_TELLER = shlex.join([sys.executable, "-m", "poold.worker", "async_teller"])
IN_C = program("workers/session")
ONE_MB = 1 << 20


class TooLarge(DaemonTest):
    """response_max = 1M"""

    def check(self, command: str, method: str, args: list, what: str, **options: object) -> None:
        daemon = self.start(pool("big", command, **options), response_max="1M")
        daemon.announced.append("code=response_too_large")
        client = daemon.connect(map_errors=True)
        before = daemon.worker_pids("big")
        for _ in range(6):  # more often than would open a breaker or eject the worker
            number = client.ask_pool("big", method, args, idempotent=True, stream=what == "chunk")
            answer = client.read_of(number)
            self.assert_code(answer, "response_too_large")
            self.assertIn(f"the {what} has ", answer.error["message"])
            self.assertIn(f"response_max of the daemon is {ONE_MB}", answer.error["message"])
            self.assertEqual(answer.error["executed"], "yes")
            self.assertEqual(answer.error["attempt"], 1)
        self.assertEqual(daemon.worker_pids("big"), before)
        counters = daemon.counters("big")
        self.assertEqual((counters["worker_kills"], counters["ejections"]), (0, 0))

    def test_a_result(self) -> None:
        self.check(TOOLBOX, "big", [2 * ONE_MB], "result")

    def test_a_result_of_a_forked_worker(self) -> None:
        self.check(TOOLBOX, "big", [2 * ONE_MB], "result", prefork=True)

    def test_a_part(self) -> None:
        self.check(TELLER, "tell_large", [2, 2 * ONE_MB], "chunk")

    def test_a_part_of_an_async_worker(self) -> None:
        self.check(ASYNC_TELLER, "tell_large_later", [2, 2 * ONE_MB], "chunk")

    def test_a_part_of_a_worker_in_c(self) -> None:
        self.check(IN_C, "tell_large", [2, 2 * ONE_MB], "chunk")
