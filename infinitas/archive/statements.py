"""The SQL, one statement a file."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def statement(name: str) -> LiteralString:
    """The SQL of `sql/<name>.sql`."""
    text = (files("infinitas.archive") / "sql" / f"{name}.sql").read_text()
    return text
