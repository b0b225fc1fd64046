"""Session classes under test."""

from __future__ import annotations

import asyncio
import json

import poold


@poold.session_class
class Cart:
    """State that outlives the worker."""

    made = 0

    def __init__(self) -> None:
        Cart.made += 1
        self.items: list[str] = []

    def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    def add_and_fail(self, item: str) -> None:
        self.items.append(item)
        raise ValueError("after it was changed")

    def add_each(self, *items: str) -> object:
        for item in items:
            self.items.append(item)
            yield item
        return len(self.items)

    def show(self) -> list[str]:
        return self.items

    def spoil(self) -> None:
        self.items = {1}

    @staticmethod
    def count_made() -> int:
        return Cart.made

    @classmethod
    def name(cls) -> str:
        return cls.__name__

    def save_state(self) -> bytes | None:
        return json.dumps(self.items).encode() if self.items else None

    def load_state(self, state: bytes) -> None:
        self.items = json.loads(state)


@poold.session_class
class Counter:
    """Kept in memory alone."""

    def __init__(self) -> None:
        self.count = 0

    def increase(self, by: int = 1) -> int:
        self.count += by
        return self.count

    def increase_and_fail(self) -> None:
        self.count += 1
        raise ValueError("too much")


class Unmarked:
    def hidden(self) -> None:
        raise AssertionError("served though not marked")


@poold.session_class
class Later:
    def __init__(self) -> None:
        self.text = ""

    async def append(self, text: str) -> str:
        await asyncio.sleep(0)
        self.text += text
        return self.text

    async def append_each(self, *texts: str) -> object:
        for text in texts:
            self.text += text
            yield text

    async def append_and_fail(self, text: str) -> None:
        self.text += text
        raise ValueError(text)

    def save_state(self) -> bytes:
        return self.text.encode()

    def load_state(self, state: bytes) -> None:
        self.text = state.decode()
