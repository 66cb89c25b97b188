"""Opens the archive for reading: one attribute for each thing that can be read, or is marked there."""

from infinitas.archive.attempts import Attempts
from infinitas.archive.audit import Audit
from infinitas.archive.condition import Condition
from infinitas.archive.incident_views import Incidents
from infinitas.archive.jobs import Jobs
from infinitas.archive.limits import READS, Limits
from infinitas.archive.pool import Pool
from infinitas.archive.queue_rates import QueueRates
from infinitas.archive.refused import RefusedEvents
from infinitas.archive.statistics import Statistics
from infinitas.archive.tasks import Tasks
from infinitas.archive.timeline import Timeline
from infinitas.archive.tokens import KeptTokens


class Reader:
    """Queries of one archive. All raise ServerUnreachable, also if Postgres gives no answer in time."""

    def __init__(self, url: str, role: str, limits: Limits = READS) -> None:
        self._pool = Pool(url, role, limits)
        self.jobs = Jobs(self._pool)
        self.attempts = Attempts(self._pool)
        self.tasks = Tasks(self._pool)
        self.timeline = Timeline(self._pool)
        self.statistics = Statistics(self._pool)
        self.audit = Audit(self._pool)
        self.tokens = KeptTokens(self._pool)
        self.refused = RefusedEvents(self._pool)
        self.incidents = Incidents(self._pool)
        self.queue_rates = QueueRates(self._pool)
        self.condition = Condition(self._pool)

    async def ping(self) -> None:
        """Return if the archive answers, and has its tables."""
        await self.jobs.states([])

    async def close(self) -> None:
        await self._pool.close()
