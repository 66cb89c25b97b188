"""The JSON of a deploy: what `infinitas sync` changes."""

from dataclasses import fields
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from infinitas.core.declaration import ChangeKind, NewPlace, ScheduleChange, SyncPlan, TaskMove
from infinitas.wire.schedules import RuleView


class ChangeView(BaseModel):
    """What a deploy does to one schedule; `gained` and `lost` are slots of the next 24 hours."""

    key: str
    kind: ChangeKind
    before: RuleView | None
    after: RuleView | None
    fields: tuple[str, ...]
    """Names of the stored fields that differ."""
    why: str
    """Why the stored rule can't be read."""
    gained: tuple[datetime, ...]
    lost: tuple[datetime, ...]

    @classmethod
    def of(cls, change: ScheduleChange) -> Self:
        found = {field.name: getattr(change, field.name) for field in fields(change)}
        for name in ("before", "after"):
            found[name] = found[name] and RuleView.of_rule(found[name])
        return cls(**found)


class Synced(BaseModel):
    """A deploy; with `dry_run` it would do this. `taken`: why the code may not declare a task, else empty."""

    dry_run: bool
    prune: bool
    new_tasks: tuple[str, ...]
    changed_tasks: tuple[str, ...]
    moves: tuple[TaskMove, ...]
    places: tuple[NewPlace, ...]
    taken: str
    schedules: tuple[ChangeView, ...]

    @classmethod
    def of(cls, plan: SyncPlan, *, dry_run: bool, prune: bool) -> Self:
        names = ("new_tasks", "changed_tasks", "moves", "places", "taken")
        return cls(
            **{name: getattr(plan, name) for name in names},
            schedules=tuple(map(ChangeView.of, plan.schedules)),
            dry_run=dry_run,
            prune=prune,
        )
