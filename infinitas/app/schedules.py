"""`app.schedules`: verbs over schedules, for sync code and, with a leading a, for async code."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from infinitas.client.lazy import LazyClient
from infinitas.client.portal import Portal, for_async, for_sync
from infinitas.core.interval import Every
from infinitas.core.records import Backfill, ScheduleInfo
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.tasks.handle import Handle
from infinitas.tasks.registry import Registry
from infinitas.tasks.task import AnyTask


class Schedules:
    """Verbs by key: a task's own schedule has the task's name.

    All raise UnknownSchedule where there is none, and ServerUnreachable.
    """

    def __init__(self, client: LazyClient, registry: Registry) -> None:
        self._client = client
        self._registry = registry

    @property
    def portal(self) -> Portal:
        """Runs the verbs for sync and async callers."""
        return self._client.portal

    async def _get(self, key: str) -> ScheduleInfo:
        """A schedule: its rule, next slot, pause, backfill.

        >>> key = "example"
        >>> slot = app.schedule(add, "30 2 * * *", key=key, args=(1, 2), timezone="Europe/Berlin")
        >>> app.schedules.get(key).schedule.cron
        '30 2 * * *'
        """
        return await self._client.open().schedules.find(key)

    get = for_sync(_get)
    aget = for_async(_get)

    async def _list(self, task: str | None = None, limit: int = 100) -> list[ScheduleInfo]:
        """At most `limit` schedules, of one task or all, those with the earliest next slot first.

        >>> app.schedules.list("no-such-task")
        []
        """
        return await self._client.open().schedules.next(task, limit)

    list = for_sync(_list)
    alist = for_async(_list)

    async def _add_many(
        self, task: AnyTask | str, entries: Sequence[Entry], **options: Unpack[ScheduleOptions]
    ) -> int:
        """Add or replace many schedules of a task, some hundred in a round trip. Returns how many.

        Raises:
            BadSchedule: one is wrong or lies in the past; nothing is stored.
            UnknownTask: the task is not declared.

        >>> from infinitas import Entry
        >>> app.schedules.add_many(add, [Entry(key=f"shop-{n}", rule="@hourly") for n in range(3)])
        3
        """
        await self.store(task, entries, options)
        return len(entries)

    add_many = for_sync(_add_many)
    aadd_many = for_async(_add_many)

    async def _change(
        self,
        key: str,
        rule: str | Every | None = None,
        *,
        at: datetime | None = None,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Give a schedule another rule, other arguments or options; what is not given stays.

        A schedule that code declares keeps the change until the code's own declaration changes.
        The arguments and options are those of `Infinitas.schedule`. Raises BadSchedule, BadArgs.

        >>> app.schedules.change("example", "0 3 * * *").schedule.cron
        '0 3 * * *'
        """
        client = self._client.open().schedules
        text = None
        if args is not None or kwargs is not None:
            task = (await client.find(key)).schedule.task
            text = self._registry.encode(task, args or (), kwargs)
        return await client.change(key, rule, at=at, args=text, options=options)

    change = for_sync(_change)
    achange = for_async(_change)

    async def _pause(self, key: str, reason: str, *, until: datetime | None = None) -> ScheduleInfo:
        """Skip slots, each recorded as skipped, until `resume` or until `until`, an aware moment.

        Raises BadSchedule: `until` is naive or has passed. BadArgs: the reason is too long.

        >>> app.schedules.pause("example", "stocktaking").pause.reason
        'stocktaking'
        """
        return await self._client.open().schedules.pause(key, reason, until)

    pause = for_sync(_pause)
    apause = for_async(_pause)

    async def _resume(self, key: str) -> ScheduleInfo:
        """End a pause. What was skipped stays skipped.

        >>> app.schedules.resume("example").pause is None
        True
        """
        return await self._client.open().schedules.resume(key)

    resume = for_sync(_resume)
    aresume = for_async(_resume)

    async def _skip_next(self, key: str, count: int = 1) -> "Sequence[datetime]":
        """Skip the next `count` slots, up to 1,000; 0 takes it back. Returns them. Raises BadArgs.

        >>> len(app.schedules.skip_next("example", 2))
        2
        """
        return await self._client.open().schedules.skip_next(key, count)

    skip_next = for_sync(_skip_next)
    askip_next = for_async(_skip_next)

    async def _trigger(
        self, key: str, args: Sequence[object] | None = None, kwargs: Mapping[str, object] | None = None
    ) -> Handle[Any]:
        """Send a job of the schedule now, with its arguments or with others. Raises BadArgs.

        It belongs to no slot: overlap and pauses don't count.

        >>> app.schedules.trigger("example").get(timeout=20)
        3
        """
        client, text = self._client.open().schedules, None
        if args is not None or kwargs is not None:
            task = (await client.find(key)).schedule.task
            text = self._registry.encode(task, args or (), kwargs)
        return Handle(self._client, await client.trigger(key, text), self._registry.read_result)

    trigger = for_sync(_trigger)
    atrigger = for_async(_trigger)

    async def _backfill(
        self, key: str, start: datetime, end: datetime, *, limit: int = 1, dry_run: bool = False
    ) -> Backfill:
        """Make jobs of the past slots in `[start, end)` that have had none, `limit` at a time.

        With `dry_run` nothing is stored. Returns the slots that become jobs.

        Raises:
            BadSchedule: the range is naive, empty, too long or not past, or an earlier backfill runs.

        >>> from datetime import UTC, datetime
        >>> start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)
        >>> len(app.schedules.backfill("example", start, end, dry_run=True).slots)
        3
        """
        return await self._client.open().schedules.backfill(key, start, end, limit=limit, dry_run=dry_run)

    backfill = for_sync(_backfill)
    abackfill = for_async(_backfill)

    async def store(
        self, task: AnyTask | str, entries: Sequence[Entry], options: ScheduleOptions
    ) -> "Sequence[datetime]":
        """Store schedules of a task of this app, or of one known by name; runs in the portal's loop."""
        name = task if isinstance(task, str) else task.name
        known = self._registry.tasks.get(name)
        return await self._client.open().schedules.put(known.definition if known else name, entries, options)
