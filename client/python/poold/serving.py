"""A daemon of one's own, for a test or a program that needs workers for a while.

    with poold.serve("texts") as client:
        assert client.call("python", "word_count", "to be") == 2
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from poold import errors, served
from poold.client import Client

# Ordinary users of Debian have no sbin on PATH.
SBIN = ("/usr/local/sbin", "/usr/sbin")

# Lines of the daemon's log that an error quotes.
QUOTED = 30

# Seconds between two looks whether a start has failed: the daemon tells only that all is well.
LOOK = 0.1

# Seconds that the daemon has to end its workers, before it is killed.
STOP = 15.0


@contextlib.contextmanager
def serve(
    *targets: str | ModuleType | Callable[..., object],
    pool: str = "python",
    workers: int | str = 1,
    env: Mapping[str, str] | None = None,
    python: str | None = None,
    start_timeout: float = 30.0,
    **options: object,
) -> Iterator[Client]:
    """Starts a daemon in a temporary directory, with one pool that serves `targets`, and gives a
    client of it.  When the block is left, daemon, workers and directory are gone.

    Args:
        targets: the name of a module, or MODULE:OBJECT; or a module; or functions and classes, which
            workers must be able to import: they are defined at the top of a module.
        pool: the name of the pool.
        workers: how many workers, or "MIN..MAX".
        env: variables for the workers, besides those that they inherit (env_allow).
        python: the interpreter of the workers; None: this one.
        start_timeout: seconds until the workers must be ready.
        options: options of the pool, as in poold.conf(5): timeout="5s", idempotent=True.

    The workers import from where this program does.  The daemon's log is at log_path(client).

    Raises:
        InitializationError: the workers can't be started; the text says why.
        ValueError: a target that a worker can't import, or a wrong option.
        FileNotFoundError: there is no program poold on PATH.
    """
    program = _find_program()
    command, variables = _command(targets, python or sys.executable)
    place = Path(_make_place())
    try:
        settings: dict[str, object] = {"command": command, "workers": workers, **options}
        _write_config(place, pool, settings, {**variables, **(env or {})}, start_timeout)
        with _running(program, place) as daemon, Client(str(place / "poold.sock")) as client:
            _await_ready(daemon, place, client, start_timeout)
            yield client
    finally:
        shutil.rmtree(place, ignore_errors=True)


def log_path(client: Client) -> str:
    """The file with the log of the daemon behind a client of `serve`."""
    return str(Path(client.path).parent / "log")


def _find_program() -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])
    found = shutil.which("poold", path=path)
    if found is None:
        raise FileNotFoundError(f"there is no program poold in {path}")
    return found


def _make_place() -> str:
    """A new directory, whose path leaves room for the name of a socket (107 bytes in all)."""
    place = tempfile.mkdtemp(prefix="poold-serve-")
    if len(os.fsencode(place)) > 90:
        os.rmdir(place)
        place = tempfile.mkdtemp(prefix="poold-serve-", dir="/tmp")
    return place


# --- the configuration ---


def _command(
    targets: tuple[str | ModuleType | Callable[..., object], ...], python: str
) -> tuple[str, dict[str, str]]:
    """The command of the workers, and variables for them."""
    if not targets:
        raise ValueError("nothing to serve: name a module or functions")
    paths = dict.fromkeys(os.path.abspath(path) for path in sys.path)
    variables = {"PYTHONPATH": os.pathsep.join(paths)}
    first = targets[0]
    if isinstance(first, str):
        if len(targets) > 1:
            raise ValueError("one module by its name, or functions and modules themselves")
        served_by = first
    else:
        served_by = "poold.served:worker"
        variables[served.VARIABLE] = json.dumps([_describe(target) for target in targets])
    return shlex.join([python, "-m", "poold.worker", served_by]), variables


def _describe(target: object) -> tuple[str, str, str]:
    """The module, file and name of something that a worker imports."""
    if isinstance(target, ModuleType):
        return target.__name__, os.path.abspath(target.__file__ or ""), ""
    name, path = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or not isinstance(path, str) or "<" in path:
        raise ValueError(f"{target!r} is not defined at the top of a module: a worker can't import it")
    try:
        found: object = functools.reduce(getattr, path.split("."), module)
    except AttributeError:
        found = None
    if found is not target:
        raise ValueError(f"{name}.{path} is not {target!r}: a worker would import something else")
    return module.__name__, os.path.abspath(getattr(module, "__file__", None) or ""), path


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if "\n" in text:
        raise ValueError(f"a value of the configuration is one line, not {text!r}")
    return text


def _write_config(
    place: Path,
    pool: str,
    settings: Mapping[str, object],
    variables: Mapping[str, str],
    start_timeout: float,
) -> None:
    lines = ["[daemon]", f"socket = {place / 'poold.sock'}", "log_target = stderr"]
    # The daemon must not say that it is ready before this gives up.
    lines += [f"start_timeout = {math.ceil(start_timeout) + 60}s"]
    lines += ["socket_mode = 0600", "", f"[pool {pool}]"]
    lines += [f"{key} = {_value(value)}" for key, value in settings.items()]
    lines += [f"env.{name} = {_value(value)}" for name, value in variables.items()]
    (place / "poold.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")


# --- the daemon ---


@contextlib.contextmanager
def _running(program: str, place: Path) -> Iterator[_Daemon]:
    """While the daemon runs."""
    environment = {**os.environ, "NOTIFY_SOCKET": str(place / "notify")}
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    # Before it starts: the daemon tells nobody who is not there.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(place / "notify"))
        with open(place / "log", "wb") as log:
            daemon = _Daemon(
                [program, "-c", str(place / "poold.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        daemon.notices = notices
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(STOP)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


class _Daemon(subprocess.Popen[bytes]):
    """The daemon's process, and the socket on which it says how it is."""

    notices: socket.socket


def _await_ready(daemon: _Daemon, place: Path, client: Client, seconds: float) -> None:
    """Waits until the workers are ready."""
    deadline = time.monotonic() + seconds
    pidfd = os.pidfd_open(daemon.pid)
    poll = select.poll()
    poll.register(daemon.notices, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    try:
        while True:
            left = deadline - time.monotonic()
            events = [fd for fd, _ in poll.poll(min(max(0.0, left), LOOK) * 1000)]
            if daemon.notices.fileno() in events:
                notice = daemon.notices.recv(65536).decode(errors="replace")
                if "READY=1" in notice.splitlines():
                    # The daemon is ready also once it has given a pool up.
                    _check_starts(client, place)
                    return
            elif pidfd in events:
                raise _failure(daemon.wait(), place)
            elif os.path.exists(client.path):
                _check_starts(client, place)
            if left <= 0:
                raise errors.InitializationError(
                    f"no worker is ready within {seconds} s; the log:\n{_log_end(place)}",
                    code="init_timeout",
                )
    finally:
        os.close(pidfd)


def _check_starts(client: Client, place: Path) -> None:
    """Raises InitializationError if a worker has failed to start."""
    for each in client.errors():
        if each.get("category") == "initialization_error":
            raise errors.InitializationError(f"{each['message']}; the log:\n{_log_end(place)}")


def _failure(status: int, place: Path) -> Exception:
    """Why a daemon ended that should run."""
    if status == os.EX_CONFIG:
        return ValueError(_log_end(place))
    return errors.InitializationError(f"poold has ended with status {status}:\n{_log_end(place)}")


def _log_end(place: Path) -> str:
    lines = (place / "log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-QUOTED:])
