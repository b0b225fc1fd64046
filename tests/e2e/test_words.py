"""What people write wrong, in configurations and on command lines: each message names the place, what
was found there, and what to write instead."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clients import PoolctlTest
from harness import BUILD, TOOLBOX, pool

# A line of the file, what was found, the remedy (both regular expressions), and the text.
Configuration = tuple[int, str, str, str]

# An exit status, what was found, the remedy, and the words behind the program's name.
Invocation = tuple[int, str, str, list[str]]


def of_pool(*lines: str) -> str:
    return "\n".join(["[pool p]", "command = /bin/true", *lines, ""])


def of_daemon(*lines: str) -> str:
    return "\n".join(["[daemon]", *lines, "[pool p]", "command = /bin/true", ""])


FAULTS: list[Configuration] = [
    # Sections.
    (1, r"\[Daemon\]", r"mean \[daemon\]\?", "[Daemon]\n"),
    (1, r"\[pools p\]", r"mean \[pool p\]\?", "[pools p]\ncommand = x\n"),
    (1, r"\[pool:p\]", r"mean \[pool p\]\?", "[pool:p]\ncommand = x\n"),
    (1, r"\[pool\.p\]", r"mean \[pool p\]\?", "[pool.p]\ncommand = x\n"),
    (1, r"\[python\]", r"allowed are .*\[pool NAME\]", "[python]\ncommand = x\n"),
    (1, r"\[daemon main\]", r"mean \[daemon\]\?", "[daemon main]\n"),
    (1, r'pool name: found ""', "beginning with a letter", "[pool]\ncommand = x\n"),
    (1, r'found "My Pool"', "characters a-z", "[pool My Pool]\ncommand = x\n"),
    (1, r'found "poold"', 'not "poold"', "[pool poold]\ncommand = x\n"),
    (1, r"\[breaker q\]", r"\[pool q\] is required", "[breaker q]\nmode = on\n"),
    (1, "found \"timeout_eror\"", "mean timeout_error", "[error timeout_eror]\nretries = 1\n"),
    (3, r"\[pool p\]: found twice", "first in line 1", of_pool("[pool p]")),
    # Lines.
    (1, "timeout: found before", r"must be in one", "timeout = 5s\n"),
    (3, "neither a .section", "key = value", of_pool("timeout 5s")),
    (3, "neither a .section", "key = value", of_pool("timeout: 5s")),
    (3, "colon in its key", "ends at the =", of_pool("env:A = 1")),
    (3, "no key before its =", "no key", of_pool("= 5s")),
    (1, r"begins with \[", r"end with \]", "[pool p\n"),
    (3, "control character", "control", of_pool("env.A = \x1b[1m")),
    # Keys.
    (3, "worker: unknown key", r"mean workers\?", of_pool("worker = 2")),
    (3, "time_out: unknown key", r"mean timeout\?", of_pool("time_out = 2s")),
    (3, "Workers: unknown key", r"mean workers\?", of_pool("Workers = 2")),
    (3, "queue-max: unknown key", r"mean queue_max\?", of_pool("queue-max = 2")),
    (3, "env: unknown key", r"mean env.NAME = VALUE\?", of_pool("env = A=1")),
    (3, "environment: unknown key", r"mean env.NAME", of_pool("environment = A=1")),
    (3, "socket: unknown key", r"belongs to \[daemon\]", of_pool("socket = /x")),
    (3, "log_level: unknown key", r"belongs to \[daemon\]", of_pool("log_level = debug")),
    (3, "open_timeout: unknown key", r"belongs to \[breaker NAME\]", of_pool("open_timeout = 5s")),
    (3, "backoff: unknown key", r"belongs to \[retry NAME\]", of_pool("backoff = fixed")),
    (3, "workersmax: unknown key", r"workers_max of \[daemon\]", of_pool("workersmax = 5")),
    (2, "workers: unknown key", r"belongs to \[pool NAME\]", of_daemon("workers = 2")),
    (2, "command: unknown key", r"belongs to \[pool NAME\]", of_daemon("command = x")),
    (2, "xyzzy: unknown key", "allowed are socket, ", of_daemon("xyzzy = 1")),
    (4, "timeout: found twice", "first in line 3", of_pool("timeout = 5s", "timeout = 6s")),
    (3, 'name "1A"', "letters, digits", of_pool("env.1A = x")),
    (3, 'name "POOLD_X"', "neither a digit nor POOLD_", of_pool("env.POOLD_X = x")),
    # Values.
    (3, 'found "5m"', "5s or 2min", of_pool("timeout = 5m")),
    (3, 'found "5 minutes"', "5s or 2min", of_pool("timeout = 5 minutes")),
    (3, 'found "-1"', "from 1ms", of_pool("timeout = -1")),
    (3, 'found "2d"', "to 1d", of_pool("timeout = 2d")),
    (3, 'found ""', "a duration", of_pool("timeout =")),
    (3, 'found "1-3"', r"2\.\.8", of_pool("workers = 1-3")),
    (3, 'found "four"', "number or a range", of_pool("workers = four")),
    (3, 'found "0"', "from 1 to", of_pool("workers = 0")),
    (3, 'found "8..2"', r"2\.\.8", of_pool("workers = 8..2")),
    (3, 'found "9999"', "to 4096", of_pool("workers = 9999")),
    (3, 'found "true-ish"', "yes or no", of_pool("idempotent = true-ish")),
    (3, 'found "64MB"', "64K or 16M", of_pool("queue_bytes_max = 64MB")),
    (3, 'found "1,5M"', "64K or 16M", of_pool("queue_bytes_max = 1,5M")),
    (3, 'found "json"', "packet4-json", of_pool("dialect = json")),
    (3, 'found "srv/app"', "absolute path", of_pool("directory = srv/app")),
    (3, 'found "~/app"', "absolute path", of_pool("directory = ~/app")),
    (3, 'found "42"', "-20 to 19", of_pool("nice = 42")),
    (3, 'found "u=rwx"', "octal", of_pool("umask = u=rwx")),
    (2, "found \"python3 'x\"", "each quote closed", "[pool p]\ncommand = python3 'x\n"),
    (2, 'found "0999"', "octal", of_daemon("socket_mode = 0999")),
    (2, 'found "warn"', "warning, notice", of_daemon("log_level = warn")),
    (2, 'found "syslog"', "auto, journal or stderr", of_daemon("log_target = syslog")),
    (2, 'found "logfmt"', "text or json", of_daemon("log_format = logfmt")),
    (2, 'found "poold.sock"', "absolute path", of_daemon("socket = poold.sock")),
    (2, 'found "wheel,adm"', "group name", of_daemon("admin_group = wheel,adm")),
    (3, 'found "localhost:80"', "tcp:127.0.0.1:4000",
     "[pool p]\nadapter = socket\naddress = localhost:80\n"),
    (3, r'found "\{x: 1\}"', "JSON value", "[pool p]\nadapter = static\nanswer = {x: 1}\n"),
    # What must fit together.
    (1, "command: not set", "required where adapter = process", "[pool p]\ntimeout = 5s\n"),
    (3, "timeout = 10min", "not be above .*timeout_max = 5min",
     of_pool("timeout = 10min", "timeout_max = 5min")),
    (3, 'found "q", which is not a pool', "other pools", of_pool("fallback = q")),
    (3, "which is the pool itself", "other pools", of_pool("fallback = p")),
    (2, "control_reserve = 10", "below .*connections_max",
     of_daemon("control_reserve = 10", "connections_max = 10")),
    (4, "backoff = custom", "requires the key delays", of_pool("[retry p]", "backoff = custom")),
    (2, "workers_max = 4", "not be below 5",
     of_daemon("workers_max = 4", "[pool q]", "command = /bin/true", "workers = 4")),
]

WARNINGS: list[Configuration] = [
    (2, "pyton3", "install it, or name it by its full path", "[pool p]\ncommand = pyton3 -m x\n"),
    (2, "/nowhere/x .* no such file", "correct the path", "[pool p]\ncommand = /nowhere/x\n"),
    (2, "/etc/passwd is not a program", "make it executable", "[pool p]\ncommand = /etc/passwd\n"),
    (2, '"FOO=1" is no program', "key env.FOO", "[pool p]\ncommand = FOO=1 /bin/true\n"),
    (2, r'found "\|"', "no shell", "[pool p]\ncommand = /bin/true | tee x\n"),
    (2, 'found "&&"', "no shell", "[pool p]\ncommand = /bin/true && /bin/false\n"),
    (2, 'found ">/tmp/log"', "no shell", "[pool p]\ncommand = /bin/true >/tmp/log\n"),
    (2, 'found "2>&1"', "no shell", "[pool p]\ncommand = /bin/true 2>&1\n"),
    (2, r'found "\$HOME/w.py"', "no shell", "[pool p]\ncommand = /bin/true $HOME/w.py\n"),
    (2, r'found "\$home/w.py"', "no shell", "[pool p]\ncommand = /bin/true $home/w.py\n"),
    (2, 'found "~/w.py"', "no shell", "[pool p]\ncommand = /bin/true ~/w.py\n"),
    (2, 'found "`id`"', "no shell", "[pool p]\ncommand = /bin/true `id`\n"),
    (3, "/nowhere: No such file", "create it", of_pool("directory = /nowhere")),
    (3, "/etc/passwd: Not a directory", "correct the path", of_pool("directory = /etc/passwd")),
    (3, 'no user "nobodyknows"', "useradd", of_pool("user = nobodyknows")),
    (3, 'no group "nogroupatall"', "groupadd", of_pool("group = nogroupatall")),
    (3, 'call_group: .*"nogroupatall"', "groupadd", of_pool("call_group = nogroupatall")),
    (2, 'admin_group: .*"nogroupatall"', "groupadd", of_daemon("admin_group = nogroupatall")),
    (2, "in /nowhere: No such file", "RuntimeDirectory=", of_daemon("socket = /nowhere/p.sock")),
    (2, "/nowhere: No such file", "StateDirectory=", of_daemon("state_directory = /nowhere")),
    (2, "/etc/passwd: Not a directory", "mode 0700", of_daemon("state_directory = /etc/passwd")),
    (4, "above timeout", "lower it, or raise timeout",
     of_pool("timeout = 1s", "attempt_timeout = 2s")),
    (3, "above start_timeout", "raise start_timeout", of_pool("init_timeout = 5min")),
    (4, "below init_timeout", "raise it", of_pool("init_timeout = 10s", "max_lifetime = 5s")),
    (1, "no pool", r"add \[pool NAME\]", "[daemon]\n"),
]

# No warning: a quoted text, and a shell that was asked for.
SILENT = [
    "[pool p]\ncommand = /bin/sh -c 'exec a | b > $C'\n",
    "[pool p]\ncommand = /bin/true \"a > b\" --cost=5$ a&b\n",
    of_pool("directory = /tmp", "user = root", "timeout = 5s", "attempt_timeout = 5s"),
]


def calls(*rows: str) -> list[Invocation]:
    """Rows "STATUS | found | remedy | words": the words are split at spaces, and '' is empty."""
    found = []
    for row in rows:
        status, what, remedy, words = (part.strip() for part in row.split(" | "))
        split = ["" if word == "''" else word.replace("_SPACE_", " ") for word in words.split()]
        found.append((int(status), what, remedy, split))
    return found


POOLCTL = calls(
    # Commands.
    "64 | \"stat\" | status or stats | stat",
    "64 | \"statsu\" | mean stat | statsu",
    "64 | \"heath\" | mean health | heath",
    "64 | \"list\" | poolctl --help | list",
    "64 | \"Status\" | mean status | Status",
    "64 | \"pool\" | mean pools | pool",
    "64 | \"worker\" | mean workers | worker tools",
    "64 | \"reload\" | poolctl --help | reload",
    "64 | \"help\" | --help | help",
    "64 | \"tools\" | --help | tools add",
    # Options.
    "64 | \"--jsn\" | mean --json | --jsn status",
    "64 | \"--timout\" | mean --timeout | call --timout 5s tools add",
    "64 | -x | usage: poolctl status | status -x",
    "64 | --socket needs a value | usage: poolctl status | status --socket",
    "64 | --wait needs a value | usage: poolctl health | health -w",
    "64 | --json takes no value | usage: poolctl status | --json=yes status",
    "64 | status takes no option --timeout | call does | status -t 5s",
    "64 | call takes no option --count | events does | call --count 5 tools add",
    "64 | pools takes no option --ready | health does | pools --ready",
    "64 | events takes no option --session | call does | events --session x",
    "64 | health takes no option --timeout | call does | -t 5s health --live",
    "64 | logs takes no option --count | events does | logs --count 5 --follow tools",
    "64 | socket has 1 to 107 | usage | -s '' status",
    "64 | socket has 1 to 107 | usage | -s /" + "x" * 120 + " status",
    "64 | --live and --ready | ask one | health --live --ready",
    "64 | \"tools\" | --live asks for the daemon | health --live tools",
    # Durations and numbers.
    "64 | \"5m\" | 5min, 300s | call -t 5m tools add",
    "64 | \"5 s\" | 5min, 300s | -w 5_SPACE_s status",
    "64 | \"0\" | from 1ms | call -t 0 tools add",
    "64 | \"-5s\" | from 1ms | -w -5s status",
    "64 | \"2d\" | to 24h | call -t 2d tools add",
    "64 | \"forever\" | 5min, 300s | call --timeout forever tools add",
    "64 | \"0\" | above 0 | events --count 0",
    "64 | \"many\" | number of events | events --count many",
    "64 | \"ten\" | such as 20 | errors ten",
    "64 | no option -5 | usage: poolctl errors | errors -5",
    "64 | \"1.5\" | such as 20 | sessions 1.5",
    # Arguments: too few, too many.
    "64 | POOL is missing | POOL METHOD | call",
    "64 | METHOD is missing | POOL METHOD | call tools",
    "64 | POOL is missing | usage: poolctl restart | restart",
    "64 | POOL is missing | usage: poolctl drain | drain",
    "64 | MIN.* is missing | usage: poolctl resize | resize tools",
    "64 | WORKER is missing | usage: poolctl kill | kill tools",
    "64 | WORKER is missing | usage: poolctl stack | stack tools",
    "64 | ACTION is missing | ACTION POOL | breaker",
    "64 | POOL is missing | ACTION POOL | breaker open",
    "64 | ID is missing | cancel ID | recovery cancel",
    "64 | \"x\" | is not the number of a request | cancel x",
    f"64 | xxx\" | is not the name of a pool | logs {'x' * 300}",
    "64 | SESSION is missing | close SESSION | session close",
    "64 | \"now\" is one argument too many | usage: poolctl status | status now",
    "64 | \"other\" is one argument too many | usage: poolctl pools | pools tools other",
    "64 | \"2\\]\" is one argument | quote it | call tools add [1, 2]",
    "64 | \"2\" is one argument too many | POOL WORKER | stack tools 1 2",
    # Words in the wrong place.
    "64 | \"close\" | reset, open, disable and observe | breaker close tools",
    "64 | \"close\" | reset, open, disable and observe | breaker close",
    "64 | \"tools\" | reset, open, disable and observe | breaker tools open",
    "64 | \"stop\" | only one is cancel | recovery stop 5",
    "64 | \"end\" | only one is close | session end x",
    "64 | \"one\" | poolctl workers shows | kill tools one",
    "64 | \"tools\" | poolctl workers shows | kill 1 tools",
    "64 | \"HUP\" | TERM, KILL, INT | kill tools 1 HUP",
    "64 | \"9\" | TERM, KILL, INT | kill tools 1 9",
    "64 | \"SIGTERM\" | TERM, KILL, INT | kill tools 1 SIGTERM",
    "64 | \"all\" | poolctl workers shows | stack tools all",
    "64 | \"1-3\" | 1\\.\\.3 | resize tools 1-3",
    "64 | \"1:3\" | 1\\.\\.3 | resize tools 1:3",
    "64 | \"x\" | 1\\.\\.3 | resize tools x",
    "64 | \"3..1\" | minimum above | resize tools 3..1",
    "64 | \"first\" | poolctl recoveries shows | recovery cancel first",
    "64 | \"root\" | id -u | session close x root",
    "1 | \"workers\" | worker, session | events workers",
    # Pools and what they have.
    "1 | \"tool\" | mean \"tools\" | pools tool",
    "1 | \"tool\" | mean \"tools\" | workers tool",
    "1 | \"tool\" | mean \"tools\" | requests tool",
    "1 | \"other\" | there are tools, fixed | breakers other",
    "64 | \"tool\" | mean \"tools\" | health tool",
    "64 | \"tool\" | mean \"tools\" | health --ready tool",
    "64 | \"other\" | there are tools, fixed | doctor other",
    "1 | \"tool\" | mean \"tools\" | call tool add",
    "1 | \"tool\" | mean \"tools\" | drain tool",
    "1 | \"tool\" | mean \"tools\" | resume tool",
    "1 | \"tool\" | mean \"tools\" | restart tool",
    "1 | \"tool\" | mean \"tools\" | resize tool 1",
    "1 | \"tool\" | mean \"tools\" | kill tool 1",
    "1 | \"tool\" | mean \"tools\" | stack tool 1",
    "1 | \"tool\" | mean \"tools\" | breaker open tool",
    "1 | no function 'ad' | mean add | call tools ad",
    # JSON.
    "65 | line 1, column | quoted for the shell | call tools add [1,",
    "65 | line 1, column | write \"text\" | call tools add ['a']",
    "65 | line 1, column | quoted for the shell | call tools add hello",
    "65 | line 1, column | quoted for the shell | call tools add {a:1}",
)

POOLD = calls(
    "64 | --tset | usage: poold | --tset",
    "64 | option requires an argument | usage: poold | -c",
    "64 | \"my.conf\" | -c FILE | my.conf",
    "64 | \"start\" | -c FILE | start",
    "78 | /nowhere.conf: can't be read | No such file | -c /nowhere.conf",
    "78 | /etc: can't be read | Is a directory | -c /etc",
    "64 | module is missing | poold run texts | run",
    "64 | \"b\" is one argument too many | one module | run a b",
    "64 | --wurkers | usage: poold run | run --wurkers 2 a",
    "78 | \"texts.py\" | texts, not texts.py | run -s /tmp/x.sock texts.py",
    "78 | \"1-3\" | 2..8 | run -s /tmp/x.sock -w 1-3 texts",
    "78 | \"My Pool\" | a name of a-z | run -s /tmp/x.sock -p My_SPACE_Pool texts",
)


def run(program: str, words: list[str], **options: object) -> tuple[int, str]:
    done = subprocess.run([str(BUILD / program), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def faults_of(check: Callable[[int], str], count: int) -> list[str]:
    with ThreadPoolExecutor(4) as threads:
        return [fault for fault in threads.map(check, range(count)) if fault]


def judge(case: Iterable[object], status: int, wanted: int, patterns: list[str], text: str) -> str:
    missing = [pattern for pattern in patterns if not re.search(pattern, text)]
    if status == wanted and not missing:
        return ""
    return f"{case}: status {status} instead of {wanted}, lacks {missing}:\n{text}"


class Words(PoolctlTest):
    """The tables."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def check_configurations(self, cases: list[Configuration], wanted: int, kind: str) -> None:
        def check(i: int) -> str:
            line, found, remedy, text = cases[i]
            path = self.folder / f"{i}.conf"
            path.write_text(text)
            status, errors = run("poold", ["-t", "-c", str(path)])
            place = re.escape(f"{path}:{line}: {kind}")
            same_line = [f"(?m)^{place}.*{pattern}" for pattern in (found, remedy)]
            return judge(cases[i], status, wanted, same_line, errors)

        self.assertEqual(faults_of(check, len(cases)), [])

    def test_configurations_that_are_refused(self) -> None:
        self.assertGreaterEqual(len(FAULTS), 70)
        self.check_configurations(FAULTS, 78, "")

    def test_configurations_that_are_warned_of(self) -> None:
        self.check_configurations(WARNINGS, 0, "warning: ")

    def test_configurations_that_are_right(self) -> None:
        for i, text in enumerate(SILENT):
            path = self.folder / f"{i}.conf"
            path.write_text(text)
            with self.subTest(text=text):
                self.assertEqual(run("poold", ["-t", "-c", str(path)]), (0, ""))

    def test_invocations(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX), "[pool fixed]\nadapter = static\nanswer = 1\n")
        self.assertGreaterEqual(len(POOLCTL), 80)

        def check(i: int) -> str:
            status, found, remedy, words = POOLCTL[i]
            returned, errors = run("poolctl", ["-s", daemon.path, *words])
            return judge(POOLCTL[i], returned, status, [found, remedy], errors)

        self.assertEqual(faults_of(check, len(POOLCTL)), [])

    def test_invocations_of_the_daemon(self) -> None:
        def check(i: int) -> str:
            status, found, remedy, words = POOLD[i]
            returned, errors = run("poold", words)
            return judge(POOLD[i], returned, status, [found, remedy], errors)

        self.assertEqual(faults_of(check, len(POOLD)), [])
