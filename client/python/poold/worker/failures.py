"""The errors that a worker answers, as maps of the protocol: {code, message, type?, traceback?,
retryable?, retry_after_ms?, fatal?, severity?}; those with a type are exceptions of the user's
code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import TracebackType

from poold.errors import SEVERITIES, Fatal, Rejected, Retryable
from poold.wire import Undecodable

# Where the daemon tells no limit.
NO_LIMIT = 2**32

# Limit of a message, and of a traceback, in bytes of UTF-8.
TEXT_MAX = 16 * 1024


def rejected(message: str) -> dict:
    """The request is wrong."""
    return {"code": "rejected", "message": _head(message)}


def cancelled(when: str) -> dict:
    """Cancelled by the caller, before it began or while it streamed."""
    return {"code": "cancelled", "message": f"cancelled {when}"}


def unknown_method(method: object, names: Iterable[str]) -> dict:
    """There is no such function; the message lists similar names, or all names."""
    import difflib  # loaded by the first mistake

    names = sorted(names)
    near = difflib.get_close_matches(str(method), names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
    message = f"this worker has no function {method!r}; {hint}"
    return {"code": "unknown_method", "message": _head(message)}


def undecodable(args: Undecodable) -> dict:
    """The arguments are valid MessagePack, but Python cannot represent them."""
    message = f"the arguments cannot be said in Python: {args}"
    return {"code": "encode_error", "message": _head(message)}


def unencodable(what: str, value: object, error: Exception) -> dict:
    """MessagePack cannot represent a result or chunk; `error` is the exception of the packer."""
    message = f"a {what} of type {type(value).__name__!r} cannot be sent: {error}"
    return {"code": "exception", "type": "EncodeError", "message": _head(message)}


def response_max() -> int:
    """Limit of a message to the daemon, in bytes, which the daemon has told."""
    text = os.environ.get("POOLD_RESPONSE_MAX", "")
    return int(text) if text.isascii() and text.isdigit() else NO_LIMIT


def too_large(what: str, size: int, limit: int) -> dict:
    """A result, chunk or state has `size` bytes, and the daemon takes no more than `limit`."""
    message = f"the {what} has {size} bytes, and response_max of the daemon is {limit}"
    return {"code": "response_too_large", "message": message}


def least_size(value: object) -> int:
    """Bytes that a text or binary takes at least when it is packed; 0 for all else."""
    return len(value) if isinstance(value, (str, bytes, bytearray)) else 0


def describe(error: BaseException) -> dict:
    """Returns the error map for an exception that a function raised."""
    if isinstance(error, Rejected):
        answer = rejected(error.message)
        # The default of the daemon need not be sent.
        if error.severity in SEVERITIES and error.severity != "warning":
            answer["severity"] = error.severity
        return answer
    answer = {
        "code": "exception",
        "type": _type_name(type(error)),
        "message": _head(_say(error)),
        "traceback": _tail(_trace(error)),
    }
    if isinstance(error, Retryable):
        answer["retryable"] = True
        if error.after is not None:
            answer["retry_after_ms"] = max(0, round(error.after * 1000))
    elif isinstance(error, Fatal):
        answer["fatal"] = True
    if isinstance(error, (Retryable, Fatal)) and error.severity is not None:
        answer["severity"] = error.severity
    return answer


def _type_name(kind: type) -> str:
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _say(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"(its text cannot be had: {type(second).__name__})"


def complain(what: str, error: BaseException) -> None:
    """Prints an exception that is not reported to any caller."""
    import traceback  # loaded by the first exception

    try:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(f"poold.worker: {what}:\n{text}")
    except Exception:
        pass  # nowhere to say it


_OURS = os.path.dirname(__file__) + os.sep


def _beyond_ours(frames: TracebackType | None) -> TracebackType | None:
    """Returns the traceback without the frames of this package at its begin."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames


def _trace(error: BaseException) -> str:
    import traceback  # loaded by the first exception

    try:
        frames = _beyond_ours(error.__traceback__)
        return "".join(traceback.format_exception(type(error), error, frames))
    except Exception as second:
        return f"(no traceback: {type(second).__name__})"


def _head(text: str) -> str:
    """Returns the first TEXT_MAX bytes at most, as valid UTF-8."""
    raw = text.encode("utf-8", "backslashreplace")
    return text if len(raw) == len(text) <= TEXT_MAX else raw[:TEXT_MAX].decode("utf-8", "ignore")


def _tail(text: str) -> str:
    """As _head, but returns the end, which says where the error occurred."""
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= TEXT_MAX:
        return raw.decode("utf-8")
    mark = b"...\n"
    return (mark + raw[len(mark) - TEXT_MAX :]).decode("utf-8", "ignore")
