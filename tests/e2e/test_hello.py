"""The first words of a connection, and requests that are refused because they are wrong."""

from __future__ import annotations

from harness import TOOLBOX, DaemonTest, pool, static_pool
from raw import pack

FEATURES = ["cancel", "meta", "priority", "session", "key", "fallback", "stream", "events", "closing"]


class Hello(DaemonTest):
    """poold.hello"""

    def test_what_the_daemon_says_of_itself(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX), message_max="1M", response_max="2M", in_flight_max=7
        )
        found = daemon.connect().call("poold.hello", {"client": "e2e", "version": "1"})
        self.assertEqual(
            set(found), {"server", "version", "protocol", "errors", "features", "limits"}
        )
        self.assertEqual((found["server"], found["protocol"]), ("poold", 1))
        self.assertEqual(found["errors"], "stock")
        self.assertEqual(found["version"], daemon.ask("poold.version")["version"])
        self.assertEqual(found["features"], FEATURES)
        self.assertEqual(
            found["limits"],
            {"message_max": 1 << 20, "response_max": 2 << 20, "in_flight_max": 7},
        )

    def test_one_map_and_no_more(self) -> None:
        client = self.start(static_pool("s", answer="1")).connect(map_errors=True)
        for params in ([{}, {}], [5]):
            self.assertEqual(client.answer("poold.hello", *params).code, "invalid_request", params)
        self.assertEqual(client.call("poold.subscribe", ["stall"], None)["kinds"], ["stall"])

    def test_everything_is_optional(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        self.assertEqual(client.call("poold.hello")["errors"], "stock")
        self.assertEqual(client.call("poold.hello", {})["errors"], "stock")

    def test_errors_come_as_asked(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        answer = client.answer_pool("nowhere", "echo")
        self.assertRegex(answer.error[1], r"^unknown_pool: ")
        self.assertEqual(client.call("poold.hello", {"errors": "map"})["errors"], "map")
        self.assertEqual(client.answer_pool("nowhere", "echo").error["code"], "unknown_pool")
        self.assertEqual(client.call("poold.hello", {"errors": "stock"})["errors"], "stock")
        self.assertIsInstance(client.answer_pool("nowhere", "echo").error, list)

    def test_one_connection_does_not_speak_for_another(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.connect(map_errors=True)
        self.assertIsInstance(daemon.connect().answer("poold.nothing").error, list)

    def test_wrong_hello_is_refused(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        for params in ([{"errors": "loud"}], [{"errors": 1}], ["map"], [5], [{5: 6}]):
            with self.subTest(params=params):
                self.assert_code(client.answer("poold.hello", *params), "invalid_request")
        self.assertEqual(client.call("poold.hello")["errors"], "stock")


class Refusals(DaemonTest):
    """What is wrong is refused with the reason, and the connection lives on."""

    def test_names(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        cases = [
            ("poold.call", ["nowhere", "echo", []], "unknown_pool"),
            ("poold.call", ["", "echo", []], "unknown_pool"),
            ("poold.call", ["poold", "health", []], "unknown_pool"),
            ("poold.call", ["tools" * 50, "echo", []], "unknown_pool"),
            ("nowhere.echo", [], "unknown_pool"),
            ("poold.nothing", [], "unknown_method"),
            ("poold.", [], "unknown_method"),
            ("poold", [], "unknown_method"),
            ("echo", [], "unknown_method"),
            ("", [], "unknown_method"),
            ("tools.nothing", [], "unknown_method"),
            ("poold.call", ["tools", "nothing", []], "unknown_method"),
        ]
        for method, params, code in cases:
            with self.subTest(method=method, params=params):
                answer = client.answer(method, *params)
                self.assert_code(answer, code)
                self.assertEqual(answer.error["executed"], "no")

    def test_call_with_wrong_parameters(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        cases: list[list[object]] = [
            [],
            ["tools"],
            ["tools", "echo"],
            [1, "echo", []],
            ["tools", 2, []],
            [b"tools", None, []],
            ["tools", "echo", [], []],
            ["tools", "echo", [], "options"],
            ["tools", "echo", [], {}, "one more"],
        ]
        for params in cases:
            with self.subTest(params=params):
                self.assert_code(client.answer("poold.call", *params), "invalid_request")
        self.assertEqual(client.call_pool("tools", "echo", ["still here"]), "still here")

    def test_options_that_are_wrong_are_named(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        wrong: dict[str, tuple[object, ...]] = {
            "timeout_ms": (0, -1, 1.5, "1", None, True),
            "meta": (1, "yes", None),
            "idempotent": (1, "yes", None),
            "priority": ("urgent", 1, "", None),
            "max_attempts": (0, -1, 1.5, "1"),
            "trace": (5, "x" * 257),
            "tracestate": (5, None, "x" * 513),
            "session": ("", 5, b"s", None, "x" * 129, "\udcff"),
            "session_create": (1, "yes", None),
            "key": ("", 5, b"k", None, "x" * 129, "\udcff"),
            "fallback": (0, "no", None),
            "stream": (1, "yes", None),
            "restartable": (1, "yes", None),
            "no_such_option": (1,),
        }
        for option, values in wrong.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    answer = client.answer_pool("tools", "echo", [], **{option: value})
                    self.assert_code(answer, "invalid_request")
                    self.assertIn(option, answer.error["message"])

    def test_options_that_change_nothing_here_are_taken(self) -> None:
        """The longest names, and what a pool without a chain or a stream has no use for."""
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        fine = {
            "session": ("s", "x" * 128),
            "session_create": (True,),
            "key": ("k", "y" * 128),
            "fallback": (True, False),
            "stream": (True, False),
            "restartable": (True, False),
        }
        for option, values in fine.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    found = client.call_pool("tools", "echo", ["x"], **{option: value})
                    self.assertEqual(found, "x")

    def test_option_keys_must_be_text(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect(map_errors=True)
        self.assert_code(
            client.answer("poold.call", "tools", "echo", [], {5: 1}), "invalid_request"
        )

    def test_the_stock_shape_says_the_same(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        answer = client.answer_pool("tools", "echo", [], timeout_ms=0)
        self.assertEqual(answer.error[0], 0)
        self.assertRegex(answer.error[1], r"^invalid_request: .*timeout_ms")

    def test_the_longest_trace_and_name(self) -> None:
        client = self.start(pool("tools", TOOLBOX)).connect()
        found = client.call_pool("tools", "attempt", [], trace="x" * 256)
        self.assertEqual(found["trace"], "x" * 256)
        self.assert_code(client.answer_pool("tools", "m" * 200), "unknown_method")

    def test_reading_methods_take_no_parameters(self) -> None:
        """Whatever is passed to them, they answer or refuse, and the connection lives on."""
        client = self.start(pool("tools", TOOLBOX)).connect()
        for method in ("health", "status", "metrics", "stats", "pools", "workers", "version"):
            with self.subTest(method=method):
                answer = client.answer(f"poold.{method}", 1, {})
                self.assertIn(answer.code, (None, "invalid_request"))
        client.check_quiet()

    def test_a_call_is_a_request(self) -> None:
        """poold.call as a notification asks for nothing, as nobody could be answered."""
        daemon = self.start(pool("tools", TOOLBOX))
        client = daemon.connect()
        client.send(pack([2, "poold.call", ["tools", "echo", []]]))
        client.check_quiet()
        self.assertEqual(daemon.counters("tools")["requests"], 0)
