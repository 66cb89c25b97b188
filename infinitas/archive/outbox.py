"""The outbox of messages, and the log of their deliveries."""

from collections.abc import Collection, Sequence

from infinitas.archive.connection import Archive
from infinitas.archive.statements import fetch, statement
from infinitas.core.channel_records import Attempted, ClaimedNotice, Delivery, Outcome
from infinitas.core.errors import UnknownChannel, UnknownDelivery
from infinitas.core.notice import Notice
from infinitas.core.notice_json import notice_to_json

KEPT_S = 30 * 86_400
"""Seconds that deliveries are kept."""
OTHERS_S = 30.0
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
"""A failing channel is tried after 5, 10, 20 … seconds, at last each 5 minutes."""


class Outbox:
    """Messages to be sent, and what came of them. All methods raise ServerUnreachable."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def claim(
        self, sender: str, own: Collection[str], lease_s: float, limit: int
    ) -> list[ClaimedNotice]:
        """Messages that are due, at most one of each channel; no other sender gets them for so long.

        Those of channels that are neither stored nor the sender's `own` are left to others for half a minute.
        """
        values: dict[str, object] = {"sender": sender, "lease_s": lease_s, "limit": limit}
        values |= {"own": list(own), "others_s": OTHERS_S}
        async with self._archive.transaction() as connection:
            return await fetch(connection, statement("claim_notices"), values, ClaimedNotice)

    async def renew(self, sender: str, lease_s: float) -> None:
        """Hold the sender's claims for so long from now."""
        async with self._archive.transaction() as connection:
            await connection.execute(statement("renew_claims"), {"sender": sender, "lease_s": lease_s})

    async def record(self, sender: str, end: Attempted) -> None:
        """Store the end of a try: its delivery, the message's state, the channel's."""
        claimed = end.claimed
        state = {Outcome.SENT: "sent", Outcome.FAILED: "pending", Outcome.GIVEN_UP: "failed"}[end.outcome]
        of_notice = {"id": claimed.id, "sender": sender, "state": state, "wait_s": end.wait_s}
        delivery = {
            "channel": claimed.channel,
            "notice": claimed.id,
            "reason": claimed.reason,
            "title": end.title,
            "number": claimed.tries,
            "outcome": end.outcome,
            "answer": end.answer,
            "took_ms": end.took_ms,
            "wait_s": end.wait_s,
        }
        of_channel = {
            "channel": claimed.channel,
            "answer": end.answer,
            "first_s": FIRST_WAIT_S,
            "longest_s": LONGEST_WAIT_S,
            "wanted_s": end.wanted_s,
        }
        sent = end.outcome == Outcome.SENT
        async with self._archive.transaction() as connection:
            await connection.execute(statement("end_notice"), of_notice)
            await connection.execute(statement("insert_delivery"), delivery)
            if sent or end.of_channel:
                await connection.execute(statement("channel_sent" if sent else "channel_failed"), of_channel)

    async def add_test(self, notice: Notice) -> None:
        """Put a test into the outbox, also of a failing channel. Raises UnknownChannel."""
        values = {"id": notice.id, "channel": notice.channel, "notice": notice_to_json(notice)}
        async with self._archive.transaction() as connection:
            await connection.execute(statement("retry_channel"), values)
            rows = await connection.execute(statement("insert_test_notice"), values)
            if await rows.fetchone() is None:
                raise UnknownChannel(
                    f"There is no channel {notice.channel[:80]!r}. `infinitas channel ls` lists them."
                )

    async def replay(self, delivery: int) -> tuple[str, str]:
        """Send the message of a delivery again, now, with the same id. Returns the message and its channel.

        Raises:
            UnknownDelivery: there is none, or its message is no longer kept.
        """
        async with self._archive.transaction() as connection:
            rows = await connection.execute(statement("replay_delivery"), {"id": delivery})
            row = await rows.fetchone()
            if row is None:
                raise UnknownDelivery(f"There is no delivery {delivery}, or its message is no longer kept.")
            await connection.execute(statement("retry_channel"), {"channel": row[1]})
        return str(row[0]), str(row[1])

    async def deliveries(
        self, channel: str | None, notice: str | None, before: int | None, limit: int
    ) -> Sequence[Delivery]:
        """Up to `limit` tries, newest first, older than the delivery `before`."""
        values = {"channel": channel, "notice": notice, "before": before, "limit": limit}
        async with self._archive.transaction() as connection:
            return await fetch(connection, statement("select_deliveries"), values, Delivery)

    async def drop_old(self, kept_s: float = KEPT_S) -> None:
        """Delete deliveries that are too old."""
        async with self._archive.transaction() as connection:
            await connection.execute(statement("delete_old_deliveries"), {"seconds": kept_s})
