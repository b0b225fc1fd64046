"""gunicorn with its plain workers and a WSGI application, a connection for each request."""

from __future__ import annotations

from peers.peer import WORKERS, Peer


class Gunicorn(Peer):
    """The kind of worker that it has by default."""

    title = "gunicorn"
    package = "gunicorn"
    programs = ("gunicorn",)
    wire = "http"

    def start(self) -> None:
        self.run("gunicorn", "--bind", f"unix:{self.to}", "--workers", WORKERS,
                 "--log-level", "warning", "wsgi_echo:application")
