"""Hides the values of secret arguments in errors, before they reach incidents, messages and monitors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.troubles import arguments_of
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.job_secrets import error_without_secrets, kind_of_error
from infinitas.core.task_definition import TaskDefinition


async def hide_secrets(
    connection: Connection, queue: str, events: Sequence[Event], definitions: Mapping[str, TaskDefinition]
) -> list[Event]:
    """These events; those of failed jobs without the values of secret arguments in their errors.

    Args:
        definitions: of the tasks that are declared.

    Raises:
        ServerUnreachable: Redis gives no answer, so that it is not known which values are secret.
    """
    jobs = dict.fromkeys(event.fields.get("job", "") for event in events if _quotes(event))
    known = await arguments_of(connection, queue, list(jobs))
    return [
        replace(event, fields={**event.fields, "error": _error(event, known, definitions)})
        if _quotes(event)
        else event
        for event in events
    ]


def _quotes(event: Event) -> bool:
    return event.kind == EventKind.JOB_FAILED and bool(event.fields.get("error"))


def _error(
    event: Event,
    known: Mapping[str, tuple[str, tuple[str, ...]]],
    definitions: Mapping[str, TaskDefinition],
) -> str:
    error, task = event.fields["error"], definitions.get(event.fields.get("task", ""))
    found = known.get(event.fields.get("job", ""))
    if found is not None:
        args, paths = found
        try:
            return error_without_secrets(error, args, (*paths, *(task.redact if task else ())))
        except (ValueError, TypeError):
            return kind_of_error(error)
    # The job is gone. Of a task without secret arguments an error quotes none.
    return error if task is not None and not task.redact else kind_of_error(error)
