"""A run that outlives its deadline, its cancel or its client holds its key and its session: by a
ledger that the workers write themselves, and that no cancel stops."""

from __future__ import annotations

import random
import shlex
import sys
import threading
from pathlib import Path
from typing import Any

import poold

from clients import ClientTest
from clock import eventually, ms, stretch
from harness import LOAD, Daemon, breaker, pool, program

PYTHON = shlex.join([sys.executable, "-m", "poold.worker", "ledger"])
ASYNC = shlex.join([sys.executable, "-m", "poold.worker", "async_ledger"])
IN_C = program("workers/ledger")
SOON = 0.25  # a deadline that a run outlives, in seconds


class Ledger:
    """What really runs, as one daemon's workers wrote it, and the gate that lets runs go on."""

    def __init__(self, directory: Path, name: str = "ledger"):
        self.path = directory / name
        self.gate = directory / f"{name}.gate"

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="ascii").splitlines() if self.path.exists() else []

    def args(self, note: str, *then: str) -> tuple[str, ...]:
        return (str(self.path), note, str(self.gate), *then)

    def wait_for(self, line: str) -> None:
        eventually(lambda: line in self.lines(), f"the ledger says: {line}")


class LateRunTest(ClientTest):
    """The same in all kinds of workers; two of them, so that a second run could begin."""

    def start_ledger(
        self, command: str, **options: object
    ) -> tuple[Daemon, poold.Client, Ledger]:
        options = {"workers": 2, "cancel_grace": ms(5000), **options}
        daemon = self.start(pool("late", command, **options))
        daemon.announced.append("pool=late")
        client = self.connect_client(daemon)
        return daemon, client, Ledger(daemon.directory)

    def every(self) -> Any:
        for command in (PYTHON, ASYNC, IN_C):
            with self.subTest(command=command):
                yield command

    def assert_nobody_suffered(self, daemon: Daemon, before: list[int]) -> None:
        self.assertEqual(daemon.worker_pids(), before)
        self.assertEqual(daemon.counters("late")["worker_kills"], 0)

    def wait_until_waiting(self, daemon: Daemon, count: int) -> None:
        eventually(
            lambda: daemon.counters("late")["requests"] >= count, f"{count} requests have come"
        )


