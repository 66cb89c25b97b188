"""The app: collects tasks, sends jobs, schedules and looks things up."""

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar, Unpack, cast, overload

from infinitas.app.schedules import Schedules
from infinitas.broker.messages import NewJob
from infinitas.client.job_ids import fresh_id
from infinitas.client.portal import Bridge, for_async, for_sync
from infinitas.core.errors import ConfigError, DuplicateTask, UnknownTask
from infinitas.core.interval import Every
from infinitas.core.names import check_name
from infinitas.core.records import JobInfo, TaskInfo
from infinitas.core.schedule import EMPTY_ARGS
from infinitas.core.schedule_options import OPTION_NAMES, Entry, ScheduleOptions, make_schedule
from infinitas.core.task_definition import MAX_DOC_CHARS, TaskDefinition
from infinitas.core.text import clean
from infinitas.tasks.arguments import encode_plain
from infinitas.tasks.decorator import Async, Decorator
from infinitas.tasks.handle import Handle
from infinitas.tasks.job import Job
from infinitas.tasks.plugins import Plugin, Plugins
from infinitas.tasks.task import AnyTask, SendOptions, Task

if TYPE_CHECKING:
    from infinitas.broker.connection import Connection
    from infinitas.client.lazy import AnyClient
    from infinitas.runtime.config import Settings

P = ParamSpec("P")
R = TypeVar("R")
FEW = 100
"""Jobs that are sent in one call from the sender's own thread."""


