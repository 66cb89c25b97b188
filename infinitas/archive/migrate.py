"""Migrations: numbered SQL files, each applied once, under an advisory lock."""

from collections.abc import Iterable
from importlib.resources import files
from typing import LiteralString

from infinitas.archive.connection import Archive, statement


async def migrate(archive: Archive) -> list[str]:
    """Bring the tables up to date; any number of processes may try at once.

    Returns the names of the migrations that this call applied.
    """
    applied: list[str] = []
    async with archive.transaction() as connection:
        await connection.execute(statement("lock_migrations"))
        await connection.execute(statement("create_migrations"))
        rows = await (await connection.execute(statement("select_migrations"))).fetchall()
        known = {row[0] for row in rows}
        for name, sql in _migrations():
            if name not in known:
                await connection.execute(sql)
                await connection.execute(statement("insert_migration"), {"name": name})
                applied.append(name)
    return applied


def _migrations() -> Iterable[tuple[str, LiteralString]]:
    folder = files("infinitas.archive") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            yield file.name.removesuffix(".sql"), file.read_text()
