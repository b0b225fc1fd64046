"""Outages under a thousand requests a second: few attempts, one answer each, and soon back."""

from __future__ import annotations

import sys
import time

from clients import ClientTest
from clock import Timed, ms, stretch
from flow import Flow, quantile
from harness import C_TOOLS, LOAD, Daemon, breaker, error_row, pool, retry, static_pool

# Runs without company: it takes all that the machine has.
ALONE = True

# Requests a second on an idle machine; fewer on a busy one, where all durations are longer.
RATE = 1000
# Seconds that the outage lasts.
OUTAGE = 2.5 * LOAD
# What must have a result of what is sent, and within how many seconds it must be so again.
GOOD, SOON = 0.95, 5.0

# More than all clients ask in the time that they wait for an answer.
IN_FLIGHT = 8 * RATE


class OutageTest(ClientTest):
    """Workers that die as long as a file is there."""

    def setUp(self) -> None:
        self.rate = round(RATE / stretch(1))

    @staticmethod
    def switch(daemon: Daemon, name: str) -> None:
        """Breaks a pool that works, and repairs one that is broken."""
        file = daemon.directory / f"broken-{name}"
        if file.exists():
            file.unlink()
        else:
            file.touch()

    def tell(self, **figures: float) -> None:
        """Prints what was measured."""
        text = ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items())
        print(f"\n{self.id()}: {text}", file=sys.stderr)


class Outage(OutageTest):
    """All workers of a pool fail, for seconds."""

    def check_outage(self, command: str, *sections: str) -> None:
        tools = {"workers": 4, "idempotent": True, "timeout": ms(1000), "queue_max": IN_FLIGHT}
        daemon = self.start(pool("tools", command, **tools), *sections, in_flight_max=IN_FLIGHT)
        daemon.announced.append("pool=tools")
        daemon.growth_max += 16 << 20
        with Flow(daemon.path, self.rate, "tools", "survive", [str(daemon.directory)]) as flow:
            flow.wait_for_goodput(0.999, 10)
            calm = quantile(flow.outcomes(time.monotonic() - stretch(0.4)), 0.99)
            self.switch(daemon, "tools")
            broken = time.monotonic()
            time.sleep(stretch(OUTAGE))
            self.switch(daemon, "tools")
            repaired = time.monotonic()
            back = flow.wait_for_goodput(GOOD, SOON)
            flow.wait_for_goodput(GOOD, SOON, span=1.0)
        counters = daemon.counters("tools")
        self.assertEqual(counters["requests"], len(flow.outcomes()))
        self.assertEqual(counters["succeeded"] + counters["failed"], counters["requests"])
        self.assertLessEqual(counters["attempts"], 1.25 * counters["requests"])
        failed = [each for each in flow.outcomes(broken, repaired) if each.code is not None]
        self.assertGreater(len(failed), 0.2 * self.rate * stretch(OUTAGE))
        slowest = max(each.seconds for each in flow.outcomes())
        self.assert_in_time(Timed(slowest), stretch(1))
        self.tell(
            requests=counters["requests"],
            attempts_per_request=counters["attempts"] / counters["requests"],
            retried=counters["retried"],
            crashes=counters["worker_crashes"],
            failed_in_outage=len(failed),
            answered_in_ms=quantile(failed, 0.99),
            p99_before_ms=calm,
            back_after_s=back,
        )

    def test_behind_a_breaker(self) -> None:
        self.check_outage(C_TOOLS, breaker("tools", open_timeout=ms(2000)))

    def test_without_a_breaker(self) -> None:
        """The budget alone keeps the attempts few, and nothing stands behind the first request of a
        worker that is to die of it."""
        self.check_outage(C_TOOLS, breaker("tools", mode="off"))


class Cascade(OutageTest):
    """The pools of a chain fail one after the other, and come back."""

    def test_every_request_has_its_answer(self) -> None:
        quick = {"workers": 3, "max_crash_retries": 10, "queue_max": IN_FLIGHT, "timeout": ms(5000)}
        daemon = self.start(
            pool("primary", C_TOOLS, fallback="secondary, mock", idempotent=True,
                 return_dwell=ms(300), return_step=ms(100), **quick),
            pool("secondary", C_TOOLS, **quick),
            static_pool("mock", answer='"mock"'),
            *(breaker(name, open_timeout=ms(500)) for name in ("primary", "secondary")),
            *(retry(name, backoff="none") for name in ("primary", "secondary")),
            error_row("connection_error", retries=1),
            in_flight_max=IN_FLIGHT,
        )
        daemon.announced += ["pool=primary", "pool=secondary"]
        daemon.growth_max += 16 << 20
        heard = self.listen(daemon, "failover")
        spans: dict[str, float] = {}
        with Flow(daemon.path, self.rate, "primary", "survive", [str(daemon.directory)]) as flow:
            flow.wait_for_goodput(0.999, 10)
            for name, level in (("primary", 1), ("secondary", 2), ("secondary", 1), ("primary", 0)):
                begin, seen = time.monotonic(), len(heard.heard)
                self.switch(daemon, name)
                heard.wait_for(15, since=seen, to_level=level)
                spans[f"level_{level}_after_s_{len(spans)}"] = time.monotonic() - begin
                flow.wait_for_goodput(1.0, 10)
        codes = flow.codes()
        self.assertEqual(set(codes), {"primary", "secondary", "mock"}, codes)
        for name in codes:
            self.assertGreater(codes[name], self.rate // 10)
        stats = daemon.ask("poold.stats")["pools"]
        self.assertEqual(stats["primary"]["requests"], codes.total())
        attempts = stats["primary"]["attempts"] + stats["secondary"]["attempts"]
        self.assertLessEqual(attempts, 1.25 * codes.total())
        self.tell(
            requests=codes.total(),
            **codes,
            attempts_per_request=attempts / codes.total(),
            p50_ms=quantile(flow.outcomes(), 0.5),
            p99_ms=quantile(flow.outcomes(), 0.99),
            slowest_ms=quantile(flow.outcomes(), 1.0),
            **spans,
        )
