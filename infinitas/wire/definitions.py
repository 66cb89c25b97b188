"""Task definitions from options that a request or a frame gives."""

from collections.abc import Mapping

from pydantic import JsonValue

from infinitas.core.errors import ConfigError
from infinitas.core.task_definition import TaskDefinition


def define(name: str, options: Mapping[str, JsonValue]) -> TaskDefinition:
    """A checked definition. Raises ConfigError, BadName."""
    if "name" in options:
        raise ConfigError("A task's name is not one of its options.")
    try:
        return TaskDefinition(name=name, **options)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(f"Options of the task {name[:200]!r}: {str(error)[:200]}.") from None
