"""Serve Python functions as a poold worker.

The usual way is to write a module of plain functions and let the daemon run
`python3 -m poold.worker MODULE`.  A program may also say what it serves::

    worker = poold.Worker()

    @worker.function
    def word_count(text: str) -> int:
        return len(text.split())

    worker.serve()

A function gets the caller's arguments and returns anything MessagePack can say.  What it raises
reaches the caller as `poold.WorkerException`, except: `poold.Rejected` (the caller is wrong),
`poold.Retryable` (try again), `poold.Fatal` (this worker is broken: it answers, then ends, and is
replaced).  `poold.context()` tells about the request being served.

A generator function serves streams: where the caller asked for one, each value is sent as soon as
it is yielded and the return value is the result; else the list of values is the result.

Requests of one session belong together.  A worker may keep what it likes for a session in its own
memory, and hand a copy to the daemon (`poold.context().set_state`): the daemon gives it to whoever
serves the session next.  A module's function `on_session_end(session, reason)`, or the one
decorated with `worker.on_session_end`, is told when that memory can go.

Requests are served one after the other in the main thread.  The protocol has a socket of its own,
so print() and reading standard input harm nothing.
"""

from __future__ import annotations

import _thread  # `threading` would cost a millisecond of every start
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from types import GeneratorType

from poold import wire
from poold.worker.functions import Function, collect, find_session_end
from poold.worker.failures import (
    cancelled,
    describe,
    undecodable,
    unencodable,
    unknown_method,
)

SOCKET_VARIABLE = "POOLD_FD"
PREFORK_VARIABLE = "POOLD_PREFORK_FD"

# After a request that ran longer than this (seconds), the socket is looked at before the next one
# in hand is begun: it may have been cancelled meanwhile.  So it is while a list is collected.
LOOK_AFTER = 0.001

# An answer up to this size (bytes) is copied together with what follows it into one write.
JOIN_SIZE = 64 * 1024


class SetupError(Exception):
    """This process was not started as a worker, or has nothing to serve."""


class Context:
    """What is known of one request.

    Attributes:
        request (int): the daemon's number of the request, the same for each of its attempts.
        attempt (int): 1 for the first try.
        priority (str | None): "critical", "normal" or "sheddable".
        trace (str | None): the caller's trace id.
        session (str | None): the session that the request belongs to.
        state (bytes | None): the session's state as it was last committed: what the last request
            that succeeded has set, here or in another worker.
        stream (bool): whether the caller takes the values of a generator one by one.
    """

    __slots__ = (
        "request",
        "attempt",
        "priority",
        "trace",
        "session",
        "state",
        "stream",
        "_deadline",
        "_handed",
    )

    def __init__(self, fields: dict, received: float, handed: list) -> None:
        self.request = fields.get("request", 0)
        self.attempt = fields.get("attempt", 1)
        self.priority = fields.get("priority")
        self.trace = fields.get("trace")
        self.session = fields.get("session")
        self.state = fields.get("state")
        self.stream = fields.get("stream") is True
        self._handed = handed
        left = fields.get("deadline_ms")
        self._deadline = float("inf") if left is None else received + left / 1000

    def remaining(self) -> float:
        """Seconds until the daemon gives this request up, 0.0 when they have run out; infinite when
        it set no deadline.

        Counted from when this worker read the request.  One that waited in the socket behind
        another has a little less than this says.
        """
        return max(0.0, self._deadline - time.monotonic())

    def set_state(self, data: bytes | None) -> None:
        """Hands the session's state to the daemon, together with the result; the last one set
        counts.  If the request fails after all, the state stays what it was.

        Args:
            data: bytes in any format that the functions agree upon; None clears the state.

        Raises:
            LookupError: the request has no session, or is over.
            TypeError: no bytes.
        """
        if _current is None or _current[2] is not self._handed:
            raise LookupError("the request is over: its state was handed back with the result")
        if self.session is None:
            raise LookupError("the request has no session: the caller names one (session=...)")
        if data is not None:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(f"a state is bytes or None, not {type(data).__name__}")
            data = bytes(data)
        self._handed[:] = [data]


