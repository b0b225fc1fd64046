"""Exceptions of a worker's code are answered, whatever they are."""

from __future__ import annotations

import unittest

from support import WorkerProcess

TEXT_MAX = 16 * 1024


class Failures:
    target = ""

    def setUp(self) -> None:
        self.worker = self.enterContext(WorkerProcess(self.target))
        self.kinds, self.things, self.classes = self.worker.call("names")

    def tearDown(self) -> None:
        self.assertEqual(self.worker.call("pid"), self.worker.process.pid)

    def check(self, error: dict, kind: str) -> None:
        """Each is a right answer; constructors of poold may refuse what makes no sense."""
        self.assertIn(error["code"], ("exception", "rejected"), (kind, error))
        for key in ("type", "message", "traceback"):
            text = error.get(key, "")
            self.assertIsInstance(text, str)
            self.assertLessEqual(len(text.encode()), TEXT_MAX)
        if error["code"] == "exception":
            self.assertTrue(error["type"])
        after = error.get("retry_after_ms", 0)
        self.assertTrue(type(after) is int and 0 <= after < 2**32, error)

    def test_anything_in_any_argument(self) -> None:
        for kind in self.kinds:
            for thing in self.things:
                with self.subTest(kind=kind, thing=thing):
                    error = self.worker.fail("fail", [kind, thing])
                    self.check(error, kind)
                    if kind == "rejected":
                        self.assertEqual(error["code"], "rejected")
                    if kind in ("retryable", "after"):
                        self.assertIs(error["retryable"], True)

    def test_its_text_is_not_lost(self) -> None:
        for thing, text in (("exception", "invalid literal"), ("dict", "'field': 'name'"),
                            ("number", "404"), ("surrogate", "half "), ("text", "odd")):
            for kind in ("rejected", "retryable", "plain"):
                with self.subTest(kind=kind, thing=thing):
                    self.assertIn(text, self.worker.fail("fail", [kind, thing])["message"])

    def test_delays(self) -> None:
        for thing, after in (("infinite", 2**32 - 1), ("nan", None), ("large", None), ("dict", None),
                             ("decimal", 250), ("negative", 0), ("number", 404_000)):
            with self.subTest(thing):
                error = self.worker.fail("fail", ["after", thing])
                self.assertEqual(error.get("retry_after_ms"), after)

    def test_classes_of_all_kinds(self) -> None:
        for name in self.classes:
            with self.subTest(name):
                error = self.worker.fail("fail_by", [name])
                self.check(error, name)
                if name == "own rejected":
                    self.assertEqual((error["code"], error["message"]), ("rejected", "name"))
                if name in ("own retryable", "property"):
                    self.assertIs(error["retryable"], True)

    def test_causes(self) -> None:
        for thing in self.things:
            with self.subTest(thing):
                error = self.worker.fail("fail_from", ["retryable", thing])
                self.check(error, thing)
                self.assertEqual(error["message"], "after it")

    def test_in_a_stream(self) -> None:
        for thing in self.things:
            with self.subTest(thing):
                self.worker.ask(1, "parts", ["rejected", thing], stream=True)
                found = [self.worker.read() for _ in range(3)]
                self.assertEqual(found[1], [2, "chunk", [1, 1]])
                self.assertEqual(found[2][2]["code"], "rejected")


class TestPlain(Failures, unittest.TestCase):
    target = "odd.raising"


class TestAsync(Failures, unittest.TestCase):
    target = "odd.raising:asynchronous"


if __name__ == "__main__":
    unittest.main()
