"""Describes incidents for messages: with what Redis and the archive know of the task and the job."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.troubles import LINES, TroubleFacts, trouble_facts
from infinitas.core.cron.description import describe_cron
from infinitas.core.errors import InfinitasError
from infinitas.core.incident import Incident
from infinitas.core.job_secrets import without_secrets
from infinitas.core.notice import Trouble
from infinitas.core.records import JobInfo, TaskInfo
from infinitas.core.schedule import Schedule

PATIENCE_S = 3.0
"""A message leaves without these facts when Redis does not answer."""
MAX_LINE_CHARS = 500
MAX_ARGUMENTS_CHARS = 2_000


class Troubles:
    """Makes troubles of incidents.

    Args:
        page: the public address of the page, for links.
    """

    def __init__(self, connection: Connection, page: str | None) -> None:
        self._connection = connection
        self._page = page

    async def describe(self, incidents: Iterable[Incident]) -> dict[str, Trouble]:
        """The troubles of incidents, by id."""
        found: dict[str, Trouble] = {}
        by_queue: dict[str, list[Incident]] = {}
        for incident in incidents:
            found[incident.id] = Trouble(incident=incident, link=self._link(incident))
            if incident.queue is not None and (incident.task or incident.job):
                by_queue.setdefault(incident.queue, []).append(incident)
        with suppress(InfinitasError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                for queue, members in by_queue.items():
                    found |= await self._with_facts(queue, members)
        return found

    async def _with_facts(self, queue: str, incidents: Sequence[Incident]) -> Mapping[str, Trouble]:
        of = [(each.task or "", each.job or "") for each in incidents]
        facts = await trouble_facts(self._connection, queue, of)
        return {
            incident.id: self._trouble(incident, each)
            for incident, each in zip(incidents, facts, strict=True)
        }

    def _trouble(self, incident: Incident, facts: TroubleFacts) -> Trouble:
        task = facts.task
        job = _shown(facts.job, task)
        rule = next(iter(task.schedules), None) if task else None
        return Trouble(
            incident=incident,
            log_lines=tuple(line.text[:MAX_LINE_CHARS] for line in job.log[-LINES:]) if job else (),
            arguments=job.args_json[:MAX_ARGUMENTS_CHARS] if job else None,
            attempt=facts.job.attempt if facts.job and facts.job.attempt else None,
            attempts=task.definition.retries + 1 if task and facts.job else None,
            last_success_at=task.last_success.date if task and task.last_success else None,
            next_slot_at=task.next_slot if task else None,
            schedule=_words(rule) if rule else None,
            timezone=rule.timezone if rule else "UTC",
            owner=(task.definition.owner or None) if task else None,
            runbook=(task.definition.runbook or None) if task else None,
            link=self._link(incident),
        )

    def _link(self, incident: Incident) -> str | None:
        if self._page is None:
            return None
        if incident.job:
            return f"{self._page}/jobs/{quote(incident.job, safe='')}"
        return f"{self._page}/tasks/{quote(incident.task, safe='')}" if incident.task else self._page


def _words(rule: Schedule) -> str:
    return describe_cron(rule.parsed(rule.cron).fields) if rule.cron is not None else rule.rule_text


def _shown(job: JobInfo | None, task: TaskInfo | None) -> JobInfo | None:
    """The job as people outside may see it."""
    # Without the definition, or the arguments, it is not known which values are secret.
    if job is None or task is None or task.unreadable is not None or job.unreadable is not None:
        return None
    try:
        return without_secrets(job, task.definition.redact)
    except ValueError:
        return None