def context() -> Context:
    """The context of the request being served.

    Raises:
        LookupError: no request is being served.
    """
    if _current is None:
        raise LookupError("no request is being served: poold.context() is for a worker's functions")
    return Context(*_current)


# The context's fields, when it came, and the state that is handed back, in a list if there is one.
_current: tuple[dict, float, list] | None = None


class Worker:
    """A set of functions and the loop that serves them.

    Args:
        functions: a module, a mapping of names to functions, functions, or an object with
            methods, to begin with.
    """

    def __init__(self, functions: object = None) -> None:
        self.functions: dict[str, Function] = {}
        self._session_end: Callable[[str, str], object] | None = None
        if functions is not None:
            self.add(functions)

    def add(self, functions: object) -> None:
        """Adds functions.

        A module gives its public functions: those listed in `__all__`, or else those defined in it
        whose names do not begin with an underscore.  A mapping gives what it holds under its keys;
        a list or tuple gives functions under their own names; any other object gives its public
        methods, a class those of an instance made without arguments.  What a module or object has
        under the name on_session_end is not served: see Worker.on_session_end.
        """
        source = functions() if isinstance(functions, type) else functions
        self.functions.update(collect(source))
        self._session_end = find_session_end(source) or self._session_end

    def function(self, target: object = None, *, name: str | None = None) -> object:
        """Decorator: serve this function, under its own name or under `name`."""
        if target is None:
            return lambda function: self.function(function, name=name)
        self.functions[name or target.__name__] = Function(target)
        return target

    def on_session_end(self, function: Callable[[str, str], object]) -> object:
        """Decorator: call this with (session, reason) when the daemon says that whatever is kept
        here for a session is to be dropped.

        The reason is "closed", "expired", "evicted" (there were too many) or "moved" (it goes on in
        another worker).  It runs in the main thread, between requests and in order with them.  What
        it raises is printed on standard error.
        """
        self._session_end = function
        return function

    def serve(self, functions: object = None) -> None:
        """Serves until the daemon asks this worker to stop, then returns.

        Ends the process at once when the daemon goes away, also while a function runs.

        Raises:
            SetupError: POOLD_FD names no socket, or there is no function to serve.
            SystemExit: a function raised poold.Fatal (status 1).
        """
        if functions is not None:
            self.add(functions)
        if not self.functions:
            raise SetupError("no public function to serve")
        _Server(self.functions, self._session_end, open_channel()).run()


def ignore_interrupts() -> None:
    """Ctrl-C at the daemon's terminal is the daemon's to handle: it lets workers finish.

    A handler that does nothing, rather than SIG_IGN, which children of user code would inherit.
    """
    signal.signal(signal.SIGINT, lambda *_: None)


def open_channel() -> socket.socket:
    """The socket to the daemon, kept from every child of this process.

    Where the daemon wants a fork server, this process becomes one, and the workers that it forks
    return from here.

    Raises:
        SetupError: POOLD_FD is not set or names no socket.
    """
    if PREFORK_VARIABLE in os.environ:
        from poold.worker.prefork import next_worker

        ignore_interrupts()
        channel = next_worker(_inherited_socket(PREFORK_VARIABLE))
    else:
        channel = _inherited_socket(SOCKET_VARIABLE)
    # A forked child that goes on in Python must not speak or listen here.
    os.register_at_fork(after_in_child=channel.close)
    return channel


def _inherited_socket(variable: str) -> socket.socket:
    text = os.environ.pop(variable, None)
    if text is None:
        raise SetupError(f"{variable} is not set: a worker is started by poold")
    try:
        number = int(text)
        os.set_inheritable(number, False)
        return socket.socket(fileno=number)
    except (ValueError, OverflowError, OSError) as error:
        raise SetupError(f"{variable}={text} names no socket: {error}") from None


