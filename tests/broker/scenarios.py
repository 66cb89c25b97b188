"""For each Lua edge a state in which it has the most to do, and the call that does it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from infinitas.broker.answers import APPLIED
from infinitas.broker.events import EventStream
from infinitas.broker.health import Health
from infinitas.broker.lists import Lists
from infinitas.broker.messages import ClaimRequest, Declarer, DueSlot, Home, NewJob, Report, UnreadableSlot
from infinitas.broker.moves import Moves, Target
from infinitas.broker.pings import Ping, PingKind, Pings
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation, Unplanned
from infinitas.broker.restoring import Began, Restoring
from infinitas.broker.stored_rules import digest
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.event_kinds import EventKind
from infinitas.core.restoration import RestoredSchedule
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from tests.broker.test_jobs import HOURLY, MS, SLOT, claimed, fire, new, settlement

TASK = TaskDefinition(name="t", max_running=50, rate="50/h")
RETRY = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000)
FAILURE = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e")
PAST = HOURLY.next_after(SLOT - MS)
Step = Callable[[QueueBroker], Awaitable[Any]]


@dataclass(frozen=True)
class Scenario:
    """`before_again`: what the caller does after an error before it calls again."""

    prepare: Step
    act: Step
    before_again: Step | None = None


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, prepare: Step, before_again: Step | None = None) -> Callable[[Step], Step]:
    def register(act: Step) -> Step:
        SCENARIOS[name] = Scenario(prepare, act, before_again)
        return act

    return register


async def nothing(broker: QueueBroker) -> None: ...


async def queued(broker: QueueBroker) -> None:
    await broker.jobs.enqueue(
        [new("a"), NewJob(id="b", task="t", args="[[],{}]", key="k", expires_s=3600), new("c")]
    )


async def running(broker: QueueBroker) -> None:
    await queued(broker)
    assert len(await claimed(broker, limit=3)) == 3


async def scheduled(broker: QueueBroker) -> None:
    await broker.schedules.schedule([HOURLY], SLOT - MS)


async def fired(broker: QueueBroker) -> None:
    await scheduled(broker)
    await broker.schedules.fire([fire()])


async def retrying(broker: QueueBroker) -> None:
    await running(broker)
    ends = [settlement(id, 1, RETRY) for id in "abc"]
    assert await broker.jobs.settle("w1", ends) == [APPLIED] * 3
    await broker.connection.command("zadd", broker.keys["later"], dict.fromkeys("abc", 1))


async def failed(broker: QueueBroker) -> None:
    await running(broker)
    await broker.jobs.settle("w1", [settlement(id, 1, FAILURE) for id in "abc"])


async def backfilled(broker: QueueBroker) -> None:
    await scheduled(broker)
    assert await broker.schedules.backfill("t", "t", "[[],{}]", 2, [(1, "x"), (2, "y"), (3, "z")]) == 1


async def paused(broker: QueueBroker) -> None:
    await scheduled(broker)
    await broker.schedules.pause("t", "why", SLOT, None)


async def unserved(broker: QueueBroker) -> None:
    await fired(broker)
    await broker.connection.command("zadd", broker.keys["processors"], {"t": 1})


async def idle_member(broker: QueueBroker) -> None:
    await broker.workers.join("w3", ["t"], 60)


async def later_slot(broker: QueueBroker) -> None:
    await broker.schedules.schedule([HOURLY], datetime.now(UTC))


async def moved_slot(broker: QueueBroker) -> None:
    await later_slot(broker)
    await broker.connection.command("zincrby", broker.keys["due"], 1, "t")


@scenario("remove_task", nothing)
async def _remove_task(broker: QueueBroker) -> object:
    return await broker.declarations.remove_task("t")


@scenario("rivals", nothing)
async def _rivals(broker: QueueBroker) -> object:
    return await broker.workers.rivals({"t": Home("m:f")}) is None


async def scheduled_and_queued(broker: QueueBroker) -> None:
    await fired(broker)
    await queued(broker)


async def moved_away(broker: QueueBroker) -> None:
    await scheduled_and_queued(broker)
    await _move_task(broker)


async def departed(broker: QueueBroker) -> None:
    await moved_away(broker)
    for kind in ("schedules", "later", "ready"):
        await Moves(broker.connection, "default").depart(kind, "0", 100, "t")


@scenario("move_task", scheduled_and_queued)
async def _move_task(broker: QueueBroker) -> object:
    """To another name in the same queue, so that all jobs stay where the test looks for them."""
    seen = digest(await broker.connection.command("hget", broker.keys["tasks"], "t"))
    await Moves(broker.connection, "default").move_task("t", seen, Target("default", "new"))
    return await Moves(broker.connection, "default").targets()


@scenario("depart", moved_away)
async def _depart(broker: QueueBroker) -> object:
    moves = Moves(broker.connection, "default")
    for kind in ("schedules", "later", "ready"):
        await moves.depart(kind, "0", 100, "t")
    return await broker.connection.command("hlen", broker.keys["departures"])


@scenario("arrive", departed)
async def _arrive(broker: QueueBroker) -> object:
    await Moves(broker.connection, "default").carry()
    return await broker.connection.command("hlen", broker.keys["schedules"])


@scenario("enqueue", nothing)
async def _enqueue(broker: QueueBroker) -> object:
    later = datetime.now(UTC) + timedelta(hours=1)
    return await broker.jobs.enqueue([new("a"), NewJob(id="b", task="t", args="[[],{}]", key="k", due=later)])


async def take_up(broker: QueueBroker) -> None:
    await broker.jobs.list_held("w1", "look")


@scenario("claim", queued, take_up)
async def _claim(broker: QueueBroker) -> object:
    look = await broker.connection.command("hget", broker.keys["reconciled"], "w1")
    return (await broker.jobs.claim(ClaimRequest("w1", [["t"]], 3, 60, listing=look or ""))).wait_s >= 0


@scenario("settle", running)
async def _settle(broker: QueueBroker) -> object:
    ends = [settlement("a", 1), settlement("b", 1, RETRY), settlement("c", 1, FAILURE)]
    return await broker.jobs.settle("w1", ends)


@scenario("report", running)
async def _report(broker: QueueBroker) -> object:
    lines = '[[0,1,"info","x"]]'
    return await broker.jobs.report("w1", [Report(job="a", attempt=1, lines=lines, progress=0.5)], 60)


@scenario("release", running)
async def _release(broker: QueueBroker) -> object:
    released = await broker.jobs.release("w1", [("a", 1), ("b", 1)], 60)
    return released + await broker.jobs.release("w1", [("c", 1)], 60, begun=False, why="not ready")


@scenario("rescue", running)
async def _rescue(broker: QueueBroker) -> object:
    return (await broker.workers.rescue("w1", 1, 10, 60)).moved


@scenario("cancel", queued)
async def _cancel(broker: QueueBroker) -> object:
    return await broker.jobs.cancel(["a", "b"], "why", 60)


@scenario("promote", retrying)
async def _promote(broker: QueueBroker) -> object:
    return (await broker.jobs.promote(10, 60)).count


@scenario("revive", failed)
async def _revive(broker: QueueBroker) -> object:
    return [await broker.jobs.revive("a")]


@scenario("orphan", unserved)
async def _orphan(broker: QueueBroker) -> object:
    return await broker.workers.orphan()


@scenario("await_end", queued)
async def _watch(broker: QueueBroker) -> object:
    return await broker.waits.await_end(["a"])


@scenario("audit", nothing)
async def _audit(broker: QueueBroker) -> object:
    await broker.audit(action="x", actor="w", target="t", reason="y", origin="o")
    return True


@scenario("join", nothing)
async def _join(broker: QueueBroker) -> object:
    return await broker.workers.join("w3", ["t"], 60, {"t": Home("m:f")}) is None


@scenario("beat", running)
async def _beat(broker: QueueBroker) -> object:
    return (await broker.workers.beat("w1", [("a", 1)], 60)).lost == []


@scenario("beats", nothing)
async def _beats(broker: QueueBroker) -> object:
    return sorted(await broker.workers.beats())


@scenario("beat_for", nothing)
async def _keep(broker: QueueBroker) -> object:
    return await broker.workers.beat_for("w1")


@scenario("rest", nothing)
async def _rest(broker: QueueBroker) -> object:
    await broker.workers.rest("w1")
    return True


@scenario("leave", idle_member)
async def _leave(broker: QueueBroker) -> object:
    return await broker.workers.leave("w3", 60)


@scenario("list_held", running)
async def _held(broker: QueueBroker) -> object:
    return sorted(job.id for job in await broker.jobs.list_held("w1", "look"))


@scenario("now", nothing)
async def _now(broker: QueueBroker) -> object:
    return bool(await broker.now())


@scenario("declare", nothing)
async def _declare(broker: QueueBroker) -> object:
    declarer = Declarer(born=SLOT, worker="w1")
    rule = Schedule(key="new", task="new", every_ms=60_000, anchor_ms=to_ms(SLOT))
    return await broker.declarations.declare([TaskDefinition(name="new", max_running=1)], [rule], declarer)


@scenario("schedule", nothing)
async def _schedule(broker: QueueBroker) -> object:
    return await broker.schedules.schedule([HOURLY], datetime.now(UTC))


@scenario("unschedule", later_slot)
async def _unschedule(broker: QueueBroker) -> object:
    return await broker.schedules.unschedule("t")


@scenario("fire", scheduled)
async def _fire(broker: QueueBroker) -> object:
    return await broker.schedules.fire([fire()])


@scenario("due", scheduled)
async def _due(broker: QueueBroker) -> object:
    return len((await broker.schedules.due(10)).slots)


@scenario("pause", scheduled)
async def _pause(broker: QueueBroker) -> object:
    return await broker.schedules.pause("t", "why", SLOT, None)


@scenario("resume", paused)
async def _resume(broker: QueueBroker) -> object:
    return await broker.schedules.resume("t")


@scenario("skip", scheduled)
async def _skip(broker: QueueBroker) -> object:
    return await broker.schedules.skip("t", 2)


@scenario("backfill", scheduled)
async def _backfill(broker: QueueBroker) -> object:
    return await broker.schedules.backfill("t", "t", "[[],{}]", 2, [(1, "x"), (2, "y")])


@scenario("fill_backfill", backfilled)
async def _feed(broker: QueueBroker) -> object:
    return await broker.schedules.fill_backfill("t", 10)


@scenario("overdue", scheduled)
async def _overdue(broker: QueueBroker) -> object:
    return (await broker.schedules.overdue(0, 10)).reported


@scenario("replan", moved_slot)
async def _replan(broker: QueueBroker) -> object:
    text = await broker.connection.command("hget", broker.keys["schedules"], "t")
    slot = await broker.connection.command("zscore", broker.keys["due"], "t")
    planned = DueSlot(Schedule.from_json(text), from_ms(int(slot)), digest(text))
    return await broker.schedules.replan([planned])


def reconciliation(broker: QueueBroker) -> Reconciliation:
    return Reconciliation(broker.connection, "default")


def health(broker: QueueBroker) -> Health:
    return Health(broker.connection, "default")


async def strayed(broker: QueueBroker) -> None:
    """Queued jobs whose stream is gone, and an entry of a job that is."""
    await queued(broker)
    await broker.connection.command("delete", broker.keys.of("stream", "t"))


async def without_hash(broker: QueueBroker) -> None:
    await queued(broker)
    await broker.connection.command("delete", broker.keys.of("job", "a"))


async def held_for_nothing(broker: QueueBroker) -> None:
    await broker.connection.command("hset", broker.keys["live"], "t", "gone")


async def without_slot(broker: QueueBroker) -> None:
    await later_slot(broker)
    await broker.connection.command("zrem", broker.keys["due"], "t")


@scenario("mend_jobs", strayed)
async def _mend_jobs(broker: QueueBroker) -> object:
    return await reconciliation(broker).mend_jobs(["a", "b", "c"], {}, 60)


@scenario("mend_entries", without_hash)
async def _mend_entries(broker: QueueBroker) -> object:
    return await reconciliation(broker).mend_entries("t", "-", 10, 60)


@scenario("end_gone", without_hash)
async def _end_gone(broker: QueueBroker) -> object:
    _, _, gone = await reconciliation(broker).mend_entries("t", "-", 10, 60)
    return await reconciliation(broker).end_gone(gone, 60) == [each.job for each in gone]


@scenario("mend_holders", held_for_nothing)
async def _mend_holders(broker: QueueBroker) -> object:
    return await reconciliation(broker).mend_holders("live", "0", 10)


@scenario("unplanned", without_slot)
async def _unplanned(broker: QueueBroker) -> object:
    return await reconciliation(broker).unplanned("0", 10)


@scenario("plan_again", without_slot)
async def _plan_again(broker: QueueBroker) -> object:
    text = await broker.connection.command("hget", broker.keys["schedules"], "t")
    lost = Unplanned(key="t", text=text, mark="", runs=0)
    return await reconciliation(broker).plan_again([(lost, SLOT)])


@scenario("mended", nothing)
async def _mended(broker: QueueBroker) -> object:
    await reconciliation(broker).mended({"unqueued": 1}, ["a"])
    return True


@scenario("lag", nothing)
async def _lag(broker: QueueBroker) -> object:
    return await health(broker).lag()


@scenario("amiss", nothing)
async def _amiss(broker: QueueBroker) -> object:
    await health(broker).amiss("redis:aof", EventKind.REDIS_AMISS, {})
    return True


@scenario("drop_events", queued)
async def _drop_events(broker: QueueBroker) -> object:
    return (await health(broker).drop_events(1))[0] >= 0


@scenario("trim", queued)
async def _trim(broker: QueueBroker) -> object:
    stream = EventStream(broker.connection, "default", "reader")
    await stream.trim(await stream.newest())
    return True


async def unreadable(broker: QueueBroker) -> None:
    await scheduled(broker)
    await broker.connection.command("hset", broker.keys["schedules"], "t", "{")


async def bad_slot(broker: QueueBroker) -> UnreadableSlot:
    text = await broker.connection.command("hget", broker.keys["schedules"], "t")
    score = await broker.connection.command("zscore", broker.keys["due"], "t")
    return UnreadableSlot("t", digest(text), f"{score or 1:.0f}", None, "t", "why")


async def put_off(broker: QueueBroker) -> None:
    await retrying(broker)
    await broker.connection.command("zadd", broker.keys["later"], {"a": 4_000_000_000_000})


@scenario("unreadable", unreadable)
async def _unreadable(broker: QueueBroker) -> object:
    await broker.schedules.unreadable([await bad_slot(broker)])
    return True


@scenario("drop", unreadable)
async def _drop(broker: QueueBroker) -> object:
    await broker.schedules.drop(await bad_slot(broker))
    return True


@scenario("clock", nothing)
async def _clock(broker: QueueBroker) -> object:
    return await broker.clock(datetime(2090, 1, 1, tzinfo=UTC))


@scenario("rewind", put_off)
async def _rewind(broker: QueueBroker) -> object:
    return (await broker.rewind("0", 100))[1] >= 0


EXTERNAL = TaskDefinition(name="e", external=True)


async def slot_waits_while_a_run_is_open(broker: QueueBroker) -> None:
    """Long before its grace is over, and no clock of the server's has come to it."""
    rule = Schedule(key="e", task="e", every_ms=3_600_000, grace_ms=86_400_000, origin="api")
    now = await broker.now()
    after = rule.next_after(now - timedelta(hours=2))
    assert after is not None
    await broker.declarations.declare([EXTERNAL], [], Declarer(born=now))
    await broker.schedules.schedule([rule], now - timedelta(hours=2))
    await broker.schedules.fire([fire(rule, after)])
    await external(broker, "one")
    await broker.schedules.fire([fire(rule, after + timedelta(hours=1))])


