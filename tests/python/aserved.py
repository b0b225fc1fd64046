"""What an asynchronous worker under test serves."""

from __future__ import annotations

import asyncio
import logging
import os
import time

import poold

log = logging.getLogger("aserved")
_events: dict[str, asyncio.Event] = {}
_told: list[str] = []


def _event(name: str) -> asyncio.Event:
    return _events.setdefault(name, asyncio.Event())


async def describe(a: int, b: int = 2, *, c: int = 3) -> list:
    return [a, b, c]


async def several(*args: object, **kwargs: object) -> list:
    return [list(args), kwargs]


async def echo(value: object) -> object:
    await asyncio.sleep(0)
    return value


def plain(value: object) -> object:
    return ["plain", value]


def plain_values(count: int) -> object:
    yield from range(count)
    return "the end"


async def wait_for(name: str) -> str:
    await _event(name).wait()
    return name


async def release(name: str) -> None:
    _event(name).set()


async def wait_stubbornly(name: str) -> str:
    while not _event(name).is_set():
        try:
            await _event(name).wait()
        except asyncio.CancelledError:
            _told.append("cancelled")
    return name


async def wait_tidily(name: str) -> None:
    try:
        await _event(name).wait()
    finally:
        _told.append(f"tidied {name}")


async def told() -> list[str]:
    return _told


async def fail(text: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(text)


async def fail_fatally() -> None:
    raise poold.Fatal("broken")


async def cancel_itself() -> None:
    raise asyncio.CancelledError


async def values(*given: object) -> object:
    for value in given:
        yield value


async def odd_values() -> object:
    yield 1
    yield object()


async def values_without_end(trace: str) -> object:
    number = 0
    try:
        while True:
            yield number
            number += 1
            await asyncio.sleep(0)
    finally:
        _told.append(trace)


async def who_in_turn(name: str) -> list:
    """The context before and after others had their turn."""
    before = poold.context().request
    await _event(name).wait()
    inner = await asyncio.create_task(_request_of_task())
    return [before, poold.context().request, inner]


async def _request_of_task() -> int:
    return poold.context().request


async def outlive() -> None:
    async def later() -> None:
        await _event("outlived").wait()
        try:
            poold.context().set_state(b"late")
        except LookupError as error:
            _told.append(str(error))

    _event("keep").task = asyncio.create_task(later())


async def block(seconds: float) -> None:
    time.sleep(seconds)


async def say(text: str) -> None:
    log.warning(text)


async def on_start() -> None:
    _told.append("started")


async def on_shutdown() -> None:
    await asyncio.sleep(0)
    if "TRACE" in os.environ:
        with open(os.environ["TRACE"], "a", encoding="utf-8") as trace:
            trace.write("shutdown\n")


async def on_session_end(session: str, reason: str) -> None:
    await asyncio.sleep(0)
    _told.append(f"{session} {reason}")
