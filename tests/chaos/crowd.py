"""Clients that ask without a pause, and note in the ledger what they ask and what they are told."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

from clock import eventually
from ledger import Call, Ledger
from raw import ENDED, Raw, pack, try_connect

# Milliseconds that a call may take: on any machine longer than it takes.
TIMEOUT_MS = 60_000

# Seconds after which a client gives up an answer; the daemon has to give it before.
PATIENCE = 90.0

# The same for one who is careless: an announced length that was changed is never reached.
CARELESS_PATIENCE = 1.0


@dataclass
class Habits:
    """How a client of a crowd behaves.

    Attributes:
        pools: where it asks, each as often as it is named.
        method: what it asks for.
        options: of its calls, beside the time limit.
        window: calls that are under way at once.
        work_msec: what a call takes, at most.
        rest: seconds of thought before each call.
        size: bytes of each call; 0: mostly few, now and then many.
        leave: how likely it is that it leaves before its answers, at each call.
        sound: each of its calls has to be answered with a result.
        careless: it may be answered anything: bytes are changed on their way, or come twice.
    """

    pools: tuple[str, ...]
    method: str = "work"
    options: dict[str, object] = field(default_factory=dict)
    window: int = 4
    work_msec: float = 3.0
    rest: float = 0.0
    size: int = 0
    leave: float = 0.0
    sound: bool = False
    careless: bool = False


class Client(threading.Thread):
    """One of a crowd: a connection at a time, and a new one whenever that has ended."""

    def __init__(self, path: str, ledger: Ledger, habits: Habits, draw: random.Random,
                 leaving: threading.Event) -> None:
        super().__init__(daemon=True)
        self._path, self._ledger, self._habits, self._draw = path, ledger, habits, draw
        self._leaving = leaving
        self._open: dict[int, tuple[Call, bytes]] = {}
        self._patience = CARELESS_PATIENCE if habits.careless else PATIENCE

    def run(self) -> None:
        try:
            while not self._leaving.is_set():
                raw = try_connect(self._path)
                if raw is None:
                    self._leaving.wait(0.005)
                    continue
                with raw:
                    self._stay(raw)
        except BaseException as fault:  # noqa: BLE001 - told in the judgement
            self._ledger.fault(f"a client failed: {fault!r}")

    def _stay(self, raw: Raw) -> None:
        """Asks on one connection until it ends, or there is nothing more to do."""
        try:
            raw.call("poold.hello", {"client": "chaos", "errors": "map"}, seconds=self._patience)
            while self._open or not self._leaving.is_set():
                while len(self._open) < self._habits.window and not self._leaving.is_set():
                    self._ask(raw)
                if self._draw.random() < self._habits.leave:
                    self._leave(raw)
                    break
                if self._open:
                    self._take(raw)
        except ENDED:
            pass
        except Exception as fault:
            if not self._habits.careless:
                numbers = [call.number for call, _ in self._open.values()]
                self._ledger.fault(f"calls {numbers} are not answered well: {fault!r}")
        for call, _ in self._open.values():
            call.code = "lost"
        self._open.clear()

    def _ask(self, raw: Raw) -> None:
        habits = self._habits
        if habits.rest:
            self._leaving.wait(habits.rest)
        call, data = self._ledger.open_call(self._draw.choice(habits.pools), self._draw, habits.size)
        call.sound = habits.sound
        params = [call.number, data, self._draw.uniform(0, habits.work_msec)]
        options = {"timeout_ms": TIMEOUT_MS, **habits.options}
        self._open[raw.number + 1] = call, data  # what is written in part may have come too
        raw.ask_pool(call.pool, habits.method, params, **options)

    def _take(self, raw: Raw) -> None:
        answer = raw.read(self._patience)
        if answer.id not in self._open:
            if not self._habits.careless:
                self._ledger.fault(f"an answer to nothing that was asked: {answer}")
            return
        call, data = self._open.pop(answer.id)
        self._ledger.close_call(call, data, answer.error, answer.result)

    def _leave(self, raw: Raw) -> None:
        """Goes without its answers, now and then in the middle of a message."""
        if self._draw.random() < 0.5:
            raw.send(pack([0, raw.number + 1, "poold.call", ["x" * 2000]])[: self._draw.randrange(1, 2000)])


class Crowd:
    """Clients at work from entering to leaving, which waits for the last answer."""

    def __init__(self, path: str, ledger: Ledger, draw: random.Random) -> None:
        self._path, self._ledger, self._draw = path, ledger, draw
        self._leaving = threading.Event()
        self._clients: list[Client] = []

    def add(self, count: int, habits: Habits, path: str | None = None) -> None:
        """So many more clients, who connect to the daemon, or to somebody between."""
        for _ in range(count):
            draw = random.Random(self._draw.random())
            client = Client(path or self._path, self._ledger, habits, draw, self._leaving)
            self._clients.append(client)
            client.start()

    def leave(self) -> None:
        """Nobody asks any more."""
        self._leaving.set()
        for client in self._clients:
            client.join()

    def wait_answered(self, count: int, pool: str | None = None) -> None:
        """Waits until so many more results have come."""
        wanted = self._ledger.codes(pool)["ok"] + count
        eventually(lambda: self._ledger.codes(pool)["ok"] >= wanted or self._ledger.faults,
                   lambda: f"{count} more results of {pool}: {self._ledger.codes(pool)}", 60.0)
