"""A newer time-zone database changes next slots, never past ones."""

from datetime import timedelta
from typing import Any

from redis import Redis

from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import to_ms
from infinitas.core.interval import every
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import make_schedule
from infinitas.runtime.tzdata import tzdata_version
from infinitas.scheduler.replanner import Replanner

P = "{infinitas:default}:"
HOUR_MS = 3_600_000


async def stored(broker: QueueBroker, key: str, rule: Any, shift_ms: int, redis: Redis) -> int:
    """A schedule whose next slot was computed by a database that was wrong by `shift_ms`."""
    now = await broker.now()
    schedule: Schedule = make_schedule(rule, key=key, task="t", now=now, origin="api")
    assert await broker.schedules.schedule([schedule], now) == ["ok"]
    following = schedule.next_after(now)
    assert following is not None
    redis.zadd(f"{P}due", {key: to_ms(following) + shift_ms})
    return to_ms(following)


async def test_next_slots_move_and_slots_that_have_come_stay(broker: QueueBroker, redis: Redis) -> None:
    later = f"0 {((await broker.now()) + timedelta(hours=5)).hour} * * *"
    right = await stored(broker, "wrong", later, HOUR_MS, redis)
    early = await stored(broker, "early", later, -HOUR_MS, redis)
    interval = await stored(broker, "interval", every(hours=5), HOUR_MS, redis)
    await stored(broker, "come", later, 0, redis)
    past = to_ms(await broker.now()) - 1000
    redis.zadd(f"{P}due", {"come": past})

    assert await Replanner(broker, "2025b").replan() == 0, "without a known version it only stores its own"
    assert await Replanner(broker, "2025a").replan() == 0, "an older database changes nothing"
    assert redis.zscore(f"{P}due", "wrong") == right + HOUR_MS
    assert await Replanner(broker, "2026a").replan() == 2
    slots = dict(redis.zrange(f"{P}due", 0, -1, withscores=True))  # type: ignore[arg-type]
    assert slots == {"wrong": right, "early": early, "interval": interval + HOUR_MS, "come": past}
    assert await Replanner(broker, "2026a").replan() == 0


async def test_an_edit_in_between_wins(broker: QueueBroker, redis: Redis) -> None:
    now = await broker.now()
    hours = [(now + timedelta(hours=ahead)).hour for ahead in (5, 6)]
    await stored(broker, "k", f"0 {hours[0]} * * *", HOUR_MS, redis)
    cursor, planned = await broker.schedules.planned(0, 100)
    assert (cursor, len(planned)) == (0, 1)
    edited = await stored(broker, "k", f"0 {hours[1]} * * *", 0, redis)
    assert to_ms(planned[0].slot) == edited, "by another rule now"
    assert await broker.schedules.replan(planned) == 0
    assert redis.zscore(f"{P}due", "k") == edited


def test_the_version_is_known() -> None:
    assert tzdata_version()[:2] in ("20", "")