async def external(broker: QueueBroker, job: str) -> bool:
    ping = Ping(task="e", kind=PingKind.START, lines=["a line"])
    return bool((await Pings(broker.connection, "default").ping(ping, job, 60, None)).job)


@scenario("ping", slot_waits_while_a_run_is_open)
async def _(broker: QueueBroker) -> Any:
    return await external(broker, "two")


@scenario("drain", nothing)
async def _drain(broker: QueueBroker) -> object:
    return await broker.workers.drain("w1")


@scenario("list_tasks", queued)
async def _list_tasks(broker: QueueBroker) -> object:
    return await Lists(broker.connection, broker.keys).list_tasks(["t"], 10, runs=True)


@scenario("list_running", running)
async def _list_running(broker: QueueBroker) -> object:
    return await Lists(broker.connection, broker.keys).list_running(["t"], 10)


@scenario("count_queue", queued)
async def _count_queue(broker: QueueBroker) -> object:
    return await Lists(broker.connection, broker.keys).count_queue()


@scenario("pause_task", queued)
async def _pause_task(broker: QueueBroker) -> object:
    return await broker.task_pauses.pause_task("t", "why", SLOT)


async def paused_queue(broker: QueueBroker) -> None:
    await queued(broker)
    await broker.task_pauses.pause_task("", "why", SLOT)


