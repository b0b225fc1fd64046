"""MessagePack-RPC for both sides of this package: packing messages, and reading a stream of them.

A message is [0, id, method, params], [1, id, error, result] or [2, method, params].  Text that is
not UTF-8 is decoded to Python's surrogate escapes and encoded back from them, so its bytes stay
the same.

A message is packed whole, or not at all.  MessagePack announces how many elements follow, and
msgpack believes what a value says of itself: a cache that is a dict may have fewer pairs than its
len(), and then the next message on the connection would become its missing one.  So only values
of exactly the builtin types are packed as they are; all others are first copied into one of them,
with the elements that there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgpack

from poold import codec
from poold.origins import raised_elsewhere

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any

    Pack = Callable[[list[Any]], bytes]

REQUEST = 0
RESPONSE = 1
NOTIFICATION = 2

# The notification with a part of an answer: [id, value].
CHUNK = "poold.chunk"

# The options of a call.
OPTIONS = (
    "timeout",
    "meta",
    "idempotent",
    "priority",
    "max_attempts",
    "trace",
    "tracestate",
    "session",
    "session_create",
    "key",
    "fallback",
    "restartable",
)

# Bytes of one read; the allocator would map and unmap larger buffers each time.
READ_SIZE = 64 * 1024

# Buffers that a large message has made larger than this are freed.
KEEP_SIZE = 1024 * 1024

# A message is collected before it is unpacked if it has a text or bytes up to so far from its begin,
# or farther, among its first values.
LARGE = 4 * READ_SIZE
LOOK_STEPS = 64
# It is looked for in so many bytes: what is left of most reads is less, and two reads are not more.
LOOK_LEAST, LOOK_MOST = READ_SIZE // 2, 2 * READ_SIZE
# So often its pieces are copied into one, before the unpacker gets it all the same.
JOINS_MAX = 8

# The longest timeout that a request can have, 49 days.
TIMEOUT_MS_MAX = 0xFFFFFFFF
# Messages after a refused one that are read the slow way with it.
SLOW_RUN = 1000

_LENGTH = {REQUEST: 4, RESPONSE: 4, NOTIFICATION: 3}


class Unreadable(Exception):
    """The stream cannot be read on: its connection cannot be used any more.

    Attributes:
        messages (list): the whole messages that came before, with the same bytes.
    """

    messages: list[list[Any]] = []


class Malformed(Unreadable):
    """The stream is not MessagePack-RPC."""


class TooLarge(Unreadable):
    """A message is larger than the limit.

    Attributes:
        number (int | None): id of the response or chunk that is too large, if it could be read.
    """

    def __init__(self, text: str, number: int | None) -> None:
        super().__init__(text)
        self.number = number


class Undecodable:
    """Replaces an element of a message that Python cannot represent (a map whose key is a list, a
    nesting of more than a thousand levels, ...).  Its str() says why.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def packer() -> Pack:
    """Creates a function that packs messages of values of exactly the builtin types, and raises
    TypeError for all others; `pack_copied` packs those.  No code of Python runs meanwhile.

    It may be used by one thread at a time, and not any more after it has raised anything but
    TypeError: its buffer may not be empty.
    """
    made = msgpack.Packer(use_bin_type=True, strict_types=True, unicode_errors="surrogateescape")
    pack: Pack = made.pack
    return pack


# Their buffers are made already; each is taken out by who uses it.
_packers: list[Pack] = []
_copiers: list[_Copier] = []


def pack(message: list[Any]) -> bytes:
    """Packs one message.

    Raises:
        Exception: a part of it cannot be represented, or what its own code raised.
    """
    try:
        own = _packers.pop()
    except IndexError:
        own = packer()
    try:
        packed = own(message)
    except TypeError:
        return pack_copied(message)
    if len(packed) <= KEEP_SIZE:
        _packers.append(own)
    return packed


def pack_copied(message: list[Any]) -> bytes:
    """As `pack`, for a message with values of other types."""
    try:
        copier = _copiers.pop()
    except IndexError:
        copier = _Copier()
    packed = copier.pack(message)
    if len(packed) <= KEEP_SIZE:
        _copiers.append(copier)
    return packed


