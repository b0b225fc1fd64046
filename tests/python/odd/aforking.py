"""As forking, in an event loop."""

from __future__ import annotations

import asyncio
import os
import sys

from odd import forking


def _as_async(name: str) -> object:
    async def call(*args: object) -> object:
        return getattr(forking, name)(*args)

    call.__name__ = name
    return call


async def leave_aside() -> int:
    """The exit status of a child that leaves a callback of the event loop."""
    loop = asyncio.get_running_loop()
    forked: asyncio.Future[int] = loop.create_future()

    def fork() -> None:
        child = os.fork()
        if child == 0:
            sys.exit(9)
        forked.set_result(child)

    loop.call_soon(fork)
    return os.waitstatus_to_exitcode(os.waitpid(await forked, 0)[1])


functions = {
    name: _as_async(name)
    for name in ("pid", "pool", "terminate", "handlers", "handlers_of_a_thread", "preexec",
                 "leave", "interrupt")
}
functions["leave_aside"] = leave_aside
