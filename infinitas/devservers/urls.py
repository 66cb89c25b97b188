"""Which Redis and Postgres an app uses when nobody says so."""

from infinitas.runtime.config import DEFAULT_REDIS, Settings


def fill_urls(settings: Settings) -> Settings:
    """Settings whose missing URLs are those of the embedded servers that run on its data folder."""
    running = None
    if settings.redis_url is None or settings.postgres_url is None:
        # Imported here: most who import the app never start a server.
        from infinitas.devservers.servers import running_servers

        running = running_servers(settings.data_dir)
    redis = settings.redis_url or (running.redis if running else DEFAULT_REDIS)
    # Histories of two installations must not mix: a Redis of one's own has its own Postgres, or none.
    beside = running.postgres if running and settings.redis_url is None else None
    return settings.model_copy(update={"redis_url": redis, "postgres_url": settings.postgres_url or beside})