class _Copier:
    """Packs values of any type; not to be used any more after it has raised something.

    Tuples are packed on the way.  Where there is more, all of the message is copied before: then
    no code of its values can change what was announced already.
    """

    def __init__(self) -> None:
        self._packer = msgpack.Packer(
            default=_list_of, use_bin_type=True, strict_types=True, unicode_errors="surrogateescape"
        )
        self._unpacker = _unpacker(0)

    def pack(self, message: list[Any]) -> bytes:
        try:
            packed: bytes = self._packer.pack(message)
        except _Other:
            packed = self._packer.pack(_copy(message))
        # Signal handlers and other threads may run while tuples are made lists.
        end = self._unpacker.tell() + len(packed)
        self._unpacker.feed(packed)
        try:
            self._unpacker.skip()
        except msgpack.OutOfData:
            end = -1
        if self._unpacker.tell() != end:
            raise ValueError("it changed while it was packed")
        return packed


def _list_of(value: object) -> object:
    if type(value) is tuple:
        return list(value)
    if type(value) is int:  # msgpack asks for something else before it refuses one
        raise OverflowError("an integer of more than 64 bits cannot be sent")
    raise _Other


class _Other(Exception):
    """A value that is of none of the builtin types."""


# Their values are what they are.
_PLAIN = frozenset((str, int, float, bool, type(None), bytes, bytearray, memoryview))


