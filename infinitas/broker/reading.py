"""Stored fields as records. One that can't be read is shown as unreadable, and hides no other.

Older versions, other programs and people with redis-cli write to Redis too. A record's `unreadable`
names what could not be read; a neutral value takes its place.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, TypeVar

import orjson

from infinitas.broker.messages import moment_of_score
from infinitas.broker.stored_rules import read_rule
from infinitas.core.codec import AFTER_LAST_MS, EPOCH, from_ms
from infinitas.core.errors import InfinitasError
from infinitas.core.job_arguments import fault_of_args
from infinitas.core.records import (
    JobInfo,
    JobSummary,
    LogLine,
    RecentRun,
    TaskInfo,
    TaskLine,
    WorkerInfo,
    check_payloads,
)
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_records import Pause, ScheduleInfo
from infinitas.core.states import State
from infinitas.core.task_definition import UNREADABLE_TASK, TaskDefinition

T = TypeVar("T")
Lines = Iterable[tuple[str, Mapping[str, str]]]
MOST = 1 << 53
AFTER_ALL = datetime.max.replace(tzinfo=UTC)
SUMMARY = (
    *("last_job", "last_job_date", "last_job_status", "last_success", "last_success_date", "last_failure"),
    *("last_failure_date", "last_failure_error", "streak"),
)
"""Fields of a task's summary, as `list_tasks.lua` returns them."""
_FAULTS = (
    InfinitasError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)
"""Exceptions of reading a text of unknown origin."""
_MAX_FAULT_CHARS = 200


class Stored:
    """Reads the fields of one record, and collects their faults."""

    def __init__(self, record: object, key: str = "") -> None:
        self._fields = record if isinstance(record, Mapping) else {}
        self.faults = [] if isinstance(record, Mapping) else [f"{key} holds something else"]

    def read(self, name: str, parse: Callable[[Any], T], neutral: T, *, required: bool = False) -> T:
        """One field; an empty one counts as missing."""
        value = self._fields.get(name)
        if value in (None, "") and not required:
            return neutral
        return self.attempt(name, lambda: parse(value), neutral)

    def attempt(self, name: str, make: Callable[[], T], neutral: T) -> T:
        """The result of `make`, or the neutral value and one more fault."""
        try:
            return make()
        except _FAULTS as error:
            self.faults.append(f"{name}: {error!s:.{_MAX_FAULT_CHARS}}")
            return neutral

    def text(self, name: str) -> str | None:
        return self.read(name, str, None)

    def count(self, name: str) -> int:
        return self.read(name, _whole, 0)

    def moment(self, name: str) -> datetime | None:
        return self.read(name, moment, None)

    def named(self, prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): v for name, v in self._fields.items() if name.startswith(prefix)}

    @property
    def unreadable(self) -> str | None:
        return "; ".join(self.faults) or None


def moment(ms: object) -> datetime:
    """The moment of milliseconds since 1970. Raises ValueError, TypeError: our calendar has none."""
    found = _whole(ms)
    if not 0 <= found < AFTER_LAST_MS:
        raise ValueError(f"{found} ms is not from 1970 to 8999")
    return from_ms(found)


def _slot(score: float) -> datetime:
    found = moment_of_score(score)
    if found is None:
        raise ValueError(f"{score} is no moment")
    return found


def _whole(value: Any) -> int:
    number = int(value) if not isinstance(value, float) or math.isfinite(value) else MOST
    if not -MOST < number < MOST:
        raise ValueError("a number beyond 53 bits")
    return number


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number


def _required(value: object) -> str:
    if not value:
        raise ValueError("it is not there")
    return str(value)


def _headers(text: str) -> dict[str, str]:
    found = orjson.loads(text)
    if not all(isinstance(value, str) for value in found.values()):
        raise ValueError("a value is no text")
    return dict(found)


def _paths(text: str) -> tuple[str, ...]:
    return tuple(map(str, orjson.loads(text)))


