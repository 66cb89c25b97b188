"""Tasks as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

import orjson
from pydantic import BaseModel, JsonValue

from infinitas.core.errors import BadName, ConfigError
from infinitas.core.records import JobSummary, RecentRun, TaskInfo, TaskLine
from infinitas.core.schedule_records import Pause
from infinitas.core.task_definition import UNREADABLE_TASK, TaskDefinition
from infinitas.wire.definitions import define
from infinitas.wire.schedules import RuleView


class LastJob(BaseModel):
    """A task's last job, or its last one that succeeded or failed."""

    id: str
    date: datetime
    status: str

    @classmethod
    def of(cls, summary: JobSummary | None) -> Self | None:
        return cls(id=summary.id, date=summary.date, status=summary.status) if summary else None

    def to_record(self) -> JobSummary:
        return JobSummary(id=self.id, date=self.date, status=self.status)


class TaskStateView(BaseModel):
    """What a task and a task in a list have in common."""

    name: str
    queue: str
    doc: str
    has_worker: bool
    external: bool
    """Its jobs run elsewhere, and pings report them."""
    paused: Pause | None
    """Of the task, else of its queue: its jobs are not claimed meanwhile."""
    queued: int
    running: int
    streak: int
    next_slot: datetime | None
    last_job: LastJob | None
    last_success: LastJob | None
    last_failure: LastJob | None
    last_error: str | None
    recent: tuple[RecentRun, ...]
    """The last ten runs, oldest first; in a list empty unless `recent` asks for them."""
    unreadable: str | None
    """What could not be read, and why; what it names has a neutral value."""


class TaskView(TaskStateView):
    options: dict[str, JsonValue]
    """As a worker declares them (docs/tasks.md)."""
    parameters: dict[str, JsonValue] | None
    """JSON Schema of the arguments; null if no worker has declared one."""
    schedules: list[RuleView]

    @classmethod
    def of(cls, info: TaskInfo) -> Self:
        fields = {name: getattr(info, name) for name in cls.model_fields.keys() - {*_LAST, "schedules"}}
        fields |= {name: LastJob.of(getattr(info, name)) for name in _LAST}
        return cls(**fields, schedules=[RuleView.of_rule(rule) for rule in info.schedules])

    def to_record(self) -> TaskInfo:
        fields: dict[str, Any] = {name: getattr(self, name) for name in _SAME}
        for name in _LAST:
            last = getattr(self, name)
            fields[name] = last and last.to_record()
        return TaskInfo(
            **fields,
            definition=self._definition(),
            schedules=tuple(rule.to_rule() for rule in self.schedules),
        )

    def _definition(self) -> TaskDefinition:
        try:
            return define(self.name, self.options)
        except (BadName, ConfigError):
            return UNREADABLE_TASK


class TaskLineView(TaskStateView):
    """A task in a list: what a list shows of it."""

    rules: tuple[str, ...]
    """Its schedules as text, those with the earliest next slot first."""

    @classmethod
    def of(cls, line: TaskLine) -> Self:
        fields: dict[str, Any] = {name: getattr(line, name) for name in _OF_LINE}
        fields |= {name: LastJob.of(getattr(line, name)) for name in _LAST}
        return cls(**fields)

    def to_record(self) -> TaskLine:
        fields: dict[str, Any] = {name: getattr(self, name) for name in _OF_LINE}
        for name in _LAST:
            last = getattr(self, name)
            fields[name] = last and last.to_record()
        return TaskLine(**fields)


class TaskPage(BaseModel):
    """`next` is the `cursor` of the next page; null on the last."""

    items: list[TaskLineView]
    next: str | None


def show_lines(lines: Sequence[TaskLine], following: str | None) -> bytes:
    """A `TaskPage` as JSON."""
    items = [
        {
            name: _show_last(getattr(line, name)) if name in _LAST else getattr(line, name)
            for name in TaskLineView.model_fields
        }
        for line in lines
    ]
    return orjson.dumps({"items": items, "next": following}, option=orjson.OPT_UTC_Z)


def _show_last(summary: JobSummary | None) -> dict[str, object] | None:
    return None if summary is None else {"id": summary.id, "date": summary.date, "status": summary.status}


_LAST = ("last_job", "last_success", "last_failure")
_OF_LINE = TaskLineView.model_fields.keys() - set(_LAST)
_SAME = TaskView.model_fields.keys() - {*_LAST, "doc", "options", "parameters", "schedules"}
