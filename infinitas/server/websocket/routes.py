"""WebSocket routes: `/api/v1/worker` and `/api/v1/feed`, and their description."""

from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, Response, WebSocket

from infinitas.server.auth import NO_TOKEN_NEEDED
from infinitas.server.websocket.asyncapi import asyncapi_document
from infinitas.server.websocket.gateway import Gateway

router = APIRouter(tags=["system"])


@router.get("/asyncapi.json", response_model=dict[str, Any], openapi_extra=NO_TOKEN_NEEDED)
async def asyncapi() -> Response:
    """The WebSocket protocols as AsyncAPI 3, with a JSON Schema of every frame."""
    return Response(_asyncapi(), media_type="application/json")


@cache
def _asyncapi() -> bytes:
    """Made once: it takes 20 ms, and needs no token."""
    return orjson.dumps(asyncapi_document())


@router.websocket("/worker")
async def connect_worker(websocket: WebSocket) -> None:
    """Remote workers: `infinitas.v1` (docs/protocol.md)."""
    await _gateway_of(websocket).serve_worker(websocket)


@router.websocket("/feed")
async def connect_page(websocket: WebSocket) -> None:
    """Pages that subscribe to events: `infinitas.feed.v1` (docs/http.md)."""
    await _gateway_of(websocket).serve_page(websocket)


def _gateway_of(websocket: WebSocket) -> Gateway:
    gateway = websocket.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway
