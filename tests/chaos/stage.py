"""What all scenarios of chaos have in common: pools, clients, an honest bystander, and the judgement."""

from __future__ import annotations

import random
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bystander import Bystander
from clock import eventually, measure_scenario
from crowd import Crowd, Habits
from harness import PYTHON_PATH, UNRULY, Daemon, pool
from ledger import Ledger
from raw import ENDED, Raw

HERE = Path(__file__).resolve().parent

BOOKKEEPER = shlex.join([sys.executable, "-m", "poold.worker", "bookkeeper"])

# Seconds within which an honest call is answered on an idle machine, whatever happens to others.
HONEST = 1.0

# Where workers find their modules.
PATH = f"{PYTHON_PATH}:{HERE}"


class Stage:
    """A scenario that is being played.

    Attributes:
        draw: where all its random numbers come from.
        ledger: what the clients ask.
        directory: for files of its own.
        at_end: what is done when the last client has its answer, before the judgement.
    """

    def __init__(self, scenario: Scenario, draw: random.Random, seconds: float, directory: Path) -> None:
        self.scenario, self.draw, self.directory = scenario, draw, directory
        self.ledger = Ledger(directory, scenario.torn)
        self.cleanup = ExitStack()
        self._seconds = seconds
        self.daemon: Daemon
        self.crowd: Crowd
        self.done: list[str] = []
        self.at_end: list[Callable[[], None]] = []
        self._end = 0.0

    def begin(self) -> None:
        """From now on the scenario's time runs."""
        self._end = time.monotonic() + self._seconds

    def is_over(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() >= self._end

    def pause(self, least: float, most: float) -> None:
        """Lets the load run for a moment between two faults."""
        time.sleep(max(0.0, min(self.draw.uniform(least, most), self._end - time.monotonic())))

    def note(self, what: str) -> None:
        """Takes down a fault, for the report."""
        self.done.append(what)

    def told(self) -> str:
        """What was done so far, in words."""
        return ", ".join(f"{count} {what}" for what, count in Counter(self.done).most_common())

    def book_pool(self, name: str, **options: object) -> str:
        """A pool of workers that keep the book."""
        own = {"env.BOOK": self.ledger.book, "env.PYTHONPATH": PATH, "workers": 2, "queue_max": 4096}
        return pool(name, str(options.pop("command", BOOKKEEPER)), **{**own, **options})


def usual_pools(stage: Stage) -> tuple[str, ...]:
    """Forked workers that never run a call twice, cold ones that may, and the bystander's."""
    return (
        stage.book_pool("once", prefork=True),
        stage.book_pool("safe", idempotent=True),
        pool("well", UNRULY),
    )


def usual_clients(stage: Stage) -> None:
    """Six clients with four calls each."""
    stage.crowd.add(6, Habits(("once", "safe")))


def wait(stage: Stage) -> None:
    """What goes wrong does so by itself."""
    stage.note("lasting fault")
    while not stage.is_over():
        stage.pause(0.5, 1.0)


@dataclass(frozen=True)
class Scenario:
    """Something that goes wrong.

    Attributes:
        about: what, in one sentence.
        act: does it until `Stage.is_over`.
        pools: of the daemon.
        clients: who asks.
        codes: how calls may end beside a result.
        announced: of the daemon's log, beside what it says of the pools.
        options: of the daemon.
        once: pools whose calls may not run twice.
        torn: pools whose bytes somebody changes on their way.
        broken: pools that never answer well.
        uncounted: pools of which the daemon may know more calls than their clients.
        honest: seconds within which an honest call is answered; 0: nobody is honest here.
        counted: whether the daemon's counters are those of the whole scenario.
        growth: bytes by which the daemon's memory may grow.
        make: makes the daemon.
        each: seconds of a round, where a daemon is good for one only.
    """

    about: str
    act: Callable[[Stage], None]
    pools: Callable[[Stage], tuple[str, ...]] = usual_pools
    clients: Callable[[Stage], None] = usual_clients
    codes: tuple[str, ...] = ()
    announced: tuple[str, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    once: tuple[str, ...] = ("once",)
    torn: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    honest: float = HONEST
    counted: bool = True
    growth: int = 32 << 20
    make: Callable[[Stage, tuple[str, ...], dict[str, object]], Daemon] = lambda stage, pools, options: Daemon(
        pools, options)
    each: float = 0.0


def run(scenario: Scenario, draw: random.Random, seconds: float) -> str:
    """Plays a scenario and judges it.  Returns what is to be said of it.

    Raises:
        AssertionError: says all that was not as it must be.
        unittest.SkipTest: it is not possible here.
    """
    if not scenario.each:
        return run_round(scenario, draw, seconds)
    told, end = "", time.monotonic() + seconds
    rounds = 0
    while not told or time.monotonic() < end:
        told = run_round(scenario, draw, scenario.each)
        rounds += 1
    return f"{rounds} rounds; the last: {told}"


@contextmanager
def finished(daemon: Daemon) -> Iterator[None]:
    """Ends the daemon, and judges it.  What was wrong before comes first, and what is wrong then is
    printed."""
    try:
        yield
    except BaseException:
        try:
            daemon.finish()
        except AssertionError as more:
            print(more)
        raise
    daemon.finish()


def run_round(scenario: Scenario, draw: random.Random, seconds: float) -> str:
    """One daemon's life in a scenario."""
    with tempfile.TemporaryDirectory(prefix="poold-chaos-") as name:
        Path(name).chmod(0o755)
        stage = Stage(scenario, draw, seconds, Path(name))
        with stage.cleanup:
            pools = scenario.pools(stage)
            daemon = stage.daemon = scenario.make(stage, pools, scenario.options)
            daemon.growth_max, daemon.settle_time = scenario.growth, 30.0
            daemon.announced += ["pool=(?!well)", *scenario.announced]
            with finished(daemon):
                _play(stage)
    codes = {code: count for code, count in stage.ledger.codes().most_common()}
    return f"{stage.told()}; {sum(codes.values())} calls: {codes}"


def _play(stage: Stage) -> None:
    scenario, daemon, ledger = stage.scenario, stage.daemon, stage.ledger
    daemon.wait_ready()
    stage.crowd = Crowd(daemon.path, ledger, stage.draw)
    scenario.clients(stage)
    try:
        if scenario.honest:
            with Bystander(daemon) as bystander:
                _act(stage)
            limit = scenario.honest * measure_scenario()
            worst = max(bystander.latencies)
            if worst > limit:
                ledger.fault(f"an honest call took {worst:.2f} s of {limit:.2f}; {bystander.count} calls")
        else:
            _act(stage)
    finally:
        stage.crowd.leave()
    for last in stage.at_end:
        last()
    _check_well(stage)
    if scenario.counted:
        ledger.judge_counters(daemon.ask("poold.stats"), _asked(ledger) - set(scenario.uncounted))
    ledger.judge(scenario.once)
    strange = {
        call.code for call in ledger.calls.values() if call.pool not in scenario.torn
    } - {"ok", "", *scenario.codes}
    if strange:
        ledger.fault(f"calls ended as {sorted(strange)}: {ledger.codes()}")
    if not ledger.codes()["ok"] or not stage.done:
        ledger.fault(f"nothing went on: {ledger.codes()}, {len(stage.done)} faults")
    assert not ledger.faults, "\n".join([
        f"{len(ledger.faults)} faults:", *ledger.faults[:20], f"what was done: {stage.told()}"])


def _act(stage: Stage) -> None:
    stage.begin()
    stage.crowd.wait_answered(1)
    stage.scenario.act(stage)


def _asked(ledger: Ledger) -> set[str]:
    return {call.pool for call in ledger.calls.values()}


def _check_well(stage: Stage) -> None:
    """When all is over, each pool answers again."""
    for name in sorted(_asked(stage.ledger) - set(stage.scenario.broken)):
        eventually(lambda name=name: _is_answered(stage, name), f"{name} is well again", 30.0)


def _is_answered(stage: Stage, name: str) -> bool:
    call, data = stage.ledger.open_call(name, stage.draw)
    try:
        with Raw(stage.daemon.path, map_errors=True) as client:
            answer = client.answer_pool(name, "work", [call.number, data, 0.0])
    except ENDED:
        call.code = "lost"  # as with any client: the scenario says whether that may be
        return False
    stage.ledger.close_call(call, data, answer.error, answer.result)
    return answer.error is None
