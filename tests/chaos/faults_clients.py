"""Scenarios of bad parts and bad clients: a bad method, session or worker; who leaves early; who comes in a herd."""

from __future__ import annotations

from crowd import Habits
from harness import UNRULY, breaker, pool
from ledger import Call
from raw import Raw
from stage import Stage


def partly_bad_pools(stage: Stage) -> tuple[str, ...]:
    """One pool of which no worker ever starts, one with a bad worker, one with a bad session."""
    return (
        stage.book_pool("once", prefork=True),
        stage.book_pool("safe", idempotent=True, workers=4, **{"env.BOOK_BAD": "worker:1"}),
        stage.book_pool("sessions", **{"env.BOOK_BAD": "session:bad"}),
        pool("broken", "/bin/false", degraded_min=0, restart_delay="20ms"),
        breaker("sessions", mode="off"),
        pool("well", UNRULY),
    )


def partly_bad_clients(stage: Stage) -> None:
    """Some ask what works, and some what does not."""
    stage.crowd.add(3, Habits(("once",), sound=True))
    stage.crowd.add(1, Habits(("once",), method="faulty", window=1))
    stage.crowd.add(2, Habits(("safe",), method="fragile", sound=True))
    stage.crowd.add(2, Habits(("sessions",), method="fragile", options={"session": "good"}, sound=True))
    stage.crowd.add(1, Habits(("sessions",), method="fragile", options={"session": "bad"}, window=1))
    stage.crowd.add(1, Habits(("broken",), window=1))


def vanishing_clients(stage: Stage) -> None:
    """Some stay, and some go without their answers."""
    stage.crowd.add(2, Habits(("once", "safe")))
    stage.crowd.add(8, Habits(("once", "safe"), leave=0.2))
    stage.crowd.add(4, Habits(("once", "safe"), leave=0.5, size=300_000))


def gather(stage: Stage) -> None:
    """A thousand come at once, ask one thing each, and go, some without the answer."""
    while not stage.is_over():
        stage.note("herd of 1000")
        herd: list[tuple[Raw, Call, bytes]] = []
        for _ in range(1000):
            call, data = stage.ledger.open_call(stage.draw.choice(("once", "safe")), stage.draw, 40)
            peer = Raw(stage.daemon.path)
            herd.append((peer, call, data))
            peer.ask_pool(call.pool, "work", [call.number, data, 0.0], timeout_ms=60_000)
        for peer, call, data in herd:
            if stage.draw.random() < 0.1:
                call.code = "lost"
            else:
                answer = peer.read(90.0)
                stage.ledger.close_call(call, data, None, answer.result)
                if answer.error is not None:
                    call.code = answer.code or ""
            peer.close()
