"""How long Postgres may take. Limits find a server that is silent."""

from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier, Literal

from infinitas.archive.statements import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one transaction.

    Attributes:
        answer_s: to accept a connection, and to begin.
        deadline_s: for the whole transaction, and for each statement by Postgres' own clock.
        lock_s: to wait for a lock.
        idle_s: after which Postgres ends a transaction whose client sends nothing.
    """

    answer_s: float = 5.0
    deadline_s: float = 45.0
    lock_s: float = 5.0
    idle_s: float = 30.0

    def begin(self, schema: str | None = None) -> Composed:
        """The statement that begins a transaction with these limits in a schema, in one round trip."""
        begin = SQL(statement("begin")).format(
            lock_ms=_ms(self.lock_s), statement_ms=_ms(self.deadline_s), idle_ms=_ms(self.idle_s)
        )
        if schema is None:
            return begin
        return begin + SQL(statement("use_schema")).format(schema=Identifier(schema))


WRITES = Limits()
"""Less than a minute in all: a fault is logged within one."""
READS = Limits(answer_s=2.0, deadline_s=10.0, lock_s=2.0)
MIGRATIONS = Limits(deadline_s=3600.0)
"""Building an index of a large table takes long."""


def _ms(seconds: float) -> Literal:
    return Literal(max(round(seconds * 1000), 1))
