"""Tasks as the API shows them."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Self

from pydantic import BaseModel, JsonValue
from pydantic_core import from_json

from infinitas.core.errors import BadName, ConfigError
from infinitas.core.records import JobSummary, RecentRun, TaskInfo
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import UNREADABLE_TASK, TaskDefinition
from infinitas.wire.definitions import define
from infinitas.wire.schedules import RuleView


class LastJob(BaseModel):
    """A task's last job, or its last one that succeeded or failed."""

    id: str
    at: datetime
    status: str

    @classmethod
    def of(cls, summary: JobSummary | None) -> Self | None:
        return cls(id=summary.id, at=summary.date, status=summary.status) if summary else None

    def to_record(self) -> JobSummary:
        return JobSummary(id=self.id, date=self.at, status=self.status)


class TaskView(BaseModel):
    name: str
    queue: str
    doc: str
    has_worker: bool
    queued: int
    running: int
    streak: int
    next_slot: datetime | None
    last_job: LastJob | None
    last_success: LastJob | None
    last_failure: LastJob | None
    last_error: str | None
    recent: tuple[RecentRun, ...]
    options: dict[str, JsonValue]
    """As a worker declares them (docs/tasks.md)."""
    parameters: dict[str, JsonValue] | None
    """JSON Schema of the arguments; null in a list, and if no worker has declared one."""
    schedules: list[RuleView]
    unreadable: str | None
    """What could not be read, and why; what it names has a neutral value."""

    @classmethod
    def of(cls, info: TaskInfo, *, whole: bool = False) -> Self:
        """`whole`: with the schema of the arguments."""
        options = info.definition.options
        schema = options.pop("parameters", None)
        fields = {name: getattr(info, name) for name in _SAME}
        fields |= {name: LastJob.of(getattr(info, name)) for name in _LAST}
        return cls(
            **fields,
            doc=info.definition.doc,
            options=options,
            parameters=from_json(schema) if whole and schema else None,
            schedules=[_view_rule(rule) for rule in info.schedules],
        )

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


@lru_cache(maxsize=4_096)
def _view_rule(rule: Schedule) -> RuleView:
    """Kept, since lists show the same rules again and again."""
    return RuleView.of_rule(rule)


_LAST = ("last_job", "last_success", "last_failure")
_SAME = TaskView.model_fields.keys() - {*_LAST, "doc", "options", "parameters", "schedules"}
