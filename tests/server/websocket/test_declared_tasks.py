"""What a worker's token lets it declare."""

import json

import httpx
import pytest
from redis import Redis

from tests.server.peer import Message, Peer
from tests.server_fixtures import MakePeer, MakeToken
from tests.support import events


def refused(peer: Peer, entry: Message) -> Message:
    peer.send("identify", tasks=[entry], capacity=1)
    return peer.expect("err")


@pytest.fixture
def admin(http: httpx.Client, make_token: MakeToken) -> httpx.Client:
    http.headers["Authorization"] = f"Bearer {make_token('admin')}"
    return http


def test_a_schedule_of_another_task_stays(
    admin: httpx.Client, make_peer: MakePeer, make_token: MakeToken
) -> None:
    admin.put("/api/v1/tasks/payroll", json={})
    admin.put("/api/v1/schedules/thumb-payroll", json={"task": "payroll", "cron": "0 3 * * *"})
    peer = make_peer(make_token("worker:thumb-*"))
    entry = {"name": "thumb-payroll", "options": {}, "schedule": {"cron": "* * * * *"}}
    assert refused(peer, entry)["code"] == "key_taken"
    stays = admin.get("/api/v1/schedules/thumb-payroll").json()
    assert (stays["task"], stays["cron"]) == ("payroll", "0 3 * * *")


def test_only_queues_that_there_are(
    admin: httpx.Client, make_peer: MakePeer, make_token: MakeToken, redis: Redis
) -> None:
    entry = {"name": "thumb-q", "options": {"queue": "anything"}}
    token = make_token("worker:thumb-*")
    answer = refused(make_peer(token), entry)
    assert (answer["code"], "no queue 'anything'" in answer["detail"]) == ("forbidden", True)
    assert not redis.sismember("infinitas:queues", "anything")
    headers = {"Authorization": f"Bearer {make_token('tasks')}"}
    assert admin.put("/api/v1/tasks/q", json={"queue": "anything"}, headers=headers).status_code == 403
    assert admin.put("/api/v1/tasks/thumb-q", json={"queue": "anything"}).status_code == 200
    make_peer(token).identify(entry)


def redacted(redis: Redis) -> list[str]:
    text = redis.hget("{infinitas:default}:tasks", "thumb-pay")
    found: list[str] = json.loads(str(text))["redact"]
    return found


def test_what_is_hidden_stays_hidden(
    admin: httpx.Client, make_peer: MakePeer, make_token: MakeToken, redis: Redis
) -> None:
    admin.put("/api/v1/tasks/thumb-pay", json={"redact": ["iban"]})
    peer = make_peer(make_token("worker:thumb-*"))
    peer.identify({"name": "thumb-pay", "options": {"redact": ["name"]}})
    assert redacted(redis) == ["iban", "name"]
    owner = make_peer(str(admin.headers["Authorization"]).removeprefix("Bearer "))
    owner.identify({"name": "thumb-pay", "options": {"redact": ["name"]}})
    assert redacted(redis) == ["name"]


def test_what_a_worker_declares_is_audited(
    admin: httpx.Client, make_peer: MakePeer, make_token: MakeToken, redis: Redis
) -> None:
    entry = {"name": "thumb-new", "options": {"retries": 2}, "schedule": {"cron": "0 3 * * *"}}
    token = make_token("worker:thumb-*")
    for _ in range(2):
        make_peer(token).identify(entry)
    found = [each for each in events(redis) if each.kind.startswith("audit.")]
    found = [each for each in found if each.kind != "audit.add_token"]
    kinds = [each.kind for each in found]
    assert kinds == ["audit.declare_task", "audit.put_schedule"], "the second time changes nothing"
    assert {each.fields["target"] for each in found} == {"thumb-new"}
    assert {each.fields["actor"] for each in found} == {"worker:thumb-*"}
    assert '"retries":[null,2]' in found[0].fields["changes"]
