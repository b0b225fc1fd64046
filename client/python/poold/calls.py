"""What the blocking client and the asyncio client have in common."""

from __future__ import annotations

import math
import os
from collections import deque
from typing import Any, NamedTuple

from poold import __version__, errors, wire

DEFAULT_PATH = "/run/poold/poold.sock"
PATH_VARIABLE = "POOLD_SOCKET"

# The daemon's own default for its answers, and room for what is around one.
MAX_BUFFER_SIZE = (64 << 20) + 4096

# How long the daemon may take over the answer that is due at the deadline, in seconds.
GRACE = 1.0

ID_MAX = 0xFFFFFFFF

# Stands for the id in what is no part of a single call's answer: poold.event.
EVENTS = "events"


class Reply(NamedTuple):
    """What a call with meta=True gives.

    Attributes:
        result: the worker's result.
        meta: how it came about:
            "served_by" (str): the pool that answered,
            "attempts" (int): attempts that it took,
            "degraded" (bool): whether a pool of the fallback chain answered,
            "queue_ms", "run_ms" (float): until it was first sent, and since it was last sent,
            "worker" (int): the worker's number in its pool; 0 for a pool without workers,
            "state_lost" (bool; only for a request with a session): whether a worker went away with
            something of the session that it had not handed back,
            "stored" (bool; only for a request with a key): whether this is the answer that an
            earlier request with the key had.
    """

    result: Any
    meta: dict


class _Restart:
    """The type of RESTART."""

    def __repr__(self) -> str:
        return "poold.RESTART"


# Among the chunks of a stream that may begin again: it does so here, and what came before is void.
RESTART = _Restart()


class Inbox:
    """Chunks or events that have come and were not taken yet."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: deque = deque()

    def put(self, value: object) -> None:
        if value is RESTART:
            self.values.clear()
        self.values.append(value)

    def take(self) -> Any:
        """The next one.

        Raises:
            CommunicationError: Python cannot hold it (decode_error).
        """
        value = self.values.popleft()
        if isinstance(value, wire.Undecodable):
            raise _unsayable("chunk", value, "maybe")
        return value


def part_of(message: list) -> tuple[object, object]:
    """What a notification brings: the id of the call whose chunk it is, or EVENTS, and the value;
    (None, None) when it is none of these."""
    _, method, params = message
    if isinstance(params, list) and params:
        number = params[0]
        if method == "poold.event":
            return EVENTS, number
        if type(number) is int:
            if method == wire.CHUNK and len(params) > 1:
                return number, params[1]
            if method == "poold.restart":
                return number, RESTART
    return None, None


def split_options(named: dict) -> tuple[dict, dict]:
    """The options of a call, and its method's own keyword arguments."""
    options = {name: value for name, value in named.items() if name in wire.OPTIONS}
    return options, {name: value for name, value in named.items() if name not in options}


def subscribe_params(kinds: tuple[str, ...]) -> list:
    """The params of poold.subscribe: none means all kinds."""
    return [list(kinds)] if kinds else []


def default_path() -> str:
    """The daemon's socket: $POOLD_SOCKET, or else /run/poold/poold.sock."""
    return os.environ.get(PATH_VARIABLE) or DEFAULT_PATH


def patience(method: str, calls: float | None, daemon: float) -> float | None:
    """Seconds to wait for `method` where the caller names none: the daemon itself answers at once."""
    return daemon if method.startswith("poold.") and method != "poold.call" else calls


def hello_params(name: str) -> list:
    """The params of the poold.hello that begins each connection."""
    return [{"client": name, "version": __version__, "errors": "map"}]


def reply_value(value: object, meta: bool) -> object:
    """The result of a call, as the caller sees it.

    Raises:
        CommunicationError: Python cannot hold it (decode_error).
    """
    if isinstance(value, wire.Undecodable):
        raise _unsayable("result", value, "yes")
    if meta and isinstance(value, dict):
        return Reply(value.get("result"), value.get("meta", {}))
    return value