class Keys(LateRunTest):
    """Repeats wait for the run, and get its answer."""

    def check_repeats(self, daemon: Daemon, client: poold.Client, ledger: Ledger) -> None:
        """Two repeats, one of them idempotent, wait until the gate is opened, and get the answer
        of the run that is still there; so does a later one."""
        before = daemon.worker_pids()
        repeats = [
            client.start(
                "late", "run", *ledger.args("again"), key="k", timeout=60, idempotent=idempotent
            )
            for idempotent in (False, True)
        ]
        self.wait_until_waiting(daemon, 3)
        self.assertEqual(ledger.lines(), ["begin first"])
        ledger.gate.touch()
        self.assertEqual([repeat.result() for repeat in repeats], ["first", "first"])
        self.assertEqual(client.call("late", "run", *ledger.args("later"), key="k"), "first")
        self.assertEqual(ledger.lines(), ["begin first", "end first"])
        self.assert_nobody_suffered(daemon, before)

    def test_a_deadline(self) -> None:
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            error = self.failure(
                "deadline_exceeded",
                client, "late", "run", *ledger.args("first"), key="k", timeout=stretch(SOON),
            )  # fmt: skip
            self.assertEqual(error.executed, "maybe")
            self.check_repeats(daemon, client, ledger)

    def test_a_cancel(self) -> None:
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            call = client.start("late", "run", *ledger.args("first"), key="k", timeout=60)
            ledger.wait_for("begin first")
            call.cancel()
            with self.assertRaises(poold.Cancelled):
                call.result()
            self.check_repeats(daemon, client, ledger)

    def test_a_client_that_goes(self) -> None:
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            with poold.Client(daemon.path) as other:
                other.start("late", "run", *ledger.args("first"), key="k", timeout=60)
                ledger.wait_for("begin first")
            eventually(lambda: daemon.counters("late")["cancelled"] == 1, "it is given up")
            self.check_repeats(daemon, client, ledger)

    def test_a_run_that_fails_late(self) -> None:
        for command in self.every():
            _, client, ledger = self.start_ledger(command)
            self.failure(
                "deadline_exceeded",
                client, "late", "run", *ledger.args("first", "raise"), key="k", timeout=stretch(SOON),
            )  # fmt: skip
            repeat = client.start("late", "run", *ledger.args("again"), key="k", timeout=60)
            ledger.gate.touch()
            self.assertEqual(repeat.result(), "again")
            self.assertEqual(
                ledger.lines(), ["begin first", "failure first", "begin again", "end again"]
            )

    def test_a_run_that_dies_late(self) -> None:
        """What may not run twice fails, as nobody knows how far the first one got."""
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            self.failure(
                "deadline_exceeded",
                client, "late", "run", *ledger.args("first", "die"), key="k", timeout=stretch(SOON),
            )  # fmt: skip
            once = client.start("late", "run", *ledger.args("once"), key="k", timeout=60)
            twice = client.start(
                "late", "run", *ledger.args("twice"), key="k", timeout=60, idempotent=True
            )
            self.wait_until_waiting(daemon, 3)
            ledger.gate.touch()
            with self.assertRaises(poold.Error) as raised:
                once.result()
            self.assertEqual(raised.exception.code, "worker_exited")
            self.assertEqual(raised.exception.executed, "maybe")
            self.assertEqual(twice.result(), "twice")
            self.assertEqual(ledger.lines(), ["begin first", "begin twice", "end twice"])

    def test_a_run_that_never_ends(self) -> None:
        """It is ended with its worker when its time is over, and only then another one runs."""
        for command in self.every():
            daemon, client, ledger = self.start_ledger(
                command, timeout=ms(600), cancel_grace="50ms"
            )
            self.failure(
                "deadline_exceeded",
                client, "late", "run", *ledger.args("first"), key="k", timeout=stretch(SOON),
            )  # fmt: skip
            repeat = client.start(
                "late", "run", *ledger.args("again"), key="k", timeout=60, idempotent=True
            )
            ledger.wait_for("begin again")
            ledger.gate.touch()
            self.assertEqual(repeat.result(), "again")
            self.assertEqual(ledger.lines(), ["begin first", "begin again", "end again"])

    def test_an_attempt_that_takes_too_long(self) -> None:
        """The retry begins when the worker that was ended for it is dead."""
        for command in self.every():
            daemon, client, ledger = self.start_ledger(
                command, attempt_timeout=ms(1000), cancel_grace="50ms"
            )
            call = client.start(
                "late", "run", *ledger.args("first"), key="k", timeout=60, idempotent=True
            )
            eventually(lambda: ledger.lines()[:2] == ["begin first"] * 2, "it is tried again")
            ledger.gate.touch()
            self.assertEqual(call.result(), "first")
            self.assertEqual(ledger.lines(), ["begin first", "begin first", "end first"])


