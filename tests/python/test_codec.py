"""Values that MessagePack has no type for: there and back, in the bytes of the reference, and what
a peer may send instead.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import signal
import subprocess
import sys
import unittest
import uuid
from zoneinfo import ZoneInfo

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

import poold
from poold import codec, wire
from properties import QUICK
from support import PACKAGE, ROOT, FakeServer, WorkerProcess, echo

try:
    import numpy
except ImportError:
    numpy = None

UTC = datetime.timezone.utc
PLUS_ONE = datetime.timezone(datetime.timedelta(hours=1))


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)
    DAY = datetime.date(2026, 2, 3)


class Level(enum.IntEnum):
    HIGH = 3


class Ink(enum.Flag):
    BLACK = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: object = 0


@dataclasses.dataclass(frozen=True)
class Node:
    value: object
    next: object = None
    size: int = dataclasses.field(init=False, default=1)


class Shade(enum.Enum):
    DARK = (0, 0, 1)


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def money_from(data: bytes) -> Money:
    return Money(int(data))


codec.register(Node, 30)
codec.register(Shade, 31)
codec.register(Money, 32, encode=lambda it: str(it.cents).encode(), decode=money_from)

VALUES = [
    datetime.date(1, 1, 1),
    datetime.date(9999, 12, 31),
    datetime.time(23, 59, 59, 999999),
    datetime.time(1, 2, fold=1),
    datetime.time(1, 2, tzinfo=PLUS_ONE),
    datetime.datetime(2026, 2, 3, 4, 5, 6, 7),
    datetime.datetime(2026, 2, 3, tzinfo=UTC),
    datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(microseconds=-1))),
    datetime.timedelta.max,
    datetime.timedelta.min,
    datetime.timedelta(microseconds=-1),
    uuid.UUID(int=0),
    uuid.UUID(int=2**128 - 1),
    decimal.Decimal("0"),
    decimal.Decimal("-0.00"),
    decimal.Decimal("1E+1000"),
    decimal.Decimal("123456789012345678901234567890.5"),
    decimal.Decimal("-Infinity"),
    1j,
    complex(-0.5, 1e300),
    set(),
    {1, "a", b"b", None, 2.5},
    {(1, (2, "x")), ()},
    {frozenset({(1,)}), uuid.UUID(int=1)},
    frozenset(),
    pathlib.Path("/srv/a b"),
    pathlib.Path("half-\udcff"),
    Node(1, Node(2)),
    Shade.DARK,
    {Shade.DARK, Node((1, 2), frozenset({3}))},
]


SCALARS = (
    st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(PLUS_ONE))
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
)
HASHABLE = st.recursive(
    SCALARS,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)


def there_and_back(value: object) -> object:
    message = wire.pack([wire.RESPONSE, 1, None, value])
    return wire.Decoder().feed(message)[0][3]


def ext(kind: int, *values: object) -> msgpack.ExtType:
    return msgpack.ExtType(codec.CODE, bytes([kind]) + b"".join(map(msgpack.packb, values)))


class Case(unittest.TestCase):
    def assert_refused(self, value: object) -> None:
        """That it cannot be decoded; the message around it can."""
        data = wire.pack([wire.RESPONSE, 1, None, value])
        (message,) = wire.Decoder().feed(data)
        self.assertEqual(message[:3], [wire.RESPONSE, 1, None])
        self.assertIsInstance(message[3], wire.Undecodable, value)

    def assert_left(self, value: msgpack.ExtType) -> None:
        """That it is taken for the program's own."""
        found = there_and_back([value])[0]
        self.assertIs(type(found), msgpack.ExtType, value)
        self.assertEqual(found, value)

    def assert_same(self, found: object, value: object) -> None:
        self.assertIs(type(found), type(value))
        self.assertEqual(found, value)


