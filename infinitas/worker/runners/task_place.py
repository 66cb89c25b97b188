"""Where a task stands in its module, so that a job's own process finds it too."""

import importlib
import sys
from dataclasses import dataclass
from types import ModuleType

from infinitas.core.errors import BadApp, ConfigError
from infinitas.tasks.task import AnyTask, Task


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """A module, and the dotted name of a task in it."""

    module: str
    name: str


def place_of(task: AnyTask) -> TaskPlace:
    """Where a task stands in a module that another process can import. Raises ConfigError: nowhere."""
    function = task.function
    own = TaskPlace(str(function.__module__), str(function.__qualname__))
    if _find(sys.modules.get(own.module), own.name) is task and own.module != "__main__":
        return own
    for module in list(sys.modules.values()):
        # A partial or a callable object has no name of its own, but the task may stand under one.
        if isinstance(module, ModuleType) and module.__name__ != "__main__":
            for name, value in list(vars(module).items()):
                if value is task:
                    return TaskPlace(module.__name__, name)
    raise ConfigError(
        f'runner="process" of task {task.name!r}: {own.name} must stand at the top of a module that can be '
        "imported, so that the process can find it. Define it there with @app.task, or assign what "
        "`app.task(…)` returns to a name there."
    )


def find_task(place: TaskPlace, task: str) -> AnyTask:
    """Import a task in another process. Raises BadApp: another thing stands there."""
    found = _find(importlib.import_module(place.module), place.name)
    if not isinstance(found, Task) or found.name != task:
        raise BadApp(
            f"{place.module}:{place.name} is not the task {task!r}: the job's process can't find it. "
            "Importing the module must define it every time."
        )
    return found


def _find(module: object, name: str) -> object:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
