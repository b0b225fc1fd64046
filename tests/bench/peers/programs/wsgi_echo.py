"""The application of uwsgi and gunicorn: what was posted, through the function that all serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from echo_functions import echo


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """One request."""
    body = echo(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start_response("200 OK", [("Content-Type", "application/octet-stream"),
                              ("Content-Length", str(len(body)))])
    return [body]