def _unsayable(what: str, value: wire.Undecodable, executed: str) -> errors.Error:
    message = f"the {what} cannot be said in Python: {value}"
    return errors.make("decode_error", message, executed=executed)


def pack_request(number: int, method: str, params: list) -> bytes:
    """A request, packed.

    Raises:
        CommunicationError: MessagePack cannot say an argument (encode_error).
    """
    try:
        return wire.pack((wire.REQUEST, number, method, params))
    except (TypeError, ValueError, OverflowError) as error:
        message = f"the arguments cannot be sent: {error}"
        raise errors.make("encode_error", message, executed="no") from error


def overdue() -> errors.Error:
    """The error of a call whose answer did not come, grace included."""
    message = "no answer by the deadline, not even the daemon's own"
    return errors.make("deadline_exceeded", message, executed="maybe", retryable=True)


def closed_error() -> errors.Error:
    """The error of a stream that was given up here."""
    return errors.make("cancelled", "the stream was closed before its end", executed="maybe")


def unfinished() -> LookupError:
    """The error of asking for the result of a stream that is still to be read."""
    return LookupError("the result comes at the end of the stream")


def lost_error(reason: str, executed: str) -> errors.Error:
    """The error of a call whose connection was lost."""
    message = f"the connection was lost: {reason}"
    return errors.make("peer_closed", message, executed=executed, retryable=True)


def too_large(error: wire.TooLarge) -> errors.Error:
    """The error of a call whose answer is over max_buffer_size."""
    return errors.make("response_too_large", f"the answer is {error}", executed="yes")


def message_max(welcome: object) -> float:
    """The most bytes that the daemon takes, from its answer to poold.hello."""
    limits = welcome.get("limits") if isinstance(welcome, dict) else None
    limit = limits.get("message_max") if isinstance(limits, dict) else None
    return limit or math.inf


def check_size(data: bytes, limit: float) -> None:
    """Raises payload_too_large here: the daemon would close the connection over it."""
    if len(data) > limit:
        text = f"a request of {len(data)} bytes; the daemon takes {limit}"
        raise errors.make("payload_too_large", text, executed="no")


def unreachable(path: str, reason: str) -> errors.Error:
    """The error of a daemon that cannot be reached."""
    message = f"the daemon cannot be reached at {path}: {reason}"
    return errors.make("connect_failed", message, executed="no", retryable=True)


