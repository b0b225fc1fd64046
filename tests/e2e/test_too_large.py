"""Answers over response_max: workers of the SDKs say so themselves, and stay."""

from __future__ import annotations

import shlex
import sys

from harness import TOOLBOX, DaemonTest, pool, program, worker
from servers import TOOLS

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
        (breaker,) = daemon.ask("poold.breakers")
        self.assertEqual((breaker["state"], breaker["run"], breaker["failures"]), ("closed", 0, 0))

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


class Replaced(DaemonTest):
    """Workers that know no limit: each such answer costs its worker, and nothing else."""

    def check(self, command: str, method: str, args: object, **options: object) -> None:
        # A start that is delayed comes later than wait_workers waits.
        delays = {"restart_delay": "30s", "restart_delay_max": "60s"}
        daemon = self.start(pool("big", command, **{**options, **delays}), response_max="1M")
        daemon.announced.append("pool=big")
        client = daemon.connect(map_errors=True)
        pids: set[int] = set()
        for _ in range(6):  # more often than would open a breaker
            pids.update(daemon.wait_workers("big", 1, apart_from=tuple(pids)))
            number = client.ask_pool("big", method, args, idempotent=True)
            answer = client.read_of(number)
            self.assert_code(answer, "response_too_large")
            self.assertEqual(answer.error["executed"], "maybe")
            self.assertEqual(answer.error["attempt"], 1)
        daemon.wait_workers("big", 1, apart_from=tuple(pids))
        self.assertEqual(len(pids), 6)
        self.assertEqual(daemon.counters("big")["ejections"], 0)
        (breaker,) = daemon.ask("poold.breakers")
        self.assertEqual((breaker["state"], breaker["run"], breaker["failures"]), ("closed", 0, 0))

    def test_packet4(self) -> None:
        self.check(worker("packet4"), "much", {"bytes": ONE_MB + 1}, dialect="packet4-json")

    def test_jsonrpc(self) -> None:
        self.check(worker("toolserver"), "write", ["x" * 600_000 + "y" * 600_000], **TOOLS)
