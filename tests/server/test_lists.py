"""Lists of tasks and schedules: page by page, short, and few commands to Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls

API = "/api/v1"
TASKS = 120


def pages(http: httpx.Client, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    given = query
    while True:
        answer = http.get(f"{API}{path}", params=given)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        if answer.json()["next"] is None:
            return found
        given = {**query, "cursor": answer.json()["next"]}


@pytest.fixture
def declare(servers: Urls) -> Callable[[str, list[str]], None]:
    """Declares tasks of a queue, each with a minutely schedule."""

    async def store(queue: str, names: list[str]) -> None:
        connection = Connection(servers.redis, "test")
        definitions = [TaskDefinition(name=name, queue=queue, doc=f"About {name}.") for name in names]
        rules = [Schedule(key=name, task=name, cron="* * * * *") for name in names]
        await QueueBroker(connection, queue).declarations.declare(definitions, rules)
        await connection.close()

    return lambda queue, names: asyncio.run(store(queue, names))


def test_all_pages_together_are_all_tasks_by_name(
    http: httpx.Client, declare: Callable[[str, list[str]], None]
) -> None:
    declare("a", [f"x{n:03}" for n in range(0, TASKS, 2)])
    declare("b", [f"x{n:03}" for n in range(1, TASKS, 2)])
    found = pages(http, "/tasks", limit=7)
    names = [each["name"] for page in found for each in page]
    assert names == sorted(names)
    assert [name for name in names if name.startswith("x")] == [f"x{n:03}" for n in range(TASKS)]
    assert {len(page) for page in found[:-1]} == {7}
    one = found[-1][-1]
    assert (one["doc"], one["rules"], one["recent"]) == (f"About {one['name']}.", ["* * * * *"], [])
    assert one["next_slot"]


def test_a_list_of_tasks_is_short(http: httpx.Client, redis: Redis) -> None:
    redis.rpush("{infinitas:default}:recent:noop", '{"job":"j","state":"failed","ended":1000,"ms":5}')
    line = next(each for each in pages(http, "/tasks")[0] if each["name"] == "noop")
    assert line.keys().isdisjoint({"options", "schedules", "parameters"})
    assert line["recent"] == []
    line = next(each for each in pages(http, "/tasks", recent=True)[0] if each["name"] == "noop")
    assert [each["job"] for each in line["recent"]] == ["j"]
    assert {"options", "schedules", "recent"} <= http.get(f"{API}/tasks/noop").json().keys()


def test_a_list_of_tasks_is_one_script_a_queue(
    http: httpx.Client, redis: Redis, declare: Callable[[str, list[str]], None]
) -> None:
    declare("a", [f"x{n:03}" for n in range(TASKS)])
    with redis.monitor() as monitor:  # type: ignore[no-untyped-call]
        assert len(pages(http, "/tasks")[0]) > TASKS
        redis.echo("over")
        sent = []
        while (seen := monitor.next_command())["command"] != "ECHO over":
            sent += [seen] if seen["client_type"] != "lua" else []
    assert len([each for each in sent if each["command"].startswith("EVALSHA")]) == 2, "one for each queue"
    assert len(sent) <= 10, [each["command"][:60] for each in sent]


def test_what_another_schedule_of_a_task_adds(http: httpx.Client) -> None:
    http.put(f"{API}/schedules/soon", json={"task": "noop", "every": 1})
    line = next(each for each in pages(http, "/tasks")[0] if each["name"] == "noop")
    assert "every 1s" in line["rules"]
    slot = http.get(f"{API}/schedules/soon").json()["next_slot"]
    assert line["next_slot"] == slot


def test_all_pages_together_are_all_schedules(
    http: httpx.Client, declare: Callable[[str, list[str]], None]
) -> None:
    # Many have the same slot: the key decides.
    declare("a", [f"x{n:03}" for n in range(0, TASKS, 2)])
    declare("b", [f"x{n:03}" for n in range(1, TASKS, 2)])
    found = [each for page in pages(http, "/schedules", limit=11) for each in page]
    keys = [each["key"] for each in found if each["key"].startswith("x")]
    assert keys == [f"x{n:03}" for n in range(TASKS)]
    slots = [each["next_slot"] for each in found]
    assert slots == sorted(slots)
    assert [each["key"] for page in pages(http, "/schedules", task="x007") for each in page] == ["x007"]


@pytest.mark.parametrize("cursor", ["", "x", "-1.k", "1e3.k", "9" * 30 + ".k", "1.\0"])
def test_a_position_that_no_list_has_returned(http: httpx.Client, cursor: str) -> None:
    answer = http.get(f"{API}/schedules", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_args")
