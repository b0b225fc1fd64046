"""Values that MessagePack has no type for, on their way between programs.

Dates and times, UUID, Decimal, complex, set and frozenset, paths, numpy's scalars and arrays travel
as MessagePack extension values of type 112 and arrive as what they were; the table in PROTOCOL.md
has their bytes.  The value of an Enum and the fields of a dataclass travel as plain values, unless
the class is registered on both sides:

    poold.codec.register(Point, 10)
    poold.codec.register(Money, 11, encode=lambda it: str(it).encode(), decode=Money.parse)

`encode` is asked only for what msgpack cannot pack by itself, so all else has the same bytes as
without it, and costs nothing.

What arrives decides nothing but values: no class or module is found by a name in a message, sizes
are checked before anything is made, and what does not fit, byte for byte, is no such value: it stays
the msgpack.ExtType that it came as, which a program may have of its own.  The module of a type
of the standard library is loaded when the first such value has come and was found to be right;
numpy never is: without it an array arrives as `Array`, and a scalar as Python's own number.
"""

from __future__ import annotations

import _thread
import importlib
import struct
import sys
from collections.abc import Callable

import msgpack

from poold.origins import raised_by_handler, raised_elsewhere

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["Arguments", "Array", "CODE", "pack", "register", "unpack"]

# The extension type of all that is encoded here; all others are the programs' own.
CODE = 112

# Extension types that nobody can register: 0 to 2 are nvim's buffers, windows and tabpages.
_NOT_THEIRS = (0, 1, 2, CODE)

# A set in a set in a set ... is copied once for each level: so many levels, and beyond the first
# few only small values (bytes).
DEPTH_MAX = 32
_ANY_SIZE_DEPTH = 4
_DEEP_SIZE_MAX = 1 << 20

# A Decimal has at most so many characters.
_DECIMAL_MAX = 1 << 16
_DECIMAL_LETTERS = frozenset("0123456789+-.EINFAYTSinfatyse")

_DIMENSIONS_MAX = 32

# What msgpack packs by itself.
_PACKABLE = (
    *(type(None), bool, int, float, str, bytes, bytearray, memoryview, list, tuple, dict),
    *(msgpack.ExtType, msgpack.Timestamp),
)


class Arguments:
    """Positional and keyword arguments of one call."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs


class Array:
    """An array that arrived where numpy is not loaded; `numpy.asarray` makes one of it without
    copying, and sent on it is the same array.

    Attributes:
        dtype (str): numpy's description of an element: "<f8".
        shape (tuple[int, ...]): the length of each dimension; () for a single value.
        data (bytes): the elements, the last dimension counting fastest.
    """

    __slots__ = ("dtype", "shape", "data")

    def __init__(self, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
        self.dtype = dtype
        self.shape = shape
        self.data = data

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"version": 3, "typestr": self.dtype, "shape": self.shape, "data": self.data}

    def __eq__(self, other: object) -> bool:
        if type(other) is not Array:
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.dtype, self.shape, self.data

    def __repr__(self) -> str:
        return f"poold.codec.Array({self.dtype!r}, {self.shape!r}, {len(self.data)} bytes)"


class _Registered:
    """A class of the program's own, and its extension type."""

    __slots__ = ("cls", "code", "encode", "decode")

    def __init__(
        self,
        cls: type,
        code: int,
        encode: Callable[[Any], bytes],
        decode: Callable[[bytes], Any],
    ) -> None:
        self.cls = cls
        self.code = code
        self.encode = encode
        self.decode = decode


_by_class: dict[type, _Registered] = {}
_by_code: dict[int, _Registered] = {}