class TestThereAndBack(Case):
    def test_each_type(self) -> None:
        for value in VALUES:
            with self.subTest(value):
                self.assert_same(there_and_back(value), value)
                inner = there_and_back({"a": [value, [value]]})
                self.assertEqual(inner, {"a": [value, [value]]})

    def test_what_equality_does_not_show(self) -> None:
        found = there_and_back(datetime.datetime(2026, 10, 25, 2, fold=1))
        self.assertEqual(found.fold, 1)
        self.assertEqual(str(there_and_back(decimal.Decimal("1.50"))), "1.50")
        self.assertEqual(str(there_and_back(decimal.Decimal("-NaN12"))), "-NaN12")
        offset = there_and_back(datetime.datetime(2026, 2, 3, tzinfo=PLUS_ONE)).utcoffset()
        self.assertEqual(offset, datetime.timedelta(hours=1))

    def test_a_zone_arrives_as_its_offset(self) -> None:
        value = datetime.datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
        found = there_and_back(value)
        self.assertEqual(found, value)
        self.assertEqual(found.tzinfo, datetime.timezone(datetime.timedelta(hours=2)))
        with self.assertRaisesRegex(ValueError, "offset"):
            wire.pack(datetime.time(12, tzinfo=ZoneInfo("Europe/Berlin")))

    def test_subclasses_arrive_as_the_class(self) -> None:
        class Day(datetime.date):
            pass

        self.assert_same(there_and_back(Day(2026, 2, 3)), datetime.date(2026, 2, 3))
        self.assert_same(there_and_back(pathlib.PurePosixPath("/a")), pathlib.Path("/a"))

    def test_as_keys(self) -> None:
        for value in VALUES:
            if value.__hash__ is not None:
                self.assertEqual(there_and_back({value: 1}), {value: 1})

    def test_enums_and_dataclasses_travel_as_plain_values(self) -> None:
        self.assertEqual(there_and_back([Colour.RED, Colour.PAIR, Ink.BLUE]), ["red", [1, 2], 2])
        self.assertEqual(there_and_back(Colour.DAY), datetime.date(2026, 2, 3))
        value = Point(1, Point(2, {3}))
        self.assertEqual(there_and_back(value), {"x": 1, "y": {"x": 2, "y": {3}}})
        self.assertEqual(there_and_back({Colour.RED, Colour.PAIR}), {"red", (1, 2)})

    def test_what_packed_before_has_the_same_bytes(self) -> None:
        plain = [
            (1, (2, [3])),
            Level.HIGH,
            msgpack.Timestamp(5, 6),
            {(1, 2): 3},
            {"a": b"b", 1: None, 2.5: True},
            bytearray(b"x"),
            memoryview(b"y"),
            *(msgpack.ExtType(code, b"theirs") for code in range(128)),
        ]
        for value in plain:
            data = msgpack.packb(value, use_bin_type=True)
            self.assertEqual(wire.pack(value), data)
        for code in range(128):
            value = msgpack.ExtType(code, b"theirs")
            if code not in (30, 31, 32, 41):
                self.assert_same(there_and_back(value), value)
        self.assert_same(there_and_back(msgpack.Timestamp(5, 6)), msgpack.Timestamp(5, 6))

    def test_vectors(self) -> None:
        text = (ROOT / "protocol" / "vectors" / "values.json").read_text(encoding="utf-8")
        found = [case for case in json.loads(text)["cases"] if "python" in case]
        self.assertGreater(len(found), 12)
        for case in found:
            with self.subTest(case["name"]):
                value = eval(case["python"])
                self.assertEqual(wire.pack(value), bytes.fromhex(case["hex"]))
                self.assert_same(codec.unpack(bytes.fromhex(case["hex"])), value)

    @settings(QUICK)
    @given(
        st.recursive(
            SCALARS | st.sets(HASHABLE, max_size=5),
            lambda inner: st.lists(inner, max_size=4)
            | st.dictionaries(SCALARS, inner, max_size=4),
            max_leaves=12,
        )
    )
    def test_any(self, value: object) -> None:
        self.assert_same(there_and_back(value), value)


class TestRefusedToSend(Case):
    def test_each_says_why(self) -> None:
        deep: frozenset[object] = frozenset()
        for _ in range(codec.DEPTH_MAX + 1):
            deep = frozenset({deep})
        cases: list[tuple[object, str]] = [
            (object(), "object"),
            (1 << 64, ""),
            ({Point(1)}, "register"),
            ({(1, Point(1))}, "register"),
            (pathlib.PureWindowsPath("c:/x"), "path"),
            (decimal.Decimal((0, (1,) * 70000, 0)), "65536"),
            (deep, "deep"),
        ]
        for value, words in cases:
            with self.subTest(words):
                with self.assertRaisesRegex((TypeError, ValueError, OverflowError), words):
                    wire.pack(value)

    def test_what_lies_too_deep(self) -> None:
        for inner, levels, words in ((datetime.date(2026, 1, 1), codec.DEPTH_MAX, "levels deep"), (b"x" * (2 << 20), 8, "nested too deeply")):
            value: object = inner
            for _ in range(levels):
                value = frozenset({value})
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                wire.pack(value)

    def test_what_another_class_knows_more_exactly(self) -> None:
        class Exact(datetime.datetime):
            nanosecond = 5

        class Long(datetime.timedelta):
            nanoseconds = 5

        class Many(int):
            """An integer that msgpack takes for none."""

        class Box(enum.Enum):
            FULL = [1]

        for value, words in (
            (Exact(2026, 1, 1), "nanoseconds"),
            (Long(1), "nanoseconds"),
            (Many(1 << 70), "64 bits"),
            ([Colour.RED, 1 << 70], "64 bits"),
            ({1 << 70}, "64 bits"),
            ({Box.FULL}, "register"),
        ):
            with self.subTest(words), self.assertRaisesRegex((TypeError, ValueError, OverflowError), words):
                wire.pack(value)

    def test_a_value_that_fails_meanwhile(self) -> None:
        class Zone(datetime.tzinfo):
            def utcoffset(self, _: object) -> None:
                raise LookupError("no such zone")

        with self.assertRaisesRegex(ValueError, "no such zone"):
            wire.pack(datetime.datetime(2026, 1, 1, tzinfo=Zone()))


