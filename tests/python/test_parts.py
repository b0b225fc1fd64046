"""Small parts of the package by themselves: what they say to odd arguments."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import msgpack
from poold import Client, Executor, errors, names, probe, served, serving, wire
from poold.worker import Worker, check, logs
from poold.worker.functions import Function, find


class Parts(unittest.TestCase):
    def test_the_name_of_the_main_module(self) -> None:
        main = mock.Mock(__spec__=None, __file__="/place/orders.py")
        with mock.patch.dict(sys.modules, __main__=main):
            self.assertEqual(names.main_name(), "orders")
            main.__spec__ = mock.Mock()
            main.__spec__.name = "shop.__main__"
            self.assertEqual(names.main_name(), "shop")
            price = mock.Mock(__module__="__main__", __qualname__="price")
            self.assertEqual(names.qualified(price), "shop:price")
            main.__spec__ = main.__file__ = None
            self.assertIsNone(names.qualified(price))

    def test_what_probe_says(self) -> None:
        self.assertEqual(probe.main(["json"]), os.EX_OK)
        self.assertEqual(probe.main(["nowhere.at.all"]), os.EX_CONFIG)
        self.assertEqual(probe.main([]), os.EX_USAGE)
        # Whatever is wrong with its package, the worker will say it.
        with mock.patch("importlib.util.find_spec", side_effect=[object(), ValueError("__spec__ is None")]):
            self.assertEqual(probe.main(["json"]), os.EX_OK)
        with mock.patch("importlib.util.find_spec", return_value=None):
            self.assertEqual(probe.main(["json"]), os.EX_UNAVAILABLE)

    def test_functions(self) -> None:
        not_one: object = 5
        self.assertRaisesRegex(TypeError, "5 cannot be called", Function, not_one)
        self.assertIsNone(find({"f": Function(len)}, 5))
        # Some builtins do not tell what they take: Python itself will refuse what does not fit.
        Function(dict).check([1, 2, 3], {})

    def test_how_they_look(self) -> None:
        pool = Client("/nowhere").pool("p")
        self.assertEqual(repr(pool), "<poold pool 'p'>")
        self.assertEqual(repr(pool.m), "<poold method p.m>")
        self.assertEqual(check._parameters(Function(dict)), "(...)")
        self.assertEqual([logs.priority(level) for level in (50, 40, 30, 20, 10)], [2, 3, 4, 6, 7])

        class Endless(Exception):
            def __str__(self) -> str:
                return str(self)

        self.assertEqual(errors._text_of(Endless()), "an error that is nested too deeply")

    def test_the_worker_of_a_program(self) -> None:
        self.assertRaises(AttributeError, getattr, served, "no_such_name")
        with Executor("p", path="/nowhere") as executor:
            self.assertRaisesRegex(ValueError, "chunksize", executor.map, len, ["a"], chunksize=0)

    def test_hooks_of_a_worker(self) -> None:
        worker = Worker()

        @worker.on_start
        def begin() -> None: ...

        @worker.on_shutdown
        def finish() -> None: ...

        self.assertEqual((worker.hooks.start, worker.hooks.shutdown), (begin, finish))

    def test_what_a_worker_could_not_import(self) -> None:
        def inner() -> None: ...

        other = mock.Mock(__module__="json", __qualname__="dumps")
        gone = mock.Mock(__module__="json", __qualname__="nowhere.at_all")
        for target, words in ((inner, "at the top"), (other, "something else"), (gone, "something else")):
            self.assertRaisesRegex(ValueError, words, serving._describe, target)

    def test_a_daemon_that_ended(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            Path(place, "log").write_text("what it said last\n")
            for status, kind in ((os.EX_CONFIG, ValueError), (-9, errors.InitializationError)):
                failure = serving._failure(status, Path(place))
                self.assertIs(type(failure), kind)
                self.assertIn("what it said last", str(failure))

    def test_a_time_of_messagepack_beside_other_types(self) -> None:
        time = msgpack.Timestamp(5, 6)
        self.assertEqual(wire.pack([Path("/a"), time])[-len(msgpack.packb(time)):], msgpack.packb(time))


if __name__ == "__main__":
    unittest.main()