def register(
    cls: type[T],
    code: int,
    encode: Callable[[T], bytes] | None = None,
    decode: Callable[[bytes], T] | None = None,
) -> None:
    """Lets instances of exactly this class travel as such.  To be called in the programs of both
    sides, before they send any.

    Args:
        cls: the class.
        code: its MessagePack extension type, 3 to 127 and not 112.
        encode: returns the bytes of an instance; `pack` helps with its parts.
        decode: makes an instance of such bytes; `unpack` helps.  They come from the other side:
            whatever this raises is a decode_error.  A dataclass needs neither of the two (a map of
            its fields travels, which its constructor gets), and neither does an Enum (its value).

    Raises:
        ValueError: the code is not free.
        TypeError: msgpack packs such a class by itself (a subclass of int, str, tuple, dict, ...),
            or it needs `encode` and `decode`.
    """
    if not isinstance(cls, type):
        raise TypeError(f"a class is registered, not {cls!r}")
    if type(code) is not int or not 0 <= code <= 127 or code in _NOT_THEIRS:
        raise ValueError(f"an extension type is a number from 3 to 127 and not 112, not {code!r}")
    known = _by_code.get(code)
    if known is not None and known.cls is not cls:
        raise ValueError(f"extension type {code} is that of {known.cls.__qualname__}")
    if issubclass(cls, _PACKABLE):
        raise TypeError(f"{cls.__qualname__} needs no extension type: MessagePack can say it")
    if encode is None and decode is None:
        encode, decode = _ways_of(cls)
    if not callable(encode) or not callable(decode):
        raise TypeError(f"{cls.__qualname__} needs both encode and decode")
    before = _by_class.get(cls)
    if before is not None:
        del _by_code[before.code]
    _by_class[cls] = _by_code[code] = _Registered(cls, code, encode, decode)


def _ways_of(cls: type) -> tuple[Any, Any]:
    """(encode, decode) of a dataclass or an Enum; (None, None) for any other class."""
    if _is_enum(cls):
        # A value that is a tuple would come back as a list, so members are known by their bytes.
        members = {pack(member.value): member for member in cls}  # type: ignore[attr-defined]
        return (
            lambda member: pack(member.value),
            lambda data: members[data] if data in members else cls(unpack(data)),
        )
    if hasattr(cls, "__dataclass_fields__"):
        names = [each.name for each in sys.modules["dataclasses"].fields(cls) if each.init]
        return (
            lambda value: pack({name: getattr(value, name) for name in names}),
            lambda data: cls(**unpack(data)),
        )
    return None, None


def pack(value: object) -> bytes:
    """Packs one value as a client or worker would: for the `encode` of a registered class.

    Raises:
        TypeError, ValueError, OverflowError: a part of it cannot be sent.
    """
    depth, in_set = _place()
    return _encoder(depth, in_set).pack(value)


def unpack(data: bytes) -> Any:
    """The value of such bytes.  In the `decode` of a registered class, while an element of a set
    is made, arrays are tuples.

    Raises:
        Exception: they are not one whole value.
    """
    depth, in_set = _place()
    return _unpack(data, depth, in_set)


# (depth, in_set) where `encode` or `decode` of a registered class is called.
_here: Any = _thread._local()  # type: ignore[attr-defined]


def _place() -> tuple[int, bool]:
    place: tuple[int, bool] = getattr(_here, "place", (0, False))
    return place


def _call(function: Callable[[Any], Any], value: object, depth: int, in_set: bool) -> Any:
    """Calls the function of a registered class."""
    before = _place()
    _here.place = (depth, in_set)
    try:
        return function(value)
    finally:
        _here.place = before


# --- encoding -------------------------------------------------------------------------------------


