"""As liar, with asynchronous functions."""

from __future__ import annotations

import asyncio

import liar


async def tell(tag: str, seed: int, alarm: int = 0) -> object:
    await asyncio.sleep(0)
    return liar.tell(tag, seed, alarm)


async def parts(tag: str, seed: int, alarm: int = 0) -> object:
    for value in liar.parts(tag, seed, alarm):
        yield value


async def much(tag: str, seed: int, alarm: int = 0) -> object:
    return liar.much(tag, seed, alarm)
