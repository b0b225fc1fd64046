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

from poold import wire
from poold.worker.functions import Function, collect
from poold.worker.failures import (
    cancelled,
    describe,
    undecodable,
    unencodable,
    unknown_method,
)

SOCKET_VARIABLE = "POOLD_FD"

# After a request that ran longer than this (seconds), the socket is looked at before the next one
# in hand is begun: it may have been cancelled meanwhile.
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
    """

    __slots__ = ("request", "attempt", "priority", "trace", "_deadline")

    def __init__(self, fields: dict, received: float) -> None:
        self.request = fields.get("request", 0)
        self.attempt = fields.get("attempt", 1)
        self.priority = fields.get("priority")
        self.trace = fields.get("trace")
        left = fields.get("deadline_ms")
        self._deadline = float("inf") if left is None else received + left / 1000

    def remaining(self) -> float:
        """Seconds until the daemon gives this request up, 0.0 when they have run out; infinite when
        it set no deadline.

        Counted from when this worker read the request.  One that waited in the socket behind
        another has a little less than this says.
        """
        return max(0.0, self._deadline - time.monotonic())


def context() -> Context:
    """The context of the request being served.

    Raises:
        LookupError: no request is being served.
    """
    if _current is None:
        raise LookupError("no request is being served: poold.context() is for a worker's functions")
    return Context(*_current)


_current: tuple[dict, float] | None = None


class Worker:
    """A set of functions and the loop that serves them.

    Args:
        functions: a module, a mapping of names to functions, functions, or an object with
            methods, to begin with.
    """

    def __init__(self, functions: object = None) -> None:
        self.functions: dict[str, Function] = {}
        if functions is not None:
            self.add(functions)

    def add(self, functions: object) -> None:
        """Adds functions.

        A module gives its public functions: those listed in `__all__`, or else those defined in it
        whose names do not begin with an underscore.  A mapping gives what it holds under its keys;
        a list or tuple gives functions under their own names; any other object gives its public
        methods, a class those of an instance made without arguments.
        """
        self.functions.update(collect(functions))

    def function(self, target: object = None, *, name: str | None = None) -> object:
        """Decorator: serve this function, under its own name or under `name`."""
        if target is None:
            return lambda function: self.function(function, name=name)
        self.functions[name or target.__name__] = Function(target)
        return target

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
        _Server(self.functions, open_channel()).run()


def ignore_interrupts() -> None:
    """Ctrl-C at the daemon's terminal is the daemon's to handle: it lets workers finish.

    A handler that does nothing, rather than SIG_IGN, which children of user code would inherit.
    """
    signal.signal(signal.SIGINT, lambda *_: None)


def open_channel() -> socket.socket:
    """The socket to the daemon, kept from every child of this process.

    Raises:
        SetupError: POOLD_FD is not set or names no socket.
    """
    text = os.environ.pop(SOCKET_VARIABLE, None)
    if text is None:
        raise SetupError(f"{SOCKET_VARIABLE} is not set: a worker is started by poold")
    try:
        number = int(text)
        os.set_inheritable(number, False)
        channel = socket.socket(fileno=number)
    except (ValueError, OverflowError, OSError) as error:
        raise SetupError(f"{SOCKET_VARIABLE}={text} names no socket: {error}") from None
    # A forked child that goes on in Python must not speak or listen here.
    os.register_at_fork(after_in_child=channel.close)
    return channel


class _Server:
    """One worker's conversation with the daemon."""

    def __init__(self, functions: dict[str, Function], channel: socket.socket) -> None:
        self._functions = functions
        self._channel = channel
        self._decoder = wire.Decoder()
        self._packer = wire.packer()
        self._requests: deque[list] = deque()  # in hand and not begun
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
                requests.clear()  # never begun: the daemon gives them to others
            if requests:
                self._serve(requests.popleft())
                if requests and time.monotonic() - self._received > LOOK_AFTER:
                    self._receive(socket.MSG_DONTWAIT)
                continue
            self._flush()
            if self._stopping:
                return
            self._receive()

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
                self._take_notification(message[1], message[2])

    def _take_request(self, message: list) -> None:
        # A function called ping is another thing: its params are [args, context].
        if message[2] == "ping" and message[3] == []:
            self._output += self._packer.pack((wire.RESPONSE, message[1], None, "pong"))
        else:
            self._requests.append(message)

    def _take_notification(self, method: object, params: object) -> None:
        if method == "shutdown":
            self._stopping = True
        elif method == "cancel" and isinstance(params, list) and params:
            for request in self._requests:
                if request[1] == params[0]:
                    self._requests.remove(request)
                    self._fail(request[1], cancelled())
                    return

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
        _current = (fields, self._received)
        try:
            result = _call(function, args)
        except BaseException as error:
            return self._fail(number, describe(error))
        finally:
            _current = None
        self._answer(number, result)

    def _answer(self, number: int, result: object) -> None:
        try:
            answer = self._packer.pack((wire.RESPONSE, number, None, result))
        except Exception as error:
            return self._fail(number, unencodable(result, error))
        if len(answer) <= JOIN_SIZE:
            self._output += answer
            return
        self._flush()
        self._channel.sendall(answer)
        if len(answer) > wire.KEEP_SIZE:
            self._packer = wire.packer()

    def _fail(self, number: int, error: dict) -> None:
        self._output += self._packer.pack((wire.RESPONSE, number, error, None))
        if error.get("fatal"):
            self._flush()
            self._finished = True
            sys.exit(1)


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
