"""Pools and their methods as objects: client.pool("python").word_count(text)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Method", "Pool"]


class Pool:
    """A pool of a client, created by its `pool`; its attributes are the methods of its workers."""

    def __init__(self, client: Any, name: str, options: dict[str, Any]) -> None:
        self._client = client
        self._name = name
        self._options = options

    def __getattr__(self, method: str) -> Method:
        if method.startswith("_"):
            raise AttributeError(f"{method!r} begins with an underscore, and is not served")
        return self[method]

    def __getitem__(self, method: str) -> Method:
        """The method of any name."""
        return Method(self._client, self._name, method, self._options)

    def __repr__(self) -> str:
        return f"<poold pool {self._name!r}>"


class Method:
    """A method of a pool.  Its arguments are those of poold.Client.call after the names."""

    __slots__ = ("_client", "_pool", "_name", "_options")

    def __init__(self, client: Any, pool: str, name: str, options: dict[str, Any]) -> None:
        self._client = client
        self._pool = pool
        self._name = name
        self._options = options

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        """Calls it and waits for the result; with an AsyncClient it is to be awaited."""
        return self._ask(self._client.call, args, named)

    def start(self, /, *args: Any, **named: Any) -> Any:
        """As poold.Client.start; an AsyncClient has tasks instead."""
        return self._ask(self._client.start, args, named)

    def stream(self, /, *args: Any, **named: Any) -> Any:
        """As poold.Client.stream or AsyncClient.stream."""
        return self._ask(self._client.stream, args, named)

    def _ask(self, ask: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return ask(self._pool, self._name, *args, **{**self._options, **named})

    def __repr__(self) -> str:
        return f"<poold method {self._pool}.{self._name}>"
