"""Which client the settings name: a server's, or that of Redis and Postgres."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Union

from infinitas.broker.connection import Connection
from infinitas.client.redis_client import Client
from infinitas.core.errors import ConfigError
from infinitas.runtime.config import DEFAULT_REDIS, Settings

if TYPE_CHECKING:
    from infinitas.client.http_client import HttpClient

AnyClient = Union[Client, "HttpClient"]


def open_client(settings: Settings, connect: Callable[[str, str], Connection] | None = None) -> AnyClient:
    """A client; whoever opens it closes it. Raises ConfigError: the extra `remote` is not installed."""
    if settings.server is None:
        return Client(
            settings.redis_url or DEFAULT_REDIS,
            settings.postgres_url,
            settings.job_ttl,
            connect or Connection,
        )
    try:
        # Imported here: who is beside Redis needs neither.
        from infinitas.client.http_client import HttpClient
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"server= needs the package {error.name}: pip install 'infinitas[remote]'."
        ) from None
    return HttpClient(settings.server, settings.token_text)
