"""What a worker serves: finding functions and hooks, and checking arguments before a call."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping

from poold.errors import Rejected
from poold.names import qualified
from poold.wire import OPTIONS
from poold.worker.sessions import SessionClass, is_session_class

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any
    from inspect import Signature

# Functions of these names are hooks, and are not served.
HOOKS = ("on_start", "on_shutdown", "on_session_end")

# inspect.CO_VARARGS, and CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR.
_VARARGS = 0x04
_ASYNC = 0x80 | 0x100 | 0x200


class Function:
    """One function as the loop wants it: which calls surely fit it is known beforehand, so that a
    right call costs one comparison; the rest is worked out when needed.

    Attributes:
        target: what to call.
        least, most: a call with so many positional arguments and no others surely fits.
        needed, known: so does one by name alone that has all of `needed`, and none but `known`.
        takes_one: so does one with a single positional argument.
        is_async: it must be called in an event loop.

    Args:
        target: what to call.
        model: whose parameters it takes, if not its own.
    """

    __slots__ = (
        *("target", "least", "most", "needed", "known", "takes_one", "is_async"),
        *("_model", "_signature"),
    )

    def __init__(self, target: Any, model: Any = None) -> None:
        if not callable(target):
            raise TypeError(f"{target!r} cannot be called")
        self.target = target
        self._model = model or target
        self._signature: Signature | None = None
        self.least, self.most, self.needed, self.known = _shape(self._model)
        self.takes_one = self.least <= 1 <= self.most
        self.is_async = is_async(self._model)

    def qualified(self) -> str | None:
        """Where its code says that it was defined: "orders:price"."""
        return qualified(self._model)

    def signature(self) -> Signature:
        """Its inspect.Signature, without annotations, which would only make a message long.

        Raises:
            ValueError: a builtin that does not tell.
        """
        import inspect  # as slow to load as all else together, and most workers never need it

        if self._signature is None:
            signature = inspect.signature(self._model)
            plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
            self._signature = inspect.Signature(plain)
        return self._signature

    def check(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Raises Rejected, with Python's own words for it, unless the call fits."""
        try:
            signature = self.signature()
        except ValueError:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            name = getattr(self._model, "__name__", "function")
            hint = _hint(kwargs, signature)
            raise Rejected(f"{name}{signature}: {error}{hint}") from None


def _hint(kwargs: dict[str, Any], signature: Signature) -> str:
    """What a keyword was meant to be that no parameter has: an option of the call, perhaps, which
    the client would not have sent here."""
    import difflib  # loaded by the first mistake

    for name in kwargs:
        if name not in signature.parameters:
            known = [*signature.parameters, *OPTIONS]
            for near in difflib.get_close_matches(name.lower(), known, n=1):
                option = near not in signature.parameters
                return f"; did you mean {'the option ' * option}{near!r}{' of the call' * option}?"
    return ""


def find(functions: dict[str, Function], method: object) -> Function | None:
    """The function of that name, or, if it is "module:function", that of a module's function which
    is served under any name.  It is compared, nothing is imported."""
    if type(method) is not str:
        return None
    found = functions.get(method)
    if found is None and ":" in method:
        for each in functions.values():
            if each.qualified() == method:
                return each
    return found


class Hooks:
    """What is called when something other than a request comes: functions, or None.

    Attributes:
        start: before the worker says that it is ready; what it raises is a failed start.
        shutdown: when it has been asked to stop and nothing runs any more.
        session_end: with (session, reason).
        session_classes: keep instances for sessions, to be dropped then.
    """

    def __init__(self) -> None:
        self.start: Callable[[], object] | None = None
        self.shutdown: Callable[[], object] | None = None
        self.session_end: Callable[[str, str], object] | None = None
        self.session_classes: list[SessionClass] = []

    def take_from(self, source: object) -> None:
        """What a module or object has under the names of HOOKS."""
        if isinstance(source, (Mapping, list, tuple, types.FunctionType)):
            return
        for name in HOOKS:
            found = getattr(source, name, None)
            if callable(found):
                setattr(self, name.removeprefix("on_"), found)

    def hears_session_ends(self) -> bool:
        return self.session_end is not None or bool(self.session_classes)

    def end_session(self, session: str, reason: str) -> object:
        """Returns what the hook does."""
        for each in self.session_classes:
            each.drop(session)
        return None if self.session_end is None else self.session_end(session, reason)

    def are_async(self) -> bool:
        return any(map(is_async, (self.start, self.shutdown, self.session_end)))


def is_async(target: object) -> bool:
    """Whether calling it gives something that wants an event loop."""
    function = getattr(target, "__func__", target)
    code = getattr(function, "__code__", None)
    if code is None:  # an object that is called, or a functools.partial
        inner = getattr(target, "func", None) or getattr(type(target), "__call__", None)
        code = getattr(inner, "__code__", None)
    return code is not None and bool(code.co_flags & _ASYNC)


_Shape = tuple[float, float, frozenset[str], frozenset[str]]

# No call is known to fit: the signature has to be checked.
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
    takes_any = code.co_flags & _VARARGS
    most = float("inf") if takes_any else len(named)
    first_known = max(0, code.co_posonlyargcount - bound)
    kwonly = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return least, most, frozenset(named[:least]), frozenset(named[first_known:] + kwonly)


def collect(source: object) -> tuple[dict[str, Function], list[SessionClass]]:
    """What a module, mapping, list or object serves, and the session classes among it: see
    Worker.add.

    Raises:
        TypeError: a mapping or list holds something that cannot be called.
    """
    if isinstance(source, Mapping):
        found = list(source.items())
    elif isinstance(source, (list, tuple)):
        found = [(target.__name__, target) for target in source]
    elif isinstance(source, types.ModuleType):
        found = _of_module(source)
    elif isinstance(source, types.FunctionType) or is_session_class(source):
        found = [(_name(source), source)]
    else:
        found = _of_object(source)
    functions: dict[str, Function] = {}
    classes = []
    for name, target in found:
        if is_session_class(target):
            classes.append(SessionClass(target))
            functions.update(_of_session_class(classes[-1]))
        else:
            functions[name] = Function(target)
    return functions, classes


def _name(target: Any) -> str:
    name: str = target.__name__
    return name


def _of_session_class(kept: SessionClass) -> dict[str, Function]:
    """The public methods of a class, each called on the instance of the request's session."""
    functions = {}
    for name in dir(kept.cls):
        raw = getattr(kept.cls, name)
        if name.startswith("_") or name in kept.RESERVED or not callable(raw):
            continue
        if isinstance(raw, types.FunctionType) and not _is_static(kept.cls, name):
            model = types.MethodType(raw, kept)
            functions[name] = Function(kept.method(raw, is_async(raw)), model)
        else:
            functions[name] = Function(raw)
    return functions


def _is_static(cls: type, name: str) -> bool:
    return any(isinstance(vars(each).get(name), staticmethod) for each in cls.__mro__)


def _of_module(module: types.ModuleType) -> list[tuple[str, object]]:
    listed = getattr(module, "__all__", None)
    found = []
    for name in vars(module) if listed is None else listed:
        target = getattr(module, name)
        if not callable(target) or name in HOOKS:
            continue
        if isinstance(target, type) and not is_session_class(target):
            continue
        own = getattr(target, "__module__", None) == module.__name__
        if listed is not None or (own and not name.startswith("_")):
            found.append((name, target))
    return found


def _of_object(source: object) -> list[tuple[str, object]]:
    names = [name for name in dir(source) if not name.startswith("_") and name not in HOOKS]
    found = [(name, getattr(source, name)) for name in names]
    return [(name, target) for name, target in found if callable(target)]
