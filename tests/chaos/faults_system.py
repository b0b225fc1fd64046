"""Scenarios of a system that lies: calls of the C library fail, clocks jump."""

from __future__ import annotations

import unittest
from contextlib import suppress

from clock import eventually
from harness import BUILD, SANITIZED, UNRULY, Daemon, pool
from stage import Stage


class Hostile(Daemon):
    """A daemon whose C library fails as these variables say: tests/hostile/hostile_libc.c."""

    library: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "LD_PRELOAD": str(BUILD / "hostile_libc.so"), **self.library}


def hostile_daemon(pools: tuple[str, ...], options: dict[str, object], **library: str) -> Daemon:
    """One with that library."""
    if SANITIZED:
        raise unittest.SkipTest("a sanitizer has a C library of its own")
    Hostile.library = library
    return Hostile(pools, options)


def cold_pools(stage: Stage) -> tuple[str, ...]:
    """The usual ones, but nobody is forked: when a process began, the kernel says by a clock that did
    not jump."""
    return stage.book_pool("once"), stage.book_pool("safe", idempotent=True), pool("well", UNRULY)


# Of so many daemons one can start, however its C library fails.
STARTS_MAX = 50


def failing_daemon(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    """Calls of its C library fail at random.  It may refuse to start, and then another is started:
    tests/hostile/hostile.py judges that."""
    for _ in range(STARTS_MAX):
        seed = str(stage.draw.randrange(1 << 20))
        daemon = hostile_daemon(pools, options, HOSTILE_SEED=seed, HOSTILE_RATE="10")
        try:
            daemon.wait_ready()
        except AssertionError:
            if not daemon.has_ended():
                raise
            with suppress(AssertionError):
                daemon.finish()
            continue
        eventually(lambda daemon=daemon: is_whole(daemon), "all its processes are there")
        stage.note(f"libc {seed}")
        return daemon
    raise AssertionError(f"none of {STARTS_MAX} daemons could start; the last one's log:\n{daemon.log}")


def is_whole(daemon: Daemon) -> bool:
    """Whether all that it is to start has been started: what it has open is compared with that."""
    try:
        return bool(daemon.ask("poold.health")["guard"]) and daemon.ask("poold.status")["status"] == "ok"
    except (AssertionError, OSError):
        return False


def jumping_daemon(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    """One of its clocks jumps once, at a reading that the seed draws."""
    clock, jump = stage.draw.choice((("wall", "+86400"), ("wall", "-86400"), ("mono", "+2"), ("mono", "+3600")))
    reading = stage.draw.randrange(200, 4000)
    stage.note(f"{clock} {jump}")
    return hostile_daemon(pools, options, HOSTILE_FAULT=f"{clock}:{reading}:{jump}")
