"""External tasks and pings as the API shows them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from infinitas.core.codec import EPOCH
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import Every, every
from infinitas.core.records import ExternalTaskInfo
from infinitas.core.schedule_options import ScheduleOptions
from infinitas.core.task_definition import EXTERNAL_TIMEOUT_S
from infinitas.wire.paths import PREFIX
from infinitas.wire.values import NUMBER, Name, Text


class NewExternalTask(BaseModel):
    """An external task, with its own schedule if one of `cron` and `every` is given; durations in seconds."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    cron: Text | None = Field(default=None, max_length=1000)
    every: Annotated[float, Field(gt=0, le=10**9), NUMBER] | None = None
    timezone: Name | None = None
    grace: Annotated[float, Field(ge=0, le=31_622_400), NUMBER] | None = None
    timeout: Annotated[float, Field(gt=0, le=31_536_000), NUMBER] | None = None
    monitor: Text | None = Field(default=None, max_length=120)

    def rule(self) -> str | Every | None:
        """Raises BadSchedule if there are two, or options without one."""
        if self.cron is not None and self.every is not None:
            raise BadSchedule("Give one of cron and every.")
        if self.cron is None and self.every is None and self.options():
            raise BadSchedule("timezone and grace are for a task with a schedule: give cron or every.")
        return self.cron if self.every is None else every(seconds=self.every)

    def options(self) -> ScheduleOptions:
        found = ScheduleOptions()
        if self.timezone is not None:
            found["timezone"] = self.timezone
        if self.grace is not None:
            found["grace"] = self.grace
        return found


class ExternalTaskView(BaseModel):
    """An external task, without its token."""

    name: str
    rule: str | None
    timezone: str | None
    grace: float | None
    timeout: float
    next_slot: datetime | None
    pinged: datetime | None
    """When its last run began or ended."""
    status: str | None
    token_made: datetime | None

    @classmethod
    def of(cls, info: ExternalTaskInfo) -> Self:
        task, rule = info.task, info.schedule
        return cls(
            name=task.name,
            rule=rule.rule_text if rule else None,
            timezone=rule.timezone if rule and rule.cron else None,
            grace=(rule.expected_by(EPOCH) - EPOCH).total_seconds() if rule else None,
            timeout=task.definition.timeout or EXTERNAL_TIMEOUT_S,
            next_slot=task.next_slot,
            pinged=task.last_job.date if task.last_job else None,
            status=task.last_job.status if task.last_job else None,
            token_made=info.token_made,
        )


class PingAddress(BaseModel):
    """The path of a task's ping address, with its token: shown this once."""

    task: str
    path: str

    @classmethod
    def of(cls, task: str, token: str) -> Self:
        return cls(task=task, path=f"{PREFIX}/ping/{token}")


class PingUrl(PingAddress):
    """With the whole address where the page's URL is set (`page_url`), else null."""

    url: str | None


class PingView(BaseModel):
    """What a ping did: `result` is `known` for one that came before. Of no run: null."""

    result: Literal["ok", "known", "no_run"]
    job: str | None
    state: str | None