class Infinitas:
    """One application. Settings not given come from INFINITAS_*, infinitas.toml or defaults.

    Args:
        redis_url: e.g. `redis://localhost:6379/0`.
        postgres_url: e.g. `postgresql://user@host/name`; without one there is no archive.
        server: go through a server in place of both, e.g. `wss://host:3000`, with its `token`.
        queue: the queue of tasks that name none.
        plugins: see `infinitas.Plugin`; those of the entry-point group `infinitas.plugins` come too.

    Raises:
        ConfigError: a setting is wrong.
    """

    def __init__(
        self,
        *,
        redis_url: str | None = None,
        postgres_url: str | None = None,
        server: str | None = None,
        token: str | None = None,
        queue: str = "default",
        plugins: Iterable[Plugin] = (),
    ) -> None:
        self.queue = check_name(queue, "queue")
        self.tasks: dict[str, AnyTask] = {}
        self.bridge = Bridge()
        self.connect: Callable[[str, str], Connection] | None = None
        """Makes the client's connection to Redis; the testing kit has another."""
        self.plugins = Plugins(plugins)
        self.schedules = Schedules(self)
        """What one may do with schedules: look, change, pause, skip, trigger, backfill."""
        self._arguments: dict[str, object] = {
            "redis_url": redis_url,
            "postgres_url": postgres_url,
            "server": server,
            "token": token,
        }
        self._settings: Settings | None = None
        self._client: tuple[int, AnyClient] | None = None
        self._check_settings()

    @property
    def settings(self) -> "Settings":
        """The settings, with the URLs filled in; read when first needed."""
        if self._settings is None:
            from infinitas.devservers.urls import fill_urls

            self._settings = fill_urls(self._check_settings())
        return self._settings

    def configure(self, **arguments: object) -> Self:
        """Set settings as arguments do, over everything else (what the command line gives)."""
        self._arguments.update({name: v for name, v in arguments.items() if v is not None})
        self._settings = None
        self.close()
        return self

    @overload
    def task(
        self, function: Callable[Concatenate[Job, P], Async[R]], /
    ) -> Task[Concatenate[Job, P], P, Async[R], R]: ...
    @overload
    def task(self, function: Callable[P, Async[R]], /) -> Task[P, P, Async[R], R]: ...
    @overload
    def task(self, function: Callable[Concatenate[Job, P], R], /) -> Task[Concatenate[Job, P], P, R, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, P, R, R]: ...
    @overload
    def task(
        self,
        *,
        name: str | None = None,
        schedule: str | Every | None = None,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        queue: str | None = None,
        timeout: float | None = None,
        soft_timeout: float | None = None,
        runner: Literal["auto", "process"] = "auto",
        retries: int = 0,
        retry_delay: float = 1.0,
        backoff: Literal["exponential", "fixed"] = "exponential",
        give_up_after: float | None = None,
        retry_on: Sequence[type[BaseException]] = (BaseException,),
        never_retry_on: Sequence[type[BaseException]] = (),
        on_lost: Literal["retry", "fail"] = "retry",
        no_processor: Literal["fail", "wait"] = "fail",
        max_running: int | None = None,
        rate: str | None = None,
        expires: float | None = None,
        priority: int = 0,
        result_ttl: float | None = None,
        capture_print: bool = False,
        redact: Sequence[str] = (),
        **schedule_options: Unpack[ScheduleOptions],
    ) -> Decorator: ...

    def task(self, *functions: Any, **options: Any) -> Any:
        """Make a function a task: `@app.task` or `@app.task(schedule="*/15 * * * *", timeout=60)`.

        Options: `name` (default: the function's), `schedule` (cron text or `every(...)`),
        its options as in `schedule`, `args` and `kwargs` for its jobs; `retry_on` and
        `never_retry_on` are exception classes; the others: `TaskDefinition`.

        Raises:
            DuplicateTask: the app has a task of that name.
            BadName, BadSchedule, BadArgs, ConfigError: an option is wrong.
        """
        if functions:
            return self._add(*functions)
        return Decorator(self._add, options)

    async def _schedule(
        self,
        task: AnyTask | str,
        rule: str | Every | None = None,
        *,
        key: str,
        at: datetime | None = None,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> datetime:
        """Add or replace a schedule at run time; exactly one of `rule` and `at`.

        Returns the first slot. A task given by name is taken as it is; its arguments are checked
        when the job runs. The options: docs/schedules.md. `app.schedules` has what one may do
        with a schedule later.

        Raises:
            BadSchedule: the rule or an option is wrong, or it lies in the past. BadArgs: see `Task.send`.
            UnknownTask: nobody has declared the task. ServerUnreachable: Redis gave no answer.
        """
        text = self.encode(task, args, kwargs)
        firsts = await self.schedules.store(task, [Entry(key=key, rule=rule, at=at, args=text)], options)
        return firsts[0]

    schedule = for_sync(_schedule)
    aschedule = for_async(_schedule)

    async def _unschedule(self, key: str) -> bool:
        """Forget a schedule (a task's own has the task's name). False if there is none."""
        return await self.open().schedules.remove(key)

    unschedule = for_sync(_unschedule)
    aunschedule = for_async(_unschedule)

    def fetch_task(self, name: str) -> TaskInfo:
        """A task with `last_job`, `last_success`, `last_failure`. Raises UnknownTask."""
        return self.bridge.wait(self._fetch_task(name))

    async def afetch_task(self, name: str) -> TaskInfo:
        """`fetch_task` for async code."""
        return await self.bridge.join(self._fetch_task(name))

    def fetch_job(self, id: str) -> JobInfo:
        """A job with its log. Raises UnknownJob."""
        return self.bridge.wait(self._fetch_job(id))

    async def afetch_job(self, id: str) -> JobInfo:
        """`fetch_job` for async code."""
        return await self.bridge.join(self._fetch_job(id))

    def cancel(self, id: str, reason: str = "") -> JobInfo:
        """Cancel a job: one that waits at once, one that runs as soon as its worker hears of it.

        Returns the job as it is now. A job that succeeds before it is reached stays a success.

        Raises:
            UnknownJob: Redis has no such job. AlreadyEnded: it has ended.
        """
        return self.bridge.wait(self._cancel(id, reason))

    async def acancel(self, id: str, reason: str = "") -> JobInfo:
        """`cancel` for async code."""
        return await self.bridge.join(self._cancel(id, reason))

    def retry(self, id: str) -> JobInfo:
        """Give a failed, cancelled or skipped job a fresh set of tries. It stays the same job.

        Raises:
            UnknownJob: neither Redis nor the archive has it. NotEnded: it still lives.
            AlreadySucceeded: `rerun` makes a new job. KeyTaken: another job has its key now.
        """
        return self.bridge.wait(self._retry(id))

    async def aretry(self, id: str) -> JobInfo:
        """`retry` for async code."""
        return await self.bridge.join(self._retry(id))

    def rerun(self, id: str) -> Handle[Any]:
        """Send a new job with the arguments and headers of an old one. Raises UnknownJob."""
        return Handle(self, self.bridge.wait(self._rerun(id)))

    async def arerun(self, id: str) -> Handle[Any]:
        """`rerun` for async code."""
        return Handle(self, await self.bridge.join(self._rerun(id)))

    def wait_for_end(self, id: str, timeout: float | None = None) -> JobInfo:
        """Wait until a job has ended, from sync code. Raises NotInTime, UnknownJob."""
        return self.bridge.wait(self._wait_for_end(id, timeout))

    async def await_end(self, id: str, timeout: float | None = None) -> JobInfo:
        """`wait_for_end` for async code."""
        return await self.bridge.join(self._wait_for_end(id, timeout))

    def embedded(self, *, worker: bool = True) -> AbstractAsyncContextManager[None]:
        """Run scheduler, worker and archiver inside this program, until the block ends.

        Safe in any number of processes at once; installs no signal handlers. The archiver runs
        where a Postgres is configured.
        """
        # The one import upwards: what stands above the app is built of it.
        everything = importlib.import_module("infinitas.app.embed")
        running: AbstractAsyncContextManager[None] = everything.running(self, worker=worker)
        return running

    def close(self) -> None:
        """Close the client's connections. They open again when next needed."""
        if self._client is not None and self._client[0] == self.bridge.pid:
            self.bridge.wait(self._client[1].close())
        self._client = None
        self.bridge.stop()

    def deliver(self, task: TaskDefinition, args: Sequence[str], options: SendOptions) -> list[str]:
        """Enqueue a job for each of `args`, checked JSON text, from sync code. Returns their ids."""
        jobs = self._new_jobs(task, args, options)
        if not self._enqueue_directly(task.queue, jobs):
            self.bridge.wait(self._enqueue(task, jobs))
        return self._sent(task, jobs)

    async def adeliver(self, task: TaskDefinition, args: Sequence[str], options: SendOptions) -> list[str]:
        """`deliver` for async code."""
        jobs = self._new_jobs(task, args, options)
        await self.bridge.join(self._enqueue(task, jobs))
        return self._sent(task, jobs)

    def _new_jobs(self, task: TaskDefinition, args: Sequence[str], options: SendOptions) -> list[NewJob]:
        jobs = []
        for text in args:
            headers = dict(options.headers)
            self.plugins.call("before_send", task, headers)
            jobs.append(
                NewJob(
                    id=fresh_id(),
                    task=task.name,
                    args=text,
                    headers=headers,
                    key=options.key,
                    due=options.at,
                    delay_s=options.delay,
                    expires_s=options.expires,
                )
            )
        return jobs

    def _enqueue_directly(self, queue: str, jobs: Sequence[NewJob]) -> bool:
        """Without the bridge, for a few jobs. False if that can't be, or met anything unusual."""
        direct = self._client[1].direct if self._client and self._client[0] == os.getpid() else None
        if direct is None or len(jobs) > FEW:
            return False
        return all(answer.accepted for answer in direct.enqueue(queue, jobs))

    async def _enqueue(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        await self.open().send(task, jobs)

    def _sent(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> list[str]:
        if self.plugins:
            for job in jobs:
                self.plugins.call("after_send", task, job.id)
        return [job.id for job in jobs]

    def find(self, name: str) -> AnyTask:
        """A task of this app. Raises UnknownTask."""
        try:
            return self.tasks[name]
        except KeyError:
            raise UnknownTask(f"This app has no task {name!r}.") from None

    def _check_settings(self) -> "Settings":
        # Imported here, with pydantic's models: `import infinitas` is to take a moment.
        from infinitas.runtime.config import load_settings

        return load_settings(self._arguments)

    def _add(self, function: Callable[..., Any], **options: Any) -> AnyTask:
        name = check_name(options.pop("name", None) or function.__name__, "task")
        if name in self.tasks:
            raise DuplicateTask(f"There is a task {name!r} already; give one of them name=.")
        rule = options.pop("schedule", None)
        policies = {name: options.pop(name) for name in OPTION_NAMES & options.keys()}
        args, kwargs = options.pop("args", ()), options.pop("kwargs", None) or {}
        options["queue"] = check_name(options.get("queue") or self.queue, "queue")
        retries = {n: options.pop(n) for n in ("retry_on", "never_retry_on") if n in options}
        doc = clean((function.__doc__ or "").strip().partition("\n")[0])[:MAX_DOC_CHARS]
        try:
            definition = TaskDefinition(name=name, doc=doc, **options)
        except TypeError as error:
            raise ConfigError(f"@app.task on {name!r}: {error}.") from None
        task: AnyTask = Task(self, function, definition, None, **retries)
        if rule is not None:
            task.schedule = make_schedule(
                rule,
                key=name,
                task=name,
                args=task.signature.encode(args, kwargs),
                now=datetime.now(UTC),
                options=cast(ScheduleOptions, policies),
            )
        elif policies:
            raise ConfigError(f"@app.task on {name!r}: {sorted(policies)[0]} is for tasks with a schedule.")
        self.tasks[name] = task
        self.plugins.call("on_declare", definition)
        return task

    def encode(self, task: AnyTask | str, args: Sequence[object], kwargs: Mapping[str, object] | None) -> str:
        if isinstance(task, str) and task in self.tasks:
            task = self.tasks[task]
        if isinstance(task, Task):
            return task.signature.encode(args, kwargs or {})
        return encode_plain(args, kwargs or {}) if args or kwargs else EMPTY_ARGS

    async def _fetch_task(self, name: str) -> TaskInfo:
        return await self.open().task(name)

    async def _fetch_job(self, id: str) -> JobInfo:
        return await self.open().job(id)

    async def _cancel(self, id: str, reason: str) -> JobInfo:
        return await self.open().cancel(id, reason)

    async def _retry(self, id: str) -> JobInfo:
        return await self.open().retry(id)

    async def _rerun(self, id: str) -> str:
        return await self.open().rerun(id)

    async def _wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        return await self.open().wait_for_end(id, timeout)

    def open(self) -> "AnyClient":
        """The client of this process; a forked child gets connections of its own."""
        if self._client is None or self._client[0] != self.bridge.pid:
            # Imported here: redis alone takes a tenth of a second, and much code only declares tasks.
            from infinitas.client.lazy import open_client

            self._client = self.bridge.pid, open_client(self.settings, self.connect)
        return self._client[1]
