"""As forking, in an event loop."""

from __future__ import annotations

from odd import forking


def _as_async(name: str) -> object:
    async def call(*args: object) -> object:
        return getattr(forking, name)(*args)

    call.__name__ = name
    return call


functions = {
    name: _as_async(name)
    for name in ("pid", "pool", "terminate", "handlers", "handlers_of_a_thread", "preexec",
                 "leave", "interrupt")
}
