"""The error tree and how it is read off the wire."""

from __future__ import annotations

import json
import pickle
import re
import unittest

import poold
from poold import errors
from support import ROOT


class TestTable(unittest.TestCase):
    def test_it_is_the_protocols_table(self) -> None:
        text = (ROOT / "protocol" / "errcode.def").read_text()
        rows = re.findall(r"^CODE\((\w+), (\w+), (\w+), (\w+),", text, re.MULTILINE)
        self.assertGreater(len(rows), 30)
        theirs = {
            code: (f"{category}_error", severity.lower(), strategy.lower())
            for code, category, severity, strategy in rows
        }
        self.assertEqual(errors.CODES, theirs)

    def test_each_category_has_a_class_and_each_class_a_code_of_its_own(self) -> None:
        self.assertEqual({row[0] for row in errors.CODES.values()}, set(errors.CATEGORIES))
        for category, kind in errors.CATEGORIES.items():
            self.assertEqual(errors.CODES[kind.code][0], category)
            self.assertEqual(kind("text").category, category)

    def test_every_class_is_public(self) -> None:
        for kind in [*errors.CATEGORIES.values(), *errors.SPECIFIC.values()]:
            self.assertIs(getattr(poold, kind.__name__), kind)
            self.assertIn(kind.__name__, poold.__all__)


class TestFromWire(unittest.TestCase):
    def test_map(self) -> None:
        raw = {
            "code": "worker_killed",
            "category": "connection_error",
            "severity": "critical",
            "strategy": "backoff_retry",
            "message": "the worker was killed",
            "retryable": True,
            "retry_after_ms": 250,
            "executed": "maybe",
            "request": 17,
            "pool": "python",
            "worker": 3,
            "attempt": 2,
            "attempts": [{"pool": "python", "worker": 1}, {"pool": "python", "worker": 3}],
            "detail": {"signal": 9},
            "a_later_field": 1,
        }
        error = errors.from_wire(raw)
        self.assertIs(type(error), poold.PoolConnectionError)
        self.assertEqual(
            (error.code, error.category, error.severity, error.strategy),
            ("worker_killed", "connection_error", "critical", "backoff_retry"),
        )
        self.assertEqual((error.retryable, error.retry_after), (True, 0.25))
        self.assertEqual((error.executed, error.pool, error.worker), ("maybe", "python", 3))
        self.assertEqual((error.attempt, len(error.attempts)), (2, 2))
        self.assertEqual((error.detail, error.raw), ({"signal": 9}, raw))
        self.assertEqual(str(error), "worker_killed: the worker was killed")

    def test_every_field_of_the_map(self) -> None:
        vectors = json.loads((ROOT / "protocol" / "vectors" / "client.json").read_text())
        raw = next(
            each["message"][2]
            for each in vectors["cases"]
            if each["name"] == "error_map_every_field"
        )
        raw |= {"queue_depth": 7, "circuit": "half_open"}
        error = errors.from_wire(raw)
        self.assertIs(type(error), poold.SessionError)
        # Times stand in the map alone.
        for field in raw.keys() - {"retry_after_ms", "elapsed_ms", "queue_ms", "run_ms"}:
            with self.subTest(field):
                self.assertEqual(getattr(error, field), raw[field])
        self.assertEqual(error.raw, raw)
        bare = errors.from_wire({"code": "internal"})
        for field in ("request", "adapter", "pid", "method", "session", "circuit", "queue_depth",
                      "outcome"):
            self.assertIsNone(getattr(bare, field))

    def test_class_of_each_code(self) -> None:
        for code, (category, severity, strategy) in errors.CODES.items():
            expected = errors.SPECIFIC.get(code, errors.CATEGORIES[category])
            for value in ({"code": code, "message": "why"}, [0, f"{code}: why"], f"{code}: why"):
                error = errors.from_wire(value)
                self.assertIs(type(error), expected)
                self.assertEqual((error.code, error.message), (code, "why"))
                found = (error.category, error.severity, error.strategy)
                self.assertEqual(found, (category, severity, strategy))

    def test_worker_exception(self) -> None:
        detail = {"type": "ValueError", "message": "no", "traceback": "Traceback..."}
        error = errors.from_wire(
            {"code": "exception", "message": "ValueError: no", "detail": detail}
        )
        self.assertIs(type(error), poold.WorkerException)
        self.assertEqual((error.type, error.message), ("ValueError", "no"))
        self.assertEqual(error.traceback, "Traceback...")
        self.assertEqual(str(error), "exception: ValueError: no")
        bare = errors.from_wire({"code": "exception", "message": "broke"})
        self.assertEqual((str(bare), bare.type, bare.traceback), ("exception: broke", "", ""))

    def test_codes_of_a_newer_daemon(self) -> None:
        error = errors.from_wire({"code": "new_code", "category": "resource_error"})
        self.assertIs(type(error), poold.ResourceError)
        self.assertEqual(error.code, "new_code")
        error = errors.from_wire({"code": "new_code", "category": "new_error"})
        self.assertIs(type(error), poold.Error)

    def test_other_shapes(self) -> None:
        """An error without a code is an exception, as it is for libpoold."""
        for value, message in (
            ("odd text", "odd text"),
            ("", ""),
            ([0, "a: b"], "a: b"),
            ([1, 2, 3], "[1, 2, 3]"),
            (5, "5"),
            ({}, ""),
            ({"code": 5, "message": "why"}, "why"),
            ({"code": "", "message": "why"}, "why"),
            ({"detail": 3, "attempts": 4}, ""),
        ):
            with self.subTest(value):
                error = errors.from_wire(value)
                self.assertIs(type(error), poold.WorkerException)
                self.assertEqual((error.code, error.category), ("exception", "application_error"))
                self.assertEqual(error.message, message)
                self.assertIsNone(error.retry_after)

    def test_a_code_before_a_colon(self) -> None:
        for value, message in (("shed:now", "now"), ("shed:", ""), ([0, "shed: a: b"], "a: b")):
            error = errors.from_wire(value)
            self.assertEqual((error.code, error.message), ("shed", message))


