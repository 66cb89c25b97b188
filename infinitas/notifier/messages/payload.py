"""The JSON of a webhook (docs/channels.md): every fact of a notice, for programs."""

from datetime import UTC, datetime
from typing import Any

import orjson

from infinitas.core.notice import Notice, NoticeReason, Trouble
from infinitas.notifier.messages.facts import error_line, headline
from infinitas.notifier.messages.safe_text import block, last_lines, line

MOST_TROUBLES = 20
MOST_LOG_LINES = 20
MAX_LOG_CHARS = 6_000
MAX_ARGUMENTS_CHARS = 2_000


def payload(notice: Notice) -> bytes:
    """The body of the request: at most about 200 kB, with one incident about 10 kB."""
    # A group shares the room of log lines.
    room = MAX_LOG_CHARS if len(notice.troubles) <= 1 else 4 * MAX_LOG_CHARS // len(notice.troubles)
    shown = notice.troubles[:MOST_TROUBLES]
    body = {
        "type": f"incident.{notice.reason}",
        "timestamp": _moment(notice.at),
        "data": {
            "id": line(notice.id),
            "channel": line(notice.channel),
            "text": headline(notice),
            "common": line(notice.common) if notice.common else None,
            "rule": line(notice.rule) if notice.rule else None,
            "incidents": [_incident(trouble, room) for trouble in shown],
            "not_shown": _not_shown(notice, len(shown)),
            "held_back": {line(kind, 100): number for kind, number in notice.held_back.items()},
        },
    }
    return orjson.dumps(body)


def _not_shown(notice: Notice, shown: int) -> int:
    """Of a digest all incidents are counted by kind, of another message those that it does not describe."""
    counted = sum(notice.held_back.values())
    if notice.reason is NoticeReason.DIGEST:
        return max(counted, len(notice.troubles)) - shown
    return counted + len(notice.troubles) - shown


def _incident(trouble: Trouble, room: int) -> dict[str, Any]:
    incident = trouble.incident
    lines = [block(each, 1_000) for each in trouble.log_lines[-MOST_LOG_LINES:]]
    return {
        "id": line(incident.id),
        "kind": line(incident.kind),
        "subject": line(incident.subject),
        "task": _line(incident.task),
        "opened_at": _moment(incident.opened_at),
        "last_at": _moment(incident.last_at),
        "closed_at": _moment(incident.closed_at),
        "count": incident.count,
        "missed": incident.missed,
        "job": _line(incident.job),
        "worker": _line(incident.worker),
        "error": error_line(trouble) or None,
        "acknowledged_by": _line(incident.acknowledged_by),
        "attempt": trouble.attempt,
        "attempts": trouble.attempts,
        "last_success_at": _moment(trouble.last_success_at),
        "next_slot_at": _moment(trouble.next_slot_at),
        "schedule": _line(trouble.schedule),
        "timezone": line(trouble.timezone),
        "arguments": line(trouble.arguments, MAX_ARGUMENTS_CHARS) if trouble.arguments else None,
        "log": last_lines(lines, room),
        "owner": _line(trouble.owner),
        "runbook": _line(trouble.runbook),
        "link": _line(trouble.link),
    }


def _line(text: str | None) -> str | None:
    return line(text) if text else None


def _moment(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC; None for what is no moment."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
