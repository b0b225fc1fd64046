"""Scenarios of processes that are killed, or stand still: workers, the fork server, the guard, the daemon."""

from __future__ import annotations

import signal
import time

import procs
from stage import Stage


def processes(stage: Stage, kind: str) -> list[int]:
    """Processes of the daemon that something may be done to."""
    daemon = stage.daemon
    if kind == "guard":
        return [pid for pid in procs.children(daemon.pid) if procs.name(pid) == "pguard"]
    entries = [each for each in daemon.workers() if each["pool"] != "well" and each["pid"]]
    workers = [each["pid"] for each in entries]
    if kind == "worker":
        return workers
    known = {*workers, *(each["pid"] for each in daemon.workers("well"))}
    below = [pid for pid in procs.children(daemon.pid) if pid not in known]
    return [pid for pid in below if procs.variable(pid, "POOLD_PREFORK_FD")]


def kill_at_random(stage: Stage) -> None:
    """Mostly workers, now and then the fork server or the guard."""
    while not stage.is_over():
        kind = stage.draw.choices(("worker", "fork server", "guard"), (16, 2, 1))[0]
        found = processes(stage, kind)
        if found and procs.kill(stage.draw.choice(found)):
            stage.note(f"{kind} killed")
        stage.pause(0.02, 0.3)


def stop_at_random(stage: Stage) -> None:
    """Workers, the fork server, the guard stand still for a moment; the last two now and then so long
    that the daemon replaces them."""
    stopped: list[tuple[float, int]] = []
    try:
        while not stage.is_over():
            kind = stage.draw.choices(("worker", "fork server", "guard"), (8, 3, 2))[0]
            found = [pid for pid in processes(stage, kind) if pid not in dict(map(reversed, stopped))]
            if found:
                pid = stage.draw.choice(found)
                long = kind != "worker" and stage.draw.random() < 0.3
                procs.kill(pid, signal.SIGSTOP)
                stopped.append((time.monotonic() + (8.0 if long else stage.draw.uniform(0.02, 0.5)), pid))
                stage.note(f"{kind} stopped")
            if stage.draw.random() < 0.3:  # somebody has to be forked meanwhile
                kill_one(stage, "worker")
            stage.pause(0.02, 0.2)
            for one in [one for one in stopped if one[0] <= time.monotonic()]:
                stopped.remove(one)
                procs.kill(one[1], signal.SIGCONT)
    finally:
        for _, pid in stopped:
            procs.kill(pid, signal.SIGCONT)


def stop_daemon(stage: Stage) -> None:
    """The daemon stands still, and finds all at once what has come meanwhile."""
    while not stage.is_over():
        procs.stop(stage.daemon.pid)
        stage.note("daemon stopped")
        stage.pause(0.02, 0.7)
        if stage.draw.random() < 0.5:
            kill_one_of(stage, procs.children(stage.daemon.pid))
        stage.daemon.signal(signal.SIGCONT)
        stage.pause(0.1, 0.5)


def kill_one(stage: Stage, kind: str) -> None:
    """Kills one process of that kind, if there is one."""
    kill_one_of(stage, processes(stage, kind), kind)


def kill_one_of(stage: Stage, pids: list[int], kind: str = "child") -> None:
    """Kills one of these processes, but none of the bystander's pool."""
    pids = [pid for pid in pids if procs.variable(pid, "POOLD_POOL") != "well"]
    if pids and procs.kill(stage.draw.choice(pids)):
        stage.note(f"{kind} killed")


def kill_daemon(stage: Stage) -> None:
    """The supervisor starts it again each time.  Nothing that it had started is left, and the clients
    come back."""
    while not stage.is_over():
        stage.pause(0.3, 1.5)
        stage.daemon.signal(signal.SIGKILL)
        stage.daemon.wait_ended()
        stage.note("daemon killed")
        stage.daemon.relaunch()
        stage.daemon.wait_ready()
        stage.crowd.wait_answered(20)
