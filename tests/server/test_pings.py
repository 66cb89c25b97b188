"""Pings over HTTP, from the making of a task to its last ping."""

import os
import subprocess
import sys

import httpx
import pytest
from redis import Redis

from tests.server.calls import job
from tests.server_fixtures import Server
from tests.support import Processes, eventually

API = "/api/v1"
NIGHTLY = {"name": "host/backup", "cron": "30 2 * * *", "timezone": "Europe/Copenhagen", "grace": 600}


def make(http: httpx.Client, body: dict[str, object] = NIGHTLY) -> str:
    answer = http.post(f"{API}/pings", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["path"])


def test_a_crontab_line_becomes_a_task(http: httpx.Client, redis: Redis, server: Server) -> None:
    path = make(http)
    (listed,) = http.get(f"{API}/pings").json()
    assert (listed["name"], listed["rule"], listed["grace"]) == ("host/backup", "30 2 * * *", 600)
    assert (listed["timeout"], listed["pinged"]) == (86_400, None)
    task = http.get(f"{API}/tasks/host%2Fbackup").json()
    assert task["options"]["external"] is True
    assert task["next_slot"] is not None
    for method, what in (("POST", "/start"), ("HEAD", "/start"), ("GET", "/0")):
        answer = http.request(method, path + what, params={"rid": "r1", "duration": 1.5})
        assert answer.status_code == 200, answer.text
    ended = answer.json()
    assert (ended["result"], ended["state"]) == ("ok", "succeeded")
    assert job(http, ended["job"])["result"] == {"exit_code": 0, "duration_s": 1.5}
    failed = http.post(path + "/fail", content=b"line\xff one\r\nlast \x00 line\n").json()
    found = job(http, failed["job"])
    assert found["error"] == "the run reported a failure: last \\0 line"
    assert [line["text"] for line in found["log"]] == ["line\ufffd one", "last \\0 line"]
    assert http.get(f"{API}/pings").json()[0]["status"] == "failed"
    refused = http.post(f"{API}/tasks/host%2Fbackup/jobs", json={"args": []})
    assert (refused.status_code, refused.json()["code"]) == (409, "external_task")
    token = path.rpartition("/")[2]
    assert token not in server.logs()
    assert not [key for key in redis.scan_iter() if token in str(key)]
    assert token not in http.get(f"{API}/audit").text


def test_exec_reports_a_run_to_a_real_server(http: httpx.Client) -> None:
    url = f"{str(http.base_url).rstrip('/')}{make(http, {'name': 'exec'})}"
    command = [sys.executable, "-m", "infinitas", "exec", "exec", "--", "sh", "-c", "echo a line; exit 4"]
    done = subprocess.run(command, env={**os.environ, "INFINITAS_PING_URL": url}, timeout=60, check=False)
    assert done.returncode == 4
    (listed,) = http.get(f"{API}/jobs", params={"task": "exec"}).json()["items"]
    assert (listed["state"], listed["error"]) == ("failed", "exit code 4: a line")
    assert [line["text"] for line in job(http, listed["id"])["log"]] == ["a line"]


def test_only_the_end_of_a_large_body_is_kept(http: httpx.Client) -> None:
    path = make(http, {"name": "big"})
    found = job(http, http.post(path, content=b"x" * 50 + b"\n" + b"y" * 9_999 + b"\n").json()["job"])
    assert [line["text"][:30] for line in found["log"]] == ["… 51 bytes are left out", "y" * 30]
    many = job(http, http.post(path, content=b"\n".join([b"z"] * 2000)).json()["job"])
    assert len(many["log"]) == 501
    assert http.post(path, content=b"x" * (1 << 21)).status_code == 413


def test_what_is_refused(http: httpx.Client) -> None:
    path = make(http)
    assert http.get(path + "/256").json()["code"] == "bad_args"
    assert http.get(path, params={"rid": "a b"}).status_code == 422
    assert http.get(path[:-1] + "!").json()["code"] == "unknown_token"
    again = http.post(f"{API}/pings", json=NIGHTLY)
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    for wrong in ({"cron": "1 1 1"}, {"cron": "@daily", "every": 5}, {"grace": 3}, {"monitor": "no"}):
        answer = http.post(f"{API}/pings", json={"name": "x", **wrong})
        assert 400 <= answer.status_code < 500, wrong
    assert [each["name"] for each in http.get(f"{API}/pings").json()] == ["host/backup"]


def test_an_address_is_replaced_and_removed(http: httpx.Client) -> None:
    old = make(http)
    new = http.post(f"{API}/pings/host%2Fbackup/rotate").json()["path"]
    assert (http.get(old).status_code, http.get(new).status_code) == (404, 200)
    assert http.delete(f"{API}/pings/host%2Fbackup").status_code == 204
    assert http.get(new).status_code == 404
    assert http.get(f"{API}/tasks/host%2Fbackup").status_code == 404
    assert http.delete(f"{API}/pings/host%2Fbackup").status_code == 404
    actions = (
        eventually(lambda: http.get(f"{API}/pings").json() == []) and http.get(f"{API}/tasks").json()["items"]
    )
    assert "host/backup" not in [task["name"] for task in actions]


@pytest.mark.own_server
def test_a_token_is_rate_limited(http: httpx.Client) -> None:
    path = make(http)
    answers = (http.get(path) for _ in range(1_000))
    limited = next(answer for answer in answers if answer.status_code == 429)
    assert limited.headers["retry-after"] == "1"
    assert http.get(path[:-1] + "!").status_code == 404, "only this one"


def test_the_command_line(processes: Processes, redis: Redis) -> None:
    options = ("--schedule", "30 2 * * *", "--timezone", "Europe/Berlin", "--grace", "10m")
    made = processes.call("ping", "add", "nightly", *options)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("/api/v1/ping/")
    listed = processes.call("ping", "ls").stdout
    assert "nightly" in listed
    assert "Europe/Berlin\t10m" in listed
    assert processes.call("ping", "add", "nightly").returncode == 2
    assert processes.call("ping", "add", "x", "--grace", "5m").returncode == 2
    new = processes.call("ping", "rotate", "nightly", "-o", "json").stdout
    assert '"task": "nightly"' in new
    assert '"url": null' in new
    assert made.stdout.strip() not in new
    assert processes.call("ping", "rm", "nightly").stdout == "nightly is removed.\n"
    assert processes.call("ping", "rm", "nightly").returncode == 5


def test_the_command_line_prints_the_whole_address_where_the_server_is_known(processes: Processes) -> None:
    processes.environment["INFINITAS_PAGE_URL"] = "https://cron.example.com/infinitas/"
    made = processes.call("ping", "add", "nightly's", "-o", "table").stdout
    url = made.splitlines()[0]
    assert url.startswith("https://cron.example.com/infinitas/api/v1/ping/")
    assert f"-o /dev/null {url}\n" in made
    assert """ infinitas exec 'nightly'"'"'s' -- command""" in made
    plain = processes.call("ping", "rotate", "nightly's").stdout
    assert plain.startswith("https://cron.example.com/infinitas/api/v1/ping/")
    assert plain.count("\n") == 1


@pytest.mark.own_server
def test_a_flood_with_wrong_tokens_is_bounded_for_its_host_and_disturbs_no_other_request(
    http: httpx.Client,
) -> None:
    answers = (http.get(f"{API}/ping/" + "x" * 26) for _ in range(5_000))
    codes = {404}
    while codes == {404}:
        codes.add(next(answers).status_code)
    assert codes == {404, 429}
    assert http.get(f"{API}/tasks").status_code == 200
