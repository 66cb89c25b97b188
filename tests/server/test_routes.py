"""Lists, logs, bulk, queues, timeline and audit over HTTP."""

import json
import threading
from datetime import UTC, datetime, timedelta

import httpx
import psycopg

from tests.server.calls import job, of, send
from tests.server_fixtures import MakePeer, MakeToken, Server, address
from tests.support import PATIENCE_S, Processes, eventually

API = "/api/v1"


def test_pages_show_every_job_once(http: httpx.Client, archiver: None, server: Server) -> None:
    ids = [send(http, "patient") for _ in range(25)]
    with psycopg.connect(server.postgres_url) as postgres:
        eventually(lambda: _count(postgres, "infinitas_jobs") == 25)
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        query = {"task": "patient", "limit": "7"} | ({"cursor": cursor} if cursor else {})
        page = http.get(f"{API}/jobs", params=query).json()
        seen += [each["id"] for each in page["items"]]
        send(http, "patient")
        cursor = page["next"]
    assert cursor is None
    assert [id for id in seen if id in ids] == sorted(ids, reverse=True)
    assert len(set(seen)) == len(seen)


def test_filters_and_wrong_cursors(http: httpx.Client) -> None:
    id = send(http, "patient")
    found = http.get(f"{API}/jobs", params={"task": "patient", "state": "queued", "limit": 1}).json()
    assert [each["id"] for each in found["items"]] == [id]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert http.get(f"{API}/jobs", params={"since": later}).json()["items"] == []
    wrong = http.get(f"{API}/jobs", params={"cursor": "ü"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_args")
    assert http.get(f"{API}/jobs", params={"colour": "red"}).json()["code"] == "bad_request"


def test_bulk_shows_first_then_acts_and_lists_what_failed(http: httpx.Client) -> None:
    ids = [send(http, "patient") for _ in range(3)]
    wanted = {"action": "cancel", "filter": {"task": "patient", "state": "queued"}, "reason": "all wrong"}
    dry = http.post(f"{API}/jobs/bulk", json={**wanted, "dry_run": True}).json()
    assert (sorted(dry["wanted"]), dry["done"]) == (ids, [])
    assert job(http, ids[0])["state"] == "queued"
    done = http.post(f"{API}/jobs/bulk", json=wanted).json()
    assert sorted(done["done"]) == ids
    again = http.post(f"{API}/jobs/bulk", json={"action": "cancel", "ids": [ids[0], "nothing"]}).json()
    assert [each["code"] for each in again["refused"]] == ["already_ended", "unknown_job"]
    assert http.post(f"{API}/jobs/bulk", json={"action": "cancel"}).json()["code"] == "bad_args"


def test_a_log_is_followed_until_the_job_ends(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("talks")
    id = send(http, "talks")
    got = peer.expect("job")
    peer.send("log", **of(got), lines=[{"seq": 0, "at": 1, "text": "one"}])
    peer.expect("ack", job=id)
    events: list[tuple[str, dict[str, object]]] = []
    first = threading.Event()

    def follow() -> None:
        headers = {"Accept": "text/event-stream"}
        with http.stream("GET", f"{API}/jobs/{id}/logs", headers=headers) as answer:
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((name, json.loads(line.removeprefix("data: "))))
                    first.set()

    following = threading.Thread(target=follow)
    following.start()
    assert first.wait(PATIENCE_S)
    peer.send("log", **of(got), lines=[{"seq": 1, "at": 2, "level": "error", "text": "two"}])
    peer.expect("ack", job=id)
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")
    following.join(PATIENCE_S)
    assert [(name, data.get("text"), data.get("n")) for name, data in events] == [
        ("line", "one", 0),
        ("line", "two", 1),
        ("end", None, None),
    ]
    assert events[-1][1]["state"] == "succeeded"
    page = http.get(f"{API}/jobs/{id}/logs", params={"limit": 1}).json()
    assert ([line["text"] for line in page["items"]], page["next"], page["ended"]) == (["one"], 0, True)
    rest = http.get(f"{API}/jobs/{id}/logs", params={"after": 0}).json()
    assert ([line["text"] for line in rest["items"]], rest["next"]) == (["two"], None)
    resumed = http.get(f"{API}/jobs/{id}/logs", headers={"Accept": "text/event-stream", "Last-Event-ID": "0"})
    assert "one" not in resumed.text
    assert "two" in resumed.text


def test_queues_show_how_much_waits(http: httpx.Client) -> None:
    for _ in range(3):
        send(http, "patient")
    http.post(f"{API}/tasks/patient/jobs", json={"due": "2099-01-01T00:00:00Z"})
    (queue,) = http.get(f"{API}/queues").json()
    assert (queue["name"], queue["queued"], queue["running"], queue["waiting"]) == ("default", 3, 0, 1)
    assert queue["oldest"] is not None


def test_the_timeline_has_past_future_and_what_is_absent(
    http: httpx.Client, archiver: None, make_peer: MakePeer
) -> None:
    peer = make_peer()
    peer.identify({"name": "hourly", "options": {}, "schedule": {"every": 3600}})
    send(http, "hourly")
    got = peer.expect("job")
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")

    def lane(name: str) -> dict[str, list[dict[str, object]]]:
        found = http.get(f"{API}/timeline", params={"task": name}).json()
        return next((each for each in found["lanes"] if each["task"] == name), {})

    eventually(lambda: [each["state"] for each in lane("hourly").get("past", [])] == ["succeeded"])
    assert sum(each["count"] for each in lane("hourly")["future"]) == 24  # type: ignore[misc]
    # `tick` is due every second, and no scheduler runs.
    assert eventually(lambda: lane("tick")["absent"])


def test_every_write_is_in_the_audit_with_actor_and_reason(
    http: httpx.Client, archiver: None, make_token: MakeToken
) -> None:
    token = {"Authorization": f"Bearer {make_token('admin')}"}
    paused = http.post(f"{API}/schedules/tick/pause", json={"reason": "too loud"}, headers=token)
    assert paused.status_code == 200
    http.post(f"{API}/schedules/tick/resume", headers=token | {"X-Reason": "quiet now"})
    http.post(f"{API}/schedules/no-such/resume", headers=token)

    def audit() -> list[dict[str, str]]:
        found: list[dict[str, str]] = http.get(f"{API}/audit", headers=token).json()["items"]
        return [each for each in found if each["actor"] == "admin"]

    entries = eventually(lambda: found if len(found := audit()) >= 2 else None)
    assert [(each["action"], each["target"], each["actor"], each["reason"]) for each in entries] == [
        ("resume_schedule", "tick", "admin", "quiet now"),
        ("pause_schedule", "tick", "admin", "too loud"),
    ]
    assert entries[0]["origin"] == "127.0.0.1"


def test_a_task_is_declared_and_scheduled_with_curl_alone(http: httpx.Client) -> None:
    made = http.put(f"{API}/tasks/thumb", json={"timeout": 30, "retries": 2})
    assert (made.status_code, made.json()["options"]["retries"]) == (200, 2)
    again = http.put(f"{API}/tasks/thumb", json={"retries": 9})
    assert again.json()["options"]["retries"] == 2, "code owns definitions; none is changed from here"
    assert http.put(f"{API}/tasks/x", json={"retries": -1}).json()["code"] == "bad_setting"
    put = http.put(f"{API}/schedules/thumbs", json={"task": "thumb", "cron": "0 3 * * *", "args": [1]})
    assert put.status_code == 200, put.text


def test_many_jobs_in_one_request_and_twice_the_same(http: httpx.Client) -> None:
    jobs = [{"args": [n], "id": f"0{n:025d}"} for n in range(3)]
    for _ in range(2):
        sent = http.post(f"{API}/tasks/patient/jobs/batch", json={"jobs": jobs})
        assert (sent.status_code, sent.json()["ids"]) == (202, [each["id"] for each in jobs])
    assert http.get(f"{API}/tasks/patient").json()["queued"] == 3


def test_with_postgres_away_what_is_live_still_shows(processes: Processes, http: httpx.Client) -> None:
    processes.environment["INFINITAS_POSTGRES_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    processes.start("server", "--port", "0", "--open")
    with httpx.Client(base_url=address(processes), timeout=PATIENCE_S) as half:
        id = send(half, "patient")
        assert [each["id"] for each in half.get(f"{API}/jobs?task=patient").json()["items"]] == [id]
        assert half.get(f"{API}/timeline").json()["missing"][0] == "history"
        assert half.get(f"{API}/audit").json()["code"] == "server_unreachable"
        ready = half.get("/readyz")
        assert (ready.status_code, ready.json()["postgres"]) == (200, "server_unreachable")


def _count(postgres: "psycopg.Connection[tuple[int]]", table: str) -> int:
    postgres.rollback()
    row = postgres.execute(f"SELECT count(*) FROM {table}").fetchone()
    return row[0] if row else 0


def test_arguments_that_a_task_hides_are_never_shown(http: httpx.Client, make_peer: MakePeer) -> None:
    options = {"redact": ["card.number", "0.iban", "password"]}
    http.put(f"{API}/tasks/pay", json=options)
    args = {"args": [{"iban": "DE-7", "sum": 3}], "kwargs": {"card": {"number": "4711"}, "password": "x"}}
    http.put(f"{API}/schedules/pays", json={"task": "pay", "cron": "0 3 * * *", **args})
    id = http.post(f"{API}/tasks/pay/jobs", json=args).json()["id"]
    shown = {
        "positional": [{"iban": "***", "sum": 3}],
        "named": {"card": {"number": "***"}, "password": "***"},
    }
    for path in (f"jobs/{id}", "schedules/pays"):
        assert http.get(f"{API}/{path}").json()["args"] == shown
    for path in ("jobs", f"jobs/{id}", "tasks", "tasks/pay", "schedules", "schedules/pays", "timeline"):
        text = http.get(f"{API}/{path}").text
        assert "4711" not in text, path
        assert "DE-7" not in text, path
    again = http.post(f"{API}/jobs/{id}/rerun").json()["id"]
    peer = make_peer()
    peer.identify({"name": "pay"}, capacity=2)
    for job_id in (id, again):
        assert peer.expect("job", job=job_id)["args"] == [args["args"], args["kwargs"]]
