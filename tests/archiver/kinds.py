"""Every kind of event that the scripts write, with its fields as they are when all is well."""

import re
from pathlib import Path

import infinitas

DUE = "1767225600000"
_JOB = {"job": "j", "task": "t", "due": DUE}
_ATTEMPT = {**_JOB, "attempt": "1", "worker": "w", "started": DUE}
_ENDED = {**_ATTEMPT, "reason": "error", "error": "e", "traceback": "tb", "result": "5"}
_SLOT = {**_JOB, "schedule": "s", "args": "[[],{}]"}
_TOGETHER = {"task": "t", "worker": "w", "jobs": f'[["j","{DUE}","1"],["k","{DUE}","1","{DUE}"]]'}
KINDS: dict[str, dict[str, str]] = {
    "job.created": {**_SLOT, "state": "queued", "headers": '{"a":"b"}', "key": "k"},
    "job.running": _TOGETHER,
    "job.succeeded": _TOGETHER,
    "job.failed": _ENDED,
    "job.cancelled": {**_JOB, "reason": "r"},
    "job.skipped": {**_SLOT, "reason": "overlap"},
    "job.missed": {**_SLOT, "reason": "catch_up"},
    "job.retrying": _ENDED,
    "job.released": _ATTEMPT,
    "job.lost": {**_ATTEMPT, "error": "died"},
    "job.queued": _JOB,
    "job.revived": {**_JOB, "was": "failed"},
    "job.waiting": {**_JOB, "reason": "no_processor", "rung": "1"},
    "job.cancelling": {**_JOB, "reason": "r", "worker": "w"},
    "job.stale": {**_JOB, "attempt": "1", "worker": "w", "reported": "failed"},
    "job.logged": {**_JOB, "attempt": "1", "lines": f'[[0,{DUE},"info","a line"]]'},
    "task.declared": {"task": "t", "definition": "{}"},
    "task.unserved": {"task": "t"},
    "schedule.declared": {"schedule": "s", "task": "t", "definition": "{}"},
    "schedule.removed": {"schedule": "s"},
    "schedule.ended": {"schedule": "s", "task": "t"},
    "schedule.paused": {"schedule": "s", "record": "{}"},
    "schedule.resumed": {"schedule": "s", "reason": "its time was over"},
    "schedule.skip_next": {"schedule": "s", "count": "1"},
    "schedule.backfilled": {"schedule": "s", "slots": "2"},
    "schedule.missed": {"schedule": "s", "slot": DUE, "job": "j", "state": "fired_late"},
    "schedule.late": {"schedule": "s", "slot": DUE, "job": "j", "state": "running"},
    "schedule.clock_jumped": {"schedule": "", "jump_ms": "-3600000"},
    "schedule.unreadable": {"schedule": "s", "reason": "no JSON"},
    "schedule.dropped": {"schedule": "s", "score": "inf"},
    "worker.joined": {"worker": "w", "tasks": '["t"]'},
    "worker.left": {"worker": "w"},
    "worker.lost": {"worker": "w"},
    "queue.mended": {"counts": '{"unqueued":1}', "names": '["j"]'},
    "entry.without_job": {"job": "j", "task": "t"},
    "entry.refused": {"job": "j", "task": "t", "error": "WRONGTYPE"},
    "archive.dropped": {"entries": "5"},
    "archive.behind": {"what": "reader:archiver", "facts": "{}"},
    "audit.task.put": {"who": "me", "target": "t", "why": "", "origin": "127.0.0.1"},
}


def written_by_lua() -> set[str]:
    """The kinds that stand in the scripts; `emit_job(state, …)` and the like name theirs by a variable."""
    folder = Path(infinitas.__file__).parent / "broker" / "lua"
    text = "\n".join(re.sub(r"--.*", "", file.read_text()) for file in folder.glob("*.lua"))
    plain = re.findall(r"\bemit\('([\w.]+)'[,)]", text)
    of_jobs = re.findall(r"\bemit_(?:job|attempt|together)\('(\w+)'", text)
    return {*plain, *(f"job.{kind}" for kind in of_jobs)}
