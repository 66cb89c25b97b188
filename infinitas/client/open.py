"""Which client the settings name: a server's, or that of Redis and Postgres."""

from collections.abc import Callable

from infinitas.broker.connection import Connection
from infinitas.client.interface import Client
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import ConfigError
from infinitas.runtime.config import DEFAULT_REDIS, Settings


def open_client(settings: Settings, connect: Callable[[str, str], Connection] | None = None) -> Client:
    """A client; the caller closes it. Raises ConfigError: the extra `remote` is not installed."""
    if settings.server is None:
        return RedisClient(
            settings.redis_url or DEFAULT_REDIS,
            settings.postgres_url,
            settings.job_ttl,
            connect or Connection,
        )
    try:
        # Imported here: a program beside Redis needs neither httpx nor websockets.
        from infinitas.client.http_client import HttpClient
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"server= needs the package {error.name}: pip install 'infinitas[remote]'."
        ) from None
    return HttpClient(settings.server, settings.token_text, settings.certificates)
