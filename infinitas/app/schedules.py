"""`app.schedules`: verbs over schedules, for sync code and, with a leading a, for async code."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, Unpack

from infinitas.client.interface import ScheduleClient
from infinitas.client.lazy import LazyClient
from infinitas.client.names import by_name
from infinitas.client.portal import Portal, for_async, for_sync
from infinitas.core.interval import Rule
from infinitas.core.records import Backfill
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.tasks.handle import Handle
from infinitas.tasks.registry import Registry
from infinitas.tasks.task import AnyTask, name_of

T = TypeVar("T")


class Schedules:
    """Verbs by key, short or full: a task's own schedule has the task's name.

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
        return await self._on(key, lambda verbs, key: verbs.find(key))

    get = for_sync(_get)
    aget = for_async(_get)

    async def _list(self, task: AnyTask | str | None = None, limit: int = 100) -> list[ScheduleInfo]:
        """At most `limit` schedules, of one task or all, those with the earliest next slot first.

        >>> app.schedules.list("no-such-task")
        []
        """
        verbs = self._client.open().schedules
        if task is None:
            return await verbs.next(None, limit)
        for name in self._registry.namespace.meanings(name_of(task)):
            if found := await verbs.next(name, limit):
                return found
        return []

    list = for_sync(_list)
    alist = for_async(_list)

    async def _add_many(
        self,
        task: AnyTask | str,
        entries: Sequence[Entry],
        *,
        replace: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> int:
        """Add or replace many schedules of a task, some hundred in a round trip. Returns how many.

        `replace`: also schedules of other tasks that have one of the keys.

        Raises:
            KeyTaken: another task has one of the keys; nothing is stored.
            BadSchedule: one is wrong or lies in the past; nothing is stored.
            UnknownTask: the task is not declared.

        >>> from infinitas import Entry
        >>> app.schedules.add_many(add, [Entry(key=f"shop-{n}", rule="@hourly") for n in range(3)])
        3
        """
        await self.store(task, entries, options, replace)
        return len(entries)

    add_many = for_sync(_add_many)
    aadd_many = for_async(_add_many)

    async def _change(
        self,
        key: str,
        rule: Rule | None = None,
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

        async def change(verbs: ScheduleClient, key: str) -> ScheduleInfo:
            text = await self._encode(verbs, key, args, kwargs)
            return await verbs.change(key, rule, at=at, args=text, options=options)

        return await self._on(key, change)

    change = for_sync(_change)
    achange = for_async(_change)

    async def _pause(self, key: str, reason: str, *, until: datetime | None = None) -> ScheduleInfo:
        """Skip slots, each recorded as skipped, until `resume` or until `until`, an aware moment.

        Raises BadSchedule: `until` is naive or has passed. BadArgs: the reason is too long.

        >>> app.schedules.pause("example", "stocktaking").paused.reason
        'stocktaking'
        """
        return await self._on(key, lambda verbs, key: verbs.pause(key, reason, until))

    pause = for_sync(_pause)
    apause = for_async(_pause)

    async def _resume(self, key: str) -> ScheduleInfo:
        """End a pause. What was skipped stays skipped.

        >>> app.schedules.resume("example").paused is None
        True
        """
        return await self._on(key, lambda verbs, key: verbs.resume(key))

    resume = for_sync(_resume)
    aresume = for_async(_resume)

    async def _reset(self, key: str) -> ScheduleInfo:
        """Take a person's change back: the schedule is again what the code declares.

        Raises BadSchedule: no code declares it.
        """
        return await self._on(key, lambda verbs, key: verbs.reset(key))

    reset = for_sync(_reset)
    areset = for_async(_reset)

    async def _skip_next(self, key: str, count: int = 1) -> "Sequence[datetime]":
        """Skip the next `count` slots, up to 1,000; 0 takes it back. Returns them. Raises BadArgs.

        >>> len(app.schedules.skip_next("example", 2))
        2
        """
        return await self._on(key, lambda verbs, key: verbs.skip_next(key, count))

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

        async def trigger(verbs: ScheduleClient, key: str) -> str:
            return await verbs.trigger(key, await self._encode(verbs, key, args, kwargs))

        return Handle(self._client, await self._on(key, trigger), self._registry.read_result)

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
        return await self._on(
            key, lambda verbs, key: verbs.backfill(key, start, end, limit=limit, dry_run=dry_run)
        )

    backfill = for_sync(_backfill)
    abackfill = for_async(_backfill)

    async def store(
        self, task: AnyTask | str, entries: Sequence[Entry], options: ScheduleOptions, replace: bool = False
    ) -> "Sequence[datetime]":
        """Store schedules of a task of this app, or of one known by name; runs in the portal's loop."""
        namespace, known = self._registry.namespace, self._registry.known(task)
        options = self._registry.with_schedule_defaults(options)
        verbs = self._client.open().schedules
        own = [dataclasses.replace(entry, key=namespace.full(entry.key)) for entry in entries]
        if isinstance(known, str):
            return await by_name(
                namespace, known, lambda name: verbs.put(name, own, options, replace=replace)
            )
        return await verbs.put(known.definition, own, options, replace=replace)

    async def _on(self, key: str, verb: "Callable[[ScheduleClient, str], Awaitable[T]]") -> T:
        """The verb's answer, for a key of this app or a full one."""
        verbs = self._client.open().schedules
        return await by_name(self._registry.namespace, key, lambda full: verb(verbs, full))

    async def _encode(
        self,
        verbs: "ScheduleClient",
        key: str,
        args: Sequence[object] | None,
        kwargs: Mapping[str, object] | None,
    ) -> str | None:
        """Arguments as JSON text, checked as those of the schedule's task; None if none are given."""
        if args is None and kwargs is None:
            return None
        return self._registry.encode((await verbs.find(key)).schedule.task, args or (), kwargs)
