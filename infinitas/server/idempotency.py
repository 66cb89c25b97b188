"""`Idempotency-Key`: a repeated POST gets the stored response, and changes nothing more."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from infinitas.broker.idempotency import StoredResponses
from infinitas.core.errors import BadArgs, Changed, Conflict
from infinitas.server.auth import authenticate
from infinitas.server.dependencies import client_of

HEADER = "idempotency-key"
MAX_KEY_CHARS = 200
_STORED_HEADERS = ("content-type", "etag", "location")


class IdempotentRoute(APIRoute):
    """A route whose POSTs may be repeated. The token is checked before a stored response is sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handle(request)
            if not 0 < len(key) <= MAX_KEY_CHARS:
                raise BadArgs(f"An Idempotency-Key has 1 to {MAX_KEY_CHARS} characters.")
            client = client_of(request)
            await authenticate(request, client, request.headers.get("authorization", ""))
            responses = StoredResponses(client.connection)
            # A key belongs to a token: the same key with another token is another request.
            owner = request.headers.get("authorization", "") + request.headers.get("cookie", "")
            digest = _digest(owner.encode(), key.encode())
            request_digest = _digest(f"{request.method} {request.url}".encode(), await request.body())
            stored = await responses.begin(digest, orjson.dumps({"request": request_digest}).decode())
            if stored is not None:
                return _repeat(orjson.loads(stored), request_digest)
            try:
                response = await handle(request)
            except BaseException:
                await responses.forget(digest)
                raise
            await responses.store(digest, _to_json(response, request_digest))
            return response

        return handle_once


def _repeat(stored: dict[str, Any], request_digest: str) -> Response:
    """Raises Changed, Conflict."""
    if stored["request"] != request_digest:
        raise Changed("That Idempotency-Key was used for another request.")
    if "status" not in stored:
        raise Conflict("The first request with that Idempotency-Key is still being carried out.")
    return Response(stored["body"], stored["status"], {**stored["headers"], "Idempotency-Replayed": "true"})


def _to_json(response: Response, request_digest: str) -> str:
    headers = {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers}
    body = bytes(response.body).decode()
    stored = {"request": request_digest, "status": response.status_code, "headers": headers, "body": body}
    return orjson.dumps(stored).decode()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
