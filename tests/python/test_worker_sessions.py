"""Session classes, as a real process over a socket pair."""

from __future__ import annotations

import unittest

import poold
from support import WorkerProcess


class TestSessionClasses(unittest.TestCase):
    def setUp(self) -> None:
        self.worker = self.enterContext(WorkerProcess("kept"))

    def ask(self, method: str, *args: object, session: str = "s", state: bytes | None = None,
            **context: object) -> tuple[object, object]:
        """(result or error, state that was handed back or "none")."""
        if state is not None:
            context["state"] = state
        self.worker.ask(1, method, list(args), session=session, **context)
        handed: object = "none"
        while (message := self.worker.read())[0] != 1:
            if message[1] == "state":
                handed = message[2][1]
        return message[2] or message[3], handed

    def test_an_instance_for_each_session(self) -> None:
        self.assertEqual(self.ask("add", "tea", session="a"), (1, b'["tea"]'))
        self.assertEqual(self.ask("add", "milk", session="b"), (1, b'["milk"]'))
        self.assertEqual(self.ask("add", "pie", session="a", state=b'["tea"]')[0], 2)
        self.assertEqual(self.ask("count_made"), (2, "none"))
        self.assertEqual(self.ask("name"), ("Cart", "none"))

    def test_a_session_that_comes_from_elsewhere(self) -> None:
        self.assertEqual(self.ask("show", state=b'["tea"]'), (["tea"], "none"))
        self.assertEqual(self.ask("add", "pie", state=b'["tea"]'), (2, b'["tea", "pie"]'))
        # It went on elsewhere meanwhile, and has come back.
        self.assertEqual(self.ask("show", state=b'["milk"]'), (["milk"], "none"))

    def test_a_failed_call_leaves_nothing_behind(self) -> None:
        self.ask("add", "tea")
        error, handed = self.ask("add_and_fail", "pie", state=b'["tea"]')
        self.assertEqual((error["message"], handed), ("after it was changed", "none"))
        self.assertEqual(self.ask("show", state=b'["tea"]')[0], ["tea"])

    def test_a_state_that_was_not_committed(self) -> None:
        self.ask("add", "tea")
        self.assertEqual(self.ask("show")[0], [])

    def test_a_state_that_cannot_be_said(self) -> None:
        self.ask("add", "tea")
        error, handed = self.ask("spoil", state=b'["tea"]')
        self.assertEqual((error["type"], handed), ("TypeError", "none"))
        self.assertEqual(self.ask("show", state=b'["tea"]')[0], ["tea"])
        error, _ = self.ask("show", session="t", state=b"no JSON")
        self.assertEqual(error["type"], "json.decoder.JSONDecodeError")

    def test_streams(self) -> None:
        self.assertEqual(self.ask("add_each", "tea", "pie", stream=True), (2, b'["tea", "pie"]'))
        self.assertEqual(self.ask("add_each", "milk", session="t"), (["milk"], b'["milk"]'))

    def test_the_end_of_a_session(self) -> None:
        self.assertEqual(self.ask("increase", 5)[0], 5)
        self.worker.send([2, "session_end", ["s", "closed"]])
        self.assertEqual(self.ask("increase", 5)[0], 5)

    def test_kept_in_memory_alone(self) -> None:
        self.assertEqual(self.ask("increase"), (1, "none"))
        self.assertEqual(self.ask("increase_and_fail")[1], "none")
        self.assertEqual(self.ask("increase", 2), (4, "none"))

    def test_without_a_session(self) -> None:
        error = self.worker.fail("add", ["tea"])
        self.assertEqual(error["code"], "rejected")
        self.assertIn("add belongs to a session", error["message"])

    def test_arguments_are_checked(self) -> None:
        error, _ = self.ask("add")
        self.assertEqual(error["code"], "rejected")
        self.assertIn("add(item): missing a required argument: 'item'", error["message"])

    def test_what_is_not_served(self) -> None:
        for name in ("save_state", "load_state", "hidden", "Cart"):
            self.assertEqual(self.worker.fail(name, [])["code"], "unknown_method")

    def test_a_failure_shows_the_users_code_first(self) -> None:
        error, _ = self.ask("add_and_fail", "x")
        self.assertIn("kept.py", error["traceback"].splitlines()[1])

    def test_asynchronous_methods(self) -> None:
        self.assertEqual(self.ask("append", "a"), ("a", b"a"))
        self.assertEqual(self.ask("append_and_fail", "b", state=b"a")[1], "none")
        self.assertEqual(self.ask("append", "c", state=b"a"), ("ac", b"ac"))
        self.assertEqual(self.ask("append_each", "d", "e", state=b"ac"), (["d", "e"], b"acde"))

    def test_one_class_by_name(self) -> None:
        with WorkerProcess("kept:Counter") as worker:
            worker.ask(1, "increase", [], session="s")
            self.assertEqual(worker.answer(1), (None, 1))
            self.assertEqual(worker.fail("add", [])["code"], "unknown_method")

    def test_both_hooks_or_none(self) -> None:
        class Half:
            def save_state(self) -> bytes:
                return b""

        self.assertRaises(TypeError, poold.session_class, Half)

    def test_by_decorator_of_a_worker(self) -> None:
        worker = poold.Worker()

        @worker.session_class
        class Pot:
            def fill(self, by: int) -> None:
                pass

        self.assertEqual(list(worker.functions), ["fill"])


if __name__ == "__main__":
    unittest.main()
