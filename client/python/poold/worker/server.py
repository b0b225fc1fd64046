"""The loop of a worker with plain functions, which it calls one at a time."""

from __future__ import annotations

import _thread  # `threading` would cost a millisecond of every start
import faulthandler
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from types import GeneratorType

from poold import wire
from poold.codec import Arguments
from poold.worker import current, forks
from poold.worker.channel import SetupError, ignore_interrupts, tell_step
from poold.worker.ending import end, open_standard_files
from poold.worker.failures import (
    cancelled,
    complain,
    describe,
    SIZED,
    least_size,
    response_max,
    too_large,
    undecodable,
    unencodable,
    unknown_method,
)
from poold.worker.functions import Function, Hooks, find
from poold.worker.link import Link
from poold.worker.recalls import Recalls

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any

    from poold.worker.page import Page

    # A request's message, when it had been read, the state that is handed back (as in
    # current.Current), and when the request began.
    Current = tuple[list[Any], float, list[object], float]

# After a request that ran longer than this (seconds), the socket is read before the next request
# begins, which may have been cancelled meanwhile; the same while the values of a generator are
# collected.
LOOK_AFTER = 0.001

# While a request runs, the interval (seconds) of messages to the daemon that this worker is alive.
BEAT = 1.0

# A deadline counts from when a request was read, which was a moment after it was sent (seconds).
CLOCK_SLACK = 0.05

# An answer up to this size (bytes) is copied together with what follows it into one write.
JOIN_SIZE = 64 * 1024

# On this signal, the stack traces of all threads are written to standard error.  The kernel ignores
# it where nobody handles it, so it does no harm after the worker's code has reset its signals.
STACK_SIGNAL = signal.SIGURG


