"""Code declares, people override: deploys side by side, orphans, and what `infinitas sync` shows."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas, every
from infinitas.broker.messages import Declarer
from infinitas.broker.queue import QueueBroker
from infinitas.core.interval import Every
from infinitas.core.schedule_options import make_schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.worker import session
from tests.support import Processes, aeventually, running

P = "{infinitas:default}:"
TASK = TaskDefinition(name="t")


class Deploy:
    """Workers of one version of the code."""

    def __init__(
        self, broker: QueueBroker, rule: str | Every | None, worker: str, age: timedelta, **task: Any
    ):
        self._broker = broker
        self._rule = rule
        self._worker = worker
        self._age = age
        self._task = TaskDefinition(name="t", **task)

    async def start(self) -> None:
        now = await self._broker.now()
        rules = [make_schedule(self._rule, key="t", task="t", now=now)] if self._rule else []
        declarer = Declarer(born=now - self._age, worker=self._worker)
        await self._broker.declarations.declare([self._task], rules, declarer)
        await self._broker.workers.join(self._worker, ["t"], 60)


async def rule(broker: QueueBroker) -> str:
    found = await broker.schedules.find("t")
    return found[0].rule_text if found else ""


async def test_old_and_new_workers_side_by_side(broker: QueueBroker) -> None:
    hour = timedelta(hours=1)
    old = Deploy(broker, "0 1 * * *", "old", hour, retries=1)
    new = Deploy(broker, "0 2 * * *", "new", timedelta(), retries=2)
    await old.start()
    assert await rule(broker) == "0 1 * * *"
    await new.start()
    assert await rule(broker) == "0 2 * * *"
    await old.start()
    assert await rule(broker) == "0 2 * * *", "an old worker that restarts turns nothing back"
    assert '"retries":2' in str(broker.connection and await definition(broker))
    await broker.workers.leave("new", 60)
    await old.start()
    assert await rule(broker) == "0 1 * * *", "a deploy that was taken back is taken back"


async def definition(broker: QueueBroker) -> str:
    text = await broker.connection.command("hget", f"{P}tasks", "t")
    return str(text)


async def test_declaring_again_writes_nothing(broker: QueueBroker, redis: Redis) -> None:
    deploy = Deploy(broker, every(hours=5), "w", timedelta())
    await deploy.start()
    before = redis.hget(f"{P}schedules", "t"), redis.zscore(f"{P}due", "t")
    events = redis.xlen(f"{P}events")
    for _ in range(3):
        await deploy.start()
    assert (redis.hget(f"{P}schedules", "t"), redis.zscore(f"{P}due", "t")) == before
    entries: Any = redis.xrange(f"{P}events")
    kinds = [fields["type"] for _, fields in entries][events:]
    assert "schedule.declared" not in kinds
    assert "task.declared" not in kinds


async def test_an_override_stays_until_the_codes_own_rule_changes(broker: QueueBroker) -> None:
    await Deploy(broker, "0 1 * * *", "a", timedelta(hours=3)).start()
    stored = await broker.schedules.find("t")
    assert stored is not None
    from infinitas.core.schedule_options import change_schedule

    now = await broker.now()
    changed = change_schedule(stored[0], "0 5 * * *", now=now)
    assert await broker.schedules.schedule([changed], now, stored[1]) == ["ok"]
    await Deploy(broker, "0 1 * * *", "b", timedelta(hours=2)).start()
    assert await rule(broker) == "0 5 * * *", "the code declares what it declared before"
    await Deploy(broker, "0 2 * * *", "c", timedelta(hours=1)).start()
    assert await rule(broker) == "0 2 * * *"
    again = await broker.schedules.find("t")
    assert again is not None
    assert not again[0].overridden


async def test_an_edit_by_two_people_at_once_is_not_lost(broker: QueueBroker) -> None:
    await Deploy(broker, "0 1 * * *", "a", timedelta()).start()
    stored = await broker.schedules.find("t")
    assert stored is not None
    from infinitas.core.schedule_options import change_schedule

    now = await broker.now()
    one = change_schedule(stored[0], "0 5 * * *", now=now)
    two = change_schedule(stored[0], now=now, options={"jitter": 5})
    assert await broker.schedules.schedule([one], now, stored[1]) == ["ok"]
    assert await broker.schedules.schedule([two], now, stored[1]) == ["changed"]


async def test_a_changed_option_does_not_shift_an_interval(broker: QueueBroker, redis: Redis) -> None:
    await Deploy(broker, every(hours=5), "a", timedelta(hours=1)).start()
    before = redis.zscore(f"{P}due", "t")
    now = await broker.now() + timedelta(minutes=7)
    changed = make_schedule(every(hours=5), key="t", task="t", now=now, options={"jitter": 9})
    await broker.declarations.declare([TASK], [changed], Declarer(born=now, worker="b"))
    assert redis.zscore(f"{P}due", "t") == before
    assert '"jitter_ms":9000' in str(redis.hget(f"{P}schedules", "t"))


async def test_a_flushed_redis_is_declared_to_again(
    app: Infinitas, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "DECLARE_EVERY_S", 0.1)

    @app.task(schedule=every(hours=1))
    def tick() -> None: ...

    async def there() -> bool:
        return bool(redis.hexists(f"{P}schedules", "tick"))

    async with running(app):
        await aeventually(there)
        redis.delete(f"{P}schedules", f"{P}due", f"{P}tasks", f"{P}declarers")
        await aeventually(there)


OLD = """
from infinitas import Infinitas, every
app = Infinitas()
@app.task(schedule="0 1 * * *")
def stays(): ...
@app.task(schedule="0 1 * * *")
def moves(): ...
@app.task(schedule="30 1 * * *")
def goes(): ...
@app.task(schedule="0 4 * * *")
def overridden(): ...
"""
NEW = """
from infinitas import Infinitas, every
app = Infinitas()
@app.task(schedule="0 1 * * *", takes_over="old:stays")
def stays(): ...
@app.task(schedule="0 1,13 * * *", retries=5, takes_over="old:moves")
def moves(): ...
@app.task(schedule="0 4 * * *", takes_over="old:overridden")
def overridden(): ...
@app.task(schedule=every(hours=8))
def comes(): ...
"""


@pytest.fixture
def deploys(processes: Processes, tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "old.py").write_text(OLD)
    (tmp_path / "new.py").write_text(NEW)

    def sync(*arguments: str) -> Any:
        done = processes.run("sync", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "json" in arguments else done.stdout

    assert "+ schedule stays: new, 0 1 * * * UTC" in sync("old:app")
    changed = processes.run("schedule", "change", "overridden", "--cron", "0 5 * * *")
    assert "overridden: the code has another rule" in changed.stdout, changed.stderr
    return sync


def test_sync_shows_what_a_deploy_changes_and_does_it(
    deploys: Callable[..., Any], redis: Redis, processes: Processes
) -> None:
    plan = deploys("new:app", "--dry-run", "-o", "json")
    kinds = {change["key"]: change["kind"] for change in plan["schedules"]}
    assert kinds == {
        "comes": "new",
        "goes": "orphan",
        "moves": "changed",
        "overridden": "overridden",
        "stays": "same",
    }
    by_key = {change["key"]: change for change in plan["schedules"]}
    assert len(by_key["moves"]["gained"]) == 1, "13:00 comes to 01:00"
    assert by_key["moves"]["lost"] == []
    assert len(by_key["comes"]["gained"]) == 3
    assert plan["new_tasks"] == ["comes"]
    assert plan["changed_tasks"] == ["moves"]
    assert not redis.hexists(f"{P}schedules", "comes"), "a dry run stores nothing"

    text = deploys("new:app")
    assert "~ schedule moves: 0 1 * * * UTC → 0 1,13 * * * UTC" in text
    assert "    +1 slot in the next 24 h: " in text
    assert "? schedule goes: no code declares it; --prune removes it" in text
    assert "! schedule overridden: overridden in cron; it stays 0 5 * * * UTC until" in text
    assert redis.hexists(f"{P}schedules", "goes")
    assert "- schedule goes: no code declares it; removed" in deploys("new:app", "--prune")
    assert not redis.hexists(f"{P}schedules", "goes")
    assert '"0 5 * * *"' in str(redis.hget(f"{P}schedules", "overridden"))
    rest = deploys("new:app")
    assert "Done." in rest
    assert "~" not in rest


def test_what_another_app_serves_is_no_orphan(
    deploys: Callable[..., Any], processes: Processes, redis: Redis, servers: Urls
) -> None:
    from tests.support import eventually

    processes.start("worker", "old:app")
    eventually(lambda: redis.zcard(f"{P}processors") == 4)
    text = deploys("new:app", "--prune")
    assert "= schedule goes: not in this app, but a live worker serves its task; it stays" in text
    assert redis.hexists(f"{P}schedules", "goes")
