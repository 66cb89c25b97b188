"""Opens the transport that the settings name: a server, or Redis."""

from infinitas.broker.connection import Connection
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.worker.transport.interface import Transport
from infinitas.worker.transport.redis import RedisTransport


def open_transport(settings: Settings) -> Transport:
    """The caller closes it."""
    if settings.server is None:
        return RedisTransport(Connection(settings.redis_url or DEFAULT_REDIS, "worker"))
    # Imported here: it needs the extra `remote`.
    from infinitas.worker.transport.websocket import WebSocketTransport

    return WebSocketTransport(
        settings.server, settings.token_text, settings.concurrency, settings.certificates
    )
