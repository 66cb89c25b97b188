"""Fills in the URLs of Redis and Postgres that the settings leave out."""

from infinitas.runtime.config import DEFAULT_REDIS, Settings


def fill_urls(settings: Settings) -> Settings:
    """The settings; missing URLs become those of the embedded servers running on the data folder."""
    running = None
    if settings.redis_url is None or settings.postgres_url is None:
        # Imported here: most programs that import the app never start a server.
        from infinitas.devservers.servers import running_servers

        running = running_servers(settings.data_dir)
    redis = settings.redis_url or (running.redis if running else DEFAULT_REDIS)
    # Histories of two installations must not mix: another Redis needs its own Postgres, or none.
    postgres = running.postgres if running and settings.redis_url is None else None
    return settings.model_copy(update={"redis_url": redis, "postgres_url": settings.postgres_url or postgres})