def job_info(queue: str, id: str, record: object, chunks: object = (), task: str = "") -> JobInfo:
    """A job's hash and log as a record. `task`: the task that it was found in, if known."""
    stored = Stored(record, "its key")
    return check_payloads(
        JobInfo(
            id=id,
            task=stored.read("task", _required, task, required=True),
            state=stored.read("state", State, State.FAILED, required=True),
            attempt=stored.count("attempt"),
            args_json=stored.read("args", _required, EMPTY_ARGS, required=True),
            due=stored.read("due", moment, EPOCH, required=True),
            queue=queue,
            reason=stored.text("reason"),
            schedule=stored.text("schedule"),
            created=stored.moment("created"),
            started=stored.moment("started"),
            ended=stored.moment("ended"),
            worker=stored.text("worker"),
            error=stored.text("error"),
            traceback=stored.text("traceback"),
            result_json=stored.text("result"),
            progress=stored.read("progress", _finite, None),
            step=stored.text("step"),
            checkpoint_json=stored.text("checkpoint"),
            key=stored.text("key"),
            headers=stored.read("headers", _headers, {}),
            redact=stored.read("redact", _paths, ()),
            ready=stored.moment("ready"),
            crashes=stored.count("crashes"),
            rejections=stored.named("rejected:"),
            log=stored.attempt("log", lambda: log_lines(chunks), ()),
            unreadable=stored.unreadable,
        )
    )


def log_lines(chunks: object) -> tuple[LogLine, ...]:
    """Lines of a job's log stream, without the copies of lines that a remote worker sent twice.

    Raises ValueError: it is no stream.
    """
    if not isinstance(chunks, Sequence):
        raise ValueError("its key holds something else")
    found: dict[object, LogLine] = {}
    for position, chunk in chunks:
        sent = from_ms(int(position.split("-")[0]))
        try:
            lines = orjson.loads(chunk["lines"])
            found |= {(chunk.get("attempt"), str(line[0])): _line(sent, line) for line in lines}
        except _FAULTS as error:
            found[position] = _unreadable_line(sent, error)
    return tuple(found.values())


def _line(sent: datetime, line: Any) -> LogLine:
    try:
        _, at, level, text = line
        return LogLine(at=moment(at), level=str(level), text=str(text))
    except _FAULTS as error:
        return _unreadable_line(sent, error)


def _unreadable_line(sent: datetime, error: Exception) -> LogLine:
    return LogLine(at=sent, level="unreadable", text=f"{error!s:.{_MAX_FAULT_CHARS}}")


def task_info(
    queue: str,
    name: str,
    definition: str,
    live: list[Any],
    infos: Sequence[ScheduleInfo],
    has_worker: bool,
) -> TaskInfo:
    """A task from its definition, and its summary, recent outcomes, stream length and pending count."""
    summary, recent, length, pending = live
    stored = Stored(summary, "its summary")
    stands = stored.attempt("definition", lambda: task_definition(name, definition), UNREADABLE_TASK)
    # A task that never had a worker has a stream without a group: then nothing is pending.
    running = 0 if isinstance(pending, Exception) else pending["pending"]
    own = [info for info in infos if info.schedule.task == name]
    stored.faults += [f"schedule: {info.unreadable}" for info in infos if info.schedule.task != name]
    return TaskInfo(
        name=name,
        queue=queue,
        definition=stands,
        schedules=tuple(info.schedule for info in own),
        next_slot=min((info.next_slot for info in own if info.next_slot), default=None),
        has_worker=has_worker,
        external=bool(stands.external),
        **_state(stored, recent, length, running),
    )


def task_line(
    queue: str, name: str, row: Sequence[Any], rules: Sequence[tuple[str, str, str | None]], has_worker: bool
) -> TaskLine:
    """A task of `list_tasks.lua`. `rules`: keys, definitions and next slots of its schedules."""
    definition, summary, length, running, recent = row
    fields = None if summary is None else dict(zip(SUMMARY, summary, strict=True))
    stored = Stored(fields, "its summary")
    stands = stored.attempt("definition", lambda: task_definition(name, definition), UNREADABLE_TASK)
    # One of another key that can't be read is shown in the list of schedules.
    others = Stored({})
    shown = sorted(filter(None, (_rule_line(stored if rule[0] == name else others, *rule) for rule in rules)))
    return TaskLine(
        name=name,
        queue=queue,
        doc=stands.doc,
        hides=bool(stands.redact),
        rules=tuple(text for _, text in shown),
        next_slot=next((slot for slot, _ in shown if slot != AFTER_ALL), None),
        has_worker=has_worker,
        external=bool(stands.external),
        **_state(stored, recent, length, running),
    )


def _rule_line(stored: Stored, key: str, text: str, score: str | None) -> tuple[datetime, str] | None:
    """The next slot of a rule and its text; None if it can't be read."""
    rule = stored.attempt("schedule", partial(_rule, key, text), None)
    slot = None if score is None else stored.attempt("slot", partial(_slot, float(score)), None)
    return None if rule is None else (slot or AFTER_ALL, rule.rule_text)


