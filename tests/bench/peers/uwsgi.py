"""uwsgi with a WSGI application, spoken to as a web server does: its own protocol, a connection for
each request."""

from __future__ import annotations

from peers.peer import WORKERS, Peer


class Uwsgi(Peer):
    """One thread in each worker, as there."""

    title = "uwsgi"
    package = "uwsgi-core uwsgi-plugin-python3"
    programs = ("uwsgi_python3",)
    wire = "uwsgi"

    def start(self) -> None:
        self.run("uwsgi_python3", "--socket", self.to, "--listen", 100, "--module", "wsgi_echo",
                 "--master", "--workers", WORKERS, "--disable-logging", "--die-on-term")
