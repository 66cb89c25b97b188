"""`Idempotency-Key`: the same POST again gets the same answer, and changes nothing more."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from infinitas.broker.idempotency import Replies
from infinitas.core.errors import BadArgs, Changed, Conflict
from infinitas.server.auth import identify
from infinitas.server.dependencies import client_of

HEADER = "idempotency-key"
MAX_KEY_CHARS = 200
_KEPT_HEADERS = ("content-type", "etag", "location")


class IdempotentRoute(APIRoute):
    """A route whose POSTs can be said twice. Only who may ask gets an answer: access is checked first."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handle(request)
            if not 0 < len(key) <= MAX_KEY_CHARS:
                raise BadArgs(f"An Idempotency-Key has 1 to {MAX_KEY_CHARS} characters.")
            client = client_of(request)
            await identify(request, client, request.headers.get("authorization", ""))
            replies = Replies(client.connection)
            # Keys are their owner's: another token with the same one is another request.
            owner = request.headers.get("authorization", "") + request.headers.get("cookie", "")
            digest = _digest(owner.encode(), key.encode())
            asked = _digest(f"{request.method} {request.url}".encode(), await request.body())
            stored = await replies.begin(digest, orjson.dumps({"asked": asked}).decode())
            if stored is not None:
                return _again(orjson.loads(stored), asked)
            try:
                answer = await handle(request)
            except BaseException:
                await replies.forget(digest)
                raise
            await replies.keep(digest, _record(answer, asked))
            return answer

        return handle_once


def _again(stored: dict[str, Any], asked: str) -> Response:
    """Raises Changed, Conflict."""
    if stored["asked"] != asked:
        raise Changed("That Idempotency-Key was used for another request.")
    if "status" not in stored:
        raise Conflict("The first request with that Idempotency-Key is still being carried out.")
    return Response(stored["body"], stored["status"], {**stored["headers"], "Idempotency-Replayed": "true"})


def _record(answer: Response, asked: str) -> str:
    headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
    body = bytes(answer.body).decode()
    stored = {"asked": asked, "status": answer.status_code, "headers": headers, "body": body}
    return orjson.dumps(stored).decode()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
