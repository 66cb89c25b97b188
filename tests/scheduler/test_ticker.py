"""The ticker, pass by pass, on a real Redis."""

from datetime import timedelta
from typing import Any

from redis import Redis

from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import to_ms
from infinitas.core.schedule import Schedule
from infinitas.scheduler.ticker import STANDBY_WAIT, Ticker

MS = timedelta(milliseconds=1)
P = "{infinitas:default}:"


async def test_the_scheduler_that_lost_a_slot_stands_by(broker: QueueBroker, redis: Redis) -> None:
    """The second scheduler leaves fresh slots to the first, and fires what the first leaves."""
    first, second = Ticker(broker), Ticker(broker)
    now = await broker.now()
    schedule = Schedule(key="k", task="t", at_ms=to_ms(now))
    await broker.schedules.schedule([schedule], now - MS)
    due = await broker.schedules.due(10)
    await first.fire(due)
    await second.fire(due)
    assert redis.xlen(f"{P}stream:t") == 1
    assert (first._standby, second._standby) == (False, True)

    slot = await broker.now()
    await broker.schedules.schedule([Schedule(key="fresh", task="t", at_ms=to_ms(slot))], slot - MS)
    await second.run_once()
    assert redis.xlen(f"{P}stream:t") == 1, "it only waited"
    assert await broker.now() - slot >= STANDBY_WAIT
    await second.run_once()
    assert redis.xlen(f"{P}stream:t") == 2
    assert not second._standby


async def test_after_an_outage_the_newest_slot_runs_and_the_rest_is_recorded(
    broker: QueueBroker, redis: Redis
) -> None:
    now = await broker.now()
    anchor = now - timedelta(hours=2)
    anchor_ms = round(anchor.timestamp() * 1000)
    schedule = Schedule(key="k", task="t", every_ms=60_000, anchor_ms=anchor_ms)
    await broker.schedules.schedule([schedule], anchor + timedelta(minutes=1) - MS)
    await Ticker(broker).run_once()
    entries: Any = redis.xrange(f"{P}events")
    events = [fields for _, fields in entries]
    missed = [fields for fields in events if fields["type"] == "job.missed"]
    created = [fields for fields in events if fields["type"] == "job.created"]
    assert len(created) == 1
    assert len(missed) == 119
    assert {fields["reason"] for fields in missed} == {"catch_up"}
    assert int(created[0]["due"]) > int(missed[-1]["due"])
    following = redis.zscore(f"{P}due", "k")
    assert following is not None
    assert following > now.timestamp() * 1000
