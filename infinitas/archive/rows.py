"""Rows as the driver writes them. Every text is cleaned here, so that none can stop a batch."""

from datetime import datetime

import orjson

from infinitas.core.codec import from_ms
from infinitas.core.events import AttemptRow, Audited, Declaration, GoneJob, JobRow, LogRow, Note, Refusal
from infinitas.core.text import clean, clean_json

MAX_NAME_CHARS = 200
MAX_FIELDS_CHARS = 64 * 1024
Row = tuple[object, ...]


def job(row: JobRow) -> Row:
    return (
        row.id,
        from_ms(row.due_ms),
        row.task,
        row.queue,
        row.version,
        row.state,
        _text(row.reason),
        row.attempt,
        _text(row.schedule),
        _json(row.args),
        _json(row.headers),
        _text(row.key),
        _text(row.worker),
        _text(row.error),
        _json(row.result),
        _moment(row.created_ms),
        _moment(row.started_ms),
        _moment(row.ended_ms),
        "revived" if row.revived else None,
    )


def attempt(row: AttemptRow) -> Row:
    return (
        row.job,
        from_ms(row.due_ms),
        row.attempt,
        _text(row.worker),
        row.outcome,
        _text(row.reason),
        _text(row.error),
        _text(row.traceback),
        _moment(row.started_ms),
        _moment(row.ended_ms),
    )


def line(row: LogRow) -> Row:
    return (
        clean(row.job),
        from_ms(row.due_ms),
        row.attempt,
        row.seq,
        from_ms(row.at_ms),
        clean(row.level),
        clean(row.text),
    )


def task(item: Declaration, queue: str) -> dict[str, object]:
    return {
        "name": item.task,
        "queue": queue,
        "definition": _json(item.definition),
        "at": from_ms(item.at_ms),
    }


def schedule(item: Declaration, queue: str) -> dict[str, object]:
    return {
        "key": item.schedule,
        "queue": queue,
        "task": _text(item.task),
        "definition": _json(item.definition),
        "active": item.definition is not None,
        "at": from_ms(item.at_ms),
    }


def note(item: Note, queue: str) -> dict[str, object]:
    return {
        "at": from_ms(item.at_ms),
        "queue": queue,
        "schedule": clean(item.schedule),
        "what": clean(item.what),
        "facts": item.facts,
    }


def audited(item: Audited) -> dict[str, object]:
    texts = {name: clean(getattr(item, name)) for name in ("who", "what", "target", "why", "origin")}
    return {"at": from_ms(item.at_ms), **texts}


def gone(item: GoneJob) -> dict[str, object]:
    return {"id": item.id, "version": item.version, "at": from_ms(item.at_ms)}


def refused(item: Refusal, queue: str) -> dict[str, object]:
    """Of text alone, and short: what is set aside must fit."""
    fields = {clean(name): clean(value) for name, value in item.event.fields.items()}
    job = item.event.fields.get("job")
    return {
        "queue": queue,
        "position": clean(item.event.position)[:MAX_NAME_CHARS],
        "kind": clean(item.kind)[:MAX_NAME_CHARS],
        "job": None if job is None else clean(job)[:MAX_NAME_CHARS],
        "error": clean(item.error),
        "fields": orjson.dumps(fields).decode()[:MAX_FIELDS_CHARS],
    }


def _text(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _json(text: str | None) -> str | None:
    return None if text is None else clean_json(text)


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
