"""What waits for channels, and the outbox of messages, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from infinitas.archive.statements import columns, statement, values_of
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notice import Notice, NoticeReason
from infinitas.core.notice_groups import Rate, Waiting
from infinitas.core.notice_json import notice_to_json


class AnnouncementTable:
    """Announcements and notices, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waiting_channels(self) -> dict[str, datetime]:
        """Channels that something waits for, and since when."""
        rows = await (await self._connection.execute(statement("select_waiting_channels"))).fetchall()
        return {channel: since for channel, since in rows}

    async def lock_rate(self, channel: str, tokens: float) -> Rate | None:
        """The channel's rate; a new channel has so many tokens. None: another notifier makes messages for it."""
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
        """What waits for the channel; from here on it counts as told."""
        names = ", ".join(f"i.{name}" for name in columns(Incident))
        query = statement("take_announcements").replace("{columns}", names).encode()
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, {"channel": channel, "limit": limit})
            rows = await cursor.fetchall()
        found = []
        for row in rows:
            reason, rule = NoticeReason(row.pop("reason")), str(row.pop("rule"))
            incident = Incident(**row)
            found.append(Waiting(replace(incident, kind=IncidentKind(incident.kind)), reason, rule))
        return found

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