@scenario("resume_task", paused_queue)
async def _resume_task(broker: QueueBroker) -> object:
    return await broker.task_pauses.resume_task("")


def restoring(broker: QueueBroker) -> Restoring:
    return Restoring(broker.connection, "default")


async def restore_begun(broker: QueueBroker) -> None:
    await restoring(broker).begin_restore("5-5", 1)


async def restore_of_a_schedule(broker: QueueBroker) -> None:
    await paused(broker)
    await restore_begun(broker)


async def restore_of_jobs(broker: QueueBroker) -> None:
    """A task whose running jobs end `lost`, and one whose jobs run again."""
    declarer = Declarer(born=await broker.now())
    await broker.declarations.declare([TaskDefinition(name="u", on_lost="fail")], [], declarer)
    await restore_begun(broker)


async def older_jobs(broker: QueueBroker) -> None:
    await running(broker)
    await broker.jobs.enqueue([new("d"), new("e")])
    await restore_begun(broker)


def to_put_back(id: str, state: str, task: str = "t", **facts: object) -> dict[str, object]:
    last = {"attempt": "1", "worker": "w9", "started": "1"}
    item = {
        "id": id,
        "task": task,
        "args": "[[],{}]",
        "due": "1",
        "created": "1",
        "state": state,
        "last": last,
    }
    return item | {"attempt": 1000, "uncharged": 999, "crashes": 1, "at": 1} | facts


