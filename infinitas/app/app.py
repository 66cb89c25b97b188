"""The app: declares tasks, sends jobs, schedules them, and reads, cancels and retries them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

from infinitas.app.schedules import Schedules
from infinitas.client.lazy import LazyClient
from infinitas.client.names import by_name
from infinitas.client.portal import Portal, for_async, for_sync, for_sync_outside_loops
from infinitas.core.codec import instant
from infinitas.core.errors import ConfigError
from infinitas.core.interval import Rule
from infinitas.core.lists import several
from infinitas.core.records import JobInfo, TaskInfo, TaskLine
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.states import State, read_state
from infinitas.core.unknown_options import refuse_unknown
from infinitas.tasks.collection import Tasks
from infinitas.tasks.decorator import DeclaresTasks
from infinitas.tasks.handle import Handle, JobName, id_of
from infinitas.tasks.options import TaskDefaults
from infinitas.tasks.plugins import Plugin, Plugins
from infinitas.tasks.registry import Registry, TasksByName
from infinitas.tasks.task import AnyTask, name_of

if TYPE_CHECKING:
    from infinitas.runtime.config import Settings

P = ParamSpec("P")
R = TypeVar("R")
_ARGUMENTS = ("name", "redis_url", "postgres_url", "server", "token", "queue", "plugins", "include")
_DEFAULTS = TaskDefaults.__optional_keys__


class Infinitas(DeclaresTasks):
    """One application. Settings not given come from INFINITAS_*, infinitas.toml or defaults.

    Each verb exists for sync code (`cancel`) and, with a leading a, for async code (`acancel`).

    Args:
        name: names the app. Its tasks and schedules have it in front: `shop.cleanup`; inside the app's
            own verbs the short name is enough. Two apps on one Redis need two names. Default: the setting
            `app_name`, which is empty.
        include: modules with tasks, which a worker, `dev` and `sync` import: names, or globs of names
            (`"shop.*.tasks"`, where `*` also stands for several parts).
        redis_url: e.g. `redis://localhost:6379/0`.
        postgres_url: e.g. `postgresql://user@host/name`; without one there is no archive.
        server: go through a server in place of both, e.g. `wss://host:3000`, with its `token`.
        token: the access token of that server.
        queue: the queue of tasks that name none.
        plugins: see `infinitas.Plugin`; those of the entry-point group `infinitas.plugins` come too.
        defaults: options for tasks that do not give their own, e.g. `timeout=60, retries=3`; those of
            schedules, e.g. `timezone="Europe/Copenhagen"`, are for schedules made at run time too.

    Raises:
        ConfigError: a setting is wrong.
        BadName: the app's or the queue's name is.

    >>> sorted(app.tasks)
    ['add', 'fail']
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        redis_url: str | None = None,
        postgres_url: str | None = None,
        server: str | None = None,
        token: str | None = None,
        queue: str = "default",
        plugins: Iterable[Plugin] = (),
        include: Iterable[str] = (),
        **defaults: Unpack[TaskDefaults],
    ) -> None:
        refuse_unknown(defaults, {*_ARGUMENTS, *_DEFAULTS}, "Infinitas(…)", ConfigError)
        self.client = LazyClient(
            app_name=name, redis_url=redis_url, postgres_url=postgres_url, server=server, token=token
        )
        self.registry = Registry(self.client, Plugins(plugins), queue, self.client.app_name, defaults)
        self.included = several(include, "include", ConfigError)
        """Names or globs of modules with tasks."""
        self.schedules = Schedules(self.client, self.registry)
        """Verbs over schedules: read, change, pause, skip, trigger, backfill."""

    @property
    def name(self) -> str:
        """The app's name; empty without one."""
        return self.registry.namespace.app

    @property
    def tasks(self) -> Mapping[str, AnyTask]:
        """The tasks of this app by full name; a short name finds them as well."""
        return TasksByName(self.registry)

    @property
    def settings(self) -> "Settings":
        """The settings, with the URLs filled in; read on first use."""
        return self.client.settings

    @property
    def portal(self) -> Portal:
        """Runs the client's I/O for sync and async callers."""
        return self.client.portal

    def configure(self, **arguments: object) -> Self:
        """Set settings as arguments do, over everything else (what the command line gives)."""
        self.client.configure(**arguments)
        return self

    def _declare(self, function: Callable[..., Any], **options: Any) -> AnyTask:
        return self.registry.add(function, **options)

    def include(self, tasks: Tasks) -> None:
        """Add the tasks of a collection, those too that it gets later.

        Raises:
            ConfigError: another app has included it. DuplicateTask: the app has a task of a name of it.

        >>> from infinitas import Infinitas, Tasks
        >>> tasks = Tasks()
        >>> greet = tasks.task(print, name="greet")
        >>> mine = Infinitas()
        >>> mine.include(tasks)
        >>> sorted(mine.tasks)
        ['greet']
        """
        tasks.join(self.registry)

    def find(self, name: str) -> AnyTask:
        """A task of this app, by its short or full name. Raises UnknownTask."""
        return self.registry.find(name)

    async def _schedule(
        self,
        task: AnyTask | str,
        rule: Rule | None = None,
        *,
        key: str,
        at: datetime | None = None,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        replace: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> datetime:
        """Add or replace a schedule at run time; exactly one of `rule` and `at`.

        A task given by name is taken as it is; its arguments are checked when the job runs. The
        options: docs/schedules.md. `app.schedules` has the verbs over a schedule that exists.

        Args:
            task: a task of this app, or a task's name.
            rule: cron text, or `every(...)`.
            key: names the schedule within the app; a schedule of this task that has it already is replaced.
            at: an aware moment, for a job that runs once.
            args, kwargs: the arguments of its jobs.
            replace: also in place of another task's schedule of that key.

        Returns:
            The first slot.

        Raises:
            KeyTaken: the key is that of another task's schedule, or another task's name.
            BadSchedule: the rule or an option is wrong, or it lies in the past. BadArgs: see `Task.send`.
            UnknownTask: the task is not declared. ServerUnreachable: Redis gave no answer.

        >>> from datetime import UTC, datetime
        >>> app.schedule(add, at=datetime(2100, 1, 1, tzinfo=UTC), key="new-year", args=(1, 2)).year
        2100
        >>> app.unschedule("new-year")
        True
        """
        text = self.registry.encode(task, args, kwargs)
        entry = Entry(key=key, rule=rule, at=at, args=text)
        firsts = await self.schedules.store(task, [entry], options, replace)
        return firsts[0]

    schedule = for_sync(_schedule)
    aschedule = for_async(_schedule)

    async def _unschedule(self, key: str) -> bool:
        """Remove a schedule (a task's own has the task's name). False if there is none.

        >>> app.unschedule("no-such-key")
        False
        """
        for full in self.registry.namespace.meanings(key):
            if await self.client.open().schedules.remove(full):
                return True
        return False

    unschedule = for_sync(_unschedule)
    aunschedule = for_async(_unschedule)

    async def _fetch_task(self, task: AnyTask | str) -> TaskInfo:
        """A task with its definition, counts, and `last_job`, `last_success`, `last_failure`.

        Raises UnknownTask.

        >>> handle = add.send(1, 2)
        >>> job = app.wait_for_end(handle.id, timeout=20)
        >>> app.fetch_task("add").last_success.id == handle.id
        True
        """
        return await by_name(self.registry.namespace, name_of(task), self.client.open().task)

    fetch_task = for_sync(_fetch_task)
    afetch_task = for_async(_fetch_task)

    async def _fetch_tasks(self) -> list[TaskLine]:
        """All tasks of this Redis, by name, with their counts: what `infinitas task ls` lists.

        >>> [task.name for task in app.fetch_tasks() if task.name in app.tasks]
        ['add', 'fail']
        """
        return await self.client.open().tasks()

    fetch_tasks = for_sync(_fetch_tasks)
    afetch_tasks = for_async(_fetch_tasks)

    async def _fetch_jobs(
        self,
        task: AnyTask | str | None = None,
        *,
        state: State | str | None = None,
        argument: str | None = None,
        schedule: str | None = None,
        since: datetime | None = None,
        limit: int = 20,
    ) -> list[JobInfo]:
        """Jobs that wait or run, then those of the archive, newest first: what `infinitas job ls` lists.

        Args:
            task: only its jobs.
            state: only those in it, e.g. "failed".
            argument: only those with it, as `name:value` or `place:value`.
            schedule: only those of this schedule, by its key.
            since: only those that were due at this aware moment or later.
            limit: at most so many.

        Raises:
            BadArgs: there is no such state, or `argument` has another form.
            ServerUnreachable: Redis gave no answer.

        >>> handle = add.send(1, 2)
        >>> handle.id in [job.id for job in app.fetch_jobs(add)]
        True
        """
        wanted = None if state is None else read_state(state)
        client, namespace = self.client.open(), self.registry.namespace
        start = None if since is None else instant(since, "since")
        for name in (None,) if task is None else namespace.meanings(name_of(task)):
            for key in (None,) if schedule is None else namespace.meanings(schedule):
                if found := await client.jobs(name, wanted, limit, argument, schedule=key, since=start):
                    return found
        return []

    fetch_jobs = for_sync(_fetch_jobs)
    afetch_jobs = for_async(_fetch_jobs)

    async def _fetch_job(self, job: JobName) -> JobInfo:
        """A job with its log, live or archived, by its id, handle or record. Raises UnknownJob.

        >>> app.fetch_job(add.send(1, 2).id).args
        [1, 2]
        """
        return await self.client.open().job(id_of(job))

    fetch_job = for_sync(_fetch_job)
    afetch_job = for_async(_fetch_job)

    async def _cancel(self, job: JobName, reason: str = "") -> JobInfo:
        """Cancel a job: one that waits at once, one that runs as soon as its worker can stop it.

        Returns the job as it is now. A job that succeeds before it is stopped stays a success.

        Raises:
            UnknownJob: Redis has no such job. AlreadyEnded: it has ended.

        >>> handle = add.using(delay=60).send(1, 2)
        >>> app.cancel(handle.id, reason="sold out").state.value
        'cancelled'
        """
        return await self.client.open().cancel(id_of(job), reason)

    cancel = for_sync(_cancel)
    acancel = for_async(_cancel)

    async def _retry(self, job: JobName) -> JobInfo:
        """Give a failed, cancelled or skipped job a fresh set of tries. It stays the same job.

        Raises:
            UnknownJob: neither Redis nor the archive has it. NotEnded: it still lives.
            AlreadySucceeded: `rerun` makes a new job. KeyTaken: another job has its key now.

        >>> handle = fail.send()
        >>> app.wait_for_end(handle.id, timeout=20).state.value
        'failed'
        >>> app.retry(handle.id).id == handle.id
        True
        """
        return await self.client.open().retry(id_of(job))

    retry = for_sync(_retry)
    aretry = for_async(_retry)

    async def _rerun(self, job: JobName) -> Handle[Any]:
        """Send a new job with the arguments and headers of an old one. Raises UnknownJob.

        >>> app.rerun(add.send(1, 2).id).get(timeout=20)
        3
        """
        return Handle(self.client, await self.client.open().rerun(id_of(job)), self.registry.read_result)

    rerun = for_sync(_rerun)
    arerun = for_async(_rerun)

    async def _wait_for_end(self, job: JobName, timeout: float | None = None) -> JobInfo:
        """Wait until a job has ended, at most `timeout` seconds; None waits without a limit.

        Returns the job; one that failed raises nothing here. Raises NotInTime, UnknownJob; in sync
        code that runs in an event loop BlocksEventLoop.

        >>> app.wait_for_end(fail.send().id, timeout=20).reason
        'error'
        """
        return await self.client.open().wait_for_end(id_of(job), timeout)

    wait_for_end = for_sync_outside_loops(_wait_for_end)
    await_for_end = for_async(_wait_for_end)

    def embedded(self, *, worker: bool = True) -> AbstractAsyncContextManager[None]:
        """Run scheduler, worker, archiver and notifier inside this program, until the block ends.

        Safe in any number of processes at once; installs no signal handlers. Archiver and notifier
        run where a Postgres is configured.

        Args:
            worker: False: the others alone.

        Raises, when the block begins:
            ServerUnreachable, UnsafeBroker, ConfigError: a part could not start.

        >>> async def main() -> None:
        ...     async with app.embedded():
        ...         handle = await add.asend(1, 2)
        ...         print(await handle.result(timeout=20))
        >>> import asyncio
        >>> asyncio.run(main())
        3
        """
        # Imported here: a program that only sends jobs needs none of the processes.
        from infinitas.app.embed import running

        return running(self.registry, self.settings, worker=worker)

    def close(self) -> None:
        """Close the client's connections. They open again on next use."""
        self.client.close()
