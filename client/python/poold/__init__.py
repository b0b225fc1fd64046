"""Call workers through the poold daemon, or write a worker.

A client program::

    with poold.Client() as client:
        print(client.call("python", "word_count", "to be or not to be"))

A worker is any module with functions, which the daemon runs as `python3 -m poold.worker MODULE`;
see `poold.worker`.  For asyncio there is `poold.aio.AsyncClient`.
"""

from __future__ import annotations

import importlib

from poold.errors import (
    CircuitOpen,
    CommunicationError,
    DeadlineExceeded,
    Error,
    Fatal,
    HealthCheckError,
    InitializationError,
    PoolConnectionError,
    PoolSystemError,
    PoolTimeoutError,
    Rejected,
    RequestError,
    ResourceError,
    Retryable,
    SessionError,
    Unusable,
    WorkerException,
)

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from poold import aio as aio
    from poold import codec as codec
    from poold.calls import RESTART
    from poold.client import Call, Client, Events, Reply, Stream
    from poold.errors import Cancelled
    from poold.executor import Executor
    from poold.serving import serve
    from poold.worker import Context, Worker, context, session_class

__version__ = "0.1.0"

# Modules are loaded when a name is first used: a worker does not load those of the client, which
# would make callers wait longer for its start after a crash.  Type checkers see them above.
_ELSEWHERE = {
    "Call": "poold.client",
    "Cancelled": "poold.futures",
    "Client": "poold.client",
    "Events": "poold.client",
    "Executor": "poold.executor",
    "RESTART": "poold.calls",
    "Reply": "poold.client",
    "Stream": "poold.client",
    "Context": "poold.worker",
    "Worker": "poold.worker",
    "context": "poold.worker",
    "serve": "poold.serving",
    "session_class": "poold.worker",
}

__all__ = [
    "Call",
    "Cancelled",
    "CircuitOpen",
    "Client",
    "CommunicationError",
    "Context",
    "DeadlineExceeded",
    "Error",
    "Events",
    "Executor",
    "Fatal",
    "HealthCheckError",
    "InitializationError",
    "PoolConnectionError",
    "PoolSystemError",
    "PoolTimeoutError",
    "RESTART",
    "Rejected",
    "Reply",
    "RequestError",
    "ResourceError",
    "Retryable",
    "SessionError",
    "Stream",
    "Unusable",
    "Worker",
    "WorkerException",
    "context",
    "serve",
    "session_class",
]


def __getattr__(name: str) -> object:
    if name in ("aio", "codec"):
        return importlib.import_module(f"poold.{name}")
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'poold' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_ELSEWHERE[name]), name)
    globals()[name] = value
    return value
