"""What one request makes: under its Idempotency-Key, a repetition makes the same again, which is known."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import orjson
from fastapi import Depends, Request

from infinitas.broker.idempotency import KeyedRequests
from infinitas.client.job_ids import fresh_id
from infinitas.core.codec import sent_job_id


class Once:
    """A request without a key: each of its ids is new."""

    def new_id(self) -> str:
        """The id of the next job that the request makes."""
        return fresh_id()

    async def plan(self, make: Callable[[], Awaitable[Mapping[str, int]]]) -> Mapping[str, int]:
        """What the request is going to change, by id. `make` reads that; a repetition gets what it read."""
        return await make()


class KeyedOnce(Once):
    """A request with a key.

    Args:
        digest: of the token's id and the key; `request`: of what is requested.
        begun_ms: when the first request with that key began.
    """

    def __init__(self, requests: KeyedRequests, digest: str, request: str, begun_ms: int) -> None:
        self._requests = requests
        self._digest = digest
        self._seed = f"{digest}:{request}"
        self._begun_ms = begun_ms
        self._made = 0
        self.used = False
        """Whether something may have been made."""

    def new_id(self) -> str:
        self.used = True
        self._made += 1
        entropy = hashlib.sha256(f"{self._seed}:{self._made}".encode()).digest()[:10]
        return sent_job_id(self._begun_ms, int.from_bytes(entropy))

    async def plan(self, make: Callable[[], Awaitable[Mapping[str, int]]]) -> Mapping[str, int]:
        plan = orjson.dumps(dict(await make())).decode()
        self.used = True
        found: Mapping[str, int] = orjson.loads(await self._requests.plan(self._digest, plan))
        return found


def once_of(request: Request) -> Once:
    found = getattr(request.state, "once", None)
    return found if isinstance(found, Once) else Once()


OnceOf = Annotated[Once, Depends(once_of)]
