"""What code declares against what is stored: which rule to store, and which code is newer. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from infinitas.core.schedule import Schedule


def merge(stored: Schedule | None, declared: Schedule) -> Schedule | None:
    """The rule to store for what code declares; None: the stored one stays (also a person's override)."""
    mark = declared.fingerprint
    if stored is None:
        return replace(declared, declared=mark)
    if stored.declared == mark:
        return None
    same_interval = (stored.every_ms, stored.start_ms) == (declared.every_ms, declared.start_ms)
    anchor_ms = stored.anchor_ms if declared.every_ms and same_interval else declared.anchor_ms
    return replace(declared, declared=mark, anchor_ms=anchor_ms)


def declared_later(declarers: Mapping[str, tuple[str, int]], born_ms: int) -> dict[str, str]:
    """Tasks that were declared by code which started after `born_ms`, with its worker.

    `declarers`: worker and start, in ms, of the code that declared each task; `infinitas sync` has no
    worker: ''.
    """
    return {task: worker for task, (worker, born) in declarers.items() if born > born_ms}


def kept_by_newer_code(later: Mapping[str, str], living: Collection[str]) -> set[str]:
    """Those of `later` that stay as they are: their worker lives, or `infinitas sync` declared them."""
    return {task for task, worker in later.items() if not worker or worker in living}
