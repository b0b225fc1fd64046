"""Draws conversations: what clients send to a daemon, and what its workers do about it.

A conversation is a list of moves, which JSON can say:

    ["open", C]                     client C connects, if it is not connected
    ["send", C, HEX, IDS, CLEAN]    it sends these bytes.  IDS are the requests in them, each with the
                                    number that its result must have, or null.  CLEAN: they are whole
                                    messages, as the protocol wants them
    ["read", C]                     it reads what there is
    ["half", C], ["close", C]       it closes the sending side, or leaves
    ["pause", MSEC]
"""

from __future__ import annotations

import random
from typing import Any

import msgpack

Move = list[Any]

CLIENTS = 4
POOLS = ("act", "act", "act", "rpc", "chain", "mock")

# The daemon's methods, each with a way to draw its params; what would end the bystander is not among
# them.
REPORTS = ("health", "status", "metrics", "stats", "pools", "methods", "workers", "breakers", "recoveries",
           "errors", "sessions", "clients", "requests", "alerts", "version", "config", "doctor")
KINDS = ("error", "breaker", "worker", "session", "connection", "retry", "recovery", "failover", "span", "pool")
NAMES = ("a", "b", "cart-17", "x" * 128, "x" * 129, "", "\udcff")


def pack(value: object) -> bytes:
    return msgpack.packb(value, unicode_errors="surrogateescape")