class _Server:
    """One worker's conversation with the daemon."""

    def __init__(
        self,
        functions: dict[str, Function],
        session_end: Callable[[str, str], object] | None,
        channel: socket.socket,
    ) -> None:
        self._functions = functions
        self._session_end = session_end
        self._channel = channel
        self._decoder = wire.Decoder()
        self._packer = wire.packer()
        self._requests: deque[list] = deque()  # in hand and not begun; also ends of sessions
        self._draining: int | None = None  # the request whose generator runs, until cancelled
        self._output = bytearray()  # to be written with whatever is written next
        self._received = 0.0  # when bytes last came
        self._stopping = False
        self._finished = False

    def run(self) -> None:
        ignore_interrupts()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)
        _thread.start_new_thread(self._watch, ())
        self._announce()
        try:
            self._loop()
        except OSError:
            os._exit(0)  # the daemon is gone: nobody waits for an answer
        self._finished = True

    def _loop(self) -> None:
        requests = self._requests
        while True:
            if self._stopping:
                self._drop_requests()
            if requests:
                message = requests.popleft()
                if message[0] == wire.REQUEST:
                    self._serve(message)
                else:
                    self._end_session(*message[2][:2])
                if requests and time.monotonic() - self._received > LOOK_AFTER:
                    self._receive(socket.MSG_DONTWAIT)
                continue
            self._flush()
            if self._stopping:
                return
            self._receive()

    def _drop_requests(self) -> None:
        """What was never begun: the daemon gives it to others."""
        ends = [each for each in self._requests if each[0] != wire.REQUEST]
        self._requests.clear()
        self._requests.extend(ends)

    def _watch(self) -> None:
        """Waits beside the main thread for the daemon to go away."""
        poll = select.poll()
        poll.register(self._channel, select.POLLRDHUP)
        poll.poll()
        if not self._finished:
            os._exit(0)

    def _announce(self) -> None:
        from poold import __version__

        facts = {"pid": os.getpid(), "version": __version__, "concurrency": 1, "started": True}
        self._output += self._packer.pack((wire.NOTIFICATION, "ready", (facts,)))

    def _flush(self) -> None:
        if self._output:
            self._channel.sendall(self._output)
            self._output.clear()

    def _receive(self, flags: int = 0) -> None:
        """Reads once and deals with all that came; requests wait in `_requests`."""
        try:
            data = self._channel.recv(wire.READ_SIZE, flags)
        except BlockingIOError:
            return
        if not data:
            os._exit(0)
        self._received = time.monotonic()
        try:
            messages = self._decoder.feed(data)
        except wire.Malformed as error:
            sys.stderr.write(f"poold.worker: the daemon sent {error}\n")
            os._exit(os.EX_PROTOCOL)
        for message in messages:
            if message[0] == wire.REQUEST:
                self._take_request(message)
            elif message[0] == wire.NOTIFICATION:
                self._take_notification(message)

    def _take_request(self, message: list) -> None:
        # A function called ping is another thing: its params are [args, context].
        if message[2] == "ping" and message[3] == []:
            self._output += self._packer.pack((wire.RESPONSE, message[1], None, "pong"))
        else:
            self._requests.append(message)

    def _take_notification(self, message: list) -> None:
        _, method, params = message
        if method == "shutdown":
            self._stopping = True
        elif method == "cancel" and isinstance(params, list) and params:
            self._cancel(params[0])
        elif method == "session_end" and self._session_end is not None:
            if isinstance(params, list) and len(params) >= 2:
                self._requests.append(message)

    def _cancel(self, number: object) -> None:
        if number == self._draining:
            self._draining = None
            return
        for request in self._requests:
            if request[0] == wire.REQUEST and request[1] == number:
                self._requests.remove(request)
                self._fail(number, cancelled("before it began"))
                return

    def _end_session(self, session: str, reason: str) -> None:
        self._flush()
        try:
            self._session_end(session, reason)
        except BaseException as error:
            _complain(f"on_session_end for session {session!r} failed", error)

    def _serve(self, request: list) -> None:
        """Serves one request; its answer is left in `_output`, or written if it is large."""
        global _current
        _, number, method, params = request
        # `started` leaves together with the answer before it, and before the function begins.
        self._output += self._packer.pack((wire.NOTIFICATION, "started", (number,)))
        self._flush()
        args, fields = _split(params)
        function = self._functions.get(method) if type(method) is str else None
        if function is None:
            return self._fail(number, unknown_method(method, self._functions))
        if type(args) is wire.Undecodable:
            return self._fail(number, undecodable(args))
        handed: list = []
        _current = (fields, self._received, handed)
        try:
            result = _call(function, args)
            if type(result) is GeneratorType:
                result = self._drain(number, result, fields.get("stream") is True)
        except _Stopped as stop:
            return self._fail(number, stop.error)
        except BaseException as error:
            return self._fail(number, describe(error))
        finally:
            _current = None
        self._answer(number, result, handed)

    def _drain(self, number: int, values: GeneratorType, streaming: bool) -> object:
        """The result of a generator: its values as a list, or what it returns after they have been
        sent one by one."""
        collected: list = []
        looked = time.monotonic()
        self._draining = number
        try:
            while True:
                value = next(values)
                if streaming or time.monotonic() - looked > LOOK_AFTER:
                    self._receive(socket.MSG_DONTWAIT)
                    self._flush()
                    looked = time.monotonic()
                    if self._draining is None:
                        raise _Stopped(cancelled("while it ran"))
                if streaming:
                    self._send_chunk(number, value)
                else:
                    collected.append(value)
        except StopIteration as end:
            return end.value if streaming else collected
        except _Stopped:
            _close(values)
            raise
        finally:
            self._draining = None

    def _send_chunk(self, number: int, value: object) -> None:
        try:
            chunk = self._packer.pack((wire.NOTIFICATION, "chunk", (number, value)))
        except Exception as error:
            raise _Stopped(unencodable("chunk", value, error)) from None
        self._put(chunk)
        self._flush()

    def _answer(self, number: int, result: object, handed: list) -> None:
        try:
            answer = self._packer.pack((wire.RESPONSE, number, None, result))
        except Exception as error:
            return self._fail(number, unencodable("result", result, error))
        if handed:
            self._put(self._packer.pack((wire.NOTIFICATION, "state", (number, handed[0]))))
        self._put(answer)

    def _put(self, data: bytes) -> None:
        """Leaves a message in `_output`, or writes it if it is large."""
        if len(data) <= JOIN_SIZE:
            self._output += data
            return
        self._flush()
        self._channel.sendall(data)
        if len(data) > wire.KEEP_SIZE:
            self._packer = wire.packer()

    def _fail(self, number: int, error: dict) -> None:
        self._output += self._packer.pack((wire.RESPONSE, number, error, None))
        if error.get("fatal"):
            self._flush()
            self._finished = True
            sys.exit(1)


