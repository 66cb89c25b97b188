"""The HTTP API, on a real server process: schedule, send, look, cancel; and what is refused."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from infinitas.devservers.redis import start_redis
from tests.server_fixtures import APP, address
from tests.support import PATIENCE_S, Processes, eventually

API = "/api/v1"
LATER = "0 4 1 1 *"


def test_a_job_from_curl_to_its_result(http: httpx.Client, processes: Processes) -> None:
    processes.start("worker", APP, "-c", "2")
    sent = http.post(f"{API}/tasks/slow/jobs", json={"args": {"seconds": 0.01}, "key": "only-one"})
    assert sent.status_code == 202, sent.text
    job = f"{API}/jobs/{sent.json()['id']}"
    eventually(lambda: http.get(job).json()["state"] == "succeeded")
    shown = http.get(job).json()
    assert (shown["result"], shown["args"], shown["key"]) == ("slept", {"seconds": 0.01}, "only-one")
    assert shown["due"].endswith("Z")
    (listed,) = http.get(f"{API}/jobs", params={"task": "slow", "state": "succeeded"}).json()["items"]
    assert listed["id"] == shown["id"]
    assert http.get(f"{API}/tasks/slow").json()["last_success"]["id"] == shown["id"]
    again = http.post(f"{job}/rerun")
    assert (again.status_code, again.json()["id"] != shown["id"]) == (202, True)
    assert [worker["capacity"] for worker in http.get(f"{API}/workers").json()] == [2]


def test_attempts_and_metrics(http: httpx.Client, processes: Processes, archiver: None) -> None:
    processes.start("worker", APP, "-c", "3")
    job = http.post(f"{API}/tasks/explode/jobs", json={}).json()["id"]
    eventually(lambda: http.get(f"{API}/jobs/{job}").json()["state"] == "failed")
    attempts = eventually(
        lambda: [a for a in http.get(f"{API}/jobs/{job}/attempts").json() if a["outcome"] == "failed"]
    )
    assert "SystemExit" in attempts[0]["error"]
    free = 'infinitas_worker_capacity{state="free"} 3.0'
    eventually(lambda: free in http.get("/metrics").text.splitlines())
    lines = http.get("/metrics").text.splitlines()
    assert 'infinitas_task_consecutive_failures{task="explode"} 1.0' in lines
    names = {line.partition(" ")[0] for line in lines}
    assert 'infinitas_task_last_failure_timestamp_seconds{task="explode"}' in names
    assert 'infinitas_task_next_due_timestamp_seconds{task="tick"}' in names
    assert 'infinitas_archive_lag_seconds{queue="default"}' in names
    assert 'infinitas_archive_refused_events{queue="default"} 0.0' in lines


def test_cancel_and_its_conflicts(http: httpx.Client) -> None:
    body = {"args": [60], "key": "k"}
    job = http.post(f"{API}/tasks/slow/jobs", json=body).json()["id"]
    taken = http.post(f"{API}/tasks/slow/jobs", json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "key_taken")
    cancelled = http.post(f"{API}/jobs/{job}/cancel", json={"reason": "not today"}).json()
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "not today")
    late = http.post(f"{API}/jobs/{job}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "already_ended")


def test_a_schedules_life(http: httpx.Client) -> None:
    key = "for/Ada ☕ <b>"
    url = f"{API}/schedules/{quote(key, safe='')}"
    made = http.put(url, json={"task": "noop", "cron": LATER, "timezone": "Europe/Paris", "overlap": "queue"})
    assert made.status_code == 200, made.text
    assert (made.json()["key"], made.json()["overlap"]) == (key, "queue")
    changed = http.patch(url, json={"every": 90, "grace": 5}).json()
    assert (changed["every"], changed["cron"], changed["overlap"]) == (90, None, "queue")
    paused = http.post(f"{url}/pause", json={"reason": "why not"}).json()
    assert paused["paused"]["reason"] == "why not"
    assert http.post(f"{url}/resume").json()["paused"] is None
    assert len(http.post(f"{url}/skip", json={"count": 2}).json()["slots"]) == 2
    job = http.post(f"{url}/trigger", json={}).json()["id"]
    assert http.get(f"{API}/jobs/{job}").json()["state"] == "queued"
    past = {"start": "2026-05-04T00:00:00Z", "end": "2026-05-04T00:10:00Z", "dry_run": True}
    http.patch(url, json={"cron": "*/5 * * * *"})
    assert len(http.post(f"{url}/backfill", json=past).json()["slots"]) == 2
    assert {each["key"] for each in http.get(f"{API}/schedules").json()["items"]} == {key, "tick"}
    assert http.delete(url).status_code == 204
    assert http.get(url).json()["code"] == "unknown_schedule"


def test_a_change_that_must_not_undo_another(http: httpx.Client) -> None:
    url = f"{API}/schedules/tick"
    tag = http.get(url).headers["etag"]
    first = http.patch(url, json={"every": 60}, headers={"If-Match": tag})
    assert first.status_code == 200
    late = http.patch(url, json={"every": 90}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "changed")
    assert http.get(url).json()["every"] == 60
    assert http.patch(url, json={"every": 90}, headers={"If-Match": first.headers["etag"]}).status_code == 200


def test_preview(http: httpx.Client) -> None:
    seen = http.post(f"{API}/schedules/preview?n=3", json={"cron": "30 2 * * *", "timezone": "Europe/Paris"})
    assert (seen.json()["description"], len(seen.json()["slots"])) == ("at 02:30, every day", 3)
    assert len(seen.json()["warnings"]) == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/tasks/nobody", None, 404, "unknown_task"),
        ("GET", "/tasks/" + "x" * 300, None, 422, "bad_name"),
        ("GET", "/jobs/nothing", None, 404, "unknown_job"),
        ("GET", "/jobs?limit=501", None, 422, "bad_request"),
        ("GET", "/jobs?state=fine", None, 422, "bad_request"),
        ("GET", "/nothing", None, 404, "not_found"),
        ("DELETE", "/tasks", None, 405, "method_not_allowed"),
        ("POST", "/tasks/nobody/jobs", {}, 404, "unknown_task"),
        ("POST", "/tasks/noop/jobs", {"args": 5}, 422, "bad_request"),
        ("POST", "/tasks/noop/jobs", {"arguments": []}, 422, "bad_request"),
        ("POST", "/tasks/noop/jobs", {"due": "2030-01-01T00:00:00"}, 422, "bad_request"),
        ("POST", "/tasks/noop/jobs", {"args": ["x" * 300_000]}, 413, "payload_too_large"),
        ("POST", "/tasks/noop/jobs", {"args": ["x" * 2_000_000]}, 413, "payload_too_large"),
        ("PUT", "/schedules/k", {"task": "noop"}, 422, "bad_schedule"),
        ("PUT", "/schedules/k", {"task": "noop", "cron": "61 * * * *"}, 422, "bad_schedule"),
        ("PUT", "/schedules/k", {"task": "noop", "cron": LATER, "every": 5}, 422, "bad_schedule"),
        ("PUT", "/schedules/k", {"task": "noop", "cron": LATER, "dst": None}, 422, "bad_schedule"),
        ("PUT", "/schedules/k", {"task": "nobody", "cron": LATER}, 404, "unknown_task"),
        ("PATCH", "/schedules/nobody", {"overlap": "skip"}, 404, "unknown_schedule"),
        ("DELETE", "/schedules/nobody", None, 404, "unknown_schedule"),
    ],
)
def test_a_refusal_names_its_cause(
    http: httpx.Client, method: str, path: str, body: Any, status: int, code: str
) -> None:
    reply = http.request(method, API + path, json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["status"] == status
    assert reply.json()["detail"]


def test_a_huge_body_is_not_read_to_its_end(http: httpx.Client) -> None:
    reply = http.post(f"{API}/tasks/noop/jobs", content=b" " * 2_000_000)
    assert (reply.status_code, reply.json()["code"]) == (413, "payload_too_large")
    assert "A request has at most 1,048,576 bytes" in reply.json()["detail"]


def test_other_sites_and_other_names_are_refused(http: httpx.Client) -> None:
    crossed = http.post(f"{API}/tasks/noop/jobs", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (crossed.status_code, crossed.json()["code"]) == (403, "forbidden")
    foreign = http.post(f"{API}/tasks/noop/jobs", json={}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    own = http.post(f"{API}/tasks/noop/jobs", json={}, headers={"Origin": str(http.base_url).rstrip("/")})
    assert own.status_code == 202
    rebound = http.get(f"{API}/tasks", headers={"Host": "evil.example"})
    assert (rebound.status_code, rebound.json()["code"]) == (403, "forbidden")


def test_an_outage_of_redis_is_a_503_until_it_is_over(processes: Processes, tmp_path: Path) -> None:
    redis, url = start_redis(tmp_path)
    server = processes.start("--redis-url", url, "server", "--port", "0", "--open")
    with httpx.Client(base_url=address(processes), timeout=PATIENCE_S) as http:
        assert http.get("/readyz").json()["ready"] is True
        redis.stop()
        away = http.get("/readyz")
        assert (away.status_code, away.json()["redis"]) == (503, "server_unreachable")
        assert http.get("/livez").status_code == 200
        refused = http.get(f"{API}/tasks")
        assert (refused.status_code, refused.json()["code"]) == (503, "server_unreachable")
        redis, _ = start_redis(tmp_path)
        eventually(lambda: http.get(f"{API}/tasks").status_code == 200)
    server.terminate()
    assert server.wait(PATIENCE_S) == 0
    redis.stop()


def test_no_redis_at_the_start(processes: Processes, tmp_path: Path) -> None:
    refused = processes.run("--redis-url", f"unix://{tmp_path}/none.sock", "server", "--port", "0")
    assert refused.returncode == 6
    assert "server_unreachable" in refused.stderr


def test_probes(http: httpx.Client) -> None:
    assert http.get("/livez").json() == {"alive": True}
    assert http.get("/readyz").json() == {"ready": True, "redis": "ok", "postgres": "ok"}


def test_others_are_not_let_in_without_a_token(processes: Processes) -> None:
    refused = processes.run("server", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "infinitas token add" in refused.stderr
