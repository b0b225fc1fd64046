"""The errors that a worker answers, as maps of the protocol: {code, message, type?, traceback?,
retryable?, retry_after_ms?, fatal?, severity?}; those with a type are exceptions of the user's
code.

The exception of a worker's code may be anything: its text, its type and all its attributes come
from code that may raise another, or return something else than it should.  Nothing here raises
because of that, and all that is returned is of exactly the builtin types.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import TracebackType

from poold.errors import SEVERITIES, Fatal, Rejected, Retryable
from poold.wire import Undecodable, type_name
from poold.worker.ending import say

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any

# Where the daemon tells no limit.
NO_LIMIT = 2**32

# Limit of a message, and of a traceback, in bytes of UTF-8.
TEXT_MAX = 16 * 1024

# Limit of `retry_after_ms`: the most that 32 bits hold, 49 days.
AFTER_MAX = 2**32 - 1


def rejected(message: str) -> dict[str, Any]:
    """The request is wrong."""
    return {"code": "rejected", "message": _head(message)}


def cancelled(when: str) -> dict[str, Any]:
    """Cancelled by the caller, before it began or while it streamed."""
    return {"code": "cancelled", "message": f"cancelled {when}"}


def unknown_method(method: object, names: Iterable[str]) -> dict[str, Any]:
    """There is no such function; the message lists similar names, or all names."""
    import difflib  # loaded by the first mistake

    names = sorted(map(str, names))
    near = difflib.get_close_matches(str(method), names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
    message = f"this worker has no function {method!r}; {hint}"
    return {"code": "unknown_method", "message": _head(message)}


def undecodable(args: Undecodable) -> dict[str, Any]:
    """The arguments are valid MessagePack, but Python cannot represent them."""
    message = f"the arguments cannot be said in Python: {args}"
    return {"code": "encode_error", "message": _head(message)}


def unencodable(what: str, value: object, error: BaseException) -> dict[str, Any]:
    """MessagePack cannot represent a result or chunk; `error` is the exception of the packer."""
    reason = _say(error) or type_name(type(error))
    message = f"a {what} of type {type_name(type(value))!r} cannot be sent: {reason}"
    return {"code": "exception", "type": "EncodeError", "message": _head(message)}


def response_max() -> int:
    """Limit of a message to the daemon, in bytes, which the daemon has told."""
    text = os.environ.get("POOLD_RESPONSE_MAX", "")
    return int(text) if text.isascii() and text.isdigit() else NO_LIMIT


def too_large(what: str, size: int, limit: int) -> dict[str, Any]:
    """A result, chunk or state has `size` bytes, and the daemon takes no more than `limit`."""
    message = f"the {what} has {size} bytes, and response_max of the daemon is {limit}"
    return {"code": "response_too_large", "message": message}


# They take at least as many bytes as their length when they are packed.
SIZED = frozenset((str, bytes, bytearray))


def least_size(value: object) -> int:
    """Bytes that a text or binary takes at least when it is packed; 0 for all else."""
    return len(value) if type(value) in SIZED else 0  # type: ignore[arg-type]


def describe(error: BaseException) -> dict[str, Any]:
    """Returns the error map for an exception that a function raised."""
    kind = type(error)
    severity = _severity(error)
    answer: dict[str, Any]
    if issubclass(kind, Rejected):
        answer = rejected(_message(error))
        # The default of the daemon need not be sent.
        if severity is not None and severity != "warning":
            answer["severity"] = severity
        return answer
    answer = {
        "code": "exception",
        "type": _head(_type_name(kind)),
        "message": _head(_say(error)),
        "traceback": _tail(_trace(error)),
    }
    if issubclass(kind, Retryable):
        answer["retryable"] = True
        after = _tried(lambda: _milliseconds(error.after), None)  # type: ignore[attr-defined]
        if after is not None:
            answer["retry_after_ms"] = after
    elif issubclass(kind, Fatal):
        answer["fatal"] = True
    if issubclass(kind, (Retryable, Fatal)) and severity is not None:
        answer["severity"] = severity
    return answer


def _tried(get: Callable[[], Any], otherwise: Any) -> Any:
    """What `get` returns, or this where it raises something."""
    try:
        return get()
    except BaseException:
        return otherwise


def _severity(error: BaseException) -> str | None:
    """The severity that one of the package's own exceptions names, if it is one."""
    word = _tried(lambda: error.severity, None)  # type: ignore[attr-defined]
    return word if type(word) is str and word in SEVERITIES else None


def _milliseconds(seconds: Any) -> int | None:
    """Seconds until a retry, as the protocol has them; None where it is no number."""
    if seconds is None:
        return None
    left = float(seconds) * 1000
    if left != left:
        return None
    return round(min(max(left, 0.0), AFTER_MAX))


def _message(error: BaseException) -> str:
    """The text of a Rejected, whatever stands where its message belongs; that of its arguments
    where a subclass has left the message out."""
    text = _say(_tried(lambda: error.message, ""))  # type: ignore[attr-defined]
    return text or _say(_tried(lambda: error.args[0], ""))


def _type_name(kind: type) -> str:
    name = _tried(lambda: vars(type)["__qualname__"].__get__(kind), type_name(kind))
    module = _tried(lambda: vars(type)["__module__"].__get__(kind), None)
    if type(module) is not str or module in ("builtins", "__main__"):
        return str(name)
    return f"{module}.{name}"


def _say(value: object) -> str:
    """The text of an exception, or of what it has for a text; a str of exactly this type."""
    try:
        text: Any = value if issubclass(type(value), str) else str(value)
        return str.__str__(text)
    except BaseException as second:
        return f"(its text cannot be had: {type_name(type(second))})"


def summary(error: BaseException) -> str:
    """One line for people: "JobTimeout: time is up"."""
    text = _say(error)[:200].replace("\n", "\\n")
    name = type_name(type(error))
    return f"{name}: {text}" if text else name


def complain(what: str, error: BaseException) -> None:
    """Prints an exception that is not reported to any caller."""
    say(f"poold.worker: {what}:\n{_trace(error, whole=True)}".rstrip("\n"))


_OURS = os.path.dirname(__file__) + os.sep


def _beyond_ours(frames: TracebackType | None) -> TracebackType | None:
    """Returns the traceback without the frames of this package at its begin."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames


def _trace(error: BaseException, whole: bool = False) -> str:
    try:
        import traceback  # loaded by the first exception

        frames = error.__traceback__ if whole else _beyond_ours(error.__traceback__)
        return "".join(traceback.format_exception(type(error), error, frames))
    except BaseException as second:
        return f"{_type_name(type(error))} (no traceback: {type_name(type(second))})\n"


def _head(text: str) -> str:
    """Returns the first TEXT_MAX bytes at most, as valid UTF-8."""
    raw = text[:TEXT_MAX].encode("utf-8", "backslashreplace")
    return raw[:TEXT_MAX].decode("utf-8", "ignore")


def _tail(text: str) -> str:
    """As _head, but returns the end, which says where the error occurred."""
    raw = text[-TEXT_MAX:].encode("utf-8", "backslashreplace")
    if len(raw) <= TEXT_MAX and len(text) <= TEXT_MAX:
        return raw.decode("utf-8")
    mark = b"...\n"
    return (mark + raw[len(mark) - TEXT_MAX :]).decode("utf-8", "ignore")
