"""What the blocking client and the asyncio client have in common."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

from poold import __version__, errors, wire

DEFAULT_PATH = "/run/poold/poold.sock"
PATH_VARIABLE = "POOLD_SOCKET"

# The daemon's own default for its answers, and room for what is around one.
MAX_BUFFER_SIZE = (64 << 20) + 4096

# How long the daemon may take over the answer that is due at the deadline, in seconds.
GRACE = 1.0

ID_MAX = 0xFFFFFFFF


class Reply(NamedTuple):
    """What a call with meta=True gives.

    Attributes:
        result: the worker's result.
        meta: {"served_by", "attempts", "degraded", "queue_ms", "run_ms", "worker"}.
    """

    result: Any
    meta: dict


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
        message = f"the result cannot be said in Python: {value}"
        raise errors.make("decode_error", message, executed="yes")
    if meta and isinstance(value, dict):
        return Reply(value.get("result"), value.get("meta", {}))
    return value


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

    def version(self) -> dict:
        """{server, version, protocol, pid, uptime_ms}."""
        return self.request("poold.version")
