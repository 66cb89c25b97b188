"""`GET /jobs?arg=`: jobs by the exact value of one argument, live and archived."""

import json
from typing import Any

import httpx
import psycopg
import pytest

from infinitas.archive import jobs as archived_jobs
from infinitas.archive.jobs import Jobs
from infinitas.archive.limits import READS
from infinitas.archive.pool import Pool
from infinitas.core.argument_match import ArgumentMatch
from infinitas.core.job_filter import JobFilter, Position
from tests.server_fixtures import Server
from tests.support import Processes, eventually

API = "/api/v1"
SCHEMA = {"type": "object", "properties": {"user": {"type": "integer"}, "text": {"type": "string"}}}
OPTIONS = {"no_processor": "wait", "parameters": SCHEMA, "redact": ["secret", "card.number", "5"]}


def send(http: httpx.Client, args: Any) -> str:
    answer = http.post(f"{API}/tasks/mail/jobs", json={"args": args})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def search(http: httpx.Client, arg: str, **query: Any) -> set[str]:
    answer = http.get(f"{API}/jobs", params={"arg": arg, **query})
    assert answer.status_code == 200, answer.text
    return {each["id"] for each in answer.json()["items"]}


def check(http: httpx.Client, ids: dict[str, str]) -> None:
    assert search(http, "user:7") == {ids["named"], ids["text"]}, "the number and the text"
    assert search(http, "user:7", task="mail") == {ids["named"], ids["text"], ids["by position"]}
    assert search(http, "0:7") == {ids["by position"]}
    assert search(http, "text:a:b c") == {ids["colon"]}
    assert search(http, "user:70") == {ids["longer"]}
    assert search(http, "user:9007199254740993") == {ids["exact"]}
    assert search(http, "user:null") == {ids["null"]}
    assert search(http, "card.owner:Ada") == {ids["inner"]}
    assert search(http, "card.number:4711") == search(http, "secret:sesame") == set(), "what is not shown"
    assert search(http, "nothing:1") == search(http, "5:1") == set()


def test_live_and_archived_jobs(
    http: httpx.Client, archiver: None, server: Server, processes: Processes
) -> None:
    http.put(f"{API}/tasks/mail", json=OPTIONS)
    ids = {
        name: send(http, args)
        for name, args in {
            "named": {"user": 7},
            "text": {"user": "7"},
            "by position": [7],
            "colon": {"text": "a:b c"},
            "longer": {"user": 70},
            "exact": {"user": 9007199254740993},
            "null": {"user": None},
            "inner": {"card": {"owner": "Ada", "number": 4711}},
            "hidden": {"secret": "sesame"},
            "nul": {"user": "\0"},
        }.items()
    }
    check(http, ids)
    answer = processes.call("job", "ls", "-t", "mail", "--arg", "user:70", "-o", "json")
    assert [ids["longer"]] == [each["id"] for each in json.loads(answer.stdout)], answer.stderr
    bulk = {"action": "cancel", "filter": {"task": "mail", "arg": "user:70"}, "dry_run": True}
    assert http.post(f"{API}/jobs/bulk", json=bulk).json()["wanted"] == [ids["longer"]]
    http.post(f"{API}/jobs/bulk", json={"action": "cancel", "filter": {"task": "mail"}})
    eventually(lambda: states(server.postgres_url) == {"cancelled"} or None)
    with psycopg.connect(server.postgres_url) as postgres:
        assert postgres.execute("SELECT count(*) FROM infinitas_jobs").fetchone() == (len(ids),)
    check(http, ids)


def states(url: str) -> set[str]:
    with psycopg.connect(url) as postgres:
        return {state for (state,) in postgres.execute("SELECT state FROM infinitas_jobs").fetchall()}


FILL = """
INSERT INTO infinitas_jobs (id, due_at, task, queue, version, state, args)
SELECT lpad(n::text, 6, '0'), now() - n * interval '1 s', 'mail', 'default', n, 'succeeded',
    json_build_array(json_build_array(), json_build_object('user', n)) FROM generate_series(1, 250) n
"""


async def test_a_page_looks_at_a_bounded_number_of_jobs(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archived_jobs, "MOST_SCANNED", 100)
    pool = Pool(postgres_url, "test", READS)
    jobs = Jobs(pool)
    await jobs.states([])
    with psycopg.connect(postgres_url, autocommit=True) as postgres:
        for months in (0, 1):
            month = "(date_trunc('month', now()) - %s * interval '1 month')::date"
            postgres.execute(f"SELECT infinitas_ensure_month({month})", [months])
        postgres.execute(FILL)
    wanted = JobFilter(argument=ArgumentMatch.from_text("user:230"))
    found, pages = [], 0
    after: Position | None = None
    while pages == 0 or after is not None:
        page, after = await jobs.page(wanted, after, 10)
        found += [job.id for job in page]
        pages += 1
    assert (found, pages) == (["000230"], 3)
    await pool.close()


@pytest.mark.parametrize("arg", ["", "user", ":7", "a..b:7", "a b:7", ".:1", "x" * 201 + ":1"])
def test_what_is_no_argument(http: httpx.Client, arg: str) -> None:
    answer = http.get(f"{API}/jobs", params={"arg": arg})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_args")
