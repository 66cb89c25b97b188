"""Incidents, mutes and rules for people: lists, and what a person may change."""

from collections.abc import Mapping
from dataclasses import asdict

import orjson

from infinitas.archive.incidents import MOST_MUTES, IncidentTable, with_kinds
from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement, statement_with_columns
from infinitas.core.incident import Announced, Incident, IncidentFilter, IncidentKind
from infinitas.core.notify_rules import Mute, MuteRequest, NotifyRule


class Incidents:
    """All raise ServerUnreachable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, wanted: IncidentFilter, before: str | None, limit: int) -> list[Incident]:
        """Up to `limit` incidents, the newest first, older than the incident `before`."""
        values = {**asdict(wanted), "before": before, "limit": limit}
        async with self._pool.transaction() as connection:
            query = statement_with_columns("select_incidents", Incident)
            return with_kinds(await fetch(connection, query, values, Incident))

    async def find(self, id: str) -> Incident | None:
        async with self._pool.transaction() as connection:
            query = statement_with_columns("select_incident", Incident)
            return next(iter(with_kinds(await fetch(connection, query, {"id": id}, Incident))), None)

    async def announced(self, id: str) -> list[Announced]:
        """Which channels were notified of an incident, or are to be."""
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement("select_announced"), {"incident": id}, Announced)

    async def open_counts(self) -> dict[IncidentKind, int]:
        """How many are open, by kind."""
        async with self._pool.transaction() as connection:
            rows = await (await connection.execute(statement("count_open_incidents"))).fetchall()
        known = set(IncidentKind)
        return {IncidentKind(kind): count for kind, count in rows if kind in known}

    async def acknowledge(self, id: str, actor: str) -> None:
        """No reminder follows; the first actor is named."""
        async with self._pool.transaction() as connection:
            await connection.execute(statement("acknowledge_incident"), {"id": id, "actor": actor})

    async def mutes(self, *, ended: bool) -> list[Mute]:
        """The mutes in force, the newest first; with those that have ended."""
        values = {"ended": ended, "limit": MOST_MUTES}
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement_with_columns("select_mutes", Mute), values, Mute)

    async def mute(self, request: MuteRequest, actor: str) -> Mute:
        values = {**asdict(request), "kinds": list(request.kinds), "actor": actor}
        async with self._pool.transaction() as connection:
            query = statement_with_columns("insert_mute", Mute)
            return (await fetch(connection, query, values, Mute))[0]

    async def unmute(self, id: int) -> Mute | None:
        """End a mute. None: there is none in force."""
        async with self._pool.transaction() as connection:
            query = statement_with_columns("end_mute", Mute)
            return next(iter(await fetch(connection, query, {"id": id}, Mute)), None)

    async def rules(self) -> list[NotifyRule]:
        """Those that were made at run time."""
        async with self._pool.transaction() as connection:
            return await IncidentTable(connection).rules()

    async def put_rule(self, rule: NotifyRule, actor: str) -> None:
        values: Mapping[str, object] = {
            "name": rule.name,
            "rule": orjson.dumps(rule.values).decode(),
            "actor": actor,
        }
        async with self._pool.transaction() as connection:
            await connection.execute(statement("upsert_notify_rule"), values)

    async def remove_rule(self, name: str) -> bool:
        """False: there is none."""
        async with self._pool.transaction() as connection:
            found = await connection.execute(statement("delete_notify_rule"), {"name": name})
            return await found.fetchone() is not None
