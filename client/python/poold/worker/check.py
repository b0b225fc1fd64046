"""python3 -m poold.worker --check: prints what a worker would serve, without a daemon."""

from __future__ import annotations

import os

from poold.worker import CONCURRENCY, SetupError, Worker
from poold.worker.functions import Function


def describe(worker: Worker) -> list[str]:
    """Returns lines for people.

    Raises:
        SetupError: it could not serve.
    """
    if not worker.functions:
        raise SetupError("no public function to serve")
    worker.choose_server()
    lines = [
        f"{name}{_parameters(function)}{'  (async)' if function.is_async else ''}"
        for name, function in sorted(worker.functions.items())
    ]
    hooks = worker.hooks
    called = [
        f"on_{name}"
        for name in ("start", "shutdown", "session_end")
        if getattr(hooks, name) is not None
    ]
    if called:
        lines.append(f"called by itself: {', '.join(called)}")
    for each in hooks.session_classes:
        lines.append(f"an instance for each session: {each.cls.__name__}")
    if worker.is_async():
        lines.append(f"concurrency: {worker.concurrency or CONCURRENCY}")
    threads = len(os.listdir("/proc/self/task")) - 1
    if threads:
        lines.append(f"threads started by importing: {threads} (not for prefork: see on_start)")
    return lines


def _parameters(function: Function) -> str:
    try:
        return str(function.signature())
    except ValueError:
        return "(...)"
