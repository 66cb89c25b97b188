"""The registry: the tasks of one app, made from functions and options."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from infinitas.client.lazy import LazyClient
from infinitas.core.errors import BadArgs, ConfigError, DuplicateTask, UnknownTask
from infinitas.core.lists import named, several
from infinitas.core.names import check_app_name, check_name
from infinitas.core.namespace import Namespace
from infinitas.core.records import JobInfo
from infinitas.core.schedule import EMPTY_ARGS
from infinitas.core.schedule_options import OPTION_NAMES, ScheduleOptions, make_schedule
from infinitas.core.task_definition import MAX_DOC_CHARS, TaskDefinition
from infinitas.core.text import clean
from infinitas.core.unknown_options import refuse_unknown
from infinitas.tasks.arguments import encode_plain, read_plain
from infinitas.tasks.options import TaskDefaults, TaskOptions
from infinitas.tasks.place import place_of
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.processors import default_name, processor_of
from infinitas.tasks.task import AnyTask, Task

_OPTIONS = TaskOptions.__optional_keys__


class Registry:
    """Tasks by name, with what all of them share: the client that sends, and the plugins."""

    def __init__(
        self,
        client: LazyClient,
        plugins: Plugins,
        queue: str = "default",
        app_name: str = "",
        defaults: TaskDefaults | None = None,
    ) -> None:
        """Raises BadName, and ConfigError or BadSchedule: a default is wrong."""
        self.namespace = Namespace(check_app_name(app_name))
        self.client = client
        self.plugins = plugins
        self.queue = check_name(queue, "queue")
        """The queue of tasks that name none."""
        self.tasks: dict[str, AnyTask] = {}
        """By full name."""
        given: dict[str, Any] = {**(defaults or {})}
        self.schedule_defaults = cast(
            ScheduleOptions, {name: given.pop(name) for name in OPTION_NAMES & given.keys()}
        )
        """Options of schedules that name none."""
        self._defaults = given
        _check_defaults(self.schedule_defaults, given)

    @property
    def queues(self) -> list[str]:
        """The queues of its tasks, sorted."""
        return sorted({task.definition.queue for task in self.tasks.values()})

    def add(self, function: Callable[..., Any], **options: Any) -> AnyTask:
        """Make a function a task, with `TaskOptions`; see `Infinitas.task`."""
        function = processor_of(function.function if isinstance(function, Task) else function)
        own_name = check_name(options.pop("name", None) or default_name(function), "task")
        name = check_name(self.namespace.full(own_name), "task")
        if name in self.tasks:
            raise DuplicateTask(f"There is a task {name!r} already; give one of them name=.")
        where = f"@app.task on {name!r}"
        refuse_unknown(options, _OPTIONS, where, ConfigError)
        options = {**self._defaults, **options}
        rule = options.pop("schedule", None)
        policies = {name: options.pop(name) for name in OPTION_NAMES & options.keys()}
        args = several(options.pop("args", ()), f"args of task {name!r}", BadArgs)
        kwargs = named(options.pop("kwargs", None), f"kwargs of task {name!r}", BadArgs)
        options["queue"] = check_name(options.get("queue") or self.queue, "queue")
        former = several(options.get("aliases", ()), f"aliases of task {name!r}", ConfigError)
        options["aliases"] = tuple(self.namespace.full(check_name(each, "former task")) for each in former)
        retries = {n: options.pop(n) for n in ("retry_on", "never_retry_on") if n in options}
        doc = clean(str(function.__doc__ or "").strip().partition("\n")[0])[:MAX_DOC_CHARS]
        definition = TaskDefinition(name=name, doc=doc, place=place_of(function), **options)
        task: AnyTask = Task(self.client, self.plugins, function, definition, None, **retries)
        if rule is not None:
            task.schedule = make_schedule(
                rule,
                key=name,
                task=name,
                args=task.signature.encode(args, kwargs),
                now=datetime.now(UTC),
                options=self.with_schedule_defaults(cast(ScheduleOptions, policies)),
            )
        elif policies:
            raise ConfigError(f"{where}: {sorted(policies)[0]} is for tasks with a schedule.")
        self.tasks[name] = task
        self.plugins.call("on_declare", task.definition)
        return task

    def adopt(self, task: AnyTask, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Declare a function again, as a task of this app; `task`, made without one, becomes that."""
        made = self.add(function, **options)
        task.__dict__.clear()
        task.__dict__.update(made.__dict__)
        self.tasks[made.name] = task

    def with_schedule_defaults(self, options: ScheduleOptions) -> ScheduleOptions:
        """The options, and the app's defaults for the others."""
        return {**self.schedule_defaults, **options}

    def find(self, name: str) -> AnyTask:
        """A task of this app, by its short or full name. Raises UnknownTask."""
        for full in self.namespace.meanings(name):
            if full in self.tasks:
                return self.tasks[full]
        raise UnknownTask(f"This app has no task {name!r}.")

    def known(self, task: AnyTask | str) -> AnyTask | str:
        """The task of this app that has this name; else the name as it is."""
        if isinstance(task, Task):
            return task
        return next((self.tasks[n] for n in self.namespace.meanings(task) if n in self.tasks), task)

    def read_result(self, job: JobInfo) -> Any:
        """A job's result, typed where its task is one of this app. Raises BadResult."""
        task = self.tasks.get(job.task)
        return task.signature.read_result(job.result_json) if task else read_plain(job.result_json)

    def encode(self, task: AnyTask | str, args: Sequence[object], kwargs: Mapping[str, object] | None) -> str:
        """Arguments as JSON text, checked where the task is one of this app. Raises BadArgs."""
        known = self.known(task)
        args, kwargs = several(args, "args", BadArgs), named(kwargs, "kwargs", BadArgs)
        if isinstance(known, Task):
            return known.signature.encode(args, kwargs)
        return encode_plain(args, kwargs) if args or kwargs else EMPTY_ARGS


def _check_defaults(of_schedules: ScheduleOptions, of_tasks: Mapping[str, Any]) -> None:
    """Raises ConfigError, BadSchedule: here, and not for the first task."""
    make_schedule("@hourly", key="defaults", task="defaults", now=datetime.now(UTC), options=of_schedules)
    plain = {name: value for name, value in of_tasks.items() if name not in ("retry_on", "never_retry_on")}
    TaskDefinition(name="defaults", **plain)


class TasksByName(Mapping[str, AnyTask]):
    """The tasks of an app: iterated by full name, found by a short one too."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> AnyTask:
        found = self._registry.known(name)
        if isinstance(found, str):
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.tasks)

    def __len__(self) -> int:
        return len(self._registry.tasks)

    def __repr__(self) -> str:
        return repr(self._registry.tasks)
