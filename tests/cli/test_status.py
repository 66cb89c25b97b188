"""`infinitas status`: what runs, what waits, what is missing."""

import json
from collections.abc import Callable

import httpx
import pytest
from click.testing import CliRunner, Result
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.processes import Processes
from infinitas.cli.main import cli
from infinitas.client.status import GONE_AFTER, read_status
from infinitas.core.status import ProcessInfo, missing_parts
from infinitas.devservers.servers import Urls

Status = Callable[..., Result]


@pytest.fixture
def status(servers: Urls, redis: Redis) -> Status:
    def run(*arguments: str) -> Result:
        runner = CliRunner(env={"INFINITAS_REDIS_URL": servers.redis})
        return runner.invoke(cli, ["status", *arguments], catch_exceptions=False)

    return run


def test_what_is_missing_is_named_and_is_the_exit_code(status: Status, servers: Urls) -> None:
    calm = status()
    assert (calm.exit_code, "none" in calm.output) == (0, True)
    runner = CliRunner(env={"INFINITAS_REDIS_URL": servers.redis})
    synced = runner.invoke(cli, ["sync", "tests.apps.jobs:app"])
    assert synced.exit_code == 0, synced.output
    found = status("-o", "json")
    assert found.exit_code == 3
    shown = json.loads(found.output)
    assert "No scheduler runs: slots are not fired" in shown["missing"][0]
    assert shown["missing"][1].startswith("No worker serves 1 task: tick")
    assert shown["queues"][0]["name"] == "default"
    lines = status().output.splitlines()
    assert lines[0].startswith("! No scheduler runs")
    assert "last 24 h   no archive: no history" in lines


async def test_a_process_is_counted_while_it_writes_itself(servers: Urls, redis: Redis) -> None:
    connection = Connection(servers.redis, "test")
    now = await connection.now()
    facts = {"host": "h", "pid": 1, "version": "1", "started": now, "status": ""}
    processes = Processes(connection)
    await processes.put(ProcessInfo(kind="scheduler", at=now, **facts))  # type: ignore[arg-type]
    await processes.put(ProcessInfo(kind="archiver", at=now - GONE_AFTER, **facts))  # type: ignore[arg-type]
    found = await read_status(connection, None, [], [], [])
    assert [each.kind for each in found.processes] == ["scheduler"]
    await connection.close()


def test_over_http(http: httpx.Client) -> None:
    found = http.get("/api/v1/status").json()
    assert {each["kind"] for each in found["processes"]} <= {"server"}
    assert found["workers"] == {"live": 0, "capacity": 0, "busy": 0}
    assert found["day"] == {"succeeded": 0, "failed": 0, "missed": 0}


def test_the_sentences() -> None:
    def missing(kinds: set[str], **given: object) -> tuple[str, ...]:
        facts = {"schedules": 0, "later": 0, "late_s": 0.0, "unserved": [], "archive_lag_s": None}
        return missing_parts(kinds, **{**facts, "archives": False, **given})  # type: ignore[arg-type]

    assert missing(set()) == ()
    assert missing({"scheduler"}, schedules=1, late_s=90.0) == ()
    assert missing(set(), schedules=1, late_s=90.0) == (
        "No scheduler runs: slots are not fired, the first since 1m 30s. Start `infinitas scheduler`.",
    )
    assert missing(set(), later=1) == ("No scheduler runs: 1 job not promoted. Start `infinitas scheduler`.",)
    assert missing(set(), unserved=[("a", 2), ("b", 0)]) == (
        "No worker serves 2 tasks: a, b; ready: 2 jobs.",
    )
    assert missing(set(), archives=True, archive_lag_s=7.0) == (
        "No archiver runs: history is not recorded, and events wait since 7s. Start `infinitas archiver`.",
    )
