"""What the Python SDK has, seen through the daemon."""

from __future__ import annotations

import shlex
import sys

import procs
from clock import Timed, eventually, ms, stretch
from harness import DaemonTest, pool

MODERN = shlex.join([sys.executable, "-m", "poold.worker", "modern"])


class Asynchronous(DaemonTest):
    def test_one_worker_serves_many_at_once(self) -> None:
        for prefork in (False, True):
            with self.subTest(prefork=prefork):
                daemon = self.start(pool("modern", MODERN, prefork=prefork))
                client = daemon.connect()
                with Timed() as timed:
                    for _ in range(8):
                        client.ask("modern.nap", stretch(1.0))
                    most = max(client.read().result for _ in range(8))
                self.assertEqual(most, 8)
                self.assertLess(timed.seconds, 8 * stretch(1.0))

    def test_a_cancelled_request_ends_its_task_alone(self) -> None:
        daemon = self.start(pool("modern", MODERN))
        client = daemon.connect(map_errors=True)
        long = client.ask("modern.nap", 30)
        other = client.ask("modern.nap", stretch(1.0))
        asking = daemon.connect()
        eventually(lambda: asking.call("modern.running") == 2, "both run")
        client.notify("poold.cancel", long)
        answers = {answer.id: answer for answer in (client.read(), client.read())}
        self.assert_code(answers[long], "cancelled")
        self.assertIsNone(answers[other].error)
        self.assertEqual(client.call("modern.cancelled"), 1)
        self.assertEqual(daemon.counters("modern")["worker_starts"], 1)

    def test_one_that_overruns_lets_the_others_finish(self) -> None:
        daemon = self.start(pool("modern", MODERN, kill_grace=ms(5000)))
        daemon.announced.append("pool=modern")
        client = daemon.connect(map_errors=True)
        late = client.ask("poold.call", "modern", "nap", [30], {"timeout_ms": round(stretch(150))})
        other = client.ask("modern.nap", stretch(1.0))
        answers = {answer.id: answer for answer in (client.read(), client.read())}
        self.assertIn(answers[late].code, ("attempt_timeout", "deadline_exceeded"))
        self.assertIsNone(answers[other].error)

    def test_a_stream(self) -> None:
        daemon = self.start(pool("modern", MODERN))
        self.assertEqual(daemon.connect().call("modern.count", 5), [0, 1, 2, 3, 4])


class Signs(DaemonTest):
    def test_a_busy_worker_is_heard_of(self) -> None:
        daemon = self.start(pool("modern", MODERN))
        client = daemon.connect()
        late = 1000 * (stretch(1) - 1)
        client.ask("modern.hold", (4000 + 2 * late) / 1000)
        eventually(lambda: daemon.workers()[0]["state"] == "busy", "it is at work")
        heard: list[dict] = []

        def has_run_long() -> bool:
            heard.append(daemon.workers()[0])
            return self.ran(heard[-1]) > 3200 + 2 * late

        eventually(has_run_long, "it runs for 3 s")
        self.assertLess(max(entry["heard_ms"] for entry in heard), 2500 + late)
        self.assertLess(min(entry["heard_ms"] for entry in heard[-20:]), 1500 + late)
        client.read()

    def test_one_that_holds_the_interpreter_is_not(self) -> None:
        daemon = self.start(pool("modern", MODERN))
        client = daemon.connect()
        client.ask("modern.lock")
        longest = 0

        def silent() -> bool:
            nonlocal longest
            entry = daemon.workers()[0]
            longest = max(longest, entry["heard_ms"])
            return entry["state"] == "ready" and longest > 0

        eventually(silent, "it is done", seconds=60)
        client.read()
        self.assertGreater(longest, 1200)

    @staticmethod
    def ran(entry: dict) -> float:
        return entry["running"][0]["run_ms"] if entry["running"] else float("inf")

    def test_stray_output_harms_nothing(self) -> None:
        daemon = self.start(pool("modern", MODERN))
        daemon.announced.append("\\\\xc1|\ufffd|\xc1")
        client = daemon.connect()
        client.call("modern.say_bad_things")
        self.assertEqual(client.call("modern.count", 1), [0])
        self.assertEqual(daemon.counters("modern")["worker_starts"], 1)


class SessionClass(DaemonTest):
    def test_its_state_outlives_the_worker(self) -> None:
        daemon = self.start(pool("modern", MODERN))
        daemon.announced.append("pool=modern")
        client = daemon.connect(map_errors=True)

        def add(number: int) -> list[int]:
            return client.call_pool("modern", "add", [number], session="s")

        first, pid = add(5)
        answer = client.answer_pool("modern", "add_and_fail", [100], session="s")
        self.assert_code(answer, "exception")
        self.assertEqual((first, add(1)), (5, [6, pid]))
        procs.kill(pid)
        daemon.wait_workers("modern", 1, apart_from=(pid,))
        total, successor = add(10)
        self.assertEqual(total, 16)
        self.assertNotEqual(successor, pid)