def _state(stored: Stored, recent: Any, length: Any, pending: Any) -> dict[str, Any]:
    """The fields of `TaskState` that a summary, recent outcomes, stream length and pending count give."""
    none: tuple[RecentRun, ...] = ()
    outcomes = stored.attempt("recent", lambda: tuple(_recent_run(text) for text in recent), none)
    running = int(pending or 0)
    ready = stored.attempt("stream", lambda: int(length), 0)
    return {
        "last_job": _summary(stored, "last_job", stored.text("last_job_status") or ""),
        "last_success": _summary(stored, "last_success", State.SUCCEEDED),
        "last_failure": _summary(stored, "last_failure", State.FAILED),
        "last_error": stored.text("last_failure_error"),
        "streak": stored.count("streak"),
        "recent": outcomes,
        "queued": max(ready - running, 0),
        "running": running,
        "unreadable": stored.unreadable,
    }


def task_definition(name: str, text: str) -> TaskDefinition:
    """A stored definition. Raises ConfigError, or ValueError: it is another task's."""
    found = _definition(text)
    if found.name != name:
        raise ValueError(f"it is that of the task {found.name!r:.80}")
    return found


def _summary(stored: Stored, role: str, status: str) -> JobSummary | None:
    id = stored.text(role)
    date = stored.read(f"{role}_date", moment, None, required=id is not None)
    return JobSummary(id=id, date=date, status=str(status)) if id and date else None


@lru_cache(maxsize=4_096)
def _definition(text: str) -> TaskDefinition:
    """Kept, since lists read the same text again and again."""
    return TaskDefinition.from_json(text)


@lru_cache(maxsize=1 << 15)
def _recent_run(text: str) -> RecentRun:
    found = orjson.loads(text)
    return RecentRun(
        job=str(found["job"]),
        state=State(found["state"]),
        ended=moment(found["ended"]),
        duration_ms=_whole(found["ms"]),
    )


def recent_run(text: str) -> RecentRun | None:
    """A recent outcome; None if it can't be read."""
    try:
        return _recent_run(text)
    except _FAULTS:
        return None


@lru_cache(maxsize=1 << 13)
def schedule_info(queue: str, key: str, row: tuple[Any, ...]) -> ScheduleInfo:
    """A schedule from its fields, in the order of `names`. Kept: most are as they were at the last list."""
    names = ("definition", "mark", "paused", "skips", "runs", "live", "backfill", "slot", "waiting")
    stored = Stored(dict(zip(names, row, strict=True)))
    neutral = Schedule(key=key, task="", at_ms=0)
    rule = stored.read("definition", lambda text: _rule(key, text), neutral)
    return ScheduleInfo(
        schedule=rule,
        queue=queue,
        next_slot=stored.read("slot", _slot, None),
        last_slot=stored.moment("mark"),
        paused=stored.read("paused", _pause, None),
        skips=stored.count("skips"),
        runs=stored.count("runs"),
        live_job=stored.text("live"),
        filling=stored.count("waiting") if stored.text("backfill") else None,
        unreadable=stored.unreadable,
    )


@lru_cache(maxsize=1 << 13)
def _rule(key: str, text: str) -> Schedule:
    """Kept, since lists read the same rules again and again."""
    rule = read_rule(key, text)
    if fault := fault_of_args(rule.args):
        raise ValueError(f"args: {fault}")
    return rule


def _pause(text: str) -> Pause:
    found = orjson.loads(text)
    until = found.get("until")
    return Pause(
        reason=str(found["reason"]),
        since=moment(found["since"]),
        until=None if until is None else moment(until),
    )


def read_pause(text: str) -> Pause | None:
    """A stored pause; None if it can't be read."""
    try:
        return _pause(text)
    except _FAULTS:
        return None


def worker_info(id: str, record: object, stops: bool = False) -> WorkerInfo:
    """The facts that a worker has stored."""
    stored = Stored(record, "its key")
    return WorkerInfo(
        id=id,
        host=stored.text("host") or "",
        pid=stored.count("pid"),
        version=stored.text("version") or "",
        started=stored.read("started", moment, EPOCH, required=True),
        last_beat=stored.read("last_beat", moment, EPOCH, required=True),
        capacity=stored.count("capacity"),
        busy=stored.count("busy"),
        queues=stored.read("queues", _names, ()),
        tasks=stored.read("tasks", _names, ()),
        stops=stops,
        unreadable=stored.unreadable,
    )


def _names(text: str) -> tuple[str, ...]:
    found = orjson.loads(text)
    if not isinstance(found, list):
        raise ValueError("no list")
    return tuple(str(name) for name in found)
