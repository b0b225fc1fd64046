"""What the kernel knows of processes: read from /proc, waited for with pidfds."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from clock import Deadline, eventually

PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes this process the parent of every orphan below it, so that none gets out of sight."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def marked(variable: str, value: str) -> list[int]:
    """The living processes that have this variable in their environment."""
    wanted = f"{variable}={value}".encode()
    return [pid for pid in all_pids() if wanted in environment(pid)]


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def environment(pid: int) -> list[bytes]:
    """The process's environment as it was started with; empty for a zombie and for one that is
    gone."""
    # Each test asks this of all processes of the machine, several times: a Path would take longer than the look.
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts).split(b"\0")
    except OSError:
        return []
    finally:
        os.close(descriptor)


def variable(pid: int, name: str) -> str | None:
    """One variable of a process's environment."""
    for entry in environment(pid):
        key, _, value = entry.partition(b"=")
        if key.decode(errors="replace") == name:
            return value.decode(errors="replace")
    return None


def children(pid: int) -> list[int]:
    """The direct children of a process, those of all its threads."""
    found: list[int] = []
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            found += [int(word) for word in (thread / "children").read_text().split()]
    except OSError:
        pass
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, from the state on; empty when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def name(pid: int) -> str:
    """The short name that a process goes by."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]


def is_alive(pid: int) -> bool:
    """Whether it exists and is more than a zombie."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def cpu_seconds(pid: int) -> float:
    """Processor time used so far, in user code and in the kernel."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_delay_ms(pid: int) -> float:
    """Milliseconds in which a process's first thread could have run and waited for a processor."""
    return int((PROC / str(pid) / "schedstat").read_text().split()[1]) / 1e6


def descriptors(pid: int) -> list[str]:
    """What each open descriptor of a process points to."""
    found = []
    try:
        for entry in (PROC / str(pid) / "fd").iterdir():
            try:
                found.append(os.readlink(entry))
            except OSError:
                pass  # closed meanwhile
    except OSError:
        pass
    return sorted(found)


def difference(before: list[str], after: list[str]) -> str:
    """What has been opened and what has been closed between two looks at `descriptors`."""
    new = sorted((Counter(after) - Counter(before)).elements())
    missing = sorted((Counter(before) - Counter(after)).elements())
    return f"new {new}, missing {missing}"


def resident_bytes(pid: int) -> int:
    """The process's resident memory; 0 when it is gone."""
    try:
        pages = (PROC / str(pid) / "statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(pid: int) -> int:
    """The most that was ever resident."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Waits until these processes have ended; returns those that have not."""
    deadline = Deadline(seconds)
    left = {}
    try:
        for pid in pids:
            try:
                left[os.pidfd_open(pid)] = pid
            except ProcessLookupError:
                pass
        while left:
            poll = select.poll()
            for pidfd in left:
                poll.register(pidfd, select.POLLIN)
            ended = poll.poll(deadline.left_ms())
            if not ended and deadline.passed():
                break
            for pidfd, _ in ended:
                del left[pidfd]
                os.close(pidfd)
        return sorted(pid for pid in left.values() if is_alive(pid))
    finally:
        for pidfd in left:
            os.close(pidfd)


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Sends a signal; False when there is no such process any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def stop(pid: int) -> None:
    """Stops a process, and waits until each of its threads stands still."""
    kill(pid, signal.SIGSTOP)
    eventually(lambda: _thread_states(pid) <= {"T"}, f"{pid} stands still")


def _thread_states(pid: int) -> set[str]:
    """The states of a process's threads, a letter each; of none when it is gone."""
    states = set()
    for path in (PROC / str(pid) / "task").glob("*/stat"):
        try:
            states.add(path.read_text(encoding="utf-8").rpartition(") ")[2][:1])
        except OSError:
            pass  # this thread has ended meanwhile
    return states


def is_asleep(pid: int) -> bool:
    """Each of its threads waits for something."""
    return _thread_states(pid) == {"S"}


def describe(pid: int) -> str:
    """A process for people: its number, state and command line."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        words = b"gone"
    return f"{pid} {''.join(_stat(pid)[:1])} {words.decode(errors='replace').strip()}"


def reap_adopted(own: Iterable[int]) -> None:
    """Takes the exit statuses of orphans: children of this process besides those it started."""
    for pid in set(children(os.getpid())) - set(own):
        if is_zombie(pid):
            os.waitpid(pid, os.WNOHANG)