def _copy(value: Any) -> Any:
    """Returns a copy of a value and all that is in it, of exactly the builtin types.

    Raises:
        TypeError: there is no such type for a part of it.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if issubclass(kind, dict):
        return {_copy_key(key): _copy(item) for key, item in value.items()}
    if issubclass(kind, msgpack.ExtType):
        code: int
        data: bytes
        code, data = tuple.__iter__(value)
        return msgpack.ExtType(int.__int__(code), _copy(data))
    if issubclass(kind, (list, tuple)):
        return [_copy(item) for item in value]
    if kind is msgpack.Timestamp:
        return value
    for builtin, copy in _SCALARS:
        if issubclass(kind, builtin):
            return copy(value)
    found = codec.encode(value)
    return found if type(found) is msgpack.ExtType else _copy(found)


def _copy_key(key: Any) -> Any:
    copy = _copy(key)
    return tuple(copy) if type(copy) is list else copy  # a list cannot be one


# By their own functions: those of a class may be others.
_SCALARS: tuple[tuple[type, Any], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, lambda value: memoryview(value).tobytes()),
    (bytearray, lambda value: memoryview(value).tobytes()),
)


def type_name(kind: type) -> str:
    """The name of a class, whatever its metaclass says."""
    name: str = vars(type)["__name__"].__get__(kind)
    return name


def call_params(
    pool: str,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    timeout: float | None = None,
    meta: bool = False,
    **others: object,
) -> list[Any]:
    """Returns the params of poold.call.  `timeout` is in seconds; options that are None are left
    to the daemon; `others` are sent under their own names.

    Raises:
        TypeError: pool or method is no text.
        ValueError: a timeout that is not above zero.
    """
    if type(pool) is not str or type(method) is not str:
        _check_names(pool, method)
    options: dict[str, object] = {}
    if timeout is not None:
        if not timeout > 0:
            raise ValueError(f"timeout is in seconds and above zero, not {timeout!r}")
        options["timeout_ms"] = max(1, round(min(timeout * 1000, TIMEOUT_MS_MAX)))
    if meta:
        options["meta"] = True
    for name, value in others.items():
        if value is not None:
            options[name] = value
    both = codec.Arguments(list(args), kwargs) if args and kwargs else None
    params: list[object] = [pool, method, both or kwargs or list(args)]
    if options:
        params.append(options)
    return params


def _check_names(pool: object, method: object) -> None:
    for what, name in (("pool", pool), ("method", method)):
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"{what} is the name of a {what}, a text, and not {name!r}")


class Decoder:
    """Splits a stream of bytes, received in pieces of any size, into messages.

    It uses msgpack's Unpacker.  After an error an Unpacker cannot be used any more and does not
    know where the message began; so the bytes since the last whole message are kept.  A message
    that it refuses is measured by `_Skipper` and read element by element, so one bad argument
    fails one request, not the connection.  A message with a large text or bytes, which says how
    large it is, is collected first and unpacked from there, so its bytes are kept only once.

    Args:
        max_size: limit of one message, in bytes; 0: no limit.
    """

    def __init__(self, max_size: int = 0) -> None:
        self._max_size = max_size
        self._pending = bytearray()  # since the end of the last whole message
        self._skipper: _Skipper | None = None  # while a refused message is still incomplete
        self._collector: _Collector | None = None  # while a large message is
        self._restart()

    def feed(self, data: bytes) -> list[Any]:
        """Takes the next bytes of the stream and returns all messages that are complete.

        Raises:
            Malformed: the bytes are not MessagePack, or a value is not an envelope.
            TooLarge: a message is larger than the limit.
        """
        messages: list[Any] = []
        try:
            while data:
                if self._collector:
                    data = self._collect(self._collector, data, messages)
                elif self._skipper:
                    data = self._skip(self._skipper, data, messages)
                else:
                    data = self._unpack(data, messages)
        except Unreadable as error:
            error.messages = messages
            raise
        return messages

    def _restart(self) -> None:
        limit = self._max_size + READ_SIZE if self._max_size else 0
        self._unpacker = _unpacker(limit)
        self._fed = 0  # bytes that this unpacker was given
        self._has_grown = False  # its buffer is larger than KEEP_SIZE

    def _unpack(self, data: bytes, messages: list[Any]) -> bytes:
        """The fast way: appends complete messages to `messages`; returns the bytes that are left.
        """
        unpacker = self._unpacker
        self._fed = fed = self._fed + len(data)
        end = 0
        try:
            unpacker.feed(data)
            for message in unpacker:
                # Nearly all are requests or responses, and these cost no call.  With `is`, as True
                # and 1.0 are 1 too.
                if (
                    type(message) is not list
                    or len(message) != 4
                    or type(message[1]) is not int
                    or (message[0] is not REQUEST and message[0] is not RESPONSE)
                ):
                    if not _is_envelope(message):
                        raise Malformed(NO_ENVELOPE)
                messages.append(message)
                end = unpacker.tell()
                if end == fed:
                    break  # there is no more, and to be told so by an exception takes longer
        except Malformed:
            raise
        except Exception as error:
            if raised_elsewhere(error):
                raise
            self._skipper = _Skipper(fast=True)
        if end and self._pending:
            self._pending.clear()
        if end != fed:
            rest = data[len(data) - (fed - end) :] if end else data
            if self._skipper:
                return self._take_back(rest)
            self._keep(rest)
            if len(self._pending) > KEEP_SIZE:
                self._has_grown = True
            elif LOOK_LEAST <= len(self._pending) <= LOOK_MOST and not self._has_grown:
                self._look_ahead()
        elif self._has_grown:
            self._restart()
        return b""

    def _look_ahead(self) -> None:
        """Begins to collect the message that has begun, if it is to be large."""
        skipper = _Skipper()
        wanted = skipper.step(self._pending)
        if wanted is not None and wanted > LARGE:
            self._collector = _Collector(skipper, wanted, bytes(self._pending))
            self._pending.clear()
            self._restart()

    def _collect(self, collector: _Collector, data: bytes, messages: list[Any]) -> bytes:
        """For one large message; otherwise as _unpack."""
        collector.pieces.append(data)
        collector.size += len(data)
        # Not by what has come, which may be the next message's too.
        self._check_size(collector.wanted, collector.pieces[0])
        if collector.size < collector.wanted:
            return b""
        raw = collector.join()
        self._check_size(max(collector.wanted, collector.skipper.offset), raw)
        if collector.wanted > len(raw) and collector.joined < JOINS_MAX:
            return b""
        self._collector = None
        if collector.skipper.is_at_end():
            end = collector.skipper.offset
            messages.append(_read_whole(memoryview(raw)[:end]))
            return raw[end:]
        self._has_grown = True
        return raw  # it goes on with many small values

    def _take_back(self, rest: bytes) -> bytes:
        """Returns all bytes since the last whole message, to be read again by the skipper."""
        rest = bytes(self._pending) + rest
        self._pending.clear()
        return rest

    def _skip(self, skipper: _Skipper, data: bytes, messages: list[list[Any]]) -> bytes:
        """The slow way, for one message that the unpacker refused; otherwise as _unpack."""
        self._pending += data
        end = skipper.skip(self._pending)
        self._check_size(len(self._pending) if end is None else end, self._pending)
        if end is None:
            return b""
        raw = bytes(self._pending)
        self._pending.clear()
        self._skipper = None
        messages.append(_read_elements(raw[:end]))
        # More of the kind may follow; a new unpacker for each of them would cost more than they do.
        for _ in range(SLOW_RUN):
            skipper = _Skipper(end)
            after = skipper.skip(raw) if end < len(raw) else None
            if after is None:
                break
            messages.append(_read_elements(raw[end:after]))
            end = after
        self._restart()
        return raw[end:]

    def _keep(self, data: bytes) -> None:
        self._pending += data
        self._check_size(len(self._pending), self._pending)

    def _check_size(self, size: int, begin: bytes | bytearray) -> None:
        if self._max_size and size > self._max_size:
            text = f"a message of more than {self._max_size} bytes"
            raise TooLarge(text, _read_number(begin))


NO_ENVELOPE = "a value that is no MessagePack-RPC message"


def _unpacker(limit: int) -> msgpack.Unpacker:
    # Its buffer is as large as the limit, at most 1 MiB, so a small limit makes it cheap.
    return msgpack.Unpacker(
        raw=False,
        strict_map_key=False,
        unicode_errors="surrogateescape",
        max_buffer_size=limit,
        ext_hook=codec.decode,
    )


def _is_envelope(message: object) -> bool:
    if type(message) is not list or not message or type(message[0]) is not int:
        return False
    if _LENGTH.get(message[0]) != len(message):
        return False
    return message[0] == NOTIFICATION or type(message[1]) is int


def _read_whole(raw: memoryview) -> list[Any]:
    """Returns one message."""
    try:
        message = msgpack.unpackb(
            raw,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogateescape",
            ext_hook=codec.decode,
        )
    except Exception as error:
        if raised_elsewhere(error):
            raise
        return _read_elements(bytes(raw))
    if not _is_envelope(message):
        raise Malformed(NO_ENVELOPE)
    return message


def _read_elements(raw: bytes) -> list[Any]:
    """Returns the elements of an envelope: Undecodable for the first element that cannot be
    decoded, None for those after it.  In a chunk, only the value can be undecodable.
    """
    unpacker = _unpacker(len(raw))
    unpacker.feed(raw)
    message: list[Any] = []
    count = 0
    try:
        count = unpacker.read_array_header()
        while len(message) < min(count, 4):
            message.append(unpacker.unpack())
    except Exception as error:
        if raised_elsewhere(error):
            raise
        deep = isinstance(error, msgpack.StackError)
        message.append(Undecodable("nested too deeply" if deep else str(error)))
        message += [None] * (min(count, 4) - len(message))
    if count > 4 or not _is_envelope(message):
        raise Malformed(NO_ENVELOPE)
    if message[:2] == [NOTIFICATION, CHUNK] and isinstance(message[2], Undecodable):
        number = _read_number(raw)
        if number is not None:
            message[2] = [number, message[2]]
    return message


def _read_number(raw: bytes | bytearray) -> int | None:
    """Returns the id of the response or chunk that `raw` begins with, or None."""
    unpacker = _unpacker(32)
    unpacker.feed(raw[:32])
    try:
        count = unpacker.read_array_header()
        kind = unpacker.unpack()
        if (count, kind) == (4, RESPONSE):
            number: int = unpacker.unpack()
            return number
        if (count, kind, unpacker.unpack()) == (3, NOTIFICATION, CHUNK):
            if unpacker.read_array_header() == 2:
                number = unpacker.unpack()
                return number if type(number) is int else None
    except Exception as error:
        if raised_elsewhere(error):
            raise
    return None


class _Skipper:
    """Finds the end of one MessagePack value without decoding it.

    It counts the values still to come, so it needs no stack for nested values; with more bytes it
    continues where it stopped.
    """

    # first byte: bytes of the length that follows, and bytes beyond what that length says
    _SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
    _EXT = {0xC7: 1, 0xC8: 2, 0xC9: 4}
    _COUNTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
    _FIXED = {
        **dict.fromkeys((0xC0, 0xC2, 0xC3), 0),
        **{0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8},
        **{0xCA: 4, 0xCB: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17},
    }

    # Runs of values that are one byte each, and of lists of one: those are as many as their bytes,
    # and these leave as many values to come as before.
    _ONES = rb"[\x00-\x80\x90\xa0\xc0\xc2\xc3\xe0-\xff]*"
    _NESTS = rb"\x91*"

    def __init__(self, offset: int = 0, fast: bool = False) -> None:
        self.offset = offset
        self._left = 1
        # msgpack skips fast, but not what is nested too deeply.
        self._fast = _unpacker(0) if fast else None
        self._fed = 0

    def skip(self, raw: bytes | bytearray) -> int | None:
        """Returns the end of the value, or None if it is incomplete.

        `raw` are the same bytes as last time, and more.  Raises Malformed for 0xc1.
        """
        if self._fast is not None:
            self._fast.feed(memoryview(raw)[self._fed :])
            self._fed = len(raw)
            try:
                self._fast.skip()
                return self._fast.tell()
            except msgpack.OutOfData:
                return None
            except Exception as error:
                if raised_elsewhere(error):
                    raise
                self._fast = None
        while self._left:
            self._skip_runs(raw)
            if not self._left:
                break
            step = self._step(raw, self.offset)
            if step is None or self.offset + step[0] > len(raw):
                return None
            self.offset += step[0]
            self._left += step[1] - 1
        return self.offset

    def step(self, raw: bytes | bytearray) -> int | None:
        """Goes on by at most LOOK_STEPS values, one after the other.  Returns how many bytes `raw`
        needs at least to go on; None: it has enough.
        """
        for _ in range(LOOK_STEPS):
            if not self._left:
                return None
            step = self._step(raw, self.offset)
            end = self.offset + (step[0] if step else 1)
            if step is None or end > len(raw):
                return end
            self.offset = end
            self._left += step[1] - 1
        return None

    def is_at_end(self) -> bool:
        """Whether the offset is the end of the value."""
        return not self._left

    def _skip_runs(self, raw: bytes | bytearray) -> None:
        import re  # slow to load, and seldom needed

        at = self.offset
        ones = re.compile(self._ONES).match(raw, at, min(len(raw), at + self._left))
        assert ones is not None  # it may be empty
        self._left -= ones.end() - at
        if self._left:
            nests = re.compile(self._NESTS).match(raw, ones.end())
            assert nests is not None
            self.offset = nests.end()
        else:
            self.offset = ones.end()

    def _step(self, raw: bytes | bytearray, at: int) -> tuple[int, int] | None:
        """(bytes of the item at `at` without its children, number of children)."""
        if at >= len(raw):
            return None
        first = raw[at]
        if first < 0x80 or first >= 0xE0:
            return 1, 0
        if first < 0x90:
            return 1, 2 * (first & 0x0F)
        if first < 0xA0:
            return 1, first & 0x0F
        if first < 0xC0:
            return 1 + (first & 0x1F), 0
        if first in self._FIXED:
            return 1 + self._FIXED[first], 0
        if first in self._COUNTED:
            width, each = self._COUNTED[first]
            return 1 + width, each * int.from_bytes(raw[at + 1 : at + 1 + width], "big")
        size = self._SIZED.get(first) or self._EXT.get(first)
        if size is None:
            raise Malformed("bytes that are not MessagePack")
        length = int.from_bytes(raw[at + 1 : at + 1 + size], "big")
        return 1 + size + length + (first in self._EXT), 0


class _Collector:
    """The pieces of a message, until there are enough of them to look on.

    Attributes:
        size, wanted: bytes that there are, and that there have to be.
        joined: how often they were copied into one.
    """

    def __init__(self, skipper: _Skipper, wanted: int, piece: bytes) -> None:
        self.skipper = skipper
        self.wanted = wanted
        self.pieces = [piece]
        self.size = len(piece)
        self.joined = 0

    def join(self) -> bytes:
        """Returns all of them as one, and looks on."""
        raw = b"".join(self.pieces)
        self.pieces = [raw]
        self.joined += 1
        self.wanted = self.skipper.step(raw) or 0
        return raw
