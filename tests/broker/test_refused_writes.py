"""Redis answers, but refuses: that is an outage with its cause, and over without a restart."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from infinitas import Infinitas, InfinitasError, ServerUnreachable
from infinitas.broker.connection import Connection
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.broker.refusals import translated
from infinitas.broker.sync_enqueue import SyncEnqueuer
from infinitas.client.job_ids import fresh_id
from infinitas.core.errors import UnsafeBroker
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.redis import find_redis
from tests.own_redis import OwnRedis, free_port, own_redis
from tests.proxy import Proxy
from tests.support import aeventually, eventually, running

REFUSALS = {
    "OOM": "is full .maxmemory. and refuses writes",
    "MISCONF": "can't write to its disk and refuses writes",
    "READONLY": "is a read-only replica",
    "NOREPLICAS": "lacks replicas",
    "MASTERDOWN": "has lost its primary",
}


@pytest.fixture
def own() -> Iterator[OwnRedis]:
    with own_redis() as server:
        yield server


def a_job() -> list[NewJob]:
    return [NewJob(id=fresh_id(), task="t", args="[[],{}]")]


@pytest.mark.parametrize("code", REFUSALS)
async def test_refused_writes_are_an_outage_with_its_cause(own: OwnRedis, code: str) -> None:
    connection, direct = Connection(own.url, "test"), SyncEnqueuer(own.url)
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([TaskDefinition(name="t")], [])
    direct.enqueue("default", a_job())
    own.refuse(code)
    asks: list[Any] = [
        lambda: broker.jobs.enqueue(a_job()),
        lambda: connection.command("set", "x", 1),
        lambda: connection.command("eval", "#!lua\nreturn 1", 0),
        lambda: asyncio.to_thread(direct.enqueue, "default", a_job()),
    ]
    if code == "MASTERDOWN":
        asks = [lambda: connection.command("get", "x")]
    for ask in asks:
        with pytest.raises(ServerUnreachable, match=REFUSALS[code]) as refused:
            await ask()
        assert code in str(refused.value)
        assert "gave no answer" not in str(refused.value)
    own.accept()

    async def accepted() -> bool:
        try:
            for ask in asks:
                await ask()
        except ServerUnreachable:
            return False
        return True

    await aeventually(accepted)
    direct.close()
    await connection.close()


async def test_a_redis_that_is_busy_with_a_script_is_an_outage(own: OwnRedis) -> None:
    own.set("busy-reply-threshold", 1)

    def keep_busy() -> None:
        with pytest.raises(RedisError), Redis.from_url(own.url) as client:
            client.eval("while true do end", 0)

    connection = Connection(own.url, "test")
    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:

        async def refused() -> str:
            try:
                await connection.now()
            except ServerUnreachable as error:
                return str(error)
            return ""

        assert "SCRIPT KILL" in await aeventually(refused)
    finally:
        own.admin.script_kill()
        busy.join()
    await connection.close()


async def test_a_wrong_password_is_named_and_not_shown(own: OwnRedis) -> None:
    own.set("requirepass", "THE_RIGHT_ONE")
    for url, words in (
        (own.url, "wants a password"),
        (own.url.replace("://", "://:A_WRONG_ONE@"), "refuses"),
    ):
        connection = Connection(url, "test")
        with pytest.raises(ServerUnreachable, match=words) as refused:
            await connection.check()
        assert "A_WRONG_ONE" not in str(refused.value)
        await connection.close()


def test_what_uvloop_raises_for_a_closed_connection_is_an_outage() -> None:
    connection = Connection("redis://127.0.0.1:1", "test")

    class Failing:
        def __init__(self, text: str) -> None:
            self.text = text

        async def execute(self) -> None:
            raise RuntimeError(self.text)

    closed = (
        "unable to perform operation on <TCPTransport closed=True reading=False 0x1>; the handler is closed"
    )
    with pytest.raises(ServerUnreachable):
        asyncio.run(connection.execute(Failing(closed)))
    with pytest.raises(RuntimeError):
        asyncio.run(connection.execute(Failing("a defect of ours")))


def test_codes_that_only_begin_like_one_are_refusals_of_a_command() -> None:
    for text in ("BUSYGROUP Consumer Group name already exists", "ERR unknown command", "NOPERM no"):
        error = translated(RedisError.__subclasses__()[0](text), "redis://h")
        assert isinstance(error, InfinitasError)
    from redis.exceptions import ResponseError

    assert translated(ResponseError("BUSYGROUP exists"), "redis://h").code == "error"


# What a Redis must be


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        (b"redis_version:7.", b"redis_version:6.", r"version 6\.[\d.]+, .*7.0 or later"),
        (b"_mode:standalone", b"_mode:sentinel\r\n", "Sentinel"),
    ],
)
async def test_a_redis_of_the_wrong_kind_is_refused(
    own: OwnRedis, was: bytes, becomes: bytes, words: str
) -> None:
    assert len(was) == len(becomes), "INFO shows how long it is"
    proxy = Proxy(own.port, lambda data: data.replace(was, becomes))
    connection = Connection(f"redis://127.0.0.1:{proxy.port}", "test")
    try:
        with pytest.raises(UnsafeBroker, match=words):
            await connection.check()
    finally:
        await connection.close()
        proxy.close()


async def test_a_redis_cluster_is_refused(tmp_path: Path) -> None:
    port = free_port()
    options = ["--port", str(port), "--dir", str(tmp_path), "--cluster-enabled", "yes", "--save", ""]
    node = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [str(find_redis()), *options], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}"
    connection = Connection(url, "test")
    try:
        with Redis.from_url(url) as admin:
            eventually(lambda: _answers(admin))
            with pytest.raises(UnsafeBroker, match=r"redis\+cluster://"):
                await connection.check()
            with pytest.raises(ServerUnreachable, match="Cluster that is down"):
                await connection.command("set", "x", 1)
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_382)
            admin.execute_command("CLUSTER", "SETSLOT", 0, "NODE", admin.execute_command("CLUSTER MYID"))
            admin.config_set("cluster-require-full-coverage", "no")
            eventually(lambda: admin.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
            with pytest.raises(UnsafeBroker, match=r"redis\+cluster://"):
                await connection.command("mset", {"x": 1, "y": 2})
    finally:
        await connection.close()
        node.kill()
        node.wait()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


async def test_a_user_with_few_rights_needs_neither_info_nor_a_name(own: OwnRedis) -> None:
    own.admin.execute_command(
        *[
            "ACL",
            "SETUSER",
            "limited",
            "on",
            ">pw",
            "~*",
            "&*",
            "+@all",
            "-@dangerous",
            "-@admin",
            "-info",
            "-client",
        ]
    )
    app = Infinitas(redis_url=own.url.replace("://", "://limited:pw@"))

    @app.task
    def work() -> str:
        return "done"

    async with running(app, scheduler=True):
        assert await (await work.asend()).result(20) == "done"
        assert await asyncio.to_thread(lambda: [work.send().id, work.send().id])
    app.close()


async def test_a_command_that_the_user_lacks_is_named(own: OwnRedis) -> None:
    own.admin.acl_setuser("limited", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-set"])
    connection = Connection(own.url.replace("://", "://limited:pw@"), "test")
    await connection.check()
    with pytest.raises(InfinitasError, match="must be allowed"):
        await connection.command("set", "x", 1)
    await connection.close()
