"""Python, the command line and HTTP have one set of names, with the same values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from infinitas.core.records import AttemptInfo, JobInfo, JobSummary, LogLine, RecentRun, TaskInfo, TaskLine
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_records import Pause, ScheduleInfo
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.wire.jobs import JobView, JobWithAttempts
from infinitas.wire.schedules import RuleView, ScheduleView
from infinitas.wire.tasks import TaskLineView, TaskView
from tests.wire.test_round_trip import RULES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BIG = 1180591620717411303424
JOB = JobInfo(
    id="j",
    task="t",
    state=State.FAILED,
    attempt=2,
    args_json=f'[[1,{BIG}],{{"a":null}}]',
    due=NOW,
    started=NOW,
    ended=NOW + timedelta(seconds=2.5),
    result_json=f'{{"sum":{BIG}}}',
    checkpoint_json="[1]",
    headers={"a": "b"},
    log=(LogLine(at=NOW, level="info", text="x"),),
    attempts=(AttemptInfo(attempt=1, outcome="failed"),),
)
LAST = JobSummary(id="j", date=NOW, status="failed")
TASK = TaskInfo(
    name="t",
    queue="q",
    definition=TaskDefinition(name="t", queue="q", doc="Does it.", parameters='{"type":"array"}'),
    last_job=LAST,
    recent=(RecentRun(job="j", state=State.SUCCEEDED, ended=NOW, duration_ms=3),),
)
LINE = TaskLine(name="t", queue="q", doc="Does it.", last_failure=LAST, rules=("* * * * *",))


def schedule(rule: Schedule) -> ScheduleInfo:
    return ScheduleInfo(
        schedule=rule, queue="q", next_slot=NOW, paused=Pause(reason="why", since=NOW), filling=2
    )


def same(record: object, view: BaseModel) -> None:
    """Each field of the JSON is an attribute of the record, with that value."""
    shown = view.model_dump(mode="json")
    for name, value in shown.items():
        found: Any = TypeAdapter(object).dump_python(getattr(record, name), mode="json")
        assert found == value, name


def test_a_job() -> None:
    same(JOB, JobWithAttempts.of(JOB))
    assert (JOB.args, JOB.result) == ({"positional": [1, BIG], "named": {"a": None}}, {"sum": BIG})
    assert JobView.of(JOB).duration == JOB.duration == 2.5


def test_a_task() -> None:
    view = TaskView.of(TASK)
    same(TASK, view.model_copy(update={"schedules": []}))
    assert (TASK.options["queue"], TASK.parameters) == ("q", {"type": "array"})
    same(LINE, TaskLineView.of(LINE))
    assert view.model_dump(mode="json")["last_job"]["date"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize("rule", RULES)
def test_a_schedule(rule: Schedule) -> None:
    info = schedule(rule)
    same(info, ScheduleView.of(info))
    assert ScheduleView.of(info).model_dump(include=set(RuleView.model_fields)) == (
        RuleView.of_rule(rule).model_dump()
    )