class TestRegister(Case):
    def test_ways_of_its_own(self) -> None:
        self.assertEqual(wire.pack(Money(5)), msgpack.packb(msgpack.ExtType(32, b"5")))
        self.assertEqual(there_and_back([Money(5)])[0].cents, 5)
        self.assert_refused(msgpack.ExtType(32, b"much"))

    def test_a_subclass_is_another_class(self) -> None:
        class Coin(Money):
            pass

        with self.assertRaisesRegex(TypeError, "Coin"):
            wire.pack(Coin(1))

    def test_what_cannot_be_registered(self) -> None:
        for code in (0, 1, 2, 112, 128, -1, True, "7", None):
            with self.assertRaises(ValueError):
                codec.register(Point, code)
        with self.assertRaisesRegex(ValueError, "Node"):
            codec.register(Point, 30)
        for cls in (Level, str, dict, Money(1)):
            with self.assertRaises(TypeError):
                codec.register(cls, 40)
        with self.assertRaisesRegex(TypeError, "both"):
            codec.register(Money, 40, encode=lambda it: b"")
        with self.assertRaisesRegex(TypeError, "both"):
            codec.register(ValueError, 40)

    def test_again(self) -> None:
        codec.register(Node, 33)
        self.assertEqual(there_and_back(msgpack.ExtType(30, b"")), msgpack.ExtType(30, b""))
        codec.register(Node, 30)
        self.assert_same(there_and_back(Node(1)), Node(1))

    def test_a_list_of_nodes_has_an_end(self) -> None:
        node = Node(0)
        for value in range(codec.DEPTH_MAX - 1):
            node = Node(value, node)
        self.assert_same(there_and_back(node), node)
        with self.assertRaisesRegex(ValueError, "deep"):
            wire.pack(Node(-1, node))

    def test_encode_that_returns_something_else(self) -> None:
        class Odd:
            pass

        codec.register(Odd, 41, encode=lambda it: "text", decode=lambda data: Odd())
        with self.assertRaisesRegex(TypeError, "bytes"):
            wire.pack(Odd())


