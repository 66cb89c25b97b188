"""`Idempotency-Key`: a repeated POST makes nothing more, even if the server ended in the middle of the first.

The ids of new jobs are made from the token's id and the key (`server/once.py`), and Redis accepts an id once.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from infinitas.broker.idempotency import KeyedRequests
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import BadArgs, Changed, Conflict, Refused
from infinitas.server.auth import authenticate
from infinitas.server.dependencies import client_of
from infinitas.server.once import KeyedOnce
from infinitas.server.redacted import view_job, view_schedule
from infinitas.wire.jobs import JobView
from infinitas.wire.schedules import ScheduleView

HEADER = "idempotency-key"
MAX_KEY_CHARS = 200
_STORED_HEADERS = ("content-type", "etag", "location")
_Handle = Callable[[Request], Coroutine[Any, Any, Response]]


async def _job(client: RedisClient, id: str) -> BaseModel:
    return await view_job(client, await client.find_job(id))


async def _schedule(client: RedisClient, key: str) -> BaseModel:
    return await view_schedule(client, await client.schedules.find(key))


_LARGE: Mapping[object, tuple[str, Callable[[RedisClient, str], Awaitable[BaseModel]]]] = {
    JobView: ("id", _job),
    ScheduleView: ("key", _schedule),
}
"""Answers of which only the id is kept: they have arguments. A repetition gets them as they are then."""


class IdempotentRoute(APIRoute):
    """A route whose POSTs may be repeated. The token is checked before anything else."""

    def get_route_handler(self) -> _Handle:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handle(request)
            if not 0 < len(key) <= MAX_KEY_CHARS:
                raise BadArgs(f"An Idempotency-Key has 1 to {MAX_KEY_CHARS} characters.")
            client = client_of(request)
            token = await authenticate(request, client, request.headers.get("authorization", ""))
            # A key belongs to a token: the same key with another token is another request.
            digest = _digest(token.id.encode(), key.encode())
            return await self._handle_keyed(request, client, digest, handle)

        return handle_once

    async def _handle_keyed(
        self, request: Request, client: RedisClient, digest: str, handle: _Handle
    ) -> Response:
        requests = KeyedRequests(client.connection)
        wanted = _digest(f"{request.url.path}?{request.url.query}".encode(), await request.body())
        begun: dict[str, Any] = {"request": wanted, "begun": time.time_ns() // 1_000_000}
        stored = await requests.begin(digest, orjson.dumps(begun).decode())
        if stored is not None:
            begun = orjson.loads(stored)
            if begun["request"] != wanted:
                raise Changed("That Idempotency-Key was used for another request.")
            if "status" in begun:
                return await self._repeat(client, begun)
            _refuse_if_late(begun, client.job_ttl_s)
        request.state.once = once = KeyedOnce(requests, digest, wanted, begun["begun"])
        try:
            response = await handle(request)
        except (Refused, HTTPException, RequestValidationError):
            if stored is None and not once.used:
                await requests.forget(digest)
            raise
        await requests.answer(digest, orjson.dumps({**begun, **self._kept(response)}).decode())
        return response

    def _kept(self, response: Response) -> dict[str, Any]:
        headers = {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers}
        kept: dict[str, Any] = {"status": response.status_code, "headers": headers}
        if self.response_model in _LARGE:
            return {**kept, "id": orjson.loads(response.body)[_LARGE[self.response_model][0]]}
        return {**kept, "body": bytes(response.body).decode()}

    async def _repeat(self, client: RedisClient, kept: dict[str, Any]) -> Response:
        """Raises UnknownJob, UnknownSchedule: what the first request has made or changed is no more."""
        headers = {**kept["headers"], "Idempotency-Replayed": "true"}
        if "body" in kept:
            return Response(kept["body"], kept["status"], headers)
        shown = await _LARGE[self.response_model][1](client, kept["id"])
        return JSONResponse(shown.model_dump(mode="json"), kept["status"], headers)


def _refuse_if_late(begun: Mapping[str, int], job_ttl_s: int) -> None:
    """Only while Redis keeps a job that has ended, it knows that the job was there. Raises Conflict."""
    if time.time() * 1000 - begun["begun"] > job_ttl_s * 1000 / 2:
        raise Conflict(
            "The first request with that Idempotency-Key was cut off, and by now its jobs may have ended and "
            "left Redis: look for them, and send what is missing with a new key."
        )


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
