"""`/timeline`: complete with dense schedules, with pauses and clock changes, and bounded."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.server_fixtures import Server
from tests.support import eventually

API = "/api/v1"
WEEK = {"since": "2026-10-20T00:00:00Z", "until": "2026-10-27T00:00:00Z"}
FILL = """
INSERT INTO infinitas_jobs (id, due_at, task, queue, version, state, reason, attempt, started_at, ended_at)
SELECT 'j' || n, now() - n * interval '2 s', 'noop', 'default', n,
    CASE WHEN n %% 100 = 0 THEN 'failed' ELSE 'succeeded' END, CASE WHEN n %% 100 = 0 THEN 'error' END, 1,
    now(), now() FROM generate_series(1, %(jobs)s) n
"""
COUNT = """
INSERT INTO infinitas_job_counts (task, size, start, state, reason, jobs)
SELECT task, size, start, state, infinitas_counted_reason(state, reason), count(*)
FROM infinitas_jobs, infinitas_parts(due_at) GROUP BY 1, 2, 3, 4, 5
"""


def draw(http: httpx.Client, **query: Any) -> Any:
    answer = http.get(f"{API}/timeline", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def lane(timeline: Any, task: str) -> Any:
    return next(each for each in timeline["lanes"] if each["task"] == task)


def total(buckets: Any) -> int:
    return sum(each["count"] for each in buckets)


def test_every_second_for_a_week_is_complete(http: httpx.Client) -> None:
    http.put(f"{API}/schedules/seconds", json={"task": "noop", "cron": "* * * * * *"})
    http.put(f"{API}/schedules/tenths", json={"task": "noop", "every": 0.1})
    next_week = {"until": "2100-01-08T00:00:00Z", "since": "2100-01-01T00:00:00Z"}
    drawn = draw(http, task="noop", bucket=300, **next_week)
    future = lane(drawn, "noop")["future"]
    by_key = {
        key: total([each for each in future if each["schedule"] == key]) for key in ("seconds", "tenths")
    }
    assert by_key == {"seconds": 604_800, "tenths": 6_048_000}
    assert drawn["bucket"] == 300
    assert [each for each in drawn["missing"] if "slots" in each] == []


def test_buckets_grow_where_there_are_too_many(http: httpx.Client) -> None:
    http.put(f"{API}/schedules/seconds", json={"task": "noop", "cron": "* * * * * *"})
    drawn = draw(http, task="noop", bucket=1, since="2100-01-01T00:00:00Z", until="2100-01-08T00:00:00Z")
    assert drawn["bucket"] == 60
    assert total(lane(drawn, "noop")["future"]) == 604_800
    assert drawn["since"] == "2100-01-01T00:00:00Z"


def test_runs_that_are_left_end_the_future(http: httpx.Client) -> None:
    http.put(f"{API}/schedules/few", json={"task": "noop", "every": 60, "max_runs": 3})
    assert total(lane(draw(http, task="noop"), "noop")["future"]) == 3


def test_clock_changes_of_the_zones(http: httpx.Client) -> None:
    for zone in ("Europe/Copenhagen", "America/New_York", "UTC"):
        http.put(f"{API}/schedules/{zone}", json={"task": "noop", "cron": "0 3 * * *", "timezone": zone})
    drawn = draw(http, since="2100-10-25T00:00:00Z", until="2100-11-08T00:00:00Z")
    assert drawn["clock_changes"] == [
        {"at": "2100-11-07T06:00:00Z", "zone": "America/New_York", "shift": -3600},
        {"at": "2100-10-31T01:00:00Z", "zone": "Europe/Copenhagen", "shift": -3600},
    ]


def test_pauses_are_spans(http: httpx.Client, archiver: None) -> None:
    http.post(f"{API}/schedules/tick/pause", json={"reason": "too loud"})
    (now_paused,) = lane(draw(http, task="tick"), "tick")["paused"]
    assert (now_paused["end"], now_paused["reason"]) == (None, "too loud")
    http.post(f"{API}/schedules/tick/resume")

    def ended() -> list[Any]:
        return [each for each in lane(draw(http, task="tick"), "tick")["paused"] if each["end"]]

    (span,) = eventually(ended)
    assert (span["schedule"], span["reason"]) == ("tick", "too loud")
    assert str(span["start"]) < str(span["end"])


@pytest.mark.parametrize("jobs", [1_000, 40_000])
def test_many_jobs_are_counted(http: httpx.Client, server: Server, jobs: int) -> None:
    server.recorded = True
    with psycopg.connect(server.postgres_url, autocommit=True) as postgres:
        postgres.execute(
            "SELECT infinitas_ensure_month((date_trunc('month', now()) - n * interval '1 month')::date)"
            " FROM generate_series(0, 1) n"
        )
        postgres.execute(FILL, {"jobs": jobs})
        postgres.execute(COUNT)
    drawn = draw(http, task="noop")
    past = lane(drawn, "noop")["past"]
    assert total(past) == jobs
    assert total([each for each in past if each["reason"] == "error"]) == jobs // 100
    assert drawn["bucket"] == (300 if jobs == 1_000 else 900)
    assert all((each["job"] is None) is (jobs > 1_000) for each in past)
    assert drawn["missing"] == []