class _Stopped(Exception):
    """Ends a generator's request with an error that is none of its own."""

    def __init__(self, error: dict) -> None:
        self.error = error


def _close(values: GeneratorType) -> None:
    try:
        values.close()
    except BaseException as error:
        _complain("a generator that was stopped failed", error)


def _complain(what: str, error: BaseException) -> None:
    """Prints an exception that no caller is told of."""
    import traceback  # loaded by the first exception

    try:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(f"poold.worker: {what}:\n{text}")
    except Exception:
        pass  # nowhere to say it


def _split(params: object) -> tuple[object, dict]:
    """[args, context] taken apart; either may be missing."""
    if not isinstance(params, list):
        return params, {}
    args = params[0] if params else None
    fields = params[1] if len(params) > 1 else None
    return args, fields if isinstance(fields, dict) else {}


def _call(function: Function, args: object) -> object:
    """Calls with the protocol's `args`: an array holds positional arguments, a map with string keys
    keyword arguments, nil none; anything else is the one argument."""
    if args is None:
        args = []
    elif type(args) is dict and all(type(key) is str for key in args):
        if not function.needed <= args.keys() <= function.known:
            function.check([], args)
        return function.target(**args)
    elif type(args) is not list:
        args = [args]
    if not function.least <= len(args) <= function.most:
        function.check(args, {})
    return function.target(*args)
