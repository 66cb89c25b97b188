"""Migrations: numbered SQL files, each applied once, under an advisory lock."""

import asyncio
from collections.abc import Collection

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier, Literal

from infinitas.archive.connection import Archive, MissingRight
from infinitas.archive.limits import MIGRATIONS
from infinitas.archive.statements import migrations, statement
from infinitas.core.errors import ConfigError
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_url
from infinitas.runtime.progress import taking_its_time

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
                with taking_its_time():
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
        ConfigError: the database can't hold every text, postgres_url is wrong, or its role may not create the
            tables that are missing.
        ServerUnreachable: Postgres can't be used now.
    """
    missing = await missing_migrations(archive)
    if not missing:
        return []
    try:
        return await _apply(archive)
    except MissingRight as error:
        raise ConfigError(
            f"{error} These migrations are missing: {', '.join(missing)}. Apply them with a role that may "
            "create tables: `infinitas migrate`, or `infinitas migrate --sql` for SQL to run by hand."
        ) from None


async def missing_migrations(archive: Archive) -> list[str]:
    """The names of migrations that the database lacks; this needs no right to create. Raises as `migrate`."""
    async with archive.transaction() as connection:
        _refuse_encoding(archive)
        known = await _known(connection)
    return [name for name, _ in migrations() if name not in known]


async def missing_script(archive: Archive) -> str:
    """The missing migrations as SQL for `psql`, in one transaction; empty without one. Raises as it."""
    names = await missing_migrations(archive)
    return _script(archive.schema, names) if names else ""


def _script(schema: str | None, names: Collection[str]) -> str:
    parts = ["BEGIN;\n"]
    if schema is not None:
        parts += [_in_schema(name, schema).as_string() for name in ("create_schema", "use_schema")]
    parts += [statement("lock_migrations"), statement("create_migrations")]
    for name, sql in migrations():
        if name in names:
            recorded = statement("insert_migration").replace("%(name)s", Literal(name).as_string())
            parts.append(f"\n-- {name}\n{sql}{recorded}")
    return "".join([*parts, "\nCOMMIT;\n"])


async def _apply(archive: Archive) -> list[str]:
    applied: list[str] = []
    async with archive.transaction(MIGRATIONS) as connection:
        await connection.execute(statement("lock_migrations"))
        if archive.schema is not None and not await _has_schema(connection, archive.schema):
            await connection.execute(_in_schema("create_schema", archive.schema))
        await connection.execute(statement("create_migrations"))
        known = await _known(connection)
        for name, sql in migrations():
            if name not in known:
                await connection.execute(sql)
                await connection.execute(statement("insert_migration"), {"name": name})
                applied.append(name)
    return applied


async def _has_schema(connection: AsyncConnection, schema: str) -> bool:
    # Asked first: CREATE SCHEMA IF NOT EXISTS needs its right also where the schema exists.
    found = await (await connection.execute(statement("has_schema"), {"schema": schema})).fetchone()
    return found is not None and bool(found[0])


def _in_schema(name: str, schema: str) -> Composed:
    return SQL(statement(name)).format(schema=Identifier(schema))


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
