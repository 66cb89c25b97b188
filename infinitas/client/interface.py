"""The verbs over tasks, jobs and schedules from outside a worker, documented once.

`RedisClient` carries them out on Redis and Postgres, `HttpClient` through a server.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from infinitas.broker.messages import NewJob
from infinitas.core.incident import Announced, Incident, IncidentFilter
from infinitas.core.interval import Rule
from infinitas.core.notify_rules import Mute, MuteRequest, NotifyRule
from infinitas.core.records import Backfill, JobInfo, QueueInfo, TaskInfo, TaskLine, TaskRemoval, WorkerInfo
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.states import State
from infinitas.core.status import Status
from infinitas.core.task_definition import TaskDefinition


class ScheduleClient(Protocol):
    """Verbs by key: a task's own schedule has the task's name."""

    async def find(self, key: str) -> ScheduleInfo:
        """A schedule. Raises UnknownSchedule."""

    async def next(self, task: str | None, limit: int) -> list[ScheduleInfo]:
        """Schedules, of one task or all, those with the earliest next slot first."""

    async def put(
        self,
        task: TaskDefinition | str,
        entries: Sequence[Entry],
        options: ScheduleOptions,
        *,
        replace: bool = False,
    ) -> list[datetime]:
        """Store rules of a task, each in place of that task's own under its key. Returns their first slots.

        Args:
            task: a definition, which is declared first, or the name of a task that is known.
            replace: also in place of another task's.

        Raises:
            KeyTaken: another task has the key of one of them; nothing is stored.
            BadSchedule: one of them is wrong or lies in the past; nothing is stored.
            UnknownTask: the task is not declared.
        """

    async def change(
        self,
        key: str,
        rule: Rule | None = None,
        *,
        at: datetime | None = None,
        args: str | None = None,
        options: ScheduleOptions | None = None,
    ) -> ScheduleInfo:
        """Give a schedule another rule, other arguments or options; what is not given stays.

        One that code declares keeps the change until the code's own declaration changes.

        Raises:
            UnknownSchedule: there is none.
            BadSchedule: as `put`, or what stays can't be read: store it anew.
        """

    async def reset(self, key: str) -> ScheduleInfo:
        """Take a person's change back: the rule is again what the code declares.

        Raises:
            UnknownSchedule: there is none. BadSchedule: it is not one that code declares.
        """

    async def remove(self, key: str) -> bool:
        """Remove a schedule, whichever queue it is in. False if there is none."""

    async def pause(self, key: str, reason: str, until: datetime | None = None) -> ScheduleInfo:
        """Skip slots, until `resume` or until `until`; each is recorded as skipped.

        Raises:
            UnknownSchedule: there is none. BadSchedule: `until` is naive or has passed.
            BadArgs: the reason is too long.
        """

    async def resume(self, key: str) -> ScheduleInfo:
        """End a pause. What was skipped stays skipped. Raises UnknownSchedule."""

    async def skip_next(self, key: str, count: int = 1) -> list[datetime]:
        """Skip the next `count` slots, in place of any number before; 0 takes it back.

        Returns them. Raises UnknownSchedule, BadArgs.
        """

    async def trigger(self, key: str, args: str | None = None) -> str:
        """Send a job of a schedule now, with its arguments or others (JSON text). Returns its id.

        It belongs to no slot: overlap and pauses don't count. Raises UnknownSchedule, BadSchedule.
        """

    async def backfill(
        self, key: str, start: datetime, end: datetime, *, limit: int = 1, dry_run: bool = False
    ) -> Backfill:
        """Make jobs of the past slots in `[start, end)` that have had none, `limit` at a time.

        A slot that was missed or skipped becomes a job after all. With `dry_run` nothing is stored.

        Raises:
            UnknownSchedule: there is none.
            BadSchedule: the range is naive, empty, too long or not past, or a backfill runs already.
            ExternalTask: its jobs run elsewhere.
        """


class IncidentClient(Protocol):
    """All raise ConfigError without Postgres, which holds them."""

    async def page(self, wanted: IncidentFilter, before: str | None, limit: int) -> list[Incident]:
        """Up to `limit` incidents, the newest first, older than the incident `before`."""

    async def find(self, id: str) -> tuple[Incident, list[Announced]]:
        """An incident, and which channels were notified of it. Raises UnknownIncident."""

    async def acknowledge(self, id: str, actor: str, reason: str = "") -> Incident:
        """No reminder follows, and the incident names the actor. Raises UnknownIncident."""

    async def mutes(self, *, ended: bool = False) -> list[Mute]:
        """The mutes in force, the newest first; `ended`: also those that were."""

    async def mute(self, request: MuteRequest, actor: str) -> Mute:
        """No message about these incidents until then."""

    async def unmute(self, id: int, reason: str = "") -> Mute:
        """End a mute. Raises UnknownMute."""

    async def rules(self) -> list[NotifyRule]:
        """Rules that were made at run time."""

    async def listed_rules(self) -> list[tuple[str, NotifyRule]]:
        """Those, as `api`; through a server before them the rules of its infinitas.toml, as `file`."""

    async def put_rule(self, rule: NotifyRule, actor: str) -> None:
        """Add a rule, or replace the one of its name. Raises BadRule: there are too many."""

    async def remove_rule(self, name: str) -> None:
        """Raises UnknownRule."""


class Client(Protocol):
    """All verbs also raise ServerUnreachable: Redis, or the server, gave no answer."""

    @property
    def incidents(self) -> IncidentClient:
        """Verbs for incidents, mutes and rules."""

    @property
    def schedules(self) -> ScheduleClient:
        """The verbs over schedules."""

    async def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """Enqueue jobs of one task, some hundred per round trip.

        Raises:
            KeyTaken: a live job has the key of one of them; those before it are accepted.
            BacklogFull: there is no room for more jobs now; those of earlier round trips are accepted.
            ServerUnreachable: there was no answer; sending the same jobs again is safe.
        """

    async def cancel(self, id: str, reason: str = "") -> JobInfo:
        """Cancel a job: one that waits at once, one that runs as soon as its worker can stop it.

        Returns the job as it is now. Raises UnknownJob, AlreadyEnded.
        """

    async def retry(self, id: str) -> JobInfo:
        """Give a failed, cancelled or skipped job a fresh set of tries. It stays the same job.

        Raises:
            UnknownJob: neither Redis nor the archive has it. NotEnded: it still lives.
            AlreadySucceeded: `rerun` makes a new job. KeyTaken: another job has its key now.
        """

    async def rerun(self, id: str) -> str:
        """Send a new job with the arguments and headers of an old one. Returns its id. Raises UnknownJob."""

    async def wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        """Wait until a job has ended, at most `timeout` seconds. Raises NotInTime, UnknownJob."""

    async def task(self, name: str) -> TaskInfo:
        """A task with its summary; the archive fills in what Redis no longer has. Raises UnknownTask."""

    async def tasks(self, *, recent: bool = False) -> list[TaskLine]:
        """All tasks by name; `recent`: with the last ten runs of each."""

    async def remove_task(self, name: str, *, dry_run: bool = False) -> TaskRemoval:
        """Remove a task and its schedules, and cancel its jobs that wait. History stays in the archive.

        With `dry_run` nothing is removed. Returns what the removal ends.

        Raises:
            UnknownTask: there is none. StillServed: a live worker serves it.
        """

    async def pause_task(self, name: str, reason: str) -> TaskInfo:
        """No job of the task is claimed until `resume_task`; those that run go on, and schedules too.

        Raises UnknownTask, and BadArgs: the reason is too long.
        """

    async def resume_task(self, name: str) -> TaskInfo:
        """End the pause of a task; that of its queue goes on. Raises UnknownTask."""

    async def pause_queue(self, queue: str, reason: str) -> None:
        """No job of the queue is claimed until `resume_queue`. Raises UnknownQueue, BadArgs."""

    async def resume_queue(self, queue: str) -> None:
        """End the pause of a queue; tasks that are paused themselves stay so. Raises UnknownQueue."""

    async def job(self, id: str) -> JobInfo:
        """A job, live or archived, with its log. Raises UnknownJob."""

    async def jobs(
        self,
        task: str | None,
        state: State | None,
        limit: int,
        argument: str | None = None,
        *,
        schedule: str | None = None,
        since: datetime | None = None,
    ) -> list[JobInfo]:
        """Live jobs first, then the archive's, newest first, each job once. `since`: due from then on."""

    async def queue_infos(self) -> list[QueueInfo]:
        """All queues, with their numbers."""

    async def purge(self, queue: str, task: str | None, reason: str, *, dry_run: bool = False) -> int:
        """Cancel the jobs of a queue that wait, of one task or all. Returns how many; raises UnknownQueue.

        With `dry_run` they are only counted.
        """

    async def drain_worker(self, id: str) -> None:
        """Ask a worker to stop: it claims no more jobs, finishes those that it runs, and leaves.

        Raises UnknownWorker: there is no live worker of that id.
        """

    async def workers(self) -> list[WorkerInfo]:
        """Workers that live now."""

    async def status(self) -> Status:
        """What runs, what waits, what is missing."""

    async def close(self) -> None:
        """Close its connections."""
