"""Reads the audit: writes through the server."""

from dataclasses import asdict

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.records import AuditEntry, AuditFilter


class Audit:
    """The audit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditEntry]:
        """Up to `limit` entries, newest first, older than the entry `before`."""
        values = {**asdict(wanted), "before": before, "limit": limit}
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement("select_audit"), values, AuditEntry)