class _Encoder:
    """Encodes values at one depth.

    Args:
        depth: how many extension values they are in.
        in_set: whether they are elements of a set, or parts of such: then nothing may become a map
            or an array that a set cannot hold.
    """

    __slots__ = ("depth", "in_set")

    def __init__(self, depth: int, in_set: bool) -> None:
        self.depth = depth
        self.in_set = in_set

    def pack(self, value: object) -> bytes:
        packed: bytes = msgpack.packb(  # pyright: ignore[reportAssignmentType]
            value, default=self.encode, use_bin_type=True, unicode_errors="surrogateescape"
        )
        return packed

    def encode(self, value: object) -> object:
        """What stands for a value that msgpack cannot pack: its `default`.

        Raises:
            TypeError, ValueError, OverflowError: it cannot be sent.
        """
        try:
            return self._encode(type(value), value)
        except (TypeError, ValueError, OverflowError):
            raise
        except Exception as error:
            raise ValueError(f"a {type(value).__name__}: {error}") from error

    def _encode(self, kind: type, value: object) -> object:
        own = _by_class.get(kind)
        if own is not None:
            data = _call(own.encode, value, self.depth + 1, self.in_set)
            if type(data) is not bytes:
                raise TypeError(f"encode of {kind.__qualname__} returned no bytes")
            return self._ext(own.code, data)
        made = _find(kind)
        if made is not None:
            return self._ext(CODE, made(self, value))
        if _is_enum(kind):
            return self._plain(kind, value.value)  # type: ignore[attr-defined]
        if hasattr(kind, "__dataclass_fields__"):
            if self.in_set:
                raise TypeError(_IN_SET.format(kind.__qualname__))
            fields = sys.modules["dataclasses"].fields(value)
            return {each.name: getattr(value, each.name) for each in fields}
        if issubclass(kind, int):
            raise OverflowError("an integer of more than 64 bits cannot be sent")
        raise TypeError(f"can not serialize {kind.__name__!r} object")

    def _plain(self, kind: type, value: object) -> object:
        """The value of an Enum."""
        if not isinstance(value, _PACKABLE):
            return self.encode(value)
        if self.in_set and isinstance(value, (list, dict)):
            raise TypeError(_IN_SET.format(kind.__qualname__))
        return value

    def _ext(self, code: int, data: bytes) -> object:
        if self.depth >= DEPTH_MAX:
            raise ValueError(f"sets and the like are nested more than {DEPTH_MAX} levels deep")
        if self.depth >= _ANY_SIZE_DEPTH and len(data) > _DEEP_SIZE_MAX:
            raise ValueError(f"{len(data)} bytes are nested too deeply in sets and the like")
        return msgpack.ExtType(code, data)


_IN_SET = "a {0} in a set travels only as itself: poold.codec.register({0}, ...)"

_Put = Callable[[_Encoder, "Any"], bytes]


def _encoder(depth: int, in_set: bool) -> _Encoder:
    if depth > DEPTH_MAX:
        raise ValueError(f"sets and the like are nested more than {DEPTH_MAX} levels deep")
    return _ENCODERS[2 * depth + in_set]


_ENCODERS = [_Encoder(depth, in_set) for depth in range(DEPTH_MAX + 1) for in_set in (False, True)]

encode = _ENCODERS[0].encode


def _find(kind: type) -> _Put | None:
    """How a value of this class is encoded."""
    found = _EXACT.get(kind)
    if found is not None:
        return found
    numpy = _numpy()
    if numpy is not None and issubclass(kind, numpy.generic):
        return _put_scalar
    if numpy is not None and issubclass(kind, numpy.ndarray):
        return _put_array
    for base, put in _BUILTIN:
        if issubclass(kind, base):
            return put
    for module, name, put in _STANDARD:
        # Where the module is not loaded, there is no such value.
        known = getattr(sys.modules.get(module), name, None)
        if isinstance(known, type) and issubclass(kind, known):
            if kind is known:
                _EXACT[kind] = put
            return put
    return None


def _numpy() -> Any:
    """The module, if the program has loaded it."""
    module = sys.modules.get("numpy")
    return module if hasattr(module, "ndarray") and hasattr(module, "generic") else None


def _is_enum(kind: type) -> bool:
    base = getattr(sys.modules.get("enum"), "Enum", None)
    return isinstance(base, type) and issubclass(kind, base)


