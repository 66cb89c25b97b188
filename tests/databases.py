"""Databases for tests: copies of one whose tables are made, on a Postgres that need not survive a crash."""

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.broker.keys import REVOKED_TOKENS, TOKENS
from tests.support import eventually

NOT_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
TEMPLATE = "infinitas_template"
# Truncating an empty table, its indexes and partitions is what would cost most.
_EMPTY = r"""
DO $$
DECLARE
    name text;
    used text[];
    has_rows boolean;
BEGIN
    FOR name IN SELECT format('%I', relname) FROM pg_class
        WHERE relname LIKE 'infinitas\_%' AND relname <> 'infinitas_migrations'
            AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO has_rows;
        IF has_rows THEN used := used || name; END IF;
    END LOOP;
    IF used IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || array_to_string(used, ', ') || ' CASCADE';
    END IF;
END $$
"""


class Databases:
    """Makes and drops databases on one server.

    Args:
        url: the server's, with the right to make databases.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url, autocommit=True) as admin:
            for name in NOT_DURABLE:
                admin.execute(f"ALTER SYSTEM SET {name} = off".encode())
            admin.execute("SELECT pg_reload_conf()")
            admin.execute(f"CREATE DATABASE {TEMPLATE}".encode())
        # In a thread, because the caller may be inside an event loop.
        with ThreadPoolExecutor() as thread:
            thread.submit(asyncio.run, _migrate(self.url_of(TEMPLATE))).result()

    def url_of(self, name: str) -> str:
        return self._url.replace("/postgres?", f"/{name}?")

    @contextmanager
    def database(self, options: str = f"TEMPLATE {TEMPLATE} STRATEGY file_copy") -> Iterator[str]:
        """The URL of a new database, which is dropped at the end of the block."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} {options}".encode())
        yield self.url_of(name)
        with psycopg.connect(self._url, autocommit=True) as admin:
            eventually(lambda: _drop(admin, name))

    def empty(self, url: str) -> None:
        """Delete all rows of a migrated database."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_EMPTY)


def forget_tokens(url: str, redis: Redis) -> None:
    """Remove all access tokens at once from Redis and from the database, of which a server restores them."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE infinitas_tokens IN SHARE ROW EXCLUSIVE MODE")
        redis.delete(TOKENS, REVOKED_TOKENS)
        connection.execute("DELETE FROM infinitas_tokens")


def _drop(admin: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    """Whether it is gone: Postgres waits only five seconds for the backends that it ends."""
    try:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
    except psycopg.errors.ObjectInUse:
        return False
    return True


async def _migrate(url: str) -> None:
    archive = Archive(url, "test")
    try:
        await migrate(archive)
    finally:
        await archive.close()
