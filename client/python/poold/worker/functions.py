"""What a worker serves: finding functions, and checking arguments before a call."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping

from poold.errors import Rejected

# A function of this name is told of the ends of sessions, and is not served.
SESSION_END = "on_session_end"


class Function:
    """One function as the loop wants it: which calls surely fit it is known beforehand, so that a
    right call costs one comparison; the rest is worked out when needed.

    Attributes:
        target: what to call.
        least, most: a call with so many positional arguments and no others surely fits.
        needed, known: so does one by name alone that has all of `needed`, and none but `known`.
    """

    __slots__ = ("target", "least", "most", "needed", "known", "_signature")

    def __init__(self, target: object) -> None:
        if not callable(target):
            raise TypeError(f"{target!r} cannot be called")
        self.target = target
        self._signature = None
        self.least, self.most, self.needed, self.known = _shape(target)

    def check(self, args: list, kwargs: dict) -> None:
        """Raises Rejected, with Python's own words for it, unless the call fits."""
        if self._signature is None:
            import inspect  # as slow to load as all else together, and most workers never need it

            try:
                signature = inspect.signature(self.target)
            except ValueError:  # a builtin that does not tell
                return
            # Annotations would only make the caller's message long.
            plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
            self._signature = inspect.Signature(plain)
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            name = getattr(self.target, "__name__", "function")
            raise Rejected(f"{name}{self._signature}: {error}") from None


_Shape = tuple[float, float, frozenset[str], frozenset[str]]

# No call surely fits: only the signature can tell.
_NO_SHAPE: _Shape = (1, 0, frozenset([""]), frozenset())


def _shape(target: object) -> _Shape:
    """(least, most, needed, known) of Function."""
    function = getattr(target, "__func__", target)
    if not isinstance(function, types.FunctionType) or hasattr(target, "__wrapped__"):
        return _NO_SHAPE
    code = function.__code__
    if code.co_kwonlyargcount > len(function.__kwdefaults__ or ()):
        return _NO_SHAPE
    bound = int(isinstance(target, types.MethodType))
    named = code.co_varnames[bound : code.co_argcount]
    least = max(0, len(named) - len(function.__defaults__ or ()))
    takes_any = code.co_flags & 0x04  # inspect.CO_VARARGS
    most = float("inf") if takes_any else len(named)
    first_known = max(0, code.co_posonlyargcount - bound)
    kwonly = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return least, most, frozenset(named[:least]), frozenset(named[first_known:] + kwonly)


def collect(source: object) -> dict[str, Function]:
    """The functions of a module, mapping, list or object: see Worker.add.

    Raises:
        TypeError: a mapping or list holds something that cannot be called.
    """
    if isinstance(source, Mapping):
        return {name: Function(target) for name, target in source.items()}
    if isinstance(source, (list, tuple)):
        return {target.__name__: Function(target) for target in source}
    if isinstance(source, types.ModuleType):
        return {name: Function(target) for name, target in _of_module(source)}
    if isinstance(source, types.FunctionType):
        return {source.__name__: Function(source)}
    return {name: Function(target) for name, target in _of_object(source)}


def find_session_end(source: object) -> Callable[[str, str], object] | None:
    """What a module or object has under the name on_session_end."""
    if isinstance(source, (Mapping, list, tuple, types.FunctionType)):
        return None
    found = getattr(source, SESSION_END, None)
    return found if callable(found) else None


def _of_module(module: types.ModuleType) -> list[tuple[str, object]]:
    listed = getattr(module, "__all__", None)
    found = []
    for name in vars(module) if listed is None else listed:
        target = getattr(module, name)
        if not callable(target) or isinstance(target, type) or name == SESSION_END:
            continue
        own = getattr(target, "__module__", None) == module.__name__
        if listed is not None or (own and not name.startswith("_")):
            found.append((name, target))
    return found


def _of_object(source: object) -> list[tuple[str, object]]:
    names = [name for name in dir(source) if not name.startswith("_") and name != SESSION_END]
    found = [(name, getattr(source, name)) for name in names]
    return [(name, target) for name, target in found if callable(target)]
