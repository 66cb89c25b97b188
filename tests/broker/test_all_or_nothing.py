"""Every Lua edge, refused by Redis: it is carried out whole or not at all, and loses no job."""

import copy
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import infinitas.broker.connection
from infinitas.broker import scripts
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.broker.scripts import Script, load_script
from infinitas.core.errors import InfinitasError
from tests.broker.scenarios import SCENARIOS, TASK
from tests.own_redis import NO_WRITES, OwnRedis, own_redis

P = "{infinitas:default}:"
LUA = Path(scripts.__file__).parent / "lua"
FOUND_BY_A_RESCUE = "is pending and does not run"
SHIM = Path(__file__).with_name("refusing.lua").read_text()


@pytest.fixture(scope="module")
def own() -> Iterator[OwnRedis]:
    """A Redis of this module's own, whose settings the tests change."""
    with own_redis() as server:
        yield server


@pytest.fixture(scope="module")
def server(own: OwnRedis) -> Iterator[Any]:
    """A client that returns bytes."""
    with Redis.from_url(own.url) as client:
        yield client


@pytest.fixture
async def edges(own: OwnRedis, server: Any) -> AsyncIterator[QueueBroker]:
    own.accept()
    server.flushall()
    connection = Connection(own.url, "test")
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([TASK], [])
    for worker in ("w1", "w2"):
        await broker.workers.join(worker, ["t"], 60)
    yield broker
    own.accept()
    await connection.close()


def everything_in(server: Any) -> dict[bytes, tuple[bytes, bool]]:
    return {key: (server.dump(key), server.pttl(key) > 0) for key in server.scan_iter()}


def may_run(name: str, code: str) -> bool:
    """Whether the edge's flags let it run while Redis refuses writes so."""
    flags = scripts.header_of(name).get("flags", "")
    return flags == "no-writes" or (flags == "allow-oom" and code == "OOM")


def test_every_edge_has_a_scenario() -> None:
    assert set(SCENARIOS) == {file.stem for file in LUA.glob("[a-z]*.lua")}


@pytest.mark.parametrize("code", NO_WRITES)
async def test_an_edge_is_refused_whole_or_carried_out_whole(
    edges: QueueBroker, own: OwnRedis, server: Any, code: str
) -> None:
    for name, scenario in SCENARIOS.items():
        own.accept()
        server.flushall()
        await edges.declarations.declare([TASK], [])
        for worker in ("w1", "w2"):
            await edges.workers.join(worker, ["t"], 60)
        await scenario.prepare(edges)
        # The first call may read before it writes; Redis must know the script, and refuse nothing for it.
        before = everything_in(server)
        own.refuse(code)
        if may_run(name, code):
            assert await scenario.act(edges), name
            own.accept()
        else:
            with pytest.raises(InfinitasError):
                await scenario.act(edges)
            own.accept()
            assert everything_in(server) == before, name
            assert await scenario.act(edges), name
        assert not misplaced(server), name


def refusals() -> Iterator[tuple[int, str]]:
    """Each code at a script's first write; then each later write with one of them: a code is a text."""
    yield from ((1, code) for code in NO_WRITES)
    yield from zip(itertools.count(2), itertools.cycle(NO_WRITES), strict=False)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_no_job_is_lost_whichever_write_is_refused(
    edges: QueueBroker, server: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    scenario = SCENARIOS[name]
    for first_refused, code in refusals():
        server.flushall()
        await edges.declarations.declare([TASK], [])
        for worker in ("w1", "w2"):
            await edges.workers.join(worker, ["t"], 60)
        await scenario.prepare(edges)
        before, known = everything_in(server), set(lost(server))
        monkeypatch.setattr(infinitas.broker.connection, "load_script", refusing(first_refused, code))
        refused = False
        try:
            await scenario.act(edges)
        except InfinitasError:
            refused = True
        monkeypatch.setattr(infinitas.broker.connection, "load_script", load_script)
        if not refused and first_refused == 1:
            assert code == "OOM" or everything_in(server) == before, name
            continue
        if not refused:
            return
        if first_refused == 1 and code != "OOM":
            assert everything_in(server) == before, "the first refusal is the one that real servers give"
        assert set(lost(server)) <= known, f"before the repeat, write {first_refused} of {name}"
        # As its caller does when Redis accepts writes again.
        if scenario.before_again is not None:
            await scenario.before_again(edges)
        await scenario.act(edges)
        assert not misplaced(server), f"write {first_refused} of {name}"


def refusing(first_refused: int, code: str) -> Callable[[str, str], Script]:
    """`load_script` for a server that refuses a script's n-th write and all after it."""

    def load(name: str, clock: str) -> Script:
        script = copy.copy(load_script(name, clock))
        shebang, rest = script.source.split("\n", 1)
        shim = SHIM.replace("FIRST_REFUSED", str(first_refused)).replace("CODE", code)
        script.source = "\n".join((shebang, shim, rest))
        script.sha = hashlib.sha1(script.source.encode(), usedforsecurity=False).hexdigest()
        return script

    return load


def lost(server: Any) -> list[str]:
    """Jobs that nothing would ever find again. A claim that was cut short leaves some that a rescue finds."""
    return [problem for problem in misplaced(server) if not problem.endswith(FOUND_BY_A_RESCUE)]


def misplaced(server: Any) -> list[str]:
    """Jobs that have not ended and are not where a worker or the promoter finds them."""
    return [
        problem for key in server.scan_iter(f"{P}job:*") if (problem := _problem_of(server, key.decode()))
    ]


def _problem_of(server: Any, key: str) -> str:
    job = {name.decode(): value.decode() for name, value in server.hgetall(key).items()}
    id, state, stream = key.removeprefix(f"{P}job:"), job["state"], f"{P}stream:{job['task']}"
    entry = job.get("entry", "0-0")
    in_stream = bool(server.xrange(stream, entry, entry))
    grouped = server.exists(stream) and server.xinfo_groups(stream)
    pending = server.xpending_range(stream, "workers", entry, entry, 1) if grouped else []
    holder = pending[0]["consumer"].decode() if pending else None
    if state in ("scheduled", "retrying") or (state == "running" and "external" in job):
        return "" if server.zscore(f"{P}later", id) is not None else f"{id} is {state} and not in later"
    if state == "queued":
        if in_stream and pending:
            return f"{id} {FOUND_BY_A_RESCUE}"
        return "" if in_stream else f"{id} is queued and not in its stream"
    if state == "running":
        return "" if in_stream and holder == job["worker"] else f"{id} runs and {holder} holds it"
    return f"{id} has ended, and {FOUND_BY_A_RESCUE}" if pending else ""
