"""A task that has moved several times is in one place, whichever of its workers declares it again."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from redis import Redis

from infinitas import Infinitas
from infinitas.broker import homes
from infinitas.broker.connection import Connection
from infinitas.broker.homes import find_home
from infinitas.broker.messages import ClaimRequest, Declarer
from infinitas.broker.moves import Moves, Target
from infinitas.broker.queue import QueueBroker
from infinitas.broker.stored_rules import digest
from infinitas.broker.sync_send import open_checked, send
from infinitas.core.schedule_options import make_schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.scheduler.task_mover import TaskMover
from tests.broker.test_jobs import new, settlement
from tests.broker.test_moves import connection

__all__ = ["connection"]

Place = tuple[str, str]
QUEUES = ("default", "slow", "third")
FIRST = ("default", "a")
DAY = timedelta(days=1)
HOPS = [
    [("slow", "a"), ("third", "a")],
    [("slow", "a"), ("slow", "b")],
    [("slow", "a"), ("third", "b")],
    [("default", "b"), ("slow", "b")],
    [("default", "b"), ("default", "c")],
    [("default", "b"), ("slow", "c")],
    [("slow", "b"), ("third", "b")],
    [("slow", "b"), ("slow", "c")],
    [("slow", "b"), ("third", "c")],
    [("slow", "a"), ("default", "a")],
    [("default", "b"), ("default", "a")],
    [("slow", "b"), ("default", "a")],
    [("slow", "b"), ("default", "c"), ("third", "c")],
    [("slow", "a"), ("third", "a"), ("default", "a"), ("third", "b")],
]


@pytest.fixture(autouse=True)
def moves_are_long_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "MOVE_WITHIN_MS", 0)


class Deploys:
    """Workers of ever newer code, all alive; each has its task in another place."""

    def __init__(self, connection: Connection, *places: Place) -> None:
        self._connection = connection
        self.places = places

    async def declare(self, number: int, *extra: TaskDefinition) -> None:
        """What the worker of a place does at its start, and every so often."""
        queue, name = self.places[number]
        former = self.places[number - 1][1] if number else name
        broker = QueueBroker(self._connection, queue)
        now = await broker.now()
        task = TaskDefinition(name=name, queue=queue, aliases=(former,) if former != name else ())
        own = make_schedule("@hourly", key=name, task=name, now=now)
        await broker.workers.join(f"w{number}", [name], 60)
        declarer = Declarer(born=now - DAY + timedelta(hours=number), worker=f"w{number}")
        await broker.declarations.declare([task, *extra], [own], declarer)

    async def start(self) -> None:
        for number in range(len(self.places)):
            await self.declare(number)

    async def declare_again(self) -> None:
        for number in [*range(len(self.places)), *reversed(range(len(self.places)))]:
            await self.declare(number)


def found_in(redis: Redis, kind: str) -> list[Place]:
    return [(queue, str(name)) for queue in QUEUES for name in sorted(stored(redis, queue, kind))]


def stored(redis: Redis, queue: str, kind: str) -> dict[str, str]:
    found: dict[str, str] = redis.hgetall(f"{{infinitas:{queue}}}:{kind}")  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("hops", HOPS, ids=str)
async def test_older_workers_never_bring_a_second_one_to_life(
    connection: Connection, redis: Redis, hops: list[Place]
) -> None:
    deploys = Deploys(connection, FIRST, *hops)
    await deploys.start()
    for number in [*range(len(hops)), *reversed(range(len(hops) + 1))]:
        await deploys.declare(number)
        assert found_in(redis, "tasks") == found_in(redis, "schedules") == [hops[-1]], number


@pytest.mark.parametrize("hops", HOPS, ids=str)
async def test_senders_of_all_ages_find_it(
    connection: Connection, redis: Redis, servers: Urls, hops: list[Place]
) -> None:
    await Deploys(connection, FIRST, *hops).start()
    enqueuer = open_checked(servers.redis)
    for queue, name in {FIRST, *hops}:
        assert await find_home(connection, queue, name) == hops[-1]
        await asyncio.to_thread(
            send, enqueuer, TaskDefinition(name=name, queue=queue), [new(f"{queue}-{name}", name)]
        )
    enqueuer.close()
    assert found_in(redis, "tasks") == [hops[-1]]
    queue, name = hops[-1]
    assert redis.xlen(f"{{infinitas:{queue}}}:stream:{name}") == len({FIRST, *hops})


@pytest.mark.parametrize("hops", HOPS, ids=str)
async def test_the_oldest_code_takes_it_back_when_it_starts_again(
    connection: Connection, redis: Redis, hops: list[Place]
) -> None:
    deploys = Deploys(connection, FIRST, *hops, FIRST)
    await deploys.start()
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [FIRST]
    await deploys.declare(0)
    assert found_in(redis, "tasks") == [FIRST]


async def test_the_oldest_worker_takes_it_back_when_all_others_have_left(
    connection: Connection, redis: Redis
) -> None:
    deploys = Deploys(connection, FIRST, ("slow", "a"), ("third", "b"))
    await deploys.start()
    for number in (1, 2):
        await QueueBroker(connection, deploys.places[number][0]).workers.leave(f"w{number}", 60)
    await deploys.declare(0)
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [FIRST]


async def test_a_removed_task_that_old_code_still_declares_lives_there_alone(
    connection: Connection, redis: Redis
) -> None:
    deploys = Deploys(connection, FIRST, ("slow", "a"), ("third", "b"))
    await deploys.start()
    third = QueueBroker(connection, "third")
    await third.workers.leave("w2", 60)
    await third.schedules.unschedule("b")
    assert await third.declarations.remove_task("b")
    await deploys.declare(1)
    await deploys.declare(0)
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [("slow", "a")]


@pytest.mark.damages
@pytest.mark.parametrize("last", [("third", "a"), ("third", "b")], ids=str)
async def test_a_lost_note_of_the_middle_queue_brings_nothing_to_life(
    connection: Connection, redis: Redis, servers: Urls, last: Place
) -> None:
    deploys = Deploys(connection, FIRST, ("slow", "a"), last)
    await deploys.start()
    redis.delete(*redis.scan_iter("{infinitas:slow}:*"))
    await deploys.declare(0)
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [last]
    if last[1] == "a":
        assert await find_home(connection, *FIRST) == last
        enqueuer = open_checked(servers.redis)
        await asyncio.to_thread(send, enqueuer, TaskDefinition(name="a"), [new("j", "a")])
        enqueuer.close()
        assert redis.exists("{infinitas:third}:job:j")
    await deploys.declare_again()
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [last]


@pytest.mark.parametrize(("queue", "name", "aliases"), [("third", "a", ()), ("third", "b", ("a",))])
async def test_older_code_that_starts_late_in_a_third_place_declares_no_second_one(
    connection: Connection, redis: Redis, queue: str, name: str, aliases: tuple[str, ...]
) -> None:
    """Its place never had the task, so no note leads from there."""
    deploys = Deploys(connection, FIRST, ("slow", "a"), ("slow", "c"))
    await deploys.start()
    broker = QueueBroker(connection, queue)
    now = await broker.now()
    task = TaskDefinition(name=name, queue=queue, aliases=aliases)
    own = make_schedule("@hourly", key=name, task=name, now=now)
    await broker.declarations.declare([task], [own], Declarer(born=now - DAY, worker="late"))
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [("slow", "c")]


async def test_a_schedule_whose_job_runs_in_the_first_queue_is_not_declared_in_the_third(
    connection: Connection, redis: Redis
) -> None:
    deploys = Deploys(connection, FIRST, ("slow", "a"), ("third", "b"))
    await deploys.declare(0)
    first = QueueBroker(connection, "default")
    await first.schedules.pause("a", "why", await first.now(), None)
    await first.jobs.enqueue([new("runs", "a")])
    assert (await first.jobs.claim(ClaimRequest("w0", [["a"]], 1, 60))).jobs
    redis.hset("{infinitas:default}:live", "a", "runs")
    redis.hset("{infinitas:default}:job:runs", "schedule", "a")
    await deploys.declare(1)
    await deploys.declare(2)
    assert found_in(redis, "schedules") == [FIRST]
    await first.jobs.settle("w0", [settlement("runs", 1)])
    await deploys.declare(2)
    assert found_in(redis, "schedules") == [("third", "b")]
    assert redis.hexists("{infinitas:third}:paused", "b"), "the pause came with it"
    await TaskMover(Moves(connection, "default")).move()
    assert found_in(redis, "schedules") == [("third", "b")]


@pytest.mark.parametrize("queue", ["default", "slow"])
async def test_a_new_task_may_have_the_former_name_of_one_of_the_same_code(
    connection: Connection, redis: Redis, queue: str
) -> None:
    """The alias is gone from code by then; the note of the move is not."""
    await Deploys(connection, FIRST, (queue, "b")).start()
    broker = QueueBroker(connection, queue)
    now = await broker.now()
    declarer = Declarer(born=now, worker="newest")
    renamed, reused = TaskDefinition(name="b", queue=queue), TaskDefinition(name="a")
    if queue == "default":
        await broker.declarations.declare([reused, renamed], [], declarer)
    else:
        await broker.declarations.declare([renamed], [], declarer)
        await QueueBroker(connection, "default").declarations.declare([reused], [], declarer)
    await broker.jobs.enqueue([new("j", "b")])
    await broker.declarations.declare([renamed], [], declarer)
    assert found_in(redis, "tasks") == sorted([FIRST, (queue, "b")])
    assert found_in(redis, "schedules") == [(queue, "b")]


def note(redis: Redis, place: Place, target: Place, at: int) -> None:
    redis.sadd("infinitas:queues", place[0], target[0])
    redis.hset(f"{{infinitas:{place[0]}}}:moved", place[1], Target(*target, at, "w").to_json())


async def close(connection: Connection, place: Place, target: Place, worker: str) -> None:
    """The first step of a move, which was cut short there."""
    queue, name = place
    text = await connection.command("hget", f"{{infinitas:{queue}}}:tasks", name)
    at = int((await connection.now()).timestamp() * 1000)
    assert await Moves(connection, queue).move_task(name, digest(text), Target(*target, at, worker))


@pytest.mark.parametrize("last", [("third", "b"), ("slow", "b"), ("default", "a")], ids=str)
async def test_the_last_move_of_several_is_waited_for(
    connection: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch, last: Place
) -> None:
    monkeypatch.setattr(homes, "MOVE_WITHIN_MS", 60_000)
    deploys = Deploys(connection, FIRST, ("slow", "a"), last)
    await deploys.declare(0)
    await deploys.declare(1)
    await close(connection, ("slow", "a"), last, "w2")
    await deploys.declare(0)
    await deploys.declare(1)
    assert not found_in(redis, "tasks")
    await deploys.declare(2)
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [last]


@pytest.mark.parametrize("place", [("slow", "b"), ("third", "a")], ids=str)
async def test_a_move_that_was_cut_short_is_completed_at_once_by_any_worker_there(
    connection: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    monkeypatch.setattr(homes, "MOVE_WITHIN_MS", 60_000)
    deploys = Deploys(connection, FIRST, ("slow", "a"), place)
    await deploys.declare(0)
    await deploys.declare(1)
    await close(connection, ("slow", "a"), place, "died")
    await deploys.declare(2)
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [place]


@pytest.mark.parametrize("queue", QUEUES)
async def test_a_task_whose_trail_ends_in_nothing_can_be_sent(
    make_app: Callable[..., Infinitas], connection: Connection, redis: Redis, queue: str
) -> None:
    """From code of any queue, and by both kinds of senders."""
    await Deploys(connection, FIRST).declare(0)
    await close(connection, FIRST, ("slow", "a"), "died")
    app = make_app()

    @app.task(name="a", queue=queue)
    def sent() -> None: ...

    await sent.asend()
    await asyncio.to_thread(sent.send)
    (place,) = found_in(redis, "tasks")
    assert redis.xlen(f"{{infinitas:{place[0]}}}:stream:a") == 2


async def test_a_move_that_was_given_up_is_over_for_old_code_and_for_senders(
    connection: Connection, redis: Redis, servers: Urls
) -> None:
    deploys = Deploys(connection, FIRST, ("slow", "a"), ("third", "b"))
    await deploys.declare(0)
    await deploys.declare(1)
    await close(connection, ("slow", "a"), ("third", "b"), "w2")
    enqueuer = open_checked(servers.redis)
    await asyncio.to_thread(send, enqueuer, TaskDefinition(name="a"), [new("j", "a")])
    enqueuer.close()
    assert found_in(redis, "tasks") == [("third", "b")]
    await QueueBroker(connection, "third").workers.join("w2", ["b"], 60)
    await deploys.declare(1)
    assert found_in(redis, "tasks") == found_in(redis, "schedules") == [("slow", "a")]
    await TaskMover(Moves(connection, "third")).move()
    assert redis.exists("{infinitas:slow}:job:j")


@pytest.mark.parametrize("newest", [0, 1, 2])
async def test_notes_in_a_circle_lead_to_the_target_of_the_newest(
    connection: Connection, redis: Redis, newest: int
) -> None:
    circle = [("default", "a"), ("slow", "a"), ("third", "b")]
    for i, place in enumerate(circle):
        note(redis, place, circle[(i + 1) % 3], 9 if i == newest else i)
    for place in circle:
        assert await find_home(connection, *place) == circle[(newest + 1) % 3]


async def test_a_note_that_leads_to_itself_or_can_not_be_read_is_harmless(
    connection: Connection, redis: Redis
) -> None:
    note(redis, FIRST, FIRST, 1)
    redis.hset("{infinitas:default}:moved", "b", "{no note")
    assert await find_home(connection, *FIRST) == FIRST
    assert await find_home(connection, "default", "b") == ("default", "b")
    await Deploys(connection, FIRST).declare(0)
    assert found_in(redis, "tasks") == [FIRST]


async def test_a_long_trail_is_followed_to_its_end(connection: Connection, redis: Redis) -> None:
    for i in range(40):
        note(redis, ("default", f"n{i}"), ("default", f"n{i + 1}"), i)
    redis.hset("{infinitas:default}:tasks", "n40", TaskDefinition(name="n40").to_json())
    assert await find_home(connection, "default", "n0") == ("default", "n40")
