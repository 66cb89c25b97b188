"""A user of Redis with exactly the rights of docs/settings.md can do everything; a missing right is named."""

import asyncio
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
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
IN_7_0 = "user executing the script can't"
"""Redis 7.0 does not name a command that a script may not run."""
KIT = "flushall"
"""Only the testing kit uses it."""
SOURCES = (".lua", ".py")
OPTIONAL = {"hello", "info", "client|setname", "client|setinfo", "memory|usage", "command|info"}
"""What is tried, and not needed."""
ELSEWHERE = {"role", "sentinel", "cluster"}
"""What only a Sentinel, a node of a Cluster, or a server that a Sentinel names gets."""


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


def test_the_commands_of_all_scripts_and_methods_are_among_them() -> None:
    """By their first word: the edges below show that the subcommands are there."""
    text = "".join(
        file.read_text() for file in (ROOT / "infinitas/broker").rglob("*.*") if file.suffix in SOURCES
    )
    used = re.findall(r"call\('([A-Z]+)'", text)
    used += re.findall(r"""[. _](?:execute_|run_|raw_)?command\((?:connection, )?"([a-zA-Z]+)""", text)
    assert {"XGROUP", "ZADD", "blpop", "hscan", "EVALSHA", "HGET"} <= set(used)
    allowed = {name.partition("|")[0] for name in {*COMMANDS, *OPTIONAL}} | {KIT, *ELSEWHERE}
    assert {name.lower().replace("delete", "del") for name in used} <= allowed


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
        with pytest.raises(UnsafeBroker, match=rf"('{command}'|{IN_7_0}).* docs/settings.md"):
            await _use(broker)
    finally:
        server.admin.execute_command("ACL SETUSER", "infinitas", f"+{command}")
        await connection.close()


async def test_keys_of_others_are_not_needed(server: OwnRedis, limited_url: str) -> None:
    connection = Connection(limited_url, "test")
    with pytest.raises(UnsafeBroker, match=r"docs/settings\.md"):
        await connection.command("get", "session:7")
    await connection.close()


def _accepts(path: Path) -> bool:
    """Redis makes the file before it listens."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@asynccontextmanager
async def redis_without(folder: Path, *commands: str) -> AsyncIterator[str]:
    """The URL of a Redis that has these commands disabled."""
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    for command in commands:
        options += ["--rename-command", command, ""]
    node = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [str(find_redis()), *options], stdout=subprocess.DEVNULL
    )
    try:
        await asyncio.to_thread(eventually, lambda: _accepts(path))
        yield f"unix://{path}"
    finally:
        node.kill()
        node.wait()


@pytest.mark.parametrize("command", ["EVALSHA", "XREADGROUP"])
async def test_a_disabled_command_is_named(tmp_path: Path, command: str) -> None:
    async with redis_without(tmp_path, command) as url:
        connection = Connection(url, "test")
        with pytest.raises(UnsafeBroker, match=rf"rename-command.*: {command}\."):
            await connection.check()
        with pytest.raises(UnsafeBroker, match=f"lacks a command.*'{command}'"):
            await connection.raw_command(command, "x")
        await connection.close()


async def test_commands_that_are_often_disabled_are_not_needed(tmp_path: Path) -> None:
    often = ("INFO", "CLIENT", "CONFIG", "COMMAND", "MEMORY", "KEYS", "FLUSHALL", "SCRIPT", "DEBUG", "HELLO")
    async with redis_without(tmp_path, *often) as url:
        app = Infinitas(redis_url=url)

        @app.task
        def work() -> str:
            return "done"

        async with running(app, scheduler=True):
            assert await (await work.asend()).result(PATIENCE_S) == "done"
            assert await asyncio.to_thread(lambda: work.send().get(timeout=PATIENCE_S)) == "done"
        app.close()


async def _use(broker: QueueBroker) -> None:
    await broker.declarations.declare([TASK], [])
    await broker.workers.join("w1", ["t"], 60)
    await SCENARIOS["claim"].prepare(broker)
    await SCENARIOS["claim"].act(broker)
    await broker.waits.for_bell(["t"], 0.01)
