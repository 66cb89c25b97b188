"""What tests send to a server, and read there."""

import httpx
from redis import Redis

from tests.server.peer import Message
from tests.support import eventually


def send(http: httpx.Client, task: str, *args: object) -> str:
    answer = http.post(f"/api/v1/tasks/{task}/jobs", json={"args": list(args)})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(http: httpx.Client, id: str) -> Message:
    found: Message = http.get(f"/api/v1/jobs/{id}").json()
    return found


def ended(http: httpx.Client, id: str) -> Message:
    return eventually(lambda: found if (found := job(http, id))["ended"] else None)


def of(message: Message) -> Message:
    """How a frame names the job that a message gave."""
    return {"job": message["job"], "attempt": message["attempt"]}


def blocked_clients(redis: Redis) -> int:
    """How many clients of Redis are blocked in BLPOP: for a job, or for the notice of a cancelled one."""
    return sum(client["cmd"] == "blpop" and "b" in client["flags"] for client in redis.client_list())