class TestHostile(Case):
    def test_truncated_and_lengthened(self) -> None:
        for value in VALUES:
            data = msgpack.unpackb(wire.pack(value))
            is_free = data.data[:1] in (b"\xa6", b"\xaa")  # of any length
            naive = {b"\xa2": 9, b"\xa3": 13}.get(data.data[:1])  # without the offset
            for size in range(1, len(data.data)):
                if not is_free and data.code == codec.CODE and size != naive:
                    self.assert_left(msgpack.ExtType(data.code, data.data[:size]))
            if not is_free and data.code == codec.CODE:
                self.assert_left(msgpack.ExtType(data.code, data.data + b"\0"))

    def test_values_that_there_are_not(self) -> None:
        for data in (
            "a1 0000 01 01",
            "a1 07ea 0d 01",
            "a1 07ea 02 1e",
            "a2 18 00 00 00 00000000",
            "a2 00 00 00 02 00000000",
            "a2 00 00 00 00 000f4240",
            "a2 00 00 00 00 00000000 000000141dd76000",
            "a3 07ea 02 1e 00 00 00 00 00000000",
            "a3 07ea 02 03 00 00 00 00 00000000 7fffffffffffffff",
            "a4 7fffffff 00000000 00000000",
            "a4 00000000 00015180 00000000",
            "a4 00000000 00000000 000f4240",
            "a6",
            "a6" + b"1_0".hex(),
            "a6" + b" 1".hex(),
            "a6" + b"Ins".hex(),
            "a6" + "\u0661".encode().hex(),
            "a6" + b"1".hex() * 65537,
        ):
            with self.subTest(data[:60]):
                self.assert_left(msgpack.ExtType(codec.CODE, bytes.fromhex(data)))

    def test_wrong_parts(self) -> None:
        for value in (
            ext(0xA8, 1),
            ext(0xA8, {}),
            ext(0xA8, [{}]),
            ext(0xA8, [], []),
            ext(0xA9, [ext(0xA8, [])]),
            ext(0xA0, [[], {}, 1]),
            ext(0xA0, [{}, []]),
            ext(0xA0, [[], {1: 2}]),
            ext(0xAB, ["<i2", b"123"]),
            ext(0xAB, ["<i2", "12"]),
            ext(0xAB, ["<i2"]),
            ext(0xAB, ["|b1", b"\x02"]),
        ):
            with self.subTest(value):
                self.assert_left(value)

    def test_element_types_that_do_not_travel(self) -> None:
        for dtype in (
            *("|O", "|O8", "|V8", "<f16", "<i3", "i4", "=i4", "|i4", "<b1", "<S4", "|S0", "<U0"),
            *("<M8[ns", "<M8[x]", "<M8[]", "<M4", "<i4[ns]", "<M8[ns][s]", "<i4,<i4", "", "<"),
            *("<i-4", "<i\u0664", "<i4" + "0" * 40, "numpy.int64", "os.system"),
        ):
            for size in (0, 1, 2, 4, 8):
                with self.subTest(dtype, size=size):
                    self.assert_left(ext(0xAC, [dtype, [1], bytes(size)]))
                    self.assert_left(ext(0xAB, [dtype, bytes(size)]))

    def test_shapes_that_are_not_there(self) -> None:
        for shape, data in (
            ([1 << 40], b""),
            ([1 << 61, 8], bytes(8)),
            ([2], bytes(4)),
            ([-1, -1], bytes(8)),
            ([1.0], bytes(8)),
            ([True], bytes(8)),
            ([1] * 33, bytes(8)),
            ([[1]], bytes(8)),
            ({1: 1}, bytes(8)),
            (1, bytes(8)),
            ([1 << 62, 0], b""),
        ):
            with self.subTest(shape):
                self.assert_left(ext(0xAC, ["<f8", shape, data]))
        self.assert_left(ext(0xAC, ["<U1", [1], b"\xff\xff\xff\xff"]))

    def test_arrays_that_announce_more_than_there_is(self) -> None:
        header = b"\xdd\x00\x0f\xff\xff"
        for data in (header, header * 400, b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
            for kind in (0xA0, 0xA8, 0xAC):
                value = msgpack.ExtType(codec.CODE, bytes([kind]) + data + bytes(1 << 16))
                self.assert_left(value)

    def assert_left_within(self, value: msgpack.ExtType) -> None:
        """That its inner sets are not made beyond a depth."""
        found = there_and_back(value)
        self.assertIn("ExtType", repr(found))
        self.assertEqual(wire.pack(found), wire.pack(value))

    def test_deep(self) -> None:
        value = ext(0xA9, [])
        for _ in range(codec.DEPTH_MAX - 1):
            value = ext(0xA9, [value])
        self.assertNotIn("ExtType", repr(there_and_back(value)))
        self.assert_left_within(ext(0xA9, [value]))
        for _ in range(2000):
            value = ext(0xA9, [value])
        self.assert_left_within(value)
        self.assert_left(msgpack.ExtType(codec.CODE, b"\xa8" + b"\x91" * 2000 + b"\xc0"))

    def test_deep_and_large(self) -> None:
        value = ext(0xA9, [bytes(1 << 20)])
        for depth in range(6):
            value = ext(0xA9, [value])
        self.assert_left_within(value)

    def test_deep_within_classes_of_the_program(self) -> None:
        value = msgpack.ExtType(30, msgpack.packb({"value": 1}))
        for _ in range(500):
            value = msgpack.ExtType(30, msgpack.packb({"value": 1, "next": value}))
        self.assert_refused(value)

    def test_fields_of_another_class(self) -> None:
        for fields in ({}, {"value": 1, "other": 2}, {"value": 1, "size": 2}, [1], 1, {1: 2}):
            self.assert_refused(msgpack.ExtType(30, msgpack.packb(fields)))
        self.assert_refused(msgpack.ExtType(31, msgpack.packb("no such member")))
        for inner in (msgpack.ExtType(30, b"\x80"), ext(0xA9, [msgpack.ExtType(32, b"much")])):
            self.assert_refused(ext(0xA8, [inner]))

    @settings(QUICK)
    @given(st.integers(0xA0, 0xAC), st.binary(max_size=40))
    def test_any_bytes(self, kind: int, data: bytes) -> None:
        value = msgpack.ExtType(codec.CODE, bytes([kind]) + data)
        (message,) = wire.Decoder().feed(msgpack.packb([1, 1, None, value]))
        self.assertEqual(message[:3], [1, 1, None])

    def test_an_interruption_is_the_signal_handlers_own(self) -> None:
        """It makes neither a wrong value of a right one nor a refusal."""

        def interrupt(*_: object) -> None:
            raise TimeoutError("the time is over")

        first = datetime.date(2000, 1, 1).toordinal()
        value = {datetime.date.fromordinal(first + n) for n in range(20000)} | {Node(1)}
        data = wire.pack([wire.RESPONSE, 1, None, value])
        before = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        for delay in range(1, 11):
            with self.assertRaises(TimeoutError):
                signal.setitimer(signal.ITIMER_REAL, delay / 1000)
                for _ in range(100):
                    self.assertEqual(wire.Decoder().feed(data)[0][3], value)

    def test_nothing_is_imported(self) -> None:
        """Not for what is refused, and never numpy or what a message names."""
        program = f"""
import sys
sys.path.insert(0, {str(PACKAGE)!r})
from poold import wire
import msgpack
before = set(sys.modules)
def read(kind, data):
    value = msgpack.ExtType(112, bytes([kind]) + data)
    return wire.Decoder().feed(msgpack.packb([1, 1, None, value]))[0][3]
for kind in range(256):
    for data in (b"", b"\\0", b"os.system", msgpack.packb(["numpy", [1], b"x"])):
        if kind != 0xaa:
            read(kind, data)
array = read(0xac, msgpack.packb(["<i2", [2], b"\\1\\0\\2\\0"]))
print(array.dtype, array.shape, array.data, wire.pack(array) == wire.pack(array))
print(read(0xab, msgpack.packb(["<i2", b"\\xfe\\xff"])), read(0xab, msgpack.packb(["|b1", b"\\1"])))
print(read(0xab, msgpack.packb([">f4", b"\\x3f\\x80\\0\\0"])))
print(sorted(set(sys.modules) - before))
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        lines = run.stdout.splitlines()
        self.assertEqual(
            lines, ["<i2 (2,) b'\\x01\\x00\\x02\\x00' True", "-2 True", "1.0", "[]"], run.stderr
        )


@unittest.skipIf(numpy is None, "numpy is not installed")
class TestNumpy(Case):
    def test_scalars(self) -> None:
        for value in (
            *(numpy.int8(-1), numpy.uint64(2**64 - 1), numpy.int64(5), numpy.float32(1.5)),
            *(numpy.float16(2), numpy.complex64(1j), numpy.complex128(1j), numpy.bool_(True)),
            *(numpy.datetime64("2026-02-03"), numpy.timedelta64(5, "25s")),
        ):
            with self.subTest(value):
                found = there_and_back(value)
                self.assert_same(found, value)
                self.assertEqual(found.dtype, value.dtype)

    def test_what_numpy_made_of_builtin_types_has_the_same_bytes(self) -> None:
        for value in (numpy.float64(1.5), numpy.str_("a"), numpy.bytes_(b"a")):
            self.assertEqual(wire.pack(value), msgpack.packb(value))

    def test_arrays(self) -> None:
        for value in (
            numpy.arange(6.0).reshape(2, 3),
            numpy.arange(6).reshape(2, 3).T,
            numpy.arange(10)[::-3],
            numpy.zeros((0, 5)),
            numpy.array(5),
            numpy.array([["a", "\u00e9"]]),
            numpy.array([b"x", b"yy"]),
            numpy.arange(4, dtype=">i2"),
            numpy.array(["2026-02-03", "NaT"], "M8[D]"),
            numpy.array([True, False]),
        ):
            with self.subTest(value):
                found = there_and_back({"a": value})["a"]
                self.assertEqual((found.dtype, found.shape), (value.dtype, value.shape))
                self.assertEqual(found.tobytes(), value.tobytes())
                self.assertTrue(found.flags.writeable)

    def test_no_others(self) -> None:
        for value in (
            numpy.array([object()]),
            numpy.zeros(3, dtype=[("a", "i4")]),
            numpy.ma.array([1], mask=[True]),
            numpy.arange(4).view(numpy.recarray),
            numpy.longdouble(1),
        ):
            with self.assertRaisesRegex(TypeError, "sen[dt]"):
                wire.pack(value)

    def test_an_array_from_where_numpy_was_not(self) -> None:
        value = codec.Array("<i2", (2,), b"\x01\x00\x02\x00")
        self.assertEqual(numpy.asarray(value).tolist(), [1, 2])
        self.assertEqual(there_and_back(value).tolist(), [1, 2])


class TestArray(unittest.TestCase):
    """codec.Array, which stands for an array where there is no numpy."""

    def test_equality(self) -> None:
        value = codec.Array("<i2", (2,), b"\1\0\2\0")
        same = codec.Array("<i2", (2,), b"\1\0\2\0")
        self.assertEqual(value, same)
        self.assertEqual(hash(value), hash(same))
        self.assertNotEqual(value, codec.Array("<u2", (2,), b"\1\0\2\0"))
        self.assertNotEqual(value, b"\1\0\2\0")
        self.assertEqual(repr(value), "poold.codec.Array('<i2', (2,), 4 bytes)")

    def test_scalars(self) -> None:
        self.assertEqual(codec._number("<c8", b"\0\0\x80\x3f\0\0\0\x40"), 1 + 2j)
        date = codec._number("<M8[s]", bytes(8))
        self.assertEqual(date, codec.Array("<M8[s]", (), bytes(8)))


class TestBothSides(Case):
    def test_worker(self) -> None:
        for module in ("served", "aserved"):
            with WorkerProcess(module) as worker:
                for value in VALUES:
                    if type(value) in (Node, Shade) or "Node" in repr(value):
                        continue  # the worker does not know these
                    with self.subTest(module, value=value):
                        worker.send_bytes(
                            wire.pack([0, 7, "echo", [[value], {"request": 1, "attempt": 1}]])
                        )
                        _, result = worker.answer(7)
                        self.assert_same(codec.unpack(msgpack.packb(result)), value)

    def test_positional_and_keyword_arguments_in_one_call(self) -> None:
        for module in ("served", "aserved"):
            with WorkerProcess(module) as worker:
                for name, args, kwargs, expected in (
                    ("several", [1, {2}], {"a": None}, [[1, {2}], {"a": None}]),
                    ("describe", [1], {"c": 5}, [1, 2, 5]),
                ):
                    both = codec.Arguments(args, kwargs)
                    worker.send_bytes(wire.pack([0, 7, name, [both, {"request": 1}]]))
                    _, result = worker.answer(7)
                    self.assertEqual(codec.unpack(msgpack.packb(result)), expected)
                error = worker.fail("describe", ext(0xA0, [[1], {"a": 1}]))
                self.assertEqual(error["code"], "rejected")
                self.assertIn("multiple values for argument 'a'", error["message"])

    def test_misspelt_options_are_named(self) -> None:
        with WorkerProcess() as worker:
            for name, meant in (
                ("timout", "did you mean the option 'timeout' of the call?"),
                ("Timeout", "did you mean the option 'timeout' of the call?"),
                ("idempotant", "did you mean the option 'idempotent' of the call?"),
                ("max_attemps", "did you mean the option 'max_attempts' of the call?"),
                ("vaule", "did you mean 'value'?"),
            ):
                message = worker.fail("echo", {name: 3})["message"]
                self.assertIn(f"unexpected keyword argument '{name}'", message)
                self.assertIn(meant, message)
            self.assertNotIn("mean", worker.fail("echo", {"qqq": 3})["message"])
            both = worker.fail("echo", ext(0xA0, [[1], {"timout": 3}]))
            self.assertIn("'timeout'", both["message"])

    def test_hostile_arguments(self) -> None:
        with WorkerProcess() as worker:
            for value in (ext(0xA8, 1), ext(0xA0, [[], 1]), ext(0xAC, ["|O8", [1], bytes(8)])):
                self.assertEqual(worker.call("echo", value), value)
                both = worker.call("describe", 1, value)
                self.assertEqual(both[1], value)

    def test_client(self) -> None:
        with FakeServer(echo) as server, poold.Client(server.path) as client:
            for value in VALUES:
                self.assert_same(client.call("p", "m", value)[2][0], value)
                self.assert_same(client.call("p", "m", a=value)[2]["a"], value)


if __name__ == "__main__":
    unittest.main()