def _put_arguments(encoder: _Encoder, value: Arguments) -> bytes:
    inner = _encoder(encoder.depth + 1, False)
    return b"\xa0" + inner.pack((value.args, value.kwargs))


_DATE = struct.Struct(">HBB")
_TIME = struct.Struct(">BBBBI")
_OFFSET = struct.Struct(">q")
_DELTA = struct.Struct(">iII")
_COMPLEX = struct.Struct(">dd")


def _put_date(_: _Encoder, value: Any) -> bytes:
    return b"\xa1" + _DATE.pack(value.year, value.month, value.day)


def _time_of(value: Any) -> bytes:
    data = _TIME.pack(value.hour, value.minute, value.second, value.fold, value.microsecond)
    if value.tzinfo is None:
        return data
    offset = value.utcoffset()
    if offset is None:
        raise ValueError(f"{value!r} has a zone, and the zone does not say its offset")
    return data + _OFFSET.pack((offset.days * 86400 + offset.seconds) * 1000000 + offset.microseconds)


def _put_time(_: _Encoder, value: Any) -> bytes:
    return b"\xa2" + _time_of(value)


def _put_datetime(_: _Encoder, value: Any) -> bytes:
    if getattr(value, "nanosecond", 0):
        raise ValueError(f"{value!r} has nanoseconds, which a datetime cannot hold")
    return b"\xa3" + _DATE.pack(value.year, value.month, value.day) + _time_of(value)


def _put_timedelta(_: _Encoder, value: Any) -> bytes:
    if getattr(value, "nanoseconds", 0):
        raise ValueError(f"{value!r} has nanoseconds, which a timedelta cannot hold")
    return b"\xa4" + _DELTA.pack(value.days, value.seconds, value.microseconds)


def _put_uuid(_: _Encoder, value: Any) -> bytes:
    data: bytes = value.bytes
    return b"\xa5" + data


def _put_decimal(_: _Encoder, value: Any) -> bytes:
    text = str(value)
    if len(text) > _DECIMAL_MAX:
        raise ValueError(f"a Decimal of {len(text)} characters is more than {_DECIMAL_MAX}")
    return b"\xa6" + text.encode("ascii")


def _put_complex(_: _Encoder, value: complex) -> bytes:
    return b"\xa7" + _COMPLEX.pack(value.real, value.imag)


def _put_set(encoder: _Encoder, value: set[object]) -> bytes:
    return b"\xa8" + _encoder(encoder.depth + 1, True).pack(list(value))


def _put_frozenset(encoder: _Encoder, value: frozenset[object]) -> bytes:
    return b"\xa9" + _encoder(encoder.depth + 1, True).pack(list(value))


def _put_path(_: _Encoder, value: Any) -> bytes:
    if issubclass(type(value), sys.modules["pathlib"].PureWindowsPath):
        raise TypeError(f"{value!r} is no path of this system: send its text")
    return b"\xaa" + str(value).encode("utf-8", "surrogateescape")


def _put_scalar(encoder: _Encoder, value: Any) -> bytes:
    return b"\xab" + encoder.pack((_dtype(value), value.tobytes()))


def _put_array(encoder: _Encoder, value: Any) -> bytes:
    if type(value) is not sys.modules["numpy"].ndarray:
        raise TypeError(f"a {type(value).__name__} is no plain array: send numpy.asarray of it")
    if value.ndim > _DIMENSIONS_MAX:
        raise ValueError(f"an array of {value.ndim} dimensions is over {_DIMENSIONS_MAX}")
    return b"\xac" + encoder.pack((_dtype(value), value.shape, value.tobytes()))


def _dtype(value: Any) -> str:
    """The type of an array's elements, in numpy's short form."""
    dtype: str = value.dtype.str
    if _item_size(dtype) is None:
        raise TypeError(f"a {type(value).__name__} of {value.dtype} cannot be sent")
    return dtype


