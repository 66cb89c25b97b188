"""What is wrong with the archive, and where it differs from Redis. It changes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from infinitas.archive.condition import OpenJob
from infinitas.archive.connection import Archive
from infinitas.archive.limits import READS
from infinitas.archive.migrate import missing_migrations
from infinitas.archive.reader import Reader
from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.findings import Finding, FindingCode, finding, listed
from infinitas.core.plural import counted

MOST_OPEN = 250
"""Of each state, the first due; further ones are counted by the next check."""
SETTLED = timedelta(seconds=60)
"""A job that is younger may be on its way into Postgres."""
POSTGRES = "postgres"
GB = 1_000_000_000
NEARLY_FULL = 0.9


class ArchiveChecks:
    """Checks one archive; close it."""

    def __init__(self, url: str, max_gb: float | None) -> None:
        self._reader = Reader(url, "doctor")
        self._archive = Archive(url, "doctor", READS, writes=False)
        self._max_gb = max_gb

    async def reach(self) -> list[Finding]:
        """Whether Postgres answers, and has the tables of this version."""
        try:
            missing = await missing_migrations(self._archive)
        except (ServerUnreachable, ConfigError) as error:
            return [finding(FindingCode.POSTGRES_UNREACHABLE, POSTGRES, str(error))]
        if not missing:
            return []
        text = f"The archive lacks {counted(len(missing), 'migration')}: {listed(missing)}."
        return [finding(FindingCode.POSTGRES_TABLES, POSTGRES, text, count=len(missing), names=missing)]

    async def now(self) -> datetime:
        """The time by Postgres. Raises ServerUnreachable."""
        return (await self._reader.condition.size())[1]

    async def check(self) -> list[Finding]:
        """Its size, and records that it refused. Raises ServerUnreachable."""
        found = []
        size = (await self._reader.condition.size())[0] / GB
        if self._max_gb is not None and size >= NEARLY_FULL * self._max_gb:
            text = f"The archive's database has {size:.1f} GB, and archive_max_gb is {self._max_gb:g}."
            found.append(finding(FindingCode.POSTGRES_SIZE, POSTGRES, text))
        for queue, count in sorted((await self._reader.refused.count()).items()):
            text = f"{counted(count, 'event')} of this queue could not be stored, and are set aside."
            found.append(
                finding(FindingCode.REFUSED_RECORDS, f"queue {queue}", text, count=count, queue=queue)
            )
        return found

    async def open_rows(self, connection: Connection) -> list[Finding]:
        """Unfinished jobs of Postgres that Redis does not have. Call it while the archive has no lag."""
        rows = await self._reader.condition.open_jobs(SETTLED, MOST_OPEN)
        known = await self._known(connection, rows)
        lost = [row.id for row in rows if row not in known]
        if not lost:
            return []
        text = (
            f"{counted(len(lost), 'job')} unfinished in Postgres, of which Redis has nothing: {listed(lost)}."
        )
        return [finding(FindingCode.OPEN_ROWS, POSTGRES, text, count=len(lost), names=lost)]

    async def _known(self, connection: Connection, rows: Sequence[OpenJob]) -> set[OpenJob]:
        if not rows:
            return set()
        pipe = connection.pipeline()
        for row in rows:
            pipe.exists(QueueKeys(row.queue).of("job", row.id))
        return {row for row, found in zip(rows, await connection.execute(pipe), strict=True) if found}

    async def close(self) -> None:
        await self._reader.close()
        await self._archive.close()