class Sessions(LateRunTest):
    """The next request waits for the run, and goes on from its state."""

    def test_who_waits_in_vain_is_told_for_what(self) -> None:
        _, client, ledger = self.start_ledger(PYTHON)
        for name, what in (("session", "of its session"), ("key", "with its key")):
            named = {name: "n"}
            call = client.start("late", "run", *ledger.args(name), timeout=60, **named)
            ledger.wait_for(f"begin {name}")
            error = self.failure(
                "queue_timeout",
                client, "late", "run", *ledger.args("again"), timeout=stretch(SOON), **named,
            )  # fmt: skip
            self.assertEqual(error.executed, "no")
            self.assertIn(f"another request {what} did not end in ", str(error))
            call.cancel()
        ledger.gate.touch()

    def check_next(self, daemon: Daemon, client: poold.Client, ledger: Ledger) -> None:
        before = daemon.worker_pids()
        call = client.start("late", "run", *ledger.args("next"), session="s", timeout=60)
        other = client.start("late", "run", *ledger.args("other"), timeout=60)
        self.wait_until_waiting(daemon, 3)
        # While the first one has the ledger's lock, so that the next one can have it.
        ledger.wait_for("begin other")
        self.assertNotIn("begin next", ledger.lines())
        ledger.gate.touch()
        self.assertEqual(call.result(), "first,next,")
        self.assertEqual(other.result(), "other")
        own = [line for line in ledger.lines() if line.split()[1] in ("first", "next")]
        self.assertEqual(own, ["begin first", "end first", "begin next", "end next"])
        self.assert_nobody_suffered(daemon, before)

    def test_a_deadline(self) -> None:
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            self.failure(
                "deadline_exceeded",
                client, "late", "run", *ledger.args("first"), session="s", timeout=stretch(SOON),
            )  # fmt: skip
            self.check_next(daemon, client, ledger)

    def test_a_cancel(self) -> None:
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            call = client.start("late", "run", *ledger.args("first"), session="s", timeout=60)
            ledger.wait_for("begin first")
            call.cancel()
            with self.assertRaises(poold.Cancelled):
                call.result()
            self.check_next(daemon, client, ledger)

    def test_a_run_that_dies_late(self) -> None:
        for command in self.every():
            daemon, client, ledger = self.start_ledger(command)
            self.failure(
                "deadline_exceeded",
                client, "late", "run", *ledger.args("first", "die"), session="s", timeout=stretch(SOON),
            )  # fmt: skip
            call = client.start("late", "run", *ledger.args("next"), session="s", timeout=60)
            self.wait_until_waiting(daemon, 2)
            ledger.gate.touch()
            self.assertEqual(call.result(), "next,")
            self.assertEqual(ledger.lines(), ["begin first", "begin next", "end next"])

    def test_a_session_that_is_closed_ends_with_the_run(self) -> None:
        daemon, client, ledger = self.start_ledger(PYTHON)
        self.failure(
            "deadline_exceeded",
            client, "late", "run", *ledger.args("first"), session="s", timeout=stretch(SOON),
        )  # fmt: skip
        client.request("poold.session_close", ["s"])
        self.assertEqual(len(daemon.ask("poold.sessions")["sessions"]), 1)
        ledger.gate.touch()
        eventually(lambda: not daemon.ask("poold.sessions")["sessions"], "it is closed")


class Storm(LateRunTest):
    """Many clients with few keys and sessions, short deadlines, cancels and workers that die."""

    def test_a_storm(self) -> None:
        for command in self.every():
            daemon = self.start(
                pool("late", command, workers=3, timeout=ms(100), cancel_grace=ms(20)),
                breaker("late", mode="off"),
            )
            daemon.announced.append("pool=late")
            names = [f"{kind}{index}" for kind in ("key", "session") for index in range(2)]
            ledgers = {name: Ledger(daemon.directory, name) for name in names}
            threads = [
                threading.Thread(
                    target=self.rage, args=(daemon, ledgers, self.random(number).random())
                )
                for number in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            lines = [line for ledger in ledgers.values() for line in ledger.lines()]
            self.assertGreater(len(lines), 40, "something ran")
            self.assertEqual([line for line in lines if line.startswith("overlap")], [])

    @staticmethod
    def rage(daemon: Daemon, ledgers: dict[str, Ledger], seed: float) -> None:
        """Asks for runs of sessions, most of which outlive what their client wants."""
        draw = random.Random(seed)
        with poold.Client(daemon.path) as client:
            for number in range(60 * LOAD):
                ledger = ledgers[draw.choice(list(ledgers))]
                if number % 20 == 10:
                    ledger.gate.touch()
                elif number % 20 == 0:
                    ledger.gate.unlink(missing_ok=True)
                call = client.start(
                    "late",
                    "run",
                    *ledger.args(f"{seed}-{number}", draw.choice([*[""] * 8, "raise", "die"])),
                    timeout=stretch(draw.choice([0.005, 0.02, 0.2])),
                    idempotent=draw.random() < 0.5,
                    **{ledger.path.name[:-1]: ledger.path.name},
                )
                if draw.random() < 0.3:
                    call.cancel()
                try:
                    call.result()
                except poold.Error:
                    pass
