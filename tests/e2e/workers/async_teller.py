"""Asynchronous functions that answer in parts: `python3 -m poold.worker async_teller`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator


async def echo(value: object) -> list[object]:
    return [value]


def tell_large(count: int, size: int) -> Iterator[bytes]:
    """Chunks of so many bytes, then their number."""
    for number in range(count):
        yield bytes([number % 256]) * size
    return count


async def tell_large_later(count: int, size: int) -> AsyncIterator[bytes]:
    """The same without a result."""
    for number in range(count):
        yield bytes([number % 256]) * size
