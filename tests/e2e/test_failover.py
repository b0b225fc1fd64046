"""Chains of pools: what the first can't serve, the next one does, and says so."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from pathlib import Path

import poold

from clients import ClientTest
from clock import Timed, eventually, ms, stretch
from harness import C_TOOLS, Daemon, breaker, error_row, pool, retry, static_pool

# Breakers that open within a few failures, and probe soon.
NERVOUS = {
    "failure_threshold": 3,
    "min_outage": "20ms",
    "window": "500ms",
    "open_timeout": "150ms",
    "success_threshold": 2,
    "early_probe": "no",
}
# A worker's death is not followed by more than one retry, and that at once.
FEW = error_row("connection_error", retries=1)
BACK_SOON = {"return_dwell": "100ms", "return_step": "30ms"}


class ChainTest(ClientTest):
    """A chain of three: a pool of workers, another, and canned answers."""

    def start_chain(
        self, *more: str, answers: dict[str, object] | None = None, **options: object
    ) -> tuple[Daemon, poold.Client]:
        quick = {"workers": 2, "max_crash_retries": 10}
        first = {**quick, "fallback": "secondary, mock", **BACK_SOON, **options}
        daemon = self.start(
            pool("primary", C_TOOLS, **first),
            pool("secondary", C_TOOLS, **quick),
            static_pool("mock", **(answers or {"answer": '"mock"'})),
            *(breaker(name, **NERVOUS) for name in ("primary", "secondary")),
            *(retry(name, backoff="none") for name in ("primary", "secondary")),
            FEW,
            *more,
        )
        daemon.announced += ["pool=primary", "pool=secondary"]
        return daemon, self.connect_client(daemon)

    @staticmethod
    def break_pool(daemon: Daemon, name: str) -> None:
        """From now on whoever works in that pool dies."""
        (daemon.directory / f"broken-{name}").touch()

    @staticmethod
    def repair_pool(daemon: Daemon, name: str) -> None:
        (daemon.directory / f"broken-{name}").unlink()


class Callers:
    """Threads that go on calling `serve` of the chain: one by one idempotent and not, and one in a
    session.

    Attributes:
        outcomes: by number, who answered, whether degraded; or the error.
        counters: what the session was answered by workers, in order.
        may_run_twice: the numbers of those that are idempotent.
    """

    THREADS = 4

    def __init__(self, daemon: Daemon) -> None:
        self._directory = str(daemon.directory)
        self._client = poold.Client(daemon.path)
        self._numbers = itertools.count()
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self.outcomes: dict[int, tuple[str, bool] | str] = {}
        self.counters: list[int] = []
        self.may_run_twice: set[int] = set()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.THREADS)]
        self._threads.append(threading.Thread(target=self._run_session))

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _ask(self, method: str, idempotent: bool, **options: object) -> object:
        number = next(self._numbers)
        if idempotent:
            self.may_run_twice.add(number)
        try:
            reply = self._client.call(
                "primary", method, self._directory, number, meta=True, timeout=stretch(20),
                idempotent=idempotent, **options,
            )
            outcome = (reply.meta["served_by"], reply.meta["degraded"])
        except poold.Error as error:
            reply, outcome = None, str(error)
        with self._lock:
            self.outcomes[number] = outcome
        return reply

    def _run(self) -> None:
        for turn in itertools.count():
            if self._leaving.wait(0.001):
                return
            self._ask("serve", idempotent=turn % 2 == 0)

    def _run_session(self) -> None:
        while not self._leaving.wait(0.002):
            reply = self._ask("serve_session", session="s", idempotent=True)
            if reply is not None and reply.meta["served_by"] != "mock":
                self.counters.append(reply.result)

    def count(self, name: str) -> int:
        """How many answers a pool has given."""
        with self._lock:
            return sum(outcome[0] == name for outcome in self.outcomes.values())

    def wait_for_more(self, name: str, more: int = 40) -> None:
        """Waits until a pool has given so many more answers."""
        wanted = self.count(name) + more
        eventually(lambda: self.count(name) >= wanted, lambda: f"{more} more answers of {name}")


class Cascade(ChainTest):
    """The pools of the chain break one after the other under load, and come back."""

    def test_answers_keep_coming(self) -> None:
        daemon, _ = self.start_chain()
        heard = self.listen(daemon, "failover")
        with Callers(daemon) as callers:
            callers.wait_for_more("primary")
            self.break_pool(daemon, "primary")
            heard.wait_for(from_level=0, to_level=1)
            callers.wait_for_more("secondary")
            self.assertEqual(daemon.ask("poold.health")["pools"]["primary"]["status"], "degraded")
            self.break_pool(daemon, "secondary")
            heard.wait_for(from_level=1, to_level=2)
            callers.wait_for_more("mock")
            self.repair_pool(daemon, "secondary")
            heard.wait_for(from_level=2, to_level=1)
            callers.wait_for_more("secondary")
            self.repair_pool(daemon, "primary")
            heard.wait_for(to_level=0)
            callers.wait_for_more("primary")
        self.check_events(heard.heard)
        self.check_outcomes(daemon, callers)
        self.assertEqual(callers.counters, list(range(1, len(callers.counters) + 1)))

    def check_events(self, events: list[dict[str, object]]) -> None:
        """Each step says where it left and where it went."""
        names = ["primary", "secondary", "mock"]
        level = 0
        for event in events:
            self.assertEqual((event["kind"], event["pool"]), ("failover", "primary"))
            self.assertEqual(event["from_level"], level)
            level = event["to_level"]
            self.assertEqual(event["from"], names[event["from_level"]])
            self.assertEqual(event["to"], names[level])
            down = level > event["from_level"]
            self.assertIn(
                event["reason"], ("circuit_open", "pool_unavailable") if down else ("returned",)
            )
        self.assertEqual(level, 0)

    def check_outcomes(self, daemon: Daemon, callers: Callers) -> None:
        """Every request has one answer, marked as what it is; and none ran twice that may not."""
        served = Counter(callers.outcomes.values())
        self.assertEqual(
            set(served), {("primary", False), ("secondary", True), ("mock", True)}, served
        )
        stats = daemon.ask("poold.stats")["pools"]
        self.assertEqual(stats["primary"]["requests"], len(callers.outcomes))
        self.assertEqual(stats["primary"]["succeeded"], served["primary", False])
        self.assertEqual(stats["secondary"]["degraded"], served["secondary", True])
        self.assertEqual(stats["mock"]["degraded"], served["mock", True])
        self.assertGreater(stats["primary"]["failed_over"], 0)
        ran = Counter(
            int(line)
            for name in ("primary", "secondary")
            for line in Path(daemon.directory, f"ran-{name}").read_text().splitlines()
        )
        twice = {number for number, times in ran.items() if times > 1}
        self.assertEqual(twice - callers.may_run_twice, set())
        by_workers = [n for n, outcome in callers.outcomes.items() if outcome[0] != "mock"]
        self.assertEqual(set(by_workers) - set(ran), set())

    def test_a_pool_that_cannot_start_is_passed_over(self) -> None:
        daemon = self.launch(
            pool("primary", "/nonexistent/command", fallback="secondary"),
            pool("secondary", C_TOOLS),
            start_timeout="300ms",
        )
        daemon.announced += ["pool=primary", "start_timeout is over"]
        daemon.wait_listening()
        client = self.connect_client(daemon)
        reply = client.call("primary", "echo", "x", meta=True, timeout=stretch(20))
        self.assertEqual((reply.result, reply.meta["served_by"]), ("x", "secondary"))

    def test_a_full_queue_goes_on_to_the_next(self) -> None:
        daemon, client = self.start_chain(workers=1, queue_max=1, prefetch=0)
        daemon.occupy(busy := daemon.connect(), "primary")
        waiting = client.start("primary", "echo", 1, meta=True)
        eventually(lambda: daemon.pool("primary")["queue"]["length"] == 1, "one waits")
        self.assertEqual(client.call("primary", "echo", 2, meta=True).meta["served_by"],
                         "secondary")
        daemon.release()
        self.assertEqual(waiting.result().meta["served_by"], "primary")
        busy.read()

    def test_traffic_stays_away_for_the_dwell(self) -> None:
        daemon, client = self.start_chain(return_dwell=ms(1200), return_step="0")
        heard = self.listen(daemon, "failover", "breaker")
        with Timed() as timed:
            client.breaker_open("primary")
            client.breaker_reset("primary")
            heard.wait_for(to_level=1)
            served = client.call("primary", "echo", meta=True).meta["served_by"]
            heard.wait_for(to_level=0)
        self.assertEqual(served, "secondary")
        self.assertGreaterEqual(timed.seconds, stretch(1.2) - 0.01)
        self.assertEqual(client.call("primary", "echo", meta=True).meta["served_by"], "primary")

    def test_traffic_returns_in_steps(self) -> None:
        """A tenth of it comes first, then a quarter."""
        daemon, client = self.start_chain(return_dwell="0", return_step=ms(10_000))
        client.breaker_open("primary")
        client.breaker_reset("primary")
        served = Counter(
            client.call("primary", "echo", meta=True).meta["served_by"] for _ in range(50)
        )
        self.assertEqual(served, {"primary": 5, "secondary": 45})


class Choice(ChainTest):
    """What goes down the chain, and what does not."""

    def test_a_request_may_forbid_it(self) -> None:
        daemon, client = self.start_chain()
        client.breaker_open("primary")
        error = self.failure("circuit_open", client, "primary", "echo", 1, fallback=False)
        self.assertEqual((error.pool, error.executed), ("primary", "no"))
        self.assertEqual(client.call("primary", "echo", 1, fallback=True), 1)

    def test_the_fault_of_the_caller_does_not(self) -> None:
        _, client = self.start_chain(fallback_on="application_error")
        error = self.failure("rejected", client, "primary", "fail", "Rejected", "no")
        self.assertEqual((error.pool, error.attempt), ("primary", 1))
        self.failure("unknown_method", client, "primary", "nothing")

    def test_an_exception_does_not_unless_it_is_asked(self) -> None:
        daemon, client = self.start_chain()
        arguments = [str(daemon.directory / "notes"), 1, "ValueError"]
        error = self.failure(
            "exception", client, "primary", "trial", *arguments, idempotent=True
        )
        self.assertEqual((error.pool, error.attempt), ("primary", 1))

    def test_an_exception_does_when_it_is_asked(self) -> None:
        daemon, client = self.start_chain(fallback_on="application_error")
        arguments = [str(daemon.directory / "notes"), 1, "ValueError"]
        reply = client.call("primary", "trial", *arguments, idempotent=True, meta=True)
        self.assertEqual((reply.meta["served_by"], reply.meta["attempts"]), ("secondary", 2))
        self.assertEqual(len(reply.result), 2)

    def test_what_may_have_run_goes_to_canned_answers_only(self) -> None:
        daemon, client = self.start_chain(workers=3)
        notes = daemon.directory / "notes"
        reply = client.call("primary", "trial", str(notes), 9, "kill", meta=True)
        self.assertEqual((reply.result, reply.meta["served_by"]), ("mock", "mock"))
        self.assertEqual((reply.meta["degraded"], reply.meta["worker"]), (True, 0))
        self.assertEqual(len(notes.read_text().splitlines()), 1)

    def test_an_error_at_the_end_of_the_chain_tells_of_all(self) -> None:
        daemon = self.start(
            pool("primary", C_TOOLS, workers=3, idempotent=True, fallback="secondary",
                 max_crash_retries=10),
            pool("secondary", C_TOOLS, workers=3, max_crash_retries=10),
            *(retry(name, backoff="none") for name in ("primary", "secondary")),
            FEW,
        )
        daemon.announced += ["pool=primary", "pool=secondary"]
        client = self.connect_client(daemon)
        error = self.failure("worker_exited", client, "primary", "leave", 3)
        self.assertEqual([each["pool"] for each in error.attempts],
                         ["primary", "primary", "secondary", "secondary"])
        self.assertEqual((error.pool, error.attempt), ("secondary", 4))

    def test_poison_takes_down_no_workers_of_the_next_pool(self) -> None:
        daemon = self.start(
            pool("primary", C_TOOLS, idempotent=True, fallback="secondary, mock",
                 max_crash_retries=0),
            pool("secondary", C_TOOLS, max_crash_retries=0),
            static_pool("mock", answer='"mock"'),
        )
        daemon.announced.append("pool=primary")
        client = self.connect_client(daemon)
        notes = daemon.directory / "notes"
        reply = client.call("primary", "trial", str(notes), 9, "kill", meta=True)
        self.assertEqual((reply.result, reply.meta["served_by"]), ("mock", "mock"))
        self.assertEqual(len(notes.read_text().splitlines()), 1)
        self.assertEqual(daemon.counters("secondary")["worker_crashes"], 0)


class Canned(ChainTest):
    """Static pools."""

    ANSWERS = {
        "answer": '{"degraded": true, "list": [1, 2.5, null]}',
        "answer.word_count": "0",
        "answer.text": '"none"',
    }

    def test_each_method_has_its_answer(self) -> None:
        client = self.connect_client(self.start(static_pool("mock", **self.ANSWERS)))
        other = {"degraded": True, "list": [1, 2.5, None]}
        self.assertEqual(client.call("mock", "word_count", "to be"), 0)
        self.assertEqual(client.call("mock", "text"), "none")
        self.assertEqual(client.call("mock", "whatever", 1, 2), other)
        self.assertEqual(client.request("mock.text", []), "none")
        meta = client.call("mock", "text", meta=True).meta
        self.assertEqual(
            {key: meta[key] for key in ("served_by", "attempts", "degraded", "worker", "run_ms")},
            {"served_by": "mock", "attempts": 0, "degraded": False, "worker": 0, "run_ms": 0},
        )

    def test_a_method_that_it_does_not_know(self) -> None:
        client = self.connect_client(self.start(static_pool("mock", **{"answer.known": 1})))
        self.assertEqual(client.call("mock", "known"), 1)
        error = self.failure("unknown_method", client, "mock", "unknown")
        self.assertEqual(error.executed, "no")

    def test_a_chain_passes_over_one_that_does_not_know_the_method(self) -> None:
        daemon, client = self.start_chain(answers={"answer.echo": '"canned"'})
        client.breaker_open("primary")
        client.breaker_open("secondary")
        self.assertEqual(client.call("primary", "echo", 1), "canned")
        error = self.failure("circuit_open", client, "primary", "add", 1, 2)
        self.assertEqual(error.pool, "primary")

    def test_it_is_always_well(self) -> None:
        daemon = self.start(static_pool("mock", answer="1"))
        self.assertEqual(daemon.ask("poold.health")["pools"]["mock"]["status"], "ok")
        found = daemon.pool("mock")
        self.assertEqual((found["adapter"], found["workers"]["max"]), ("static", 0))
        self.assertEqual(daemon.ask("poold.breakers"), [])
        with self.assertRaises(poold.RequestError):
            self.connect_client(daemon).breaker_open("mock")
