"""php-fpm, spoken to in FastCGI as a web server does; its function is PHP."""

from __future__ import annotations

import os

from peers.peer import PROGRAMS, WORKERS, Peer, find

VERSIONS = tuple(f"php-fpm{version}" for version in ("8.2", "8.4", ""))


class PhpFpm(Peer):
    """A fixed number of processes."""

    title = "php-fpm"
    package = "php-fpm"
    wire = "fastcgi"

    @classmethod
    def missing(cls) -> str:
        return "" if any(map(find, VERSIONS)) else cls.package

    def start(self) -> None:
        self.env = {"ECHO_SCRIPT": str(PROGRAMS / "echo.php")}
        config = self.scratch / "fpm.conf"
        config.write_text(
            f"[global]\nerror_log = {self.log}\ndaemonize = no\n"
            f"[www]\nlisten = {self.to}\npm = static\npm.max_children = {WORKERS}\n"
            + ("user = root\ngroup = root\n" if os.getuid() == 0 else "")
        )
        program = next(filter(find, VERSIONS))
        self.run(program, "--nodaemonize", "--fpm-config", config,
                 *(["--allow-to-run-as-root"] if os.getuid() == 0 else []))