class Stopped(Exception):
    """Ends the request of a generator with an error that the generator did not raise."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.error = error


class Terminated(BaseException):
    """SIGTERM came while nothing ran, or while a cancelled request ran."""


class Server:
    """Serves one request at a time, in the main thread.

    Everything here runs in that thread except `_watch`, which must not change the state of this
    class.
    """

    def __init__(
        self,
        functions: dict[str, Function],
        hooks: Hooks,
        channel: socket.socket,
        recall: socket.socket | None = None,
    ) -> None:
        self._functions = functions
        self._hooks = hooks
        self._link = Link(channel)
        self._page = self._take_page(recall)
        self._recalls = None if recall is None else Recalls(recall)
        self._decoder = wire.Decoder()
        self._packer = wire.packer()
        self._response_max = response_max()
        # Of an answer that is written at once.  Without a page it goes with the next `started`.
        short_max = min(self._link.short_max, self._response_max)
        self._short_max = -1 if self._page is None else short_max
        self._requests: deque[list[Any]] = deque()  # in hand and not begun; also ends of sessions
        self._current: Current | None = None  # the request that is served
        self._unwanted = False  # it was cancelled
        self._credit: int | None = None  # bytes of its chunks that may be sent; None: any number
        self._interruptible = False  # its code runs, not this class's
        self._idle = False  # waiting for the daemon
        self._output = bytearray()  # to be written with whatever is written next
        self._received = 0.0  # when bytes last came
        self._looked = 0.0  # when the clock was last read: the next request begins right after
        self._stopping = False
        self._finished = False
        self._status = 0

    concurrency = 1

    def _take_page(self, recall: socket.socket | None) -> Page | None:
        if recall is None:
            return None
        from poold.worker import page  # `mmap` is needed for nothing else

        return page.take(recall)

    def run(self) -> None:
        """Serves until asked to stop.

        Raises:
            SystemExit: a function raised poold.Fatal.
            Exception: what on_start raised.
        """
        self._prepare()
        current.find_with(self._find_current)
        if self._hooks.start is not None:
            tell_step("on_start")
            self._hooks.start()
        before = signal.signal(signal.SIGTERM, self._on_terminate)
        forks.handles(signal.SIGTERM, before)
        try:
            self._announce()
            self._loop()
        except Terminated:
            pass
        except BaseException as error:
            self._link.end_by(error, "between two requests")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is on its way
        self._finished = True
        if self._hooks.shutdown is not None:
            try:
                self._hooks.shutdown()
            except BaseException as error:
                self._failed_aside("on_shutdown failed", error)
        if self._status:
            sys.exit(self._status)

    def _prepare(self) -> None:
        ignore_interrupts()
        open_standard_files()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.reconfigure(line_buffering=True)  # type: ignore[attr-defined]
            except Exception:
                pass  # closed, detached, none, or anything that the worker's code has put there
        _thread.start_new_thread(self._watch, ())

    def _announce(self) -> None:
        from poold import __version__

        facts: dict[str, object] = {
            "pid": os.getpid(),
            "version": __version__,
            "concurrency": self.concurrency,
            "started" if self._page is None else "page": True,
            "credit": True,
        }
        if self._recalls is not None:
            facts["recall"] = True
        if self._show_stacks():
            facts["stack"] = int(STACK_SIGNAL)
        self._put(wire.pack([wire.NOTIFICATION, "ready", [facts]]))

    def _show_stacks(self) -> bool:
        """Writes stacks at the signal for it, unless the worker's code has a handler for that."""
        if signal.getsignal(STACK_SIGNAL) not in (signal.SIG_DFL, signal.SIG_IGN):
            return False
        faulthandler.register(STACK_SIGNAL, file=2, all_threads=True)
        forks.in_child(lambda: faulthandler.unregister(STACK_SIGNAL))
        return True

    def _failed_aside(self, what: str, error: BaseException) -> None:
        """Code that no request has called has raised this."""
        if self._link.is_child:
            self._link.end_child(error)
        complain(what, error)

    # --- beside the main thread -------------------------------------------------------------------

    def _watch(self) -> None:
        """Exits the process when the daemon goes away, gives requests back to it, and reports to it
        from time to time that this worker is alive while it is busy.
        """
        poll = select.poll()
        poll.register(self._link.number, select.POLLRDHUP)
        recalls = self._recalls_beside()
        if recalls is not None:
            poll.register(recalls.number, select.POLLIN)
        beat = time.monotonic() + BEAT
        while True:
            found = dict(poll.poll(max(0.0, beat - time.monotonic()) * 1000))
            if self._link.number in found:
                break
            try:
                if recalls is not None and found and not self._give_back(recalls):
                    poll.unregister(recalls.number)
                if time.monotonic() >= beat:
                    beat = time.monotonic() + BEAT
                    self._tick()
            except MemoryError:
                pass  # there may be some at the next
        if self._finished:
            return
        if found[self._link.number] & select.POLLNVAL:
            self._link.end_closed()
        os._exit(0)

    def _recalls_beside(self) -> Recalls | None:
        """What the daemon asks for back beside the main thread, which runs a function."""
        return self._recalls

    def _give_back(self, recalls: Recalls) -> bool:
        """Returns whether the daemon may ask for more."""
        answers = recalls.read()
        try:
            for answer in answers or ():
                self._link.write_beside(answer)
        except BaseException as error:
            self._link.end_by(error, "while it gave a request back")
        return answers is not None

    def _tick(self) -> None:
        began = self._oldest()
        if began is None:
            return
        ran = time.monotonic() - began
        if ran > BEAT:
            self._link.beat(wire.pack([wire.NOTIFICATION, "alive", [int(ran * 1000)]]))
        if self._stopping:
            self._nudge()

    def _oldest(self) -> float | None:
        """When what has run longest began; None: nothing runs."""
        found = self._current
        return None if found is None else found[3]

    def _nudge(self) -> None:
        """What was worth finishing when SIGTERM came may be late by now."""
        _thread.interrupt_main(signal.SIGTERM)  # type: ignore[call-arg]

    # --- signals ----------------------------------------------------------------------------------

    def _on_terminate(self, *_: object) -> None:
        """Finishes the running request, unless it was cancelled."""
        self._stopping = True
        if self._idle or (self._interruptible and self._is_unwanted()):
            self._idle = self._interruptible = False
            raise Terminated

    def _is_unwanted(self) -> bool:
        """Only while a function's own code runs: this reads what has come in meanwhile."""
        self._receive(socket.MSG_DONTWAIT)
        return self._unwanted or time.monotonic() > self._deadline()

    def _find_current(self) -> current.Current | None:
        """The request that is served.  Its context is taken out of its params when it is wanted."""
        found = self._current
        return None if found is None else (split(found[0][3])[1], found[1], found[2])

    def _deadline(self) -> float:
        """Of the request that is served."""
        found = self._find_current()
        if found is None:
            return float("inf")
        fields, received, _ = found
        return current.deadline_of(fields, received) - CLOCK_SLACK

    # --- the loop ---------------------------------------------------------------------------------

    def _loop(self) -> None:
        requests = self._requests
        while requests or not self._stopping:
            if self._stopping:
                self._drop_requests()
            if requests:
                message = requests.popleft()
                if message[0] == wire.REQUEST:
                    self._serve(message)
                else:
                    self._end_session(*message[2][:2])
                if requests:
                    self._looked = time.monotonic()
                    if self._looked - self._received > LOOK_AFTER:
                        self._receive(socket.MSG_DONTWAIT)
                continue
            if self._output:
                self._link.flush(self._output)
            self._idle = True
            if not self._stopping:
                self._receive()
            self._idle = False
        self._flush()

    def _drop_requests(self) -> None:
        """Drops requests that have not begun: the daemon gives them to other workers."""
        ends = [each for each in self._requests if each[0] != wire.REQUEST]
        self._requests.clear()
        self._requests.extend(ends)

    def _flush(self) -> None:
        if self._output:
            self._link.flush(self._output)

    def _receive(self, flags: int = 0) -> None:
        """Reads once and handles all received messages; requests wait in `_requests`."""
        try:
            data = self._link.read(wire.READ_SIZE, flags)
            if data is None:
                return
            self._received = self._looked = time.monotonic()
            for message in self._decoder.feed(data):
                if message[0] == wire.REQUEST:
                    # Not a call of a function named ping, whose params are [args, context].
                    if message[2] == "ping" and message[3] == []:
                        self._output += wire.pack([wire.RESPONSE, message[1], None, "pong"])
                    else:
                        self._requests.append(message)
                elif message[0] == wire.NOTIFICATION:
                    self._take_notification(message)
        except Terminated:
            raise
        except wire.Malformed as error:
            end(f"the daemon sent {error}", os.EX_PROTOCOL)
        except BaseException as error:
            self._link.end_by(error, "while it read from the daemon")

    def _take_notification(self, message: list[Any]) -> None:
        _, method, params = message
        if method == "shutdown":
            self._stopping = True
        elif method == "cancel" and isinstance(params, list) and params:
            self._cancel(params[0])
        elif method == "credit" and isinstance(params, list) and len(params) >= 2:
            self._take_credit(params[0], params[1])
        elif method == "session_end" and self._hooks.hears_session_ends():
            if isinstance(params, list) and len(params) >= 2:
                self._requests.append(message)

    def _cancel(self, number: object) -> None:
        if self._is_current(number):
            self._unwanted = True
            return
        for request in self._requests:
            if request[0] == wire.REQUEST and request[1] == number:
                self._requests.remove(request)
                if self._recalls is None or self._recalls.cancel(request[1]):
                    self._fail(request[1], cancelled("before it began"))
                return

    def _take_credit(self, number: object, size: object) -> None:
        if self._credit is not None and self._is_current(number) and type(size) is int:
            self._credit += size

    def _is_current(self, number: object) -> bool:
        return self._current is not None and self._current[0][1] == number

    def _end_session(self, session: str, reason: str) -> None:
        self._flush()
        try:
            self._hooks.end_session(session, reason)
        except BaseException as error:
            self._failed_aside(f"on_session_end for session {session!r} failed", error)

    # --- requests ---------------------------------------------------------------------------------

    def _serve(self, request: list[Any]) -> None:
        """Serves one request; writes its answer, or puts it into `_output`."""
        _, number, method, params = request
        recalls = self._recalls
        if recalls is not None:
            recalls.begun = number
            if recalls.given and not recalls.is_wanted(number):
                return  # it was given back
        # Written with the answer before it, or stored behind it; and before the function is called.
        if self._page is None:
            self._output += self._packer([wire.NOTIFICATION, "started", [number]])
        if self._output:
            self._link.flush(self._output)
        if self._page is not None:
            self._page.begun[0] = number
        result: Any
        function = self._functions.get(method) if type(method) is str else None
        handed: list[object] = []
        self._unwanted = False
        try:
            try:
                self._current = (request, self._received, handed, self._looked)
                if function is None:
                    function = must_find(self._functions, method)
                self._interruptible = True
                if self._stopping and self._is_unwanted():
                    raise Terminated  # the signal came a moment too early
                args = params[0] if type(params) is list and params else split(params)[0]
                if type(args) is list and function.least <= len(args) <= function.most:
                    result = function.target(*args)  # as nearly always
                else:
                    result = call(function, args)
                if type(result) is GeneratorType:
                    self._interruptible = False
                    result = self._drain(number, result, split(params)[1])
            finally:
                self._interruptible = False
                self._current = None
        except BaseException as error:
            return self._fail(number, self._reason(error))
        # Most results are short, and their answers are written at once.
        limit = self._short_max
        if type(result) in SIZED and len(result) > limit:
            return self._answer(number, result, handed)
        try:
            answer = self._packer([wire.RESPONSE, number, None, result])
        except BaseException as error:
            return self._answer(number, result, handed, error)
        if len(answer) > limit or handed:
            return self._send_answer(number, answer, handed)
        self._link.write_short(answer)

    def _reason(self, error: BaseException) -> dict[str, Any]:
        """Why a request failed while it ran."""
        if type(error) is Stopped:
            return error.error
        if type(error) is Terminated:
            return cancelled("while it ran")
        if self._link.is_child:
            self._link.end_child(error)
        return describe(error)

    def _drain(
        self, number: int, values: GeneratorType[Any, Any, Any], fields: dict[Any, Any]
    ) -> object:
        """Returns the result of a generator: the list of its values, or, after they were sent one
        by one, its return value.
        """
        self._credit = credit_of(fields)
        streaming = fields.get("stream") is True
        collected: list[object] = []
        looked = time.monotonic()
        try:
            while True:
                self._interruptible = True
                value = next(values)
                self._interruptible = False
                if streaming or time.monotonic() - looked > LOOK_AFTER:
                    self._receive(socket.MSG_DONTWAIT)
                    self._flush()
                    looked = time.monotonic()
                    if self._unwanted:
                        raise Stopped(cancelled("while it ran"))
                if streaming:
                    self._send_chunk(number, value)
                else:
                    collected.append(value)
        except StopIteration as last:
            return last.value if streaming else collected
        except BaseException:
            self._interruptible = False
            _close(values)
            raise
        finally:
            self._credit = None

    def _send_chunk(self, number: int, value: object) -> None:
        chunk = self._pack_chunk(number, value)
        if self._credit is not None:
            self._wait_for_credit()
            self._credit -= len(chunk) - chunk_overhead(number)
        self._put(chunk)
        self._flush()

    def _pack_chunk(self, number: int, value: object) -> bytes:
        limit = self._response_max
        if least_size(value) > limit:
            raise Stopped(too_large("chunk", least_size(value), limit))
        try:
            chunk = self._pack([wire.NOTIFICATION, "chunk", [number, value]])
        except BaseException as error:
            raise Stopped(unencodable("chunk", value, error)) from None
        if len(chunk) > wire.KEEP_SIZE:
            self._packer = wire.packer()
        if len(chunk) > limit:
            raise Stopped(too_large("chunk", len(chunk), limit))
        return chunk

    def _pack(self, message: list[Any], refusal: BaseException | None = None) -> bytes:
        """Raises what wire.pack raises.  `refusal`: what the packer has raised for this already."""
        try:
            if refusal is not None:
                raise refusal
            return self._packer(message)
        except TypeError:
            return wire.pack_copied(message)
        except BaseException:
            self._packer = wire.packer()
            raise

    def _wait_for_credit(self) -> None:
        """Waits until the caller has read enough of the chunks before; answers pings meanwhile."""
        deadline = self._deadline()
        poll = select.poll()
        poll.register(self._link.number, select.POLLIN)
        while self._credit is not None and self._credit <= 0:
            if self._unwanted or (self._stopping and time.monotonic() > deadline):
                raise Stopped(cancelled("while it ran"))
            if poll.poll(BEAT * 1000):
                self._receive(socket.MSG_DONTWAIT)
                self._flush()

    def _answer(
        self, number: int, result: object, handed: list[Any], refusal: BaseException | None = None
    ) -> None:
        """Answers with the result and the session's state.  `refusal`: as for `_pack`."""
        limit = self._response_max
        if least_size(result) > limit:  # it is not even packed
            return self._fail(number, too_large("result", least_size(result), limit))
        try:
            answer = self._pack([wire.RESPONSE, number, None, result], refusal)
        except BaseException as error:
            return self._fail(number, unencodable("result", result, error))
        self._send_answer(number, answer, handed)

    def _send_answer(self, number: int, answer: bytes, handed: list[Any]) -> None:
        limit = self._response_max
        if len(answer) > wire.KEEP_SIZE:
            self._packer = wire.packer()
        if len(answer) > limit:
            return self._fail(number, too_large("result", len(answer), limit))
        if handed:
            state = wire.pack([wire.NOTIFICATION, "state", [number, handed[0]]])
            if len(state) > limit:
                return self._fail(number, too_large("session's state", len(state), limit))
            self._put(state)
        self._put(answer)

    def _put(self, data: bytes) -> None:
        """Puts a message into `_output`, or writes it if it is large."""
        if len(data) <= JOIN_SIZE:
            self._output += data
        else:
            self._flush()
            self._link.write(data)

    def _fail(self, number: int, error: dict[str, Any]) -> None:
        self._output += wire.pack([wire.RESPONSE, number, error, None])
        if error.get("fatal"):
            self._stopping = True
            self._status = 1


