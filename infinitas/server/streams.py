"""How many responses that go on may be open: each holds a connection to Redis."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from infinitas.core.errors import RateLimited

MOST_OF_TOKEN = 50
MOST = 500


class OpenStreams:
    """Streams that are open in this process, by token."""

    def __init__(self, most_of_token: int = MOST_OF_TOKEN, most: int = MOST) -> None:
        self._most_of_token = most_of_token
        self._most = most
        self._open: Counter[str] = Counter()

    def check(self, token: str) -> None:
        """Raises RateLimited: no more streams now."""
        if self._open[token] >= self._most_of_token or self._open.total() >= self._most:
            raise RateLimited(f"A token may have {self._most_of_token} streams open: close one.", 5)

    @contextmanager
    def open(self, token: str) -> Iterator[None]:
        """A stream that is open. Raises RateLimited."""
        self.check(token)
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            if not self._open[token]:
                del self._open[token]
