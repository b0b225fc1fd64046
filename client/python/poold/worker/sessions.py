"""Session classes: an instance for each session in the memory of the worker, whose state outlives
the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from types import AsyncGeneratorType, GeneratorType

from poold.errors import Rejected
from poold.worker.current import Context, context

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any, TypeGuard, TypeVar

    T = TypeVar("T")

_MARK = "__poold_session_class__"


def session_class(cls: type[T]) -> type[T]:
    """Class decorator: serve the public methods of this class, each call on the instance that
    belongs to the request's session::

        @poold.session_class
        class Cart:
            def __init__(self) -> None:
                self.items: list[str] = []

            def add(self, item: str) -> int:
                self.items.append(item)
                return len(self.items)

            def save_state(self) -> bytes:
                return json.dumps(self.items).encode()

            def load_state(self, state: bytes) -> None:
                self.items = json.loads(state)

    An instance is made, without arguments, by the first call of its session.  After each call that
    succeeds `save_state` says what is to be kept of it, and the daemon keeps that: where the
    session is served next, in this process or in another, `load_state` gets it, called on a new
    instance unless this one is still what the daemon knows.  So a call that fails leaves nothing
    behind: the instance that it changed is dropped.

    A class without the two keeps its sessions in the memory of this process alone; a call that
    fails then leaves the instance as it is.  A call without a session is rejected.
    """
    if hasattr(cls, "save_state") != hasattr(cls, "load_state"):
        raise TypeError(f"{cls.__name__} needs both save_state and load_state, or neither")
    setattr(cls, _MARK, True)
    return cls


def is_session_class(target: object) -> TypeGuard[type]:
    return isinstance(target, type) and getattr(target, _MARK, False)


class _Kept:
    __slots__ = ("instance", "state")

    def __init__(self, instance: Any, state: bytes | None) -> None:
        self.instance = instance
        self.state = state  # what the daemon has of it if all went well; None: nothing


class SessionClass:
    """One session class and its instances.

    The daemon gives the requests of one session one at a time, so nothing here is locked.
    """

    RESERVED = ("save_state", "load_state")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._saves = hasattr(cls, "save_state")
        self._kept: dict[str | None, _Kept] = {}

    def drop(self, session: str | None) -> None:
        """Drops the instance of a session that has ended, or was moved to another worker."""
        self._kept.pop(session, None)

    def method(self, function: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
        """Returns the function that serves calls of this method."""

        def call(*args: object, **kwargs: object) -> object:
            here, kept = self._find(function.__name__)
            try:
                result = function(kept.instance, *args, **kwargs)
            except BaseException:
                self._failed(here.session)
                raise
            if type(result) is GeneratorType:
                return self._generate(here, kept, result)
            self._save(here, kept)
            return result

        async def call_async(*args: object, **kwargs: object) -> object:
            here, kept = self._find(function.__name__)
            try:
                result = await function(kept.instance, *args, **kwargs)
            except BaseException:
                self._failed(here.session)
                raise
            self._save(here, kept)
            return result

        async def generate_async(*args: object, **kwargs: object) -> object:
            here, kept = self._find(function.__name__)
            values: AsyncGeneratorType[Any, Any] = function(kept.instance, *args, **kwargs)
            try:
                async for value in values:
                    yield value
            except BaseException:
                self._failed(here.session)
                raise
            self._save(here, kept)

        if not is_async:
            return call
        return generate_async if function.__code__.co_flags & 0x200 else call_async

    def _generate(self, here: Context, kept: _Kept, values: GeneratorType[Any, Any, Any]) -> object:
        try:
            result = yield from values
        except BaseException:
            self._failed(here.session)
            raise
        self._save(here, kept)
        return result

    def _find(self, name: str) -> tuple[Context, _Kept]:
        """Returns the instance for the session of the request being served."""
        here = context()
        if here.session is None:
            raise Rejected(f"{name} belongs to a session: name one (session=...)")
        kept = self._kept.get(here.session)
        if kept is None or (self._saves and kept.state != here.state):
            kept = _Kept(self.cls(), here.state)
            if self._saves and here.state is not None:
                kept.instance.load_state(here.state)
            self._kept[here.session] = kept
        return here, kept

    def _failed(self, session: str | None) -> None:
        if self._saves:
            self.drop(session)

    def _save(self, here: Context, kept: _Kept) -> None:
        if not self._saves:
            return
        try:
            state = kept.instance.save_state()
            if state != kept.state:
                here.set_state(state)
        except BaseException:
            self._failed(here.session)
            raise
        kept.state = None if state is None else bytes(state)