def _put_foreign(encoder: _Encoder, value: Array) -> bytes:
    return b"\xac" + encoder.pack((value.dtype, value.shape, value.data))


_EXACT: dict[type, _Put] = {Arguments: _put_arguments, Array: _put_foreign}

_BUILTIN: tuple[tuple[type, _Put], ...] = (
    (set, _put_set),
    (frozenset, _put_frozenset),
    (complex, _put_complex),
)

_STANDARD: tuple[tuple[str, str, _Put], ...] = (
    ("datetime", "datetime", _put_datetime),  # which is a date too
    ("datetime", "date", _put_date),
    ("datetime", "time", _put_time),
    ("datetime", "timedelta", _put_timedelta),
    ("uuid", "UUID", _put_uuid),
    ("decimal", "Decimal", _put_decimal),
    ("pathlib", "PurePath", _put_path),
)


# --- decoding -------------------------------------------------------------------------------------


class _Refused(ValueError):
    """The program's own `decode` has refused what belongs to it."""


def decode(code: int, data: bytes) -> object:
    """The value of an extension value: msgpack's `ext_hook`.

    Raises:
        ValueError: it is not of the class that is registered for it.
    """
    return _decode(code, data, 0, False)


def _decode(code: int, data: bytes, depth: int, in_set: bool) -> object:
    own = _by_code.get(code)
    if own is not None:
        return _decode_own(own, data, depth, in_set)
    take = _TAKERS.get(data[:1]) if code == CODE else None
    if take is not None and not _is_too_deep(depth, data):
        try:
            return take(data[1:], depth)
        except (_Refused, MemoryError):
            raise
        except Exception as error:
            if _is_interruption(error):
                raise
    # A program's own: also of our type, if it is not what the table says, byte for byte.
    return msgpack.ExtType(code, data)


def _decode_own(own: _Registered, data: bytes, depth: int, in_set: bool) -> object:
    try:
        if _is_too_deep(depth, data):
            raise ValueError("sets and the like are nested too deeply")
        return _call(own.decode, data, depth + 1, in_set)
    except _Refused:
        raise
    except Exception as error:
        if _is_interruption(error):
            raise
        reason = str(error) or type(error).__name__
        name = own.cls.__qualname__
        raise _Refused(f"an extension value that is no {name}: {reason}"[:500]) from None


def _is_too_deep(depth: int, data: bytes) -> bool:
    return depth >= DEPTH_MAX or (depth >= _ANY_SIZE_DEPTH and len(data) > _DEEP_SIZE_MAX)


def _is_interruption(error: Exception) -> bool:
    """Whether it is that of a signal handler, such as a time limit's."""
    return raised_elsewhere(error) and raised_by_handler(error)


def _hook(depth: int, in_set: bool) -> Callable[[int, bytes], object]:
    return lambda code, data: _decode(code, data, depth, in_set)


_HOOKS = [_hook(depth, in_set) for depth in range(DEPTH_MAX + 1) for in_set in (False, True)]


def _unpack(data: bytes, depth: int, in_set: bool) -> Any:
    # An array is made as long as it says that it is: so its elements are counted first.
    size = len(data)
    unpacker = msgpack.Unpacker(max_buffer_size=size, read_size=size)
    unpacker.feed(data)
    unpacker.skip()
    if unpacker.tell() != size:
        raise ValueError("bytes follow its end")
    return msgpack.unpackb(
        data,
        raw=False,
        use_list=not in_set,
        strict_map_key=False,
        unicode_errors="surrogateescape",
        ext_hook=_HOOKS[2 * depth + in_set],
    )


def _from(module: str, name: str) -> Any:
    """A class of the standard library; what it is made of was checked already."""
    return getattr(sys.modules.get(module) or importlib.import_module(module), name)


