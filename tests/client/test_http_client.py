"""`Infinitas(server=…)`: the verbs of an app through a server, without Redis in reach."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import httpx
import pytest
import time_machine

from infinitas import Infinitas, Job
from infinitas.core.errors import (
    AlreadyEnded,
    BadSchedule,
    Forbidden,
    KeyTaken,
    NotInTime,
    ServerUnreachable,
    Unauthorized,
    UnknownJob,
    UnknownSchedule,
    UnknownTask,
)
from tests.server_fixtures import MakeToken
from tests.support import PATIENCE_S, Processes
from tests.worker.transport.test_remote_worker import start_worker


@pytest.fixture
def remote(http: httpx.Client) -> Iterator[Infinitas]:
    """An app with a task `echo`, which no worker serves."""
    app = Infinitas(server=str(http.base_url))

    @app.task(timeout=5)
    def echo(job: Job, value: object, *, twice: bool = False) -> object:
        return value

    yield app
    app.close()


def test_a_job_is_sent_looked_at_and_cancelled(remote: Infinitas) -> None:
    echo = remote.find("echo")
    handle = echo.using(key="k", headers={"trace": "7"}).send({"big": 2**70}, twice=True)
    job = remote.fetch_job(handle.id)
    assert (job.task, job.state, job.key, dict(job.headers)) == ("echo", "queued", "k", {"trace": "7"})
    assert job.args == {"positional": [{"big": 1180591620717411303424}], "named": {"twice": True}}
    with pytest.raises(KeyTaken) as taken:
        echo.using(key="k").send(1)
    assert taken.value.job == handle.id
    assert remote.cancel(handle.id, "enough").state == "cancelled"
    with pytest.raises(AlreadyEnded):
        remote.cancel(handle.id)
    assert remote.retry(handle.id).state == "queued"
    again = remote.rerun(handle.id)
    assert remote.fetch_job(again.id).args == job.args
    with pytest.raises(NotInTime):
        again.get(timeout=0.2)


def test_a_delay_counts_by_the_clock_of_redis(remote: Infinitas, http: httpx.Client) -> None:
    before = datetime.now(UTC)
    with time_machine.travel(before + timedelta(hours=1), tick=True):
        handle = remote.find("echo").using(delay=600).send(1)
    job = remote.fetch_job(handle.id)
    assert job.state == "scheduled"
    assert timedelta(seconds=590) < job.due - before < timedelta(seconds=700)
    both = {"args": [1], "due": "2030-01-01T00:00:00Z", "delay": 5}
    for refused in (both, {"args": [1], "delay": -1}, {"args": [1], "delay": 1e300}):
        assert http.post("/api/v1/tasks/echo/jobs", json=refused).status_code == 422


def test_many_jobs_go_in_few_requests(remote: Infinitas) -> None:
    handles = remote.find("echo").send_many([(n,) for n in range(450)])
    assert len({handle.id for handle in handles}) == 450
    info = remote.fetch_task("echo")
    assert (info.queued, info.definition.timeout) == (450, 5)


def test_a_result_comes_back(http: httpx.Client, processes: Processes) -> None:
    start_worker(processes, http)
    app = Infinitas(server=str(http.base_url))

    @app.task
    def slow(seconds: float) -> str: ...  # type: ignore[empty-body]

    assert slow.send(0.1).get(timeout=PATIENCE_S) == "slept"
    app.close()


def test_schedules_by_their_keys(remote: Infinitas) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    assert remote.schedule("echo", at=due, key="todo", args=(1,), kwargs={"twice": True}) == due
    found = remote.schedules.get("todo")
    assert (found.next_slot, found.schedule.args) == (due, '[[1],{"twice":true}]')
    changed = remote.schedules.change("todo", "0 9 * * *", timezone="Europe/Copenhagen")
    assert (changed.schedule.cron, changed.schedule.timezone) == ("0 9 * * *", "Europe/Copenhagen")
    paused = remote.schedules.pause("todo", "holiday", until=due)
    assert paused.paused is not None
    assert (paused.paused.reason, paused.paused.until) == ("holiday", due)
    assert remote.schedules.resume("todo").paused is None
    assert len(remote.schedules.skip_next("todo", 2)) == 2
    assert remote.fetch_job(remote.schedules.trigger("todo", (5,)).id).args == [5]
    assert [info.schedule.key for info in remote.schedules.list("echo")] == ["todo"]
    long_ago = due - timedelta(days=5)
    filled = remote.schedules.backfill("todo", long_ago, due - timedelta(days=2), dry_run=True)
    assert len(filled.slots) == 3
    assert remote.unschedule("todo") is True
    assert remote.unschedule("todo") is False


@pytest.mark.parametrize(
    "zone", [timezone(timedelta(hours=1, minutes=2, seconds=3)), ZoneInfo("Europe/Paris")]
)
def test_moments_keep_their_instant(remote: Infinitas, zone: tzinfo) -> None:
    """JSON has no seconds of an offset, and no fold."""
    due = datetime(2040, 10, 28, 2, 30, tzinfo=zone, fold=1)
    offset = due.utcoffset()
    assert offset is not None
    utc = (due.replace(tzinfo=None) - offset).replace(tzinfo=UTC)
    assert remote.schedule("echo", at=due, key="once", args=(1,)) == utc
    changed = remote.schedules.change("once", "* * * * *", start=due)
    assert changed.schedule.start_ms == round(utc.timestamp() * 1000)
    paused = remote.schedules.pause("once", "holiday", until=due)
    assert paused.paused is not None
    assert paused.paused.until == utc
    assert remote.fetch_job(remote.find("echo").using(at=due).send(1).id).due == utc
    with pytest.raises(BadSchedule, match=r"until is 2040-.* no time zone"):
        remote.schedules.pause("once", "holiday", until=due.replace(tzinfo=None))


def test_errors_are_those_of_a_client_beside_redis(remote: Infinitas) -> None:
    with pytest.raises(UnknownTask):
        remote.fetch_task("not/declared <it>")
    with pytest.raises(UnknownJob):
        remote.fetch_job("no such/job")
    with pytest.raises(UnknownSchedule):
        remote.schedules.get("ü")
    with pytest.raises(BadSchedule):
        remote.schedule("noop", "61 * * * *", key="x")


def test_a_missing_scope_is_named(http: httpx.Client, make_token: MakeToken) -> None:
    url = str(http.base_url)
    reader = Infinitas(server=url, token=make_token("read"))
    assert reader.fetch_task("noop").name == "noop"
    with pytest.raises(Forbidden, match="'jobs'"):
        reader.rerun(reader.schedules.trigger("tick").id)
    stranger = Infinitas(server=url, token="inf_wrong")
    with pytest.raises(Unauthorized, match="Set INFINITAS_TOKEN"):
        stranger.fetch_task("noop")
    for app in (reader, stranger):
        app.close()


def test_a_server_that_is_not_there(http: httpx.Client) -> None:
    app = Infinitas(server="http://127.0.0.1:1")
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1"):
        app.fetch_task("noop")
    app.close()


def test_the_command_line_goes_through_the_server_too(http: httpx.Client, processes: Processes) -> None:
    processes.environment |= {
        "INFINITAS_SERVER": str(http.base_url),
        "INFINITAS_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    for command in (
        ["task", "ls"],
        ["task", "show", "tick"],
        ["task", "run", "slow", "[1]"],
        ["job", "ls"],
        ["schedule", "ls"],
        ["schedule", "pause", "tick", "--reason", "x"],
        ["worker", "ls"],
    ):
        ran = processes.run(*command)
        assert ran.returncode == 0, (command, ran.stderr)
    refused = processes.run("token", "ls")
    assert (refused.returncode, "without a server setting" in refused.stderr) == (2, True)
