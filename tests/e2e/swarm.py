"""Many connections at once in one thread, each with one request in flight."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clock import Deadline
from raw import Answer, Closed, Raw


@dataclass(frozen=True)
class Question:
    """One request, as the arguments of Raw.ask_pool."""

    number: int
    pool: str
    method: str
    args: object
    options: dict[str, object]


class Swarm:
    """Asks questions over `size` connections, the next one as soon as an answer has come.

    Args:
        path: the daemon's socket.
        size: how many connections.
        questions: where they come from; the end of it is the end of the run.
        on_answer: called with every answer and the question it answers.
    """

    def __init__(
        self,
        path: str,
        size: int,
        questions: Iterator[Question],
        on_answer: Callable[[Question, Answer], None],
    ) -> None:
        self._questions = questions
        self._on_answer = on_answer
        self._selector = selectors.DefaultSelector()
        self._clients = [Raw(path, map_errors=True) for _ in range(size)]
        self._asked: dict[Raw, Question] = {}

    def __enter__(self) -> Swarm:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for client in self._clients:
            client.close()

    def run(self, seconds: float) -> None:
        """Runs until all questions are answered, each exactly once.

        Raises:
            AssertionError: not in time, or an answer to nothing that was asked.
        """
        deadline = Deadline(seconds)
        for client in self._clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._ask(client)
        while self._asked:
            ready = self._selector.select(deadline.left())
            if not ready and deadline.passed():
                raise AssertionError(f"{len(self._asked)} are not answered within {seconds} s")
            for key, _ in ready:
                self._take(key.data)
        for client in self._clients:
            client.check_quiet()

    def run_until_closed(self, seconds: float) -> int:
        """The same, but every connection is to be closed by the daemon before the questions end.

        Returns how many questions then had no answer.
        """
        deadline = Deadline(seconds)
        for client in self._clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._ask(client)
        while self._selector.get_map():
            ready = self._selector.select(deadline.left())
            if not ready and deadline.passed():
                count = len(self._selector.get_map())
                raise AssertionError(f"{count} are not closed within {seconds} s")
            for key, _ in ready:
                try:
                    self._take(key.data)
                except (Closed, BrokenPipeError):
                    self._selector.unregister(key.data.socket)
        return len(self._asked)

    def _ask(self, client: Raw) -> None:
        question = next(self._questions, None)
        if question is None:
            return
        self._asked[client] = question
        client.ask_pool(question.pool, question.method, question.args, **question.options)

    def _take(self, client: Raw) -> None:
        answer = client.read_of(client.number)
        assert client in self._asked, f"an answer to nothing that was asked: {answer}"
        self._on_answer(self._asked.pop(client), answer)
        self._ask(client)
