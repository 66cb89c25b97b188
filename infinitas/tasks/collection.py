"""`Tasks`: tasks that are declared without an app, for libraries and for modules that import one another."""

from collections.abc import Callable, Sequence
from typing import Any, Never, ParamSpec, TypeVar

from infinitas.broker.messages import NewJob
from infinitas.client.lazy import LazyClient
from infinitas.core.errors import ConfigError
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.decorator import DeclaresTasks
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.registry import Registry
from infinitas.tasks.task import AnyTask

P = ParamSpec("P")
R = TypeVar("R")


class _NoClient(LazyClient):
    """Of tasks that no app has included: refuses to send."""

    def open(self) -> Never:
        raise _without_app()

    @property
    def direct(self) -> Never:
        raise _without_app()

    def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> Never:
        raise _without_app()

    async def asend(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> Never:
        raise _without_app()


class _NoPlugins(Plugins):
    """Their hooks are called for the tasks of an app."""

    def __init__(self) -> None:
        self._plugins = []
        self.around_any_code = self.hear_incidents = False


def _without_app() -> ConfigError:
    return ConfigError("These tasks belong to no app yet: app.include(tasks).")


class Tasks(DeclaresTasks):
    """Tasks without an app, until one includes them; then they are tasks of that app.

    Names, queue and defaults are those of the app; what is declared after `app.include` is added too. Before
    it, a task can be called, and raises ConfigError where it is sent.
    """

    def __init__(self) -> None:
        self._loose = Registry(_NoClient(), _NoPlugins())
        self._declared: list[tuple[AnyTask, Callable[..., Any], dict[str, Any]]] = []
        self._registry: Registry | None = None

    def join(self, registry: Registry) -> None:
        """Make them tasks of an app. Raises ConfigError, DuplicateTask, and what its declaring raises."""
        if self._registry not in (None, registry):
            raise ConfigError("Another app has included these tasks already.")
        if self._registry is None:
            self._registry = registry
            for task, function, options in self._declared:
                registry.adopt(task, function, options)

    def _declare(self, function: Callable[..., Any], **options: Any) -> AnyTask:
        task = self._loose.add(function, **options)
        self._declared.append((task, function, options))
        if self._registry is not None:
            self._registry.adopt(task, function, options)
        return task
