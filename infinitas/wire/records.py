"""What the HTTP API shows, back as records."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json

from infinitas.core.codec import to_ms
from infinitas.core.errors import BadName, ConfigError
from infinitas.core.records import (
    AttemptInfo,
    JobInfo,
    JobSummary,
    LogLine,
    Pause,
    RecentRun,
    ScheduleInfo,
    TaskInfo,
    WorkerInfo,
)
from infinitas.core.schedule import Schedule
from infinitas.core.states import State
from infinitas.core.task_definition import UNREADABLE_TASK, TaskDefinition

Shown = Mapping[str, Any]


def task_of(shown: Shown) -> TaskInfo:
    return TaskInfo(
        name=shown["name"],
        queue=shown["queue"],
        definition=_definition(shown),
        last_job=_summary(shown["last_job"]),
        last_success=_summary(shown["last_success"]),
        last_failure=_summary(shown["last_failure"]),
        last_error=shown["last_error"],
        streak=shown["streak"],
        recent=tuple(
            RecentRun(
                job=each["job"],
                state=State(each["state"]),
                ended=datetime.fromisoformat(each["ended"]),
                duration_ms=each["duration_ms"],
            )
            for each in shown["recent"]
        ),
        schedules=tuple(map(rule_of, shown["schedules"])),
        next_slot=_moment(shown["next_slot"]),
        queued=shown["queued"],
        running=shown["running"],
        has_worker=shown["has_worker"],
        unreadable=shown["unreadable"],
    )


def _definition(shown: Shown) -> TaskDefinition:
    try:
        return TaskDefinition(name=shown["name"], **shown["options"])
    except (BadName, ConfigError):
        return UNREADABLE_TASK


def rule_of(shown: Shown) -> Schedule:
    return Schedule(
        key=shown["key"],
        task=shown["task"],
        cron=shown["cron"],
        timezone=shown["timezone"],
        dst=shown["dst"],
        every_ms=_ms(shown["every"]),
        at_ms=_moment_ms(shown["at"]),
        args=_arguments(shown["args"]),
        anchor_ms=_moment_ms(shown["anchor"]) or 0,
        origin=shown["origin"],
        # Not the fingerprint itself, which nobody asks for: only whether it is another one.
        declared="overridden" if shown["overridden"] else "",
        overlap=shown["overlap"],
        catch_up=shown["catch_up"],
        catch_up_window_ms=_ms(shown["catch_up_window"]),
        catch_up_limit=shown["catch_up_limit"],
        jitter_ms=_ms(shown["jitter"]) or 0,
        start_ms=_moment_ms(shown["start"]),
        end_ms=_moment_ms(shown["end"]),
        max_runs=shown["max_runs"],
        grace_ms=_ms(shown["grace"]),
    )


def schedule_of(shown: Shown) -> ScheduleInfo:
    pause = shown["paused"]
    return ScheduleInfo(
        schedule=rule_of(shown),
        queue=shown["queue"],
        next_slot=_moment(shown["next_slot"]),
        last_slot=_moment(shown["last_slot"]),
        pause=Pause(
            reason=pause["reason"],
            since=datetime.fromisoformat(pause["since"]),
            until=_moment(pause["until"]),
        )
        if pause
        else None,
        skips=shown["skips"],
        runs=shown["runs"],
        live_job=shown["live_job"],
        filling=shown["filling"],
        unreadable=shown["unreadable"],
    )


def job_of(shown: Shown, attempts: tuple[AttemptInfo, ...] = ()) -> JobInfo:
    return JobInfo(
        id=shown["id"],
        task=shown["task"],
        state=State(shown["state"]),
        attempt=shown["attempt"],
        args=_arguments(shown["args"]),
        due=datetime.fromisoformat(shown["due"]),
        queue=shown["queue"],
        reason=shown["reason"],
        schedule=shown["schedule"],
        created=_moment(shown["created"]),
        started=_moment(shown["started"]),
        ended=_moment(shown["ended"]),
        worker=shown["worker"],
        error=shown["error"],
        traceback=shown["traceback"],
        result=None if shown["result"] is None else _text(shown["result"]),
        progress=shown["progress"],
        step=shown["step"],
        checkpoint=None if shown["checkpoint"] is None else _text(shown["checkpoint"]),
        key=shown["key"],
        headers=shown["headers"],
        ready=_moment(shown["ready"]),
        crashes=shown["crashes"],
        attempts=attempts,
        log=tuple(
            LogLine(at=datetime.fromisoformat(line["at"]), level=line["level"], text=line["text"])
            for line in shown["log"]
        ),
        unreadable=shown["unreadable"],
    )


def attempt_of(shown: Shown) -> AttemptInfo:
    moments = {name: _moment(shown[name]) for name in ("started", "ended")}
    return AttemptInfo(**{**shown, **moments})


def worker_of(shown: Shown) -> WorkerInfo:
    moments = {name: datetime.fromisoformat(shown[name]) for name in ("started", "last_beat")}
    lists = {name: tuple(shown[name]) for name in ("queues", "tasks")}
    return WorkerInfo(**{**shown, **moments, **lists})


def arguments_for(text: str) -> dict[str, Any]:
    """Stored arguments as a request names them."""
    args, kwargs = from_json(text)
    return {"args": args, "kwargs": kwargs}


def _arguments(shown: Any) -> str:
    if isinstance(shown, list):
        return _text([shown, {}])
    if shown.keys() == {"positional", "named"}:
        return _text([shown["positional"], shown["named"]])
    return _text([[], shown])


def _summary(shown: Shown | None) -> JobSummary | None:
    if shown is None:
        return None
    return JobSummary(id=shown["id"], date=datetime.fromisoformat(shown["at"]), status=shown["status"])


def _text(value: Any) -> str:
    return to_json(value).decode()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _moment_ms(text: str | None) -> int | None:
    return None if text is None else to_ms(datetime.fromisoformat(text))


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
