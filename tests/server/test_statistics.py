"""`/statistics`: last runs and durations of each task, numbers of the day; what is left without Postgres."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.server.calls import job, of, send
from tests.server_fixtures import MakePeer, address
from tests.support import PATIENCE_S, Processes, eventually

API = "/api/v1"


def statistics(http: httpx.Client, task: str | None = None) -> Any:
    answer = http.get(f"{API}/statistics", params={"task": task} if task else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def runs_of(http: httpx.Client, task: str) -> Any:
    tasks = statistics(http, task)["tasks"]
    return tasks[0]["runs"] if tasks else None


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
    *_, last = run_some(http, make_peer, "f" + "s" * 30 + "fss")
    waiting = send(http, "patient")
    # Also while the jobs are written: what was kept of a task is not shown when it has changed.
    runs = eventually(
        lambda: found if (found := runs_of(http, "noop")) and found["states"] == {"27": "failed"} else None
    )
    assert len(runs["ms"]) == len(runs["ago_s"]) == 30, "the last thirty"
    assert all(isinstance(each, int | float) for each in runs["ms"])
    assert runs["ago_s"] == sorted(runs["ago_s"], reverse=True), "oldest first"
    assert runs["ago_s"][-1] == 0
    assert datetime.fromisoformat(runs["last"]) == datetime.fromisoformat(job(http, last)["ended"])
    assert waiting not in str(statistics(http))
    assert runs_of(http, "patient") is None
    found = statistics(http)
    (noop,) = (each for each in found["tasks"] if each["task"] == "noop")
    assert 0 <= noop["p50_ms"] <= noop["p95_ms"]
    brief = http.get("/api/v1/statistics", params={"runs": False}).json()
    assert [each | {"runs": None} for each in found["tasks"]] == brief["tasks"]
    day = found["day"]
    assert (day["jobs"], day["succeeded"], day["failed"]) == (34, 32, 2)
    assert day["success"] == pytest.approx(32 / 34)
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
    run_some(http, make_peer, "s" * 3 + "fs")
    processes.environment["INFINITAS_POSTGRES_URL"] = "postgresql://none@127.0.0.1:1/none"
    processes.start("server", "--port", "0", "--open")
    with httpx.Client(base_url=address(processes), timeout=PATIENCE_S) as half:
        found = statistics(half, "noop")
        assert (found["missing"], found["day"]) == (["history"], None)
        runs = runs_of(half, "noop")
        assert (len(runs["ms"]), len(runs["ago_s"]), runs["states"]) == (5, 5, {"3": "failed"})
        assert found["tasks"][0]["p50_ms"] is not None
