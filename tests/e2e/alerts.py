"""What the tests of alerts share: rules that fire at once, and what they fire about."""

from __future__ import annotations

from typing import Any

from clients import PoolctlTest
from harness import TOOLBOX, Daemon, breaker, pool, section
from raw import Raw, unpack

# What warnings about alerts look like in the log.
ALERTS = r"(warning|error) (\w+: )?alert "


def alert(name: str, **options: object) -> str:
    """The section about a rule of alerts."""
    return section(f"alert {name}", options)


def quick_share(**options: object) -> str:
    """Half of the requests fail, and the alert is resolved as soon as fewer do."""
    return alert("error_share", threshold="50%", resolve_after="0", **options)


# Others that would fire too when all requests fail.
NO_OTHERS = tuple(alert(name, enabled=False) for name in ("burn_fast", "burn_slow", "method_errors"))


def fail(client: Raw, count: int) -> None:
    """So many requests that raise."""
    for _ in range(count):
        client.answer_pool("tools", "divide", [1, 0])


def succeed(client: Raw, count: int) -> None:
    for _ in range(count):
        client.call_pool("tools", "echo", [1])


def next_event(listener: Raw) -> dict[str, Any]:
    _, _, (event,) = unpack(listener.read_message())
    return event


class AlertsTest(PoolctlTest):

    def start_watched(self, *sections: str, **options: object) -> Daemon:
        """A daemon with the pool tools, whose alerts are on."""
        daemon = self.start(
            pool("tools", TOOLBOX), breaker("tools", mode="off"), *sections, alerts=True, **options
        )
        daemon.announced.append(ALERTS)
        return daemon

    def find(self, daemon: Daemon, name: str, **fields: object) -> list[dict[str, Any]]:
        """The active alerts of that rule that have these values."""
        return [
            one
            for one in daemon.ask("poold.alerts")["active"]
            if one["name"] == name and all(one[key] == value for key, value in fields.items())
        ]
