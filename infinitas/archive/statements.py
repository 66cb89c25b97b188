"""The SQL, one statement a file, and its rows as dataclasses.

A file has `{columns}` where it takes those of a table: the fields of the table's row class. It has
`{incoming}` in the names of temporary tables: a pooler keeps those of an older version in its sessions.
`{wanted_jobs}` is the condition that lists of jobs share.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import class_row

R = TypeVar("R")


@cache
def statement(name: str) -> LiteralString:
    """The SQL of `sql/<name>.sql`."""
    text = (files("infinitas.archive") / "sql" / f"{name}.sql").read_text()
    if "{wanted_jobs}" in text:
        text = text.replace("{wanted_jobs}", statement("wanted_jobs"))
    return text.replace("{incoming}", f"incoming_{migrations()[-1][0].partition('_')[0]}")


@cache
def migrations() -> list[tuple[str, LiteralString]]:
    """Name and SQL of each migration, in order."""
    folder = (files("infinitas.archive") / "migrations").iterdir()
    found = [file for file in folder if file.name.endswith(".sql")]
    return sorted((file.name.removesuffix(".sql"), file.read_text()) for file in found)


def columns(row: type) -> tuple[str, ...]:
    """The columns of a row class, in order."""
    return tuple(field.name for field in fields(row))


@cache
def statement_with_columns(name: str, row: type) -> bytes:
    """The SQL of `sql/<name>.sql`, with the columns of `row` for `{columns}`."""
    return statement(name).replace("{columns}", ", ".join(columns(row))).encode()


async def fetch(
    connection: AsyncConnection, query: LiteralString | bytes, values: Mapping[str, object], row: type[R]
) -> list[R]:
    """The rows of a query, each as a `row`: its columns are the arguments of that class, by name."""
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


def values_of(row: Any) -> dict[str, object]:
    """A row as the parameters of a statement, by name."""
    return {field.name: getattr(row, field.name) for field in fields(row)}