def _close(values: GeneratorType[Any, Any, Any]) -> None:
    try:
        values.close()
    except BaseException as error:
        complain("a generator that was stopped failed", error)


def credit_of(fields: dict[Any, Any]) -> int | None:
    """Bytes of its chunks that a request may send at first; None: the daemon counts none."""
    credit = fields.get("credit")
    return credit if type(credit) is int else None


def chunk_overhead(number: int) -> int:
    """Bytes of a message with a chunk around its value, which alone takes credit."""
    return len(wire.pack([wire.NOTIFICATION, "chunk", [number, None]])) - 1


def split(params: object) -> tuple[object, dict[Any, Any]]:
    """[args, context] taken apart; either may be missing."""
    if not isinstance(params, list):
        return params, {}
    args = params[0] if params else None
    fields = params[1] if len(params) > 1 else None
    return args, fields if isinstance(fields, dict) else {}


def must_find(functions: dict[str, Function], method: object) -> Function:
    """As `find`.

    Raises:
        Stopped: there is none.
    """
    function = find(functions, method)
    if function is None:
        raise Stopped(unknown_method(method, functions))
    return function


def call(function: Function, args: object) -> object:
    """Calls with the protocol's `args`: an array holds positional arguments, a map with string keys
    keyword arguments, an extension value both, nil none; anything else is the one argument.

    Raises:
        Stopped: they cannot be said in Python.
    """
    if function.takes_one and type(args) in _SINGLE:
        return function.target(args)
    if args is None:
        args = []
    elif type(args) is dict and all(type(key) is str for key in args):
        if not function.needed <= args.keys() <= function.known:
            function.check([], args)
        return function.target(**args)
    elif type(args) is Arguments:
        function.check(args.args, args.kwargs)
        return function.target(*args.args, **args.kwargs)
    elif type(args) is wire.Undecodable:
        raise Stopped(undecodable(args))
    elif type(args) is not list:
        args = [args]
    if not function.least <= len(args) <= function.most:
        function.check(args, {})
    return function.target(*args)


# An argument of such a type is the only one.
_SINGLE = frozenset((str, bytes, int, float, bool))

__all__ = ["Server", "SetupError", "call", "chunk_overhead", "credit_of", "split"]
