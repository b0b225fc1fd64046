"""Other programs that do what poold does, each in a small file of its own."""

from __future__ import annotations

from dataclasses import dataclass

from peers.elixir import Elixir
from peers.gearman import Gearman
from peers.gunicorn import Gunicorn
from peers.nats import Nats, NatsC
from peers.peer import Peer
from peers.php_fpm import PhpFpm
from peers.poold_default import Poold, PooldC
from peers.process_pools import Executor, Multiprocessing, PooldExecutor
from peers.redis import Redis
from peers.uwsgi import Uwsgi


@dataclass(frozen=True)
class Match:
    """A program, and the kind of poold that it is compared with.

    Attributes:
        work: what a worker does, in words.
        client: who asks both, in words.
    """

    theirs: type[Peer]
    ours: type[Peer] = Poold
    work: str = "function in Python"
    client: str = "C"


MATCHES: dict[str, Match] = {
    "uwsgi": Match(Uwsgi),
    "gunicorn": Match(Gunicorn),
    "php-fpm": Match(PhpFpm, work="function in PHP"),
    "nats": Match(Nats),
    "nats-c": Match(NatsC, PooldC, work="echo in C"),
    "redis": Match(Redis),
    "gearman": Match(Gearman),
    "elixir": Match(Elixir),
    "executor": Match(Executor, PooldExecutor, client="Python"),
    "multiprocessing": Match(Multiprocessing, PooldExecutor, client="Python"),
}
