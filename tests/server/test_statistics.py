"""`/statistics`: last runs and durations of each task, numbers of the day; what is left without Postgres."""

from typing import Any

import httpx
import pytest

from tests.server.calls import of, send
from tests.server_fixtures import MakePeer, address
from tests.support import PATIENCE_S, Processes, eventually

API = "/api/v1"


def statistics(http: httpx.Client, task: str | None = None) -> Any:
    answer = http.get(f"{API}/statistics", params={"task": task} if task else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def runs_of(http: httpx.Client, task: str) -> Any:
    tasks = statistics(http, task)["tasks"]
    return tasks[0]["runs"] if tasks else []


def run_some(http: httpx.Client, make_peer: MakePeer, ends: str) -> list[str]:
    """One job for each letter: s succeeds, f fails."""
    peer = make_peer()
    peer.identify("noop")
    ids = []
    for n, end in enumerate(ends):
        ids.append(send(http, "noop"))
        got = peer.expect("job")
        more = {} if end == "s" else {"error": "e", "retry": "never"}
        peer.send("done" if end == "s" else "fail", id=f"e{n}", **of(got), **more)
        peer.expect("ack", re=f"e{n}")
    return ids


def test_last_runs_durations_and_the_day(http: httpx.Client, archiver: None, make_peer: MakePeer) -> None:
    ids = run_some(http, make_peer, "s" * 30 + "fss")
    waiting = send(http, "patient")
    # Also while the jobs are written: what was kept of a task is not shown when it has changed.
    runs = eventually(
        lambda: found if len(found := runs_of(http, "noop")) == 30 and found[-1]["id"] == ids[-1] else None
    )
    assert [each["id"] for each in runs] == ids[-30:], "the last thirty, oldest first"
    assert [each["state"] for each in runs][-3:] == ["failed", "succeeded", "succeeded"]
    assert all(isinstance(each["duration_ms"], int | float) for each in runs)
    assert waiting not in str(runs_of(http, "patient"))
    found = statistics(http)
    (noop,) = (each for each in found["tasks"] if each["task"] == "noop")
    assert 0 <= noop["p50_ms"] <= noop["p95_ms"]
    brief = http.get("/api/v1/statistics", params={"runs": False}).json()
    assert [each | {"runs": []} for each in found["tasks"]] == brief["tasks"]
    day = found["day"]
    assert (day["jobs"], day["succeeded"], day["failed"]) == (33, 32, 1)
    assert day["success"] == pytest.approx(32 / 33)
    assert day["lag_p95_ms"] is None, "no job of a slot"
    assert found["missing"] == []
    assert statistics(http, "unknown")["tasks"] == []


def test_a_job_of_a_slot_counts_for_the_lag(http: httpx.Client, archiver: None, processes: Processes) -> None:
    processes.start("scheduler")
    processes.start("worker", "tests.apps.jobs:app")

    def lag() -> object:
        return statistics(http)["day"]["lag_p95_ms"]

    assert eventually(lag)


def test_without_postgres_there_are_the_runs_of_redis(
    http: httpx.Client, processes: Processes, make_peer: MakePeer
) -> None:
    ids = run_some(http, make_peer, "s" * 3 + "f")
    processes.environment["INFINITAS_POSTGRES_URL"] = "postgresql://none@127.0.0.1:1/none"
    processes.start("server", "--port", "0", "--open")
    with httpx.Client(base_url=address(processes), timeout=PATIENCE_S) as half:
        found = statistics(half, "noop")
        assert (found["missing"], found["day"]) == (["history"], None)
        assert [each["id"] for each in runs_of(half, "noop")] == ids
        assert found["tasks"][0]["p50_ms"] is not None
