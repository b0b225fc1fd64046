"""Functions that fork in every way there is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time


def _sleep() -> None:
    time.sleep(100)


def _persist() -> None:
    """Goes on after anything that it can catch."""
    while True:
        try:
            time.sleep(100)
        except Exception:
            pass


def _handlers() -> list:
    return [
        signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        signal.getsignal(signal.SIGURG) == signal.SIG_DFL,
        signal.set_wakeup_fd(-1),
        sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        sum(os.readlink(f"/proc/self/fd/{fd}").startswith("socket:") for fd in _files()),
    ]


def _files() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]


def _caught() -> str:
    """The bits of the signals that this process handles."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith("SigCgt"))


def _tell(pipe: object) -> None:
    pipe.send(_handlers())


def square(number: int) -> int:
    return number * number


def pid() -> int:
    return os.getpid()


def pool(how: str, times: int) -> int:
    """Makes and leaves a pool of processes, so many times."""
    kind = multiprocessing.get_context(how)
    for _ in range(times):
        with kind.Pool(3) as workers:
            assert workers.map(square, range(7)) == [square(number) for number in range(7)]
    return times


def terminate(how: str, what: str, wait: bool) -> list:
    """(exit code of a process that was terminated, seconds until its end)"""
    kind = multiprocessing.get_context(how)
    process = kind.Process(target={"sleep": _sleep, "persist": _persist}[what])
    process.start()
    if wait:
        time.sleep(0.2)
    began = time.monotonic()
    process.terminate()
    process.join(20)
    return [process.exitcode, time.monotonic() - began]


def handlers(how: str) -> list:
    """What a child process has of the worker."""
    kind = multiprocessing.get_context(how)
    mine, theirs = kind.Pipe(duplex=False)
    process = kind.Process(target=_tell, args=(theirs,))
    process.start()
    found = mine.recv()
    process.join()
    return found


def handlers_of_a_thread() -> list:
    """As handlers, where a thread forks."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(handlers, "fork").result()


def preexec(number: int) -> list:
    """The end of a program, with something to be done before it is executed."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"],
                               preexec_fn=lambda: os.nice(0))
    program.send_signal(number)
    return [program.wait(20)]


def leave(how: str) -> int:
    """The exit status of a child that comes back from the function in another way."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if how == "exit":
        sys.exit(7)
    if how == "say":
        sys.exit("the child's last words")
    if how == "raise":
        raise ValueError("of the child")
    return -1


def interrupt() -> int:
    mine, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(theirs, b"1")
            time.sleep(100)
        except KeyboardInterrupt:
            os._exit(5)
        os._exit(0)
    os.read(mine, 1)
    os.close(mine)
    os.close(theirs)
    os.kill(child, signal.SIGINT)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