@scenario("mark_archived", nothing)
async def _mark_archived(broker: QueueBroker) -> object:
    return await restoring(broker).mark_archived("", "5-5")


@scenario("begin_restore", nothing)
async def _begin_restore(broker: QueueBroker) -> object:
    return await restoring(broker).begin_restore("5-5", 1) is Began.BEGUN


@scenario("hold_restore", restore_begun)
async def _hold_restore(broker: QueueBroker) -> object:
    edges = restoring(broker)
    return await edges.begin_restore("5-5", 1) is Began.BEGUN and await edges.hold_restore(1)


@scenario("end_restore", restore_begun)
async def _end_restore(broker: QueueBroker) -> object:
    return await restoring(broker).end_restore("5-5", 1, {"jobs": 1})


@scenario("restore_schedules", restore_of_a_schedule)
async def _restore_schedules(broker: QueueBroker) -> object:
    _, seen = (await restoring(broker).schedules(["t"]))["t"]
    rule = RestoredSchedule(
        key="t",
        task="t",
        definition=HOURLY.to_json(),
        next_ms=None,
        mark_ms=5,
        runs=1,
        pause="",
        skips=2,
    )
    return await restoring(broker).restore_schedules(1, [(rule, seen)])


@scenario("restore_jobs", restore_of_jobs)
async def _restore_jobs(broker: QueueBroker) -> object:
    items = [
        to_put_back("a", "queued", key="k", schedule="s", expect=1),
        to_put_back("b", "running"),
        to_put_back("d", "scheduled", at=4_000_000_000_000),
        to_put_back("e", "retrying"),
        to_put_back("f", "running", "u"),
        to_put_back("g", "scheduled"),
    ]
    return await restoring(broker).restore_jobs(1, items, 60)


@scenario("correct_jobs", older_jobs)
async def _correct_jobs(broker: QueueBroker) -> object:
    last = {"attempt": "2", "worker": "w9", "started": "1"}
    ended = {"state": "succeeded", "ended": "5", "attempt": "1"}
    items = [
        {"id": "a", "seen": "running", "seen_attempt": 1, "ended": ended},
        {"id": "b", "seen": "running", "seen_attempt": 1, "attempt": 1000, "moved": True, "last": last},
        {"id": "d", "seen": "queued", "seen_attempt": 0, "attempt": 1000, "charged": 1},
        {"id": "e", "seen": "queued", "seen_attempt": 0, "ended": ended},
    ]
    return await restoring(broker).correct_jobs(1, items, 60)
