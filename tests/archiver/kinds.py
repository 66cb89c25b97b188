"""An entry of the stream for every kind of event, with all of its fields."""

from infinitas.core.event_kinds import AUDIT_PREFIX, EventKind

DUE = "1767225600000"
_VALUES = {
    "job": "j",
    "task": "t",
    "due": DUE,
    "schedule": "s",
    "args": "[[],{}]",
    "state": "queued",
    "headers": '{"a":"b"}',
    "redact": '["password"]',
    "key": "k",
    "attempt": "1",
    "worker": "w",
    "started": DUE,
    "created": DUE,
    "reason": "r",
    "error": "e",
    "traceback": "tb",
    "result": "5",
    "was": "failed",
    "rung": "1",
    "reported": "failed",
    "lines": f'[[0,{DUE},"info","a line"]]',
    "definition": "{}",
    "record": "{}",
    "count": "1",
    "slots": "2",
    "slot": DUE,
    "jump_ms": "-3600000",
    "score": "inf",
    "tasks": '["t"]',
    "counts": '{"unqueued":1}',
    "names": '["j"]',
    "expires": DUE,
    "keeps": "runs skips",
    "runs": "2",
    "kept": "1",
    "position": f"{DUE}-0",
    "entries": "5",
    "what": "reader:archiver",
    "facts": "{}",
    "actor": "me",
    "target": "t",
    "origin": "127.0.0.1",
    "changes": '{"reason":["a","b"]}',
}
PACKED = frozenset({"job", "due", "attempt", "started"})
"""The fields that an entry of several jobs has in `jobs`."""
_JOBS = f'[["j","{DUE}","1"],["k","{DUE}","1","{DUE}"]]'


def _entry(kind: EventKind) -> dict[str, str]:
    fields = kind.required | kind.optional
    if kind in (EventKind.JOB_RUNNING, EventKind.JOB_SUCCEEDED):
        return {"task": "t", "worker": "w", "jobs": _JOBS}
    return {name: _VALUES[name] for name in sorted(fields)}


KINDS = {kind.replace("*", "task.put"): _entry(kind) for kind in EventKind}


def find_kind(name: str) -> EventKind | None:
    """The listed kind of an event by its name."""
    known = {kind.value: kind for kind in EventKind if kind is not EventKind.AUDIT}
    return EventKind.AUDIT if name.startswith(AUDIT_PREFIX) else known.get(name)
