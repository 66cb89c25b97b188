"""A user of Redis with exactly the rights of docs/settings.md can do everything; a missing right is named."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from infinitas import Infinitas, Job, every
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.broker.tokens import Tokens
from infinitas.broker.vetting import COMMANDS
from infinitas.core.errors import UnsafeBroker
from infinitas.devservers.redis import find_redis
from tests.broker.scenarios import SCENARIOS, TASK
from tests.own_redis import OwnRedis, own_redis
from tests.support import PATIENCE_S, ROOT, eventually, running

PRINTABLE = "".join(map(chr, range(33, 127)))
"""A password of Redis may have each of them; this one is percent-encoded in the URL."""
OPTIONAL = {"info", "client|setname", "client|setinfo", "memory|usage", "command|info"}
"""What is tried, and not needed."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    with own_redis() as server:
        line = re.search(r"^ACL SETUSER [^`]*", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
        assert line is not None
        server.admin.execute_command(*line[0].replace(">PASSWORD", f">{PRINTABLE}").split())
        yield server


@pytest.fixture
def limited_url(server: OwnRedis) -> str:
    server.admin.flushall()
    server.admin.acl_log_reset()
    return server.url.replace("://", f"://infinitas:{quote(PRINTABLE, safe='')}@")


def denied(server: OwnRedis) -> set[str]:
    """Commands and keys that the user was refused."""
    return {entry["object"] for entry in server.admin.acl_log()} - OPTIONAL


def test_the_line_of_the_docs_has_the_commands_that_are_needed() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    assert tuple(re.findall(r"\+([a-z|]+)", text.partition("ACL SETUSER")[2].partition("```")[0])) == COMMANDS


async def test_every_edge_runs_with_these_rights(server: OwnRedis, limited_url: str) -> None:
    connection = Connection(limited_url, "test")
    broker = QueueBroker(connection, "default")
    for name, scenario in SCENARIOS.items():
        server.admin.flushall()
        await broker.declarations.declare([TASK], [])
        for worker in ("w1", "w2"):
            await broker.workers.join(worker, ["t"], 60)
        await scenario.prepare(broker)
        assert await scenario.act(broker), name
    assert denied(server) == set()
    await connection.close()


@pytest.mark.parametrize("db", [0, 3])
async def test_a_whole_app_runs_with_these_rights(server: OwnRedis, limited_url: str, db: int) -> None:
    """In any database: the other one stays empty."""
    app = Infinitas(redis_url=f"{limited_url}?db={db}")

    @app.task(schedule=every(milliseconds=50), retries=1, retry_delay=0.01)
    async def work(job: Job, text: str = "") -> str:
        job.log("a line")
        await job.progress(0.5)
        await job.checkpoint(1)
        if job.attempt == 1:
            raise ValueError("once")
        return text

    async with running(app, scheduler=True):
        assert await (await work.asend("x")).result(PATIENCE_S) == "x"
        assert await asyncio.to_thread(lambda: [work.send("y").get(timeout=PATIENCE_S) for _ in range(2)])
        later = await work.using(delay=60, key="k").asend("z")
        assert (await app.acancel(later.id)).state == "cancelled"
        start = datetime.now(UTC) - timedelta(seconds=2)
        await app.schedules.abackfill("work", start, start + timedelta(seconds=1))
        await app.schedules.apause("work", "why")
        assert (await app.afetch_task("work")).last_success
        assert [info.schedule.key for info in await app.schedules.alist("work")] == ["work"]
    connection = Connection(f"{limited_url}?db={db}", "test")
    tokens = Tokens(connection)
    assert await tokens.any() is False
    await connection.close()
    assert denied(server) == set()
    assert set(server.admin.info("keyspace")) == {f"db{db}"}
    app.close()


@pytest.mark.parametrize("command", ["evalsha", "hset", "xreadgroup", "blpop"])
async def test_a_right_that_is_missing_is_named(server: OwnRedis, limited_url: str, command: str) -> None:
    server.admin.execute_command("ACL SETUSER", "infinitas", f"-{command}")
    connection = Connection(limited_url, "test")
    broker = QueueBroker(connection, "default")
    try:
        with pytest.raises(UnsafeBroker, match=rf"'{command}'.* docs/settings.md"):
            await _use(broker)
    finally:
        server.admin.execute_command("ACL SETUSER", "infinitas", f"+{command}")
        await connection.close()


async def test_keys_of_others_are_not_needed(server: OwnRedis, limited_url: str) -> None:
    connection = Connection(limited_url, "test")
    with pytest.raises(UnsafeBroker, match=r"docs/settings\.md"):
        await connection.command("get", "session:7")
    await connection.close()


@pytest.mark.parametrize("command", ["EVALSHA", "XREADGROUP"])
async def test_a_disabled_command_is_named(tmp_path: Path, command: str) -> None:
    path = tmp_path / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path), "--save", ""]
    node = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [str(find_redis()), *options, "--rename-command", command, ""], stdout=subprocess.DEVNULL
    )
    connection = Connection(f"unix://{path}", "test")
    try:
        await asyncio.to_thread(eventually, path.exists)
        with pytest.raises(UnsafeBroker, match=rf"rename-command.*: {command}\."):
            await connection.check()
        with pytest.raises(UnsafeBroker, match=f"lacks a command.*'{command}'"):
            await connection.raw_command(command, "x")
    finally:
        await connection.close()
        node.kill()
        node.wait()


async def _use(broker: QueueBroker) -> None:
    await broker.declarations.declare([TASK], [])
    await broker.workers.join("w1", ["t"], 60)
    await SCENARIOS["claim"].prepare(broker)
    await SCENARIOS["claim"].act(broker)
    await broker.waits.for_bell(["t"], 0.01)
