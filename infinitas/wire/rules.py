"""Rules as a client writes them: the inverse of what the server reads."""

from typing import Any

from pydantic_core import from_json

from infinitas.core.codec import from_ms
from infinitas.core.schedule import Schedule


def rule_of(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the body of a request; durations in seconds, moments in RFC 3339."""
    args, kwargs = from_json(schedule.args)
    found: dict[str, Any] = {
        "cron": schedule.cron,
        "every": _seconds(schedule.every_ms),
        "at": _moment(schedule.at_ms),
        "args": kwargs if kwargs and not args else args,
        "timezone": schedule.timezone,
        "dst": schedule.dst,
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "catch_up_window": _seconds(schedule.catch_up_window_ms),
        "catch_up_limit": schedule.catch_up_limit,
        "jitter": schedule.jitter_ms / 1000,
        "start": _moment(schedule.start_ms),
        "end": _moment(schedule.end_ms),
        "max_runs": schedule.max_runs,
        "grace": _seconds(schedule.grace_ms),
    }
    return {name: value for name, value in found.items() if value is not None}


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _moment(ms: int | None) -> str | None:
    return None if ms is None else from_ms(ms).isoformat()