class Requests:
    """The daemon's own methods, by name; shared by the blocking and the asyncio client.

    With AsyncClient each is awaited.
    """

    def request(self, method: str, params: list | tuple = (), timeout: float | None = None) -> Any:
        raise NotImplementedError

    def health(self) -> dict:
        """Whether each pool works, and why not: {status, ready, draining, pools}."""
        return self.request("poold.health")

    def doctor(self) -> list[dict]:
        """What stops pools from working: findings with pool, check, status ("ok", "warning",
        "fault"), text and advice."""
        return self.request("poold.doctor")

    def status(self) -> dict:
        """What a person wants to know first."""
        return self.request("poold.status")

    def stats(self) -> dict:
        """Every counter: {daemon: {...}, pools: {NAME: {...}}}."""
        return self.request("poold.stats")

    def metrics(self) -> str:
        """Every counter as Prometheus text."""
        return self.request("poold.metrics")

    def pools(self) -> list[dict]:
        """Every pool with its limits and state."""
        return self.request("poold.pools")

    def workers(self) -> list[dict]:
        """Every worker with its state and history."""
        return self.request("poold.workers")

    def breakers(self) -> list[dict]:
        """Every circuit breaker with its state, why, and since when."""
        return self.request("poold.breakers")

    def recoveries(self) -> dict:
        """What is being tried again, and how that went so far: {active, counters, mean_ms, p99_ms,
        by_category, by_strategy}."""
        return self.request("poold.recoveries")

    def errors(self, limit: int | None = None) -> list[dict]:
        """The latest errors, newest first: error maps with "at_ms" (since 1970) and "kind"
        ("request" or "incident").  At most `limit` of them."""
        return self.request("poold.errors", [] if limit is None else [limit])

    def sessions(self, limit: int | None = None) -> dict:
        """{count, max, tombstones, sessions}; at most `limit` sessions are told of."""
        return self.request("poold.sessions", [] if limit is None else [limit])

    def session_close(self, session: str) -> bool:
        """Ends a session; its state is dropped and the worker that held it is told."""
        return self.request("poold.session_close", [session])

    # For root, the daemon's own user and the members of its admin_group; others get a RequestError
    # (permission_denied).

    def breaker_reset(self, pool: str, method: str | None = None) -> dict:
        """Closes a pool's circuit breaker, or that of one method, and lets it watch again."""
        return self.request("poold.breaker_reset", _breaker_params(pool, method))

    def breaker_open(self, pool: str, method: str | None = None) -> dict:
        """Opens it until it is reset."""
        return self.request("poold.breaker_open", _breaker_params(pool, method))

    def breaker_disable(self, pool: str, method: str | None = None) -> dict:
        """Switches it off until it is reset: everything passes, whatever it counts."""
        return self.request("poold.breaker_disable", _breaker_params(pool, method))

    def breaker_observe(self, pool: str, method: str | None = None) -> dict:
        """Lets it count and say when it would open, while everything passes."""
        return self.request("poold.breaker_observe", _breaker_params(pool, method))

    def restart_workers(self, pool: str) -> dict:
        """Begins to replace the pool's workers one after the other; `pools` says how that goes."""
        return self.request("poold.restart_workers", [pool])

    def resize(self, pool: str, min: int, max: int) -> dict:
        """Gives the pool so many workers until the daemon ends."""
        return self.request("poold.resize", [pool, min, max])

    def kill_worker(self, pool: str, worker: int, signal: str = "TERM") -> dict:
        """Ends the worker of that number; another one takes its place."""
        return self.request("poold.kill_worker", [pool, worker, signal])

    def drain(self, pool: str) -> dict:
        """Takes the pool out of service: it finishes what it has and takes nothing new."""
        return self.request("poold.drain", [pool])

    def resume(self, pool: str) -> dict:
        """Puts it back into service."""
        return self.request("poold.resume", [pool])

    def recovery_cancel(self, id: int) -> bool:
        """Ends a recovery: its request is answered with the error it had."""
        return self.request("poold.recovery_cancel", [id])

    def restart_workers(self, pool: str) -> dict:
        """Replaces the pool's workers one after the other: {pool, roll}; the roll goes on after."""
        return self.request("poold.restart_workers", [pool])

    def resize(self, pool: str, least: int, most: int) -> dict:
        """Changes how many workers the pool has, until the daemon is started anew."""
        return self.request("poold.resize", [pool, least, most])

    def kill_worker(self, pool: str, worker: int, signal: str = "TERM") -> dict:
        """Ends a worker; another takes its place.  The signal is TERM, KILL, INT, QUIT or ABRT."""
        return self.request("poold.kill_worker", [pool, worker, signal])

    def stack(self, pool: str, worker: int) -> dict:
        """Has a worker write the stacks of its threads; they come as an event of kind "worker"
        whose "what" is "stack"."""
        return self.request("poold.stack", [pool, worker])

    def drain(self, pool: str) -> dict:
        """Takes the pool out of service: it finishes what it has."""
        return self.request("poold.drain", [pool])

    def resume(self, pool: str) -> dict:
        """Puts a drained pool back."""
        return self.request("poold.resume", [pool])

    def version(self) -> dict:
        """{server, version, protocol, pid, uptime_ms}."""
        return self.request("poold.version")


def _breaker_params(pool: str, method: str | None) -> list:
    return [pool] if method is None else [pool, method]
