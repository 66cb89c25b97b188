"""Migrations: numbered SQL files, each applied once, under an advisory lock."""

import asyncio
from collections.abc import Iterable
from importlib.resources import files
from typing import LiteralString

from psycopg import AsyncConnection

from infinitas.archive.connection import Archive
from infinitas.archive.limits import MIGRATIONS
from infinitas.archive.statements import statement
from infinitas.core.errors import ConfigError
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_url

_log = get_logger("archive")


class Tables:
    """The tables of one archive, migrated before they are first used."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._ready = False
        self._one_at_a_time = asyncio.Lock()

    async def make_ready(self) -> None:
        """Apply missing migrations; once that is done, do nothing. Raises as `migrate`."""
        async with self._one_at_a_time:
            if not self._ready:
                for name in await migrate(self._archive):
                    _log.info("Applied migration %s.", name)
                self._ready = True

    def check_again(self) -> None:
        """Have the next `make_ready` check: after an outage, it may be another database."""
        self._ready = False


async def migrate(archive: Archive) -> list[str]:
    """Bring the tables up to date; any number of processes may try at once.

    Returns the names of the migrations that this call applied.

    Raises:
        ConfigError: the database can't hold every text, or postgres_url is wrong.
        ServerUnreachable: Postgres can't be used now.
    """
    # Checked first with the usual limits; this needs no right to create tables.
    async with archive.transaction() as connection:
        _refuse_encoding(archive)
        known = await _known(connection)
    if all(name in known for name, _ in _migrations()):
        return []
    applied: list[str] = []
    async with archive.transaction(MIGRATIONS) as connection:
        await connection.execute(statement("lock_migrations"))
        await connection.execute(statement("create_migrations"))
        known = await _known(connection)
        for name, sql in _migrations():
            if name not in known:
                await connection.execute(sql)
                await connection.execute(statement("insert_migration"), {"name": name})
                applied.append(name)
    return applied


def _refuse_encoding(archive: Archive) -> None:
    if archive.encoding not in ("UTF8", None):
        raise ConfigError(
            f"The database at {mask_url(archive.url)} has the encoding {archive.encoding}, which can't hold "
            "every text. Create another with `createdb --encoding=UTF8 --template=template0 NAME`, and set "
            "postgres_url to it."
        )


async def _known(connection: AsyncConnection) -> set[str]:
    found = await (await connection.execute(statement("has_migrations"))).fetchone()
    if found is None or not found[0]:
        return set()
    rows = await (await connection.execute(statement("select_migrations"))).fetchall()
    return {row[0] for row in rows}


def _migrations() -> Iterable[tuple[str, LiteralString]]:
    folder = files("infinitas.archive") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            yield file.name.removesuffix(".sql"), file.read_text()
