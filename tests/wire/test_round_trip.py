"""What one end writes, the other reads back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic_core import to_json

from infinitas.core.codec import to_ms
from infinitas.core.errors import BadArgs
from infinitas.core.interval import Every
from infinitas.core.job_arguments import read_args, show_args
from infinitas.core.records import JobInfo, JobSummary, LogLine, RecentRun, TaskInfo, TaskLine
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_options import make_schedule
from infinitas.core.schedule_records import Pause, ScheduleInfo
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import UNREADABLE_TASK, TaskDefinition
from infinitas.wire import frames
from infinitas.wire.arguments import ArgumentsBody
from infinitas.wire.jobs import JobView
from infinitas.wire.schedules import Change, ScheduleView, change_fields
from infinitas.wire.tasks import TaskPage, TaskView, show_lines

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL_OPTIONS = Schedule(
    key="k",
    task="t",
    cron="0 9 * * *",
    timezone="Europe/Paris",
    dst="skip",
    args='[[1],{"a":"ü"}]',
    origin="api",
    overlap="queue",
    catch_up="all",
    catch_up_window_ms=90_500,
    catch_up_limit=7,
    jitter_ms=250,
    start_ms=to_ms(NOW),
    end_ms=to_ms(NOW + timedelta(days=900)),
    max_runs=3,
    grace_ms=1_000,
)
RULES = [
    ALL_OPTIONS,
    Schedule(key="k", task="t", every_ms=60_000, anchor_ms=to_ms(NOW)),
    Schedule(key="k", task="t", at_ms=to_ms(NOW + timedelta(days=1)), args='[[],{"a":1}]'),
    Schedule(key="k", task="t", cron="* * * * *", declared="overridden"),
]


@pytest.mark.parametrize("rule", RULES)
def test_a_schedule(rule: Schedule) -> None:
    info = ScheduleInfo(
        schedule=rule, queue="q", next_slot=NOW, paused=Pause(reason="why", since=NOW), skips=2, filling=0
    )
    view = ScheduleView.model_validate_json(ScheduleView.of(info).model_dump_json())
    assert view.to_record() == info


@pytest.mark.parametrize("rule", RULES[:3])
def test_a_rule_that_a_remote_worker_declares(rule: Schedule) -> None:
    entry = frames.TaskEntry.of(TaskDefinition(name="t", timeout=5), rule)
    identify = frames.Identify(t="identify", tasks=[entry], capacity=1)
    (found,) = frames.parse(frames.dump(identify))
    assert isinstance(found, frames.Identify)
    change = found.tasks[0].schedule
    assert change is not None
    made = make_schedule(
        change.rule(),
        key="k",
        task="t",
        at=change.at,
        args=change.stored_args() or EMPTY_ARGS,
        now=NOW,
        origin=rule.origin,
        options=change.options(),
    )
    assert replace(made, anchor_ms=0) == replace(rule, anchor_ms=0)


def test_a_change_gives_only_what_is_given() -> None:
    fields = change_fields(Every(1500), None, '[[1],{"b":2}]', {"end": None, "jitter": 2})
    change = Change.model_validate_json(to_json(fields))
    assert (change.rule(), change.stored_args()) == (Every(1500), '[[1],{"b":2}]')
    assert change.options() == {"end": None, "jitter": 2}


def test_a_job() -> None:
    job = JobInfo(
        id="j",
        task="t",
        state=State.FAILED,
        attempt=2,
        args_json='[[1],{"a":null}]',
        due=NOW,
        reason="error",
        started=NOW,
        ended=NOW + timedelta(seconds=2),
        result_json='"text"',
        checkpoint_json="[1180591620717411303424]",
        headers={"a": "b"},
        log=(LogLine(at=NOW, level="info", text="x"),),
    )
    view = JobView.model_validate_json(JobView.of(job).model_dump_json())
    assert (view.result, view.duration) == ("text", 2)
    assert view.to_record() == job


def test_a_task() -> None:
    info = TaskInfo(
        name="t",
        queue="q",
        definition=TaskDefinition(name="t", queue="q", timeout=5, redact=("a.b",), doc="Does it."),
        last_job=JobSummary(id="j", date=NOW, status="running"),
        recent=(RecentRun(job="j", state=State.SUCCEEDED, ended=NOW, duration_ms=3),),
        schedules=(ALL_OPTIONS,),
        has_worker=True,
    )
    text = TaskView.of(info).model_dump_json()
    assert TaskView.model_validate_json(text).to_record() == info
    newer = text.replace('"timeout"', '"of_a_newer_version"')
    assert TaskView.model_validate_json(newer).to_record().definition is UNREADABLE_TASK


def test_a_list_of_tasks() -> None:
    run = RecentRun(job="j", state=State.SUCCEEDED, ended=NOW, duration_ms=3)
    last = JobSummary(id="j", date=NOW, status="running")
    lines = [
        TaskLine(
            name="a", queue="q", doc="Does it.", rules=("* * * * *",), next_slot=NOW, streak=-2, queued=1
        ),
        TaskLine(name="b", queue="q", last_job=last, last_error="e", recent=(run,), has_worker=True),
    ]
    page = TaskPage.model_validate_json(show_lines(lines, "b"))
    assert ([each.to_record() for each in page.items], page.next) == (lines, "b")


@pytest.mark.parametrize("text", ["[[],{}]", '[[1,"a"],{}]', '[[],{"a":1}]', '[[1],{"a":1}]'])
def test_arguments(text: str) -> None:
    assert read_args(show_args(text)) == text


def test_named_arguments_are_given_once() -> None:
    with pytest.raises(BadArgs):
        ArgumentsBody(args={"a": 1}, kwargs={"b": 2}).stored_args()
    assert ArgumentsBody().stored_args() is None


@pytest.mark.parametrize(
    "frame",
    [
        frames.Accept(t="accept", job="j", attempt=1),
        frames.Reject(t="reject", job="j", attempt=1, reason="job_lost"),
        frames.Progress(t="progress", job="j", attempt=1, value=0.5),
        frames.Fail(t="fail", id="f", job="j", attempt=1, error="e", reason=Reason.TIMED_OUT, retry=1.5),
        frames.Release(t="release", id="r", job="j", attempt=1),
        frames.Log(t="log", job="j", attempt=1, lines=[frames.LogLine(seq=0, at=5, text="x")]),
        frames.Capacity(t="capacity", n=0),
        frames.Beat(t="beat"),
        frames.Bye(t="bye"),
        frames.Identify(
            t="identify",
            tasks=[frames.TaskEntry(name="t")],
            capacity=1,
            in_flight=[frames.Held(job="j", attempt=1)],
        ),
    ],
)
def test_frames(frame: frames.Frame) -> None:
    assert frames.parse(frames.dump(frame)) == [frame]


def test_json_text_goes_into_a_frame_as_it_is() -> None:
    done = frames.Done(t="done", id="d", job="j", attempt=1, result=frames.embed('{"a":1e2}'))
    assert b'"result":{"a":1e2}' in frames.dump(done)
    (found,) = frames.parse(frames.dump(done))
    assert isinstance(found, frames.Done)
    assert found.result == {"a": 100}
