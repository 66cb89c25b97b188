"""What waits for channels, and the outbox of messages, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from infinitas.archive.incidents import with_kinds
from infinitas.archive.statements import (
    columns,
    fetch,
    statement,
    statement_with_columns,
    values_of,
)
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notice import Notice, NoticeReason
from infinitas.core.notice_groups import Rate, Waiting
from infinitas.core.notice_json import notice_to_json

_KINDS = [str(kind) for kind in IncidentKind]
_REASONS = [str(reason) for reason in NoticeReason]


class AnnouncementTable:
    """Announcements and notices, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waiting_channels(self) -> dict[str, datetime]:
        """Channels that something waits for, and since when."""
        rows = await (await self._connection.execute(statement("select_waiting_channels"))).fetchall()
        return dict(rows)

    async def lock_rate(self, channel: str, tokens: float) -> Rate | None:
        """The channel's rate; a new channel has so many tokens. None: another notifier has it now."""
        await self._connection.execute(
            statement("begin_channel_rate"), {"channel": channel, "tokens": tokens}
        )
        found = await self._connection.execute(statement("lock_channel_rate"), {"channel": channel})
        row = await found.fetchone()
        return Rate(*row) if row else None

    async def keep_rate(self, channel: str, rate: Rate) -> None:
        values = {"channel": channel, **values_of(rate)}
        await self._connection.execute(statement("update_channel_rate"), values)

    async def take(self, channel: str, limit: int) -> list[Waiting]:
        """What waits for the channel; from here on it counts as announced."""
        rows = await self._rows("take_announcements", {"channel": channel, "limit": limit})
        return [
            Waiting(
                reason=NoticeReason(row.pop("reason")), rule=str(row.pop("rule")), incident=_incident(row)
            )
            for row in rows
        ]

    async def unannounced(self, after: str, limit: int) -> list[Incident]:
        """Open incidents that no channel was notified of, in the order of their ids."""
        query = statement_with_columns("select_unannounced_incidents", Incident)
        return with_kinds(await fetch(self._connection, query, {"after": after, "limit": limit}, Incident))

    async def calm(self, before: datetime, limit: int) -> list[Incident]:
        """Incidents that are flapping, and were calm since `before`."""
        query = statement_with_columns("select_calm_incidents", Incident)
        return with_kinds(await fetch(self._connection, query, {"before": before, "limit": limit}, Incident))

    async def to_remind(self, every: Mapping[str, float], limit: int) -> list[tuple[str, str, Incident]]:
        """Channel, rule and incident of messages that are as old as `every` has it, in seconds by rule."""
        values = {"rules": list(every), "seconds": list(every.values()), "limit": limit}
        rows = await self._rows("select_reminders", values)
        return [(str(row.pop("channel")), str(row.pop("rule")), _incident(row)) for row in rows]

    async def hook(self) -> tuple[Incident, NoticeReason, bool] | None:
        """The next incident for plugins, why, and whether it is new to them; no other notifier gets it."""
        for row in await self._rows("select_hook", {}):
            reason, new = NoticeReason(row.pop("reason")), bool(row.pop("new"))
            return _incident(row), reason, new
        return None

    async def end_hook(self, incident: str) -> None:
        await self._connection.execute(statement("end_hook"), {"incident": incident})

    async def delete_old(self, notices_s: float, incidents_s: float, limit: int) -> None:
        """Delete some of the notices, and of the closed incidents, that are older than so many seconds."""
        values = {"notices_s": notices_s, "incidents_s": incidents_s, "limit": limit}
        for name in ("delete_old_notices", "delete_old_incidents"):
            await self._connection.execute(statement(name), values)

    async def send(self, notices: Sequence[Notice]) -> None:
        """Put messages into the outbox."""
        async with self._connection.cursor() as cursor:
            await cursor.executemany(
                statement("insert_notice"),
                [
                    {
                        "id": each.id,
                        "channel": each.channel,
                        "reason": each.reason,
                        "notice": notice_to_json(each),
                    }
                    for each in notices
                ],
            )

    async def _rows(self, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        """Rows that have the columns of an incident, beside others.

        What only a newer version knows is left for its notifiers.
        """
        names = ", ".join(f"i.{column}" for column in columns(Incident))
        values = {**values, "kinds": _KINDS, "reasons": _REASONS}
        query = statement(name).replace("{columns}", names).encode()
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


def _incident(row: Mapping[str, Any]) -> Incident:
    return Incident(**{**row, "kind": IncidentKind(row["kind"])})