class Talk:
    """Draws one conversation."""

    def __init__(self, seed: object) -> None:
        self.draw = random.Random(f"talk {seed}")
        self.moves: list[Move] = []
        self._id = self.draw.choice((0, 1, 1 << 16, (1 << 32) - 5000))
        self._asked: dict[int, list[int]] = {}

    def make(self) -> list[Move]:
        """All its moves."""
        for _ in range(self.draw.randrange(3, 40)):
            client = self.draw.randrange(CLIENTS)
            word = self.draw.choices(("talk", "read", "half", "close", "pause"), (30, 4, 1, 2, 3))[0]
            if word == "talk":
                self.moves.append(["open", client])
                self._talk(client)
            elif word == "pause":
                self.moves.append(["pause", self.draw.choice((0, 1, 5, 30))])
            else:
                self.moves.append([word, client])
        return self.moves

    def _talk(self, client: int) -> None:
        """Some messages in one piece, or in several, now and then not as they should be."""
        data, ids = b"", []
        for _ in range(self.draw.choice((1, 1, 1, 2, 3, 8))):
            message, one = self._message(client)
            data += message
            ids += one
        if self.draw.random() < 0.12:
            self.moves.append(["send", client, self._spoil(data).hex(), ids, False])
        elif self.draw.random() < 0.15 and len(data) > 1:
            at = self.draw.randrange(1, len(data))
            # The first half holds no whole request: who it belongs to is known with the second.
            self.moves.append(["send", client, data[:at].hex(), [], True])
            self.moves.append(["pause", self.draw.choice((0, 1, 5))])
            self.moves.append(["send", client, data[at:].hex(), ids, True])
        else:
            self.moves.append(["send", client, data.hex(), ids, True])

    def _spoil(self, data: bytes) -> bytes:
        draw = self.draw
        at, to = sorted((draw.randrange(len(data)), draw.randrange(len(data) + 1)))
        return draw.choice((
            lambda: data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :],
            lambda: data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :],
            lambda: data[:at] + data[to:],
            lambda: data[:to] + data[at:],
            lambda: data[:at] + draw.randbytes(draw.randrange(1, 20)) + data[at:],
            lambda: data + data,
            lambda: data[:at],
            lambda: pack(self.value(3)) + data,
        ))()

    def _message(self, client: int) -> tuple[bytes, list[list[Any]]]:
        kind = self.draw.choices(("call", "short", "cancel", "report", "subscribe", "control", "hello", "odd"),
                                 (30, 4, 6, 6, 2, 3, 3, 2))[0]
        if kind == "cancel":
            asked = self._asked.get(client) or [7]
            params = [self.draw.choice(asked)] if self.draw.random() < 0.9 else [self.value(2)]
            return pack([2, "poold.cancel", params]), []
        if kind == "odd" and self.draw.random() < 0.3:
            return pack([2, self.draw.choice(("poold.call", "nothing", "x" * 255)), [self.value(2)]]), []
        method, params, number = getattr(self, f"_{kind}")()
        self._id += 1
        self._asked.setdefault(client, []).append(self._id)
        return pack([0, self._id, method, params]), [[self._id, number]]

    # --- what is asked -----------------------------------------------------------------------------

    def _call(self) -> tuple[str, list, int | None]:
        pool = self.draw.choice(POOLS) if self.draw.random() < 0.97 else self.draw.choice(("none", "", "poold"))
        number, plan = self._plan()
        options = self._options()
        params = [pool, self.draw.choice(("play", "m" * 255, "ping")), plan, options]
        known = None if {"key"} & options.keys() or pool in ("chain", "mock") else number
        if self.draw.random() < 0.02:
            params[self.draw.randrange(4)] = self.value(2)
            known = None
        return "poold.call", params if options or self.draw.random() < 0.5 else params[:3], known

    def _short(self) -> tuple[str, list, int | None]:
        number, plan = self._plan()
        return f"{self.draw.choice(('act', 'rpc'))}.play", [plan], number

    def _report(self) -> tuple[str, list, None]:
        params = self.draw.choice(([], [], [], [self.value(2)], ["act"], [{"limit": self.value(1)}], [None, None]))
        return f"poold.{self.draw.choice(REPORTS)}", params, None

    def _subscribe(self) -> tuple[str, list, None]:
        kinds: Any = self.draw.choice((None, [], [self.draw.choice(KINDS)], list(KINDS), self.value(2)))
        options = self.draw.choice(({}, {"since": 0}, {"since": self.value(1)}, {"epoch": 1, "since": 5}, self.value(1)))
        return "poold.subscribe", self.draw.choice(([], [kinds], [kinds, options])), None

    def _control(self) -> tuple[str, list, None]:
        draw, pool = self.draw, self.draw.choice(("act", "rpc", "chain", "none", self.value(1)))
        word = draw.choice(("breaker_reset", "breaker_open", "breaker_disable", "breaker_observe", "restart_workers",
                            "resize", "kill_worker", "stack", "drain", "resume", "session_close", "alert_test",
                            "alert_silence", "request_cancel", "recovery_cancel"))
        params: list[Any] = [pool]
        if word == "resize":
            params.append(draw.choice((0, 1, 2, 3, self.value(1))))
        elif word in ("kill_worker", "stack"):
            params += [draw.choice((0, 1, 2, 3, 4, self.value(1)))]
        elif word == "session_close":
            params = [draw.choice(NAMES)]
        elif word.startswith("alert"):
            params = [draw.choice(("error_share", "loop_lag", "none")), draw.choice((1, 0, self.value(1)))]
        elif word.endswith("_cancel"):  # of others' requests there are small numbers only
            params = [draw.choice((1 << 40, -1, "x", None))]
        if draw.random() < 0.1:
            params = [self.value(2)] * draw.randrange(3)
        return f"poold.{word}", params, None

    def _hello(self) -> tuple[str, list, None]:
        who = {"client": self.draw.choice(("talk", "x" * 500, self.value(1))), "errors": self.draw.choice(("map", "stock", 1)),
               "closing": self.draw.choice((True, False, 1))}
        return "poold.hello", self.draw.choice(([], [{}], [who], [{"errors": "map"}], [self.value(2)])), None

    def _odd(self) -> tuple[str, list, None]:
        method = self.draw.choice(("", ".", "a.", ".a", "poold.", "poold.none", "none.x", "act", "x" * 255, "\udcff.x"))
        return method, [self.value(3)], None

    def _options(self) -> dict[Any, Any]:
        """Always with a time limit, as a conversation must end."""
        draw = self.draw
        options: dict[Any, Any] = {"timeout_ms": draw.choice((1, 20, 100, 300))}
        for name, values in (
            ("idempotent", (True, False)), ("max_attempts", (1, 2, 10)), ("priority", ("critical", "normal", "sheddable")),
            ("trace", ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "t", "")), ("tracestate", ("v=1",)),
            ("meta", (True, False)), ("session", NAMES), ("session_create", (True, False)), ("key", NAMES),
            ("fallback", (True, False)), ("stream", (True, False)), ("restartable", (True, False)),
        ):
            if draw.random() < 0.2:
                options[name] = draw.choice(values) if draw.random() < 0.95 else self.value(1)
        if draw.random() < 0.02:
            options[draw.choice(("unknown", 3, None))] = 1
        return options

    # --- what a worker does ------------------------------------------------------------------------

    def _plan(self) -> tuple[int, list]:
        """A number, and what is to be done before it is answered."""
        number = self.draw.randrange(1 << 30, 1 << 31)
        return number, [number, [self._deed(number) for _ in range(self.draw.choice((0, 0, 1, 1, 2, 4)))]]

    def _deed(self, number: int) -> list:
        draw = self.draw
        kind = draw.choices(("good", "note", "error", "slow", "bad", "end"), (10, 8, 4, 4, 4, 2))[0]
        if kind == "good":
            return draw.choice((["respond", number], ["pieces", number, draw.randrange(1, 9)]))
        if kind == "note":
            name = draw.choice(("chunk", "chunk", "state", "started", "alive", "step", "none", "ready"))
            if draw.random() < 0.15:
                return ["big", draw.choice(("chunk", "state")), draw.choice((70_000, 300_000))]
            value = draw.choice((None, b"state", self.value(2), "part"))
            return ["note", name, value, draw.choice((1, 1, 2, 20))]
        if kind == "error":
            codes = ("exception", "rejected", "unknown_method", "encode_error", "response_too_large", "cancelled", "odd")
            known = {"code": draw.choice(codes), "message": "m", "retryable": draw.choice((True, False, 1)),
                     "retry_after_ms": draw.choice((0, 5, -1)), "severity": draw.choice(("minor", "x")),
                     "fatal": draw.random() < 0.1}
            some = {key: known[key] for key in known if draw.random() < 0.6}
            return ["error", draw.choice((some, "text", [0, "text"], self.value(2) or False))]
        if kind == "slow":
            return draw.choice((["wait", draw.choice((1, 10, 60, 150))], ["silent"], ["say", b"a line\n"]))
        if kind == "bad":
            message = draw.choice(([1, 99, None, 1], [0, 7, "poold.health", []], [2, "ready", []], [3, 4], self.value(3)))
            return draw.choice((["stray", message], ["raw", draw.randbytes(draw.randrange(1, 40))],
                                ["half", draw.randrange(1, 100)]))
        return draw.choice((["leave", draw.choice((0, 1))], ["die", draw.choice((9, 11, 15))], ["hang_up"]))

    def value(self, depth: int) -> Any:
        """Any value."""
        draw = self.draw
        leaf = draw.choice((None, True, 0, -1, 1 << 32, 1.5, "", "text", "\udcff", b"", b"\xc1\x00", "x" * 300,
                            msgpack.ExtType(112, b"\xa1\x07"), 1 << 63))
        if depth == 0 or draw.random() < 0.5:
            return leaf
        some = [self.value(depth - 1) for _ in range(draw.randrange(4))]
        return some if draw.random() < 0.6 else {str(at): one for at, one in enumerate(some)}


def crossed(seed: object, first: list[Move], second: list[Move]) -> list[Move]:
    """The beginning of one conversation, and the end of another, with some moves left out, said again,
    or in another place."""
    draw = random.Random(f"crossed {seed}")
    moves = first[: draw.randrange(len(first) + 1)] + second[draw.randrange(len(second)) :]
    for _ in range(draw.randrange(4)):
        if not moves:
            break
        at, to = draw.randrange(len(moves)), draw.randrange(len(moves))
        draw.choice((
            lambda: moves.pop(at),
            lambda: moves.insert(to, moves[at]),
            lambda: moves.insert(to, moves.pop(at)),
        ))()
    return [_soiled(move) if move[0] == "send" else move for move in moves]


def _soiled(move: Move) -> Move:
    """Ids may come twice now, and halves of messages alone: nothing exact is expected."""
    return [*move[:4], False]
