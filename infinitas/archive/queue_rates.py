"""How many jobs came into each queue and ended lately."""

from datetime import datetime, timedelta

from infinitas.archive.pool import Pool
from infinitas.archive.statements import statement

MINUTES = 5
_MINUTE = timedelta(minutes=1)


class QueueRates:
    """Rates by queue, of what the archiver has recorded."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def at(self, now: datetime) -> dict[str, tuple[float, float]]:
        """Jobs a minute that came and that ended: the mean of five minutes, with the one that is not over.

        A queue without any is left out.

        Raises ServerUnreachable.
        """
        since = now.replace(second=0, microsecond=0) - (MINUTES - 1) * _MINUTE
        minutes = (now - since) / _MINUTE
        async with self._pool.transaction() as connection:
            rows = await (await connection.execute(statement("select_rates"), {"since": since})).fetchall()
        return {queue: (came / minutes, ended / minutes) for queue, came, ended in rows}