def _sized(data: bytes, *sizes: int) -> bytes:
    if len(data) not in sizes:
        wanted = " or ".join(map(str, sizes))
        raise ValueError(f"{len(data)} bytes where {wanted} belong")
    return data


def _take_arguments(data: bytes, depth: int) -> Arguments:
    args, kwargs = _listed(_unpack(data, depth + 1, False), list, dict)
    if not all(type(name) is str for name in kwargs):
        raise ValueError("a keyword is a text")
    return Arguments(args, kwargs)


def _listed(values: object, *types: type) -> Any:
    """These values, of these types."""
    if type(values) not in (list, tuple) or [type(each) for each in values] != [*types]:  # type: ignore[attr-defined]
        raise ValueError(f"not {', '.join(each.__name__ for each in types)}")
    return values


def _take_date(data: bytes, _: int) -> object:
    year, month, day = _DATE.unpack(_sized(data, 4))
    return _from("datetime", "date")(year, month, day)


def _clock(data: bytes) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The arguments for the constructors of time and datetime."""
    hour, minute, second, fold, microsecond = _TIME.unpack(data[:8])
    named: dict[str, Any] = {"fold": fold}
    if len(data) > 8:
        (offset,) = _OFFSET.unpack(data[8:])
        if not -86400000000 < offset < 86400000000:
            raise ValueError("an offset of a day or more")
        delta = _from("datetime", "timedelta")(microseconds=offset)
        named["tzinfo"] = _from("datetime", "timezone")(delta)
    return (hour, minute, second, microsecond), named


def _take_time(data: bytes, _: int) -> object:
    clock, named = _clock(_sized(data, 8, 16))
    return _from("datetime", "time")(*clock, **named)


def _take_datetime(data: bytes, _: int) -> object:
    clock, named = _clock(_sized(data, 12, 20)[4:])
    return _from("datetime", "datetime")(*_DATE.unpack(data[:4]), *clock, **named)


def _take_timedelta(data: bytes, _: int) -> object:
    days, seconds, microseconds = _DELTA.unpack(_sized(data, 12))
    if seconds >= 86400 or microseconds >= 1000000:
        raise ValueError("seconds of more than a day, or microseconds of more than a second")
    return _from("datetime", "timedelta")(days, seconds, microseconds)


def _take_uuid(data: bytes, _: int) -> object:
    _sized(data, 16)
    return _from("uuid", "UUID")(bytes=data)


def _take_decimal(data: bytes, _: int) -> object:
    if not 1 <= len(data) <= _DECIMAL_MAX:
        raise ValueError(f"{len(data)} characters")
    text = data.decode("ascii")
    if not _DECIMAL_LETTERS.issuperset(text):
        raise ValueError("characters that no number has")
    return _from("decimal", "Decimal")(text)


def _take_complex(data: bytes, _: int) -> complex:
    return complex(*_COMPLEX.unpack(_sized(data, 16)))


def _elements(data: bytes, depth: int) -> tuple[object, ...]:
    values = _unpack(data, depth + 1, True)
    if type(values) is not tuple:
        raise ValueError("its elements are no array")
    return values


def _take_set(data: bytes, depth: int) -> set[object]:
    return set(_elements(data, depth))


def _take_frozenset(data: bytes, depth: int) -> frozenset[object]:
    return frozenset(_elements(data, depth))


def _take_path(data: bytes, _: int) -> object:
    return _from("pathlib", "Path")(data.decode("utf-8", "surrogateescape"))


# Bytes of an element, by the letter of its type.
_ITEM_SIZES = {
    **{"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)},
    **{"M": (8,), "m": (8,)},
}
_TIME_UNITS = frozenset("Y M W D h m s ms us ns ps fs as".split())


def _item_size(dtype: str) -> int | None:
    """Bytes of one element of a type in numpy's short form, or None if such do not travel: objects,
    structures, and floats of a size that is not everywhere.
    """
    order, letter, rest = dtype[:1], dtype[1:2], dtype[2:]
    if order not in ("<", ">", "|") or len(dtype) > 32:
        return None
    digits, bracket, unit = rest.partition("[")
    if not (digits.isascii() and digits.isdigit()):
        return None
    size = 4 * int(digits) if letter == "U" else int(digits)
    is_known = size in _ITEM_SIZES.get(letter, ()) or (letter in ("S", "U") and size > 0)
    if not is_known or (order == "|") != (size == 1 or letter == "S"):
        return None
    if bracket and not (letter in ("M", "m") and _is_unit(unit)):
        return None
    return size


def _is_unit(text: str) -> bool:
    """Whether this is a unit of time as numpy writes it: "ns]", "25s]"."""
    letters = text.lstrip("0123456789")
    return letters[-1:] == "]" and letters[:-1] in _TIME_UNITS


def _checked_size(dtype: str) -> int:
    size = _item_size(dtype)
    if size is None:
        raise ValueError(f"elements of type {dtype[:40]!r}")
    return size


def _check_items(dtype: str, raw: bytes) -> None:
    """Of truth values and texts not every byte is one."""
    if dtype[1] == "b" and raw.count(0) + raw.count(1) != len(raw):
        raise ValueError("a truth value that is neither 0 nor 1")
    if dtype[1] == "U":
        raw.decode("utf-32-be" if dtype[0] == ">" else "utf-32-le", "surrogatepass")


def _take_scalar(data: bytes, depth: int) -> object:
    dtype, raw = _listed(_unpack(data, depth + 1, False), str, bytes)
    _sized(raw, _checked_size(dtype))
    _check_items(dtype, raw)
    numpy = _numpy()
    return _number(dtype, raw) if numpy is None else numpy.frombuffer(raw, dtype)[0]


_FLOATS = {2: "e", 4: "f", 8: "d"}


def _number(dtype: str, raw: bytes) -> object:
    """Python's own number for a scalar."""
    order, letter = dtype[0].replace("|", "<"), dtype[1]
    if letter == "b":
        return raw != b"\0"
    if letter in ("i", "u"):
        return int.from_bytes(raw, "big" if order == ">" else "little", signed=letter == "i")
    if letter == "f":
        return struct.unpack(order + _FLOATS[len(raw)], raw)[0]
    if letter == "c":
        return complex(*struct.unpack(order + 2 * _FLOATS[len(raw) // 2], raw))
    return Array(dtype, (), raw)


def _take_array(data: bytes, depth: int) -> object:
    values = _unpack(data, depth + 1, True)
    dtype, shape, raw = _listed(values, str, tuple, bytes)
    size = _checked_size(dtype)
    if len(shape) > _DIMENSIONS_MAX:
        raise ValueError(f"{len(shape)} dimensions")
    for length in shape:
        if type(length) is not int or not 0 <= length < 1 << 62:
            raise ValueError("a dimension without a length")
        size *= length
    if size != len(raw):
        raise ValueError(f"{len(raw)} bytes of data, which is not its shape's size")
    _check_items(dtype, raw)
    numpy = _numpy()
    if numpy is None:
        return Array(dtype, shape, raw)
    if not raw:
        return numpy.zeros(shape, dtype)
    return numpy.frombuffer(raw, dtype).reshape(shape).copy()


_TAKERS: dict[bytes, Callable[[bytes, int], object]] = {
    b"\xa0": _take_arguments,
    b"\xa1": _take_date,
    b"\xa2": _take_time,
    b"\xa3": _take_datetime,
    b"\xa4": _take_timedelta,
    b"\xa5": _take_uuid,
    b"\xa6": _take_decimal,
    b"\xa7": _take_complex,
    b"\xa8": _take_set,
    b"\xa9": _take_frozenset,
    b"\xaa": _take_path,
    b"\xab": _take_scalar,
    b"\xac": _take_array,
}
