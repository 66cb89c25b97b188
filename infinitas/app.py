"""The app: collects tasks, sends jobs, schedules and looks things up."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from infinitas.bridge import Bridge
from infinitas.client import Client
from infinitas.core.codec import encode_payload
from infinitas.core.errors import BadArgs, ConfigError, DuplicateTask, UnknownTask
from infinitas.core.interval import Every
from infinitas.core.names import check_name
from infinitas.core.records import JobInfo, TaskInfo
from infinitas.core.schedule import EMPTY_ARGS, make_schedule
from infinitas.core.task import TaskDefinition
from infinitas.embedded.servers import running_servers
from infinitas.job import Job
from infinitas.runtime.config import DEFAULT_REDIS, Settings, load_settings
from infinitas.task import Task

P = ParamSpec("P")
R = TypeVar("R")
AnyTask = Task[..., ..., Any]


class Infinitas:
    """One application. Settings not given come from INFINITAS_*, infinitas.toml or defaults.

    Args:
        redis_url: e.g. `redis://localhost:6379/0`.
        postgres_url: e.g. `postgresql://user@host/name`; without one there is no archive.
        queue: the queue of tasks that name none.

    Raises:
        ConfigError: a setting is wrong.
    """

    def __init__(
        self,
        *,
        redis_url: str | None = None,
        postgres_url: str | None = None,
        queue: str = "default",
    ) -> None:
        self.queue = check_name(queue, "queue")
        self.tasks: dict[str, AnyTask] = {}
        self.bridge = Bridge()
        self._arguments: dict[str, object] = {"redis_url": redis_url, "postgres_url": postgres_url}
        self._settings: Settings | None = None
        self._client: tuple[int, Client] | None = None
        load_settings(self._arguments)

    @property
    def settings(self) -> Settings:
        """The settings, with the URLs filled in; read when first needed."""
        if self._settings is None:
            self._settings = fill_urls(load_settings(self._arguments))
        return self._settings

    def configure(self, **arguments: object) -> Self:
        """Set settings as arguments do, over everything else (what the command line gives)."""
        self._arguments.update({name: v for name, v in arguments.items() if v is not None})
        self._settings = None
        self.close()
        return self

    @overload
    def task(self, function: Callable[Concatenate[Job, P], R], /) -> Task[Concatenate[Job, P], P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, P, R]: ...
    @overload
    def task(
        self,
        *,
        name: str | None = None,
        schedule: str | Every | None = None,
        timezone: str = "UTC",
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
        queue: str | None = None,
    ) -> "_Decorator": ...

    def task(self, *functions: Any, **options: Any) -> Any:
        """Make a function a task: `@app.task` or `@app.task(schedule="*/15 * * * *", timeout=60)`.

        Options: `name` (default: the function's), `schedule` (cron text or `every(...)`),
        `timezone` of a cron schedule (IANA name), `args` and `kwargs` for the schedule's jobs,
        `timeout` in seconds, `retries`, `retry_delay` in seconds (doubles each time), `queue`.

        Raises:
            DuplicateTask: the app has a task of that name.
            BadName, BadSchedule, BadArgs, ConfigError: an option is wrong.
        """
        if functions:
            return self._add(*functions)
        return _Decorator(self, options)

    def schedule(
        self,
        task: "AnyTask | str",
        rule: str | Every | None = None,
        *,
        key: str,
        at: datetime | None = None,
        timezone: str = "UTC",
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> datetime:
        """Add or replace a schedule at run time; exactly one of `rule` and `at`.

        Returns the first slot. A task given by name is taken as it is; its arguments are checked
        when the job runs.

        Raises:
            BadSchedule: the rule is wrong or lies in the past. BadArgs: see `Task.send`.
            UnknownTask: nobody has declared the task. ServerUnreachable: Redis gave no answer.
        """
        return self.bridge.wait(
            self._schedule(task, rule, key, at, timezone, self._encode(task, args, kwargs))
        )

    async def aschedule(
        self,
        task: "AnyTask | str",
        rule: str | Every | None = None,
        *,
        key: str,
        at: datetime | None = None,
        timezone: str = "UTC",
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> datetime:
        """`schedule` for async code."""
        text = self._encode(task, args, kwargs)
        return await self.bridge.join(self._schedule(task, rule, key, at, timezone, text))

    def unschedule(self, key: str) -> bool:
        """Forget a schedule (a task's own has the task's name). False if there is none."""
        return self.bridge.wait(self._unschedule(key))

    async def aunschedule(self, key: str) -> bool:
        """`unschedule` for async code."""
        return await self.bridge.join(self._unschedule(key))

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

    def close(self) -> None:
        """Close the client's connections. They open again when next needed."""
        if self._client is not None and self._client[0] == self.bridge.pid:
            self.bridge.wait(self._client[1].close())
        self._client = None
        self.bridge.stop()

    async def deliver(self, task: AnyTask, args: Sequence[str]) -> list[str]:
        """Enqueue jobs with checked arguments; runs in the bridge's loop."""
        return await self._open().send(task.definition, args)

    def find(self, name: str) -> AnyTask:
        """A task of this app. Raises UnknownTask."""
        try:
            return self.tasks[name]
        except KeyError:
            raise UnknownTask(f"This app has no task {name!r}.") from None

    def _add(self, function: Callable[..., Any], **options: Any) -> AnyTask:
        name = check_name(options.pop("name", None) or function.__name__, "task")
        if name in self.tasks:
            raise DuplicateTask(f"There is a task {name!r} already; give one of them name=.")
        rule = options.pop("schedule", None)
        timezone = options.pop("timezone", "UTC")
        args, kwargs = options.pop("args", ()), options.pop("kwargs", None) or {}
        options["queue"] = check_name(options.get("queue") or self.queue, "queue")
        doc = (function.__doc__ or "").strip().partition("\n")[0]
        try:
            definition = TaskDefinition(name=name, doc=doc, **options)
        except TypeError as error:
            raise ConfigError(f"@app.task on {name!r}: {error}.") from None
        task: AnyTask = Task(self, function, definition, None)
        if rule is not None:
            task.schedule = make_schedule(
                rule,
                key=name,
                task=name,
                timezone=timezone,
                args=task.signature.encode(args, kwargs),
                now=datetime.now(UTC),
            )
        self.tasks[name] = task
        return task

    def _encode(
        self, task: AnyTask | str, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> str:
        if isinstance(task, str) and task in self.tasks:
            task = self.tasks[task]
        if isinstance(task, Task):
            return task.signature.encode(args, kwargs or {})
        return encode_plain(args, kwargs or {}) if args or kwargs else EMPTY_ARGS

    async def _schedule(
        self,
        task: AnyTask | str,
        rule: str | Every | None,
        key: str,
        at: datetime | None,
        timezone: str,
        args: str,
    ) -> datetime:
        client = self._open()
        name = task if isinstance(task, str) else task.name
        schedule = make_schedule(
            rule,
            key=check_name(key, "schedule"),
            task=name,
            timezone=timezone,
            at=at,
            args=args,
            now=datetime.now(UTC),
            origin="api",
        )
        known = self.tasks.get(name)
        if known is not None:
            await client.declare(known.definition.queue, [known.definition], [])
            return await client.schedule(known.definition.queue, schedule)
        return await client.schedule((await client.task(name)).queue, schedule)

    async def _unschedule(self, key: str) -> bool:
        return await self._open().unschedule(key)

    async def _fetch_task(self, name: str) -> TaskInfo:
        return await self._open().task(name)

    async def _fetch_job(self, id: str) -> JobInfo:
        return await self._open().job(id)

    def _open(self) -> Client:
        """The client of this process; a forked child gets connections of its own."""
        if self._client is None or self._client[0] != self.bridge.pid:
            settings = self.settings
            client = Client(settings.redis_url or DEFAULT_REDIS, settings.postgres_url)
            self._client = self.bridge.pid, client
        return self._client[1]


class _Decorator:
    """`@app.task(...)` with options."""

    def __init__(self, app: Infinitas, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options

    @overload
    def __call__(self, function: Callable[Concatenate[Job, P], R], /) -> Task[Concatenate[Job, P], P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, P, R]: ...

    def __call__(self, function: Callable[..., Any], /) -> Any:
        return self._app._add(function, **self._options)


def encode_plain(args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """Arguments of a task that only its name is known of, as JSON text."""
    if not all(isinstance(name, str) for name in kwargs):
        raise BadArgs("Keyword arguments need names that are text.")
    return encode_payload((list(args), dict(kwargs)), "arguments")


def fill_urls(settings: Settings) -> Settings:
    """Settings whose missing URLs are those of the embedded servers that run on its data folder."""
    running = None
    if settings.redis_url is None or settings.postgres_url is None:
        running = running_servers(settings.data_dir)
    redis = settings.redis_url or (running.redis if running else DEFAULT_REDIS)
    # Histories of two installations must not mix: a Redis of one's own has its own Postgres, or none.
    beside = running.postgres if running and settings.redis_url is None else None
    return settings.model_copy(update={"redis_url": redis, "postgres_url": settings.postgres_url or beside})
