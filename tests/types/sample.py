"""A program that uses all of the Python package, as type checkers see it; it is not run."""

from __future__ import annotations

import asyncio
import datetime
import enum
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path

import poold
from poold import codec
from poold.aio import AsyncClient

# --- a worker ---


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class Colour(enum.Enum):
    RED = "red"


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


codec.register(Point, 10)
codec.register(Colour, 11)
codec.register(
    Money,
    12,
    encode=lambda money: codec.pack(money.cents),
    decode=lambda data: Money(codec.unpack(data)),
)

worker = poold.Worker(concurrency=8)


@worker.function
def word_count(text: str, least: int = 1) -> int:
    here: poold.Context = poold.context()
    if here.remaining() < 0.5:
        raise poold.Retryable("no time for it", after=0.5)
    if here.session is not None:
        here.set_state(text.encode())
    return len([word for word in text.split() if len(word) >= least])


@worker.function(name="count")
async def count_later(text: str) -> int:
    await asyncio.sleep(0)
    return word_count(text)


@worker.session_class
class Cart:
    def __init__(self) -> None:
        self.items: list[str] = []

    def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)


@poold.session_class
class Basket:
    def size(self) -> int:
        return 0


@worker.on_start
def begin() -> None:
    raise poold.Unusable("no licence")


@worker.on_shutdown
def end() -> None:
    raise poold.Fatal("broken", severity="critical")


@worker.on_session_end
def end_session(session: str, reason: str) -> None:
    print(session, reason)


def serve() -> None:
    print(Cart().add("tea"), Basket().size(), word_count("to be"))
    worker.serve({"extra": end_session})


# --- the blocking client ---


class Texts:
    """What the workers of a pool serve."""

    def word_count(self, text: str, least: int = 1) -> int:
        raise NotImplementedError


class AsyncTexts:
    async def word_count(self, text: str, least: int = 1) -> int:
        raise NotImplementedError


def ask(path: Path) -> None:
    hour = datetime.timedelta(hours=1)
    with poold.Client(
        path, hour, grace=1, connect_timeout=2.5, name="sample", reconnect=False
    ) as client:
        client.call("python", "word_count", "to be", least=2, timeout=hour, idempotent=True)
        reply: poold.Reply = client.call("python", "word_count", "to be", meta=True)
        print(reply.result, reply.meta["attempts"])
        calls = [client.start("python", "word_count", text) for text in ("to", "be")]
        for call in as_completed(calls, timeout=5):
            print(call.result(), call.exception())
        first: poold.Call = calls[0]
        first.add_done_callback(lambda future: print(future.result()))
        print(first.cancel(), first.done())
        stream: poold.Stream = client.stream("python", "lines", "a.txt", restartable=True)
        for chunk in stream:
            if chunk is poold.RESTART:
                continue
        print(stream.result)
        events: poold.Events = client.subscribe("worker", since=0)
        print(events.kinds, events.epoch, events.lost, next(events)["kind"])
        count: int = client.pool("python", Texts, timeout=3).word_count("to be")
        print(count, client.pool("python").word_count("to be"))
        print(client.health()["status"], len(client.workers()), client.version()["pid"])


def handle(client: poold.Client) -> None:
    try:
        client.call("python", "word_count")
    except poold.CircuitOpen as error:
        wait: float | None = error.retry_after
        print(wait)
    except (poold.DeadlineExceeded, poold.Cancelled, poold.Rejected) as error:
        print(error.code, error.category, error.message, error.detail)
    except poold.WorkerException as error:
        print(error.type + error.traceback)
    except (
        poold.CommunicationError,
        poold.HealthCheckError,
        poold.InitializationError,
        poold.PoolConnectionError,
        poold.PoolSystemError,
        poold.PoolTimeoutError,
        poold.RequestError,
        poold.ResourceError,
        poold.SessionError,
    ) as error:
        print(error.retryable, error.attempts)
    except poold.Error as error:
        print(error.executed, error.pool, error.worker)


# --- the executor ---


def spread(texts: list[str]) -> int:
    with poold.Executor("python", 8, timeout=30, idempotent=True) as executor:
        future: Future[int] = executor.submit(word_count, texts[0], least=2)
        total = future.result()
        for count in executor.map(word_count, texts):
            total += count
    return total


# --- asyncio ---


async def ask_later(path: Path) -> None:
    async with AsyncClient(path, 3) as client:
        await client.call("python", "word_count", "to be", least=2)
        async for chunk in client.stream("python", "lines", "a.txt"):
            print(chunk)
        count: int = await client.pool("python", AsyncTexts).word_count("to be")
        print(count, await client.pool("python").word_count("to be"))
        health = await client.health()
        print(health["status"], await client.resize("python", 1, 2))
        await asyncio.wrap_future(poold.Client().start("python", "word_count", "to be"))
        async with client.subscribe("breaker", since=58, epoch=1767225500000) as events:
            async for event in events:
                print(event["kind"])