class TestObjects(unittest.TestCase):
    def test_pickle(self) -> None:
        raw = {"code": "shed", "message": "later", "retry_after_ms": 100, "detail": {"a": 1}}
        for error in (errors.from_wire(raw), poold.Rejected("no"), poold.WorkerException("x")):
            copy = pickle.loads(pickle.dumps(error))
            self.assertIs(type(copy), type(error))
            self.assertEqual(copy.__dict__, error.__dict__)
        copy = pickle.loads(pickle.dumps(poold.Retryable("busy", after=2)))
        self.assertEqual((str(copy), copy.after), ("busy", 2))

    def test_raised_on_purpose(self) -> None:
        self.assertEqual(poold.Rejected("no").code, "rejected")
        self.assertEqual(poold.Retryable("busy").after, None)

    def test_severity_of_those_raised_on_purpose(self) -> None:
        for kind in (poold.Retryable, poold.Fatal, poold.Rejected):
            for word in ("warning", "minor", "major", "critical"):
                error = kind("why", severity=word)
                self.assertEqual((error.severity, str(error)[-3:]), (word, "why"))
                self.assertEqual(pickle.loads(pickle.dumps(error)).severity, word)
            for word in ("odd", "Major", "", 1):
                with self.assertRaisesRegex(ValueError, "warning, minor, major or critical"):
                    kind("why", severity=word)
        self.assertIsNone(poold.Retryable("why").severity)
        self.assertIsNone(poold.Fatal("why").severity)
        self.assertEqual(poold.Rejected("why").severity, "warning")
        # What a daemon of a later version says is taken as it is.
        self.assertEqual(errors.from_wire({"code": "rejected", "severity": "new"}).severity, "new")

    def test_subclasses_that_do_not_begin_as_theirs(self) -> None:
        class Busy(poold.Retryable):
            def __init__(self) -> None:
                pass

        self.assertEqual((Busy().after, Busy().severity), (None, None))

    def test_unknown_name_of_the_package(self) -> None:
        with self.assertRaises(AttributeError):
            poold.no_such_name
        for name in poold.__all__:
            self.assertIsNotNone(getattr(poold, name))

    def test_version_is_the_projects(self) -> None:
        makefile = (ROOT / "Makefile").read_text()
        pyproject = (ROOT / "client" / "python" / "pyproject.toml").read_text()
        self.assertIn(f"VERSION := {poold.__version__}\n", makefile)
        self.assertIn(f'version = "{poold.__version__}"\n', pyproject)


if __name__ == "__main__":
    unittest.main()
