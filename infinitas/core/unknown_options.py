"""Refuses options that do not exist, with the one that was most likely meant."""

from collections.abc import Collection, Iterable

from infinitas.core.errors import InfinitasError
from infinitas.core.names import shorten

_ELSEWHERE = {
    "acks_late": "on_lost",
    "autoretry_for": "retry_on",
    "backend": "postgres_url",
    "broker": "redis_url",
    "broker_url": "redis_url",
    "concurrent": "max_running",
    "countdown": "delay",
    "cron": "schedule",
    "crontab": "schedule",
    "default_retry_delay": "retry_delay",
    "dont_autoretry_for": "never_retry_on",
    "eta": "at",
    "every": "schedule",
    "max_retries": "retries",
    "rate_limit": "rate",
    "redis": "redis_url",
    "reject_on_worker_lost": "on_lost",
    "result_backend": "postgres_url",
    "result_expires": "result_ttl",
    "retry_backoff": "backoff",
    "soft_time_limit": "soft_timeout",
    "task_id": "key",
    "time_limit": "timeout",
    "trail": "capture_print",
    "tz": "timezone",
}
"""What an option of other task queues, or of the command line, is called here."""
_NOT_NEEDED = {"bind": "a processor with a parameter `job: Job` is given its job without an option."}


def refuse_unknown(
    given: Iterable[str], known: Collection[str], where: str, kind: type[InfinitasError]
) -> None:
    """Raise `kind` if one of the names `given` is not `known`; `where` begins its text."""
    for name in given:
        if name not in known:
            raise kind(f"{where}: unknown option {shorten(name)}; {remedy(name, known)}")


def remedy(name: str, known: Collection[str]) -> str:
    """What to write in place of an unknown option: the nearest one, or else all there are."""
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches

    if name in _NOT_NEEDED and "retries" in known:
        return _NOT_NEEDED[name]
    meant = {elsewhere: here for elsewhere, here in _ELSEWHERE.items() if here in known}
    meant.update(zip(known, known, strict=True))
    near = get_close_matches(name, meant, 1)
    return f"did you mean {meant[near[0]]!r}?" if near else f"there are: {', '.join(sorted(known))}."
