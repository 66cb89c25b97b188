"""The JSON Schema of a processor's arguments, for forms: made once, when a worker declares the task."""

import inspect
import typing
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from infinitas.core.task_definition import MAX_SCHEMA_CHARS


def argument_schema(function: Callable[..., object], names: Sequence[str]) -> str:
    """The schema of the parameters `names` as JSON text; '' without parameters, or if there is none.

    It is an object of named arguments; an array where some can only be given by position.
    """
    if not names:
        return ""
    # Imported here: a third of what `import infinitas` would take.
    from pydantic import TypeAdapter

    try:
        with warnings.catch_warnings():
            # A default without a JSON form is left out; that is no fault of the task.
            warnings.simplefilter("ignore")
            adapter: TypeAdapter[Any] = TypeAdapter(_stub(function, names))
            made = adapter.json_schema()
        # In the order of the parameters: a form shows them so, and knows arguments given by position.
        text = orjson.dumps(made).decode()
    except Exception:  # noqa: BLE001 - also what an annotation's own code raises: a form is not worth a worker
        return ""
    return text if len(text) <= MAX_SCHEMA_CHARS else ""


def _stub(function: Callable[..., object], names: Sequence[str]) -> Any:
    """A function with these parameters alone."""

    def stub(*_: Any, **__: Any) -> None: ...

    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function, include_extras=True)
    stub.__signature__ = inspect.Signature([parameters[name] for name in names])  # type: ignore[attr-defined]
    stub.__annotations__ = {name: hints[name] for name in names if name in hints}
    return stub
