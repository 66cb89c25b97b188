"""Where WebSockets connect."""

from fastapi import APIRouter, WebSocket

from infinitas.server.sockets.gateway import Gateway

router = APIRouter()


@router.websocket("/worker")
async def connect_worker(socket: WebSocket) -> None:
    """Workers in any language: `infinitas.v1` (docs/protocol.md)."""
    gateway = socket.app.state.gateway
    assert isinstance(gateway, Gateway)
    await gateway.serve(socket)
