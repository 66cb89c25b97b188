"""Incidents, mutes and rules over HTTP and on the command line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.server_fixtures import Server
from tests.support import Processes, eventually

API = "/api/v1"
NOW = datetime.now(UTC)


@pytest.fixture
def incidents(server: Server) -> None:
    """An open incident of `noop`, and one of `pack` that is over."""
    server.recorded = True
    with psycopg.connect(server.postgres_url, autocommit=True) as connection:
        for id, task, closed in (("aa", "noop", None), ("bb", "pack", NOW)):
            connection.execute(
                "INSERT INTO infinitas_incidents (id, kind, subject, task, queue, opened_at, last_at,"
                " closed_at, error) VALUES (%s, 'failing', %s, %s, 'default', %s, %s, %s, 'no\x1b[31m')",
                (id, task, task, NOW - timedelta(minutes=5), NOW, closed),
            )
        connection.execute(
            "INSERT INTO infinitas_announcements (incident, channel, rule, announced_at)"
            " VALUES ('aa', 'ops', 'all', now())"
        )


def test_incidents_are_listed_shown_and_acknowledged_with_an_audit(
    http: httpx.Client, incidents: None, archiver: None
) -> None:
    everything = http.get(f"{API}/incidents").json()
    assert [each["id"] for each in everything["items"]] == ["bb", "aa"]
    assert everything["next"] is None
    page = http.get(f"{API}/incidents", params={"limit": 1}).json()
    rest = http.get(f"{API}/incidents", params={"limit": 5, "before": page["next"]}).json()
    assert [each["id"] for each in rest["items"]] == ["aa"]
    (found,) = http.get(f"{API}/incidents", params={"open": True, "kind": "failing"}).json()["items"]
    assert (found["id"], found["task"]) == ("aa", "noop")
    assert http.get(f"{API}/incidents/aa").json()["announced"][0]["channel"] == "ops"
    answer = http.post(f"{API}/incidents/aa/acknowledge", json={"reason": "on it"}).json()
    assert answer["incident"]["acknowledged_by"] == "this machine"
    missing = http.get(f"{API}/incidents/zz")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_incident")
    assert 'infinitas_incidents_open{kind="failing"} 1.0' in http.get("/metrics").text

    def audited() -> list[Any]:
        return list(http.get(f"{API}/audit", params={"action": "acknowledge_incident"}).json()["items"])

    (entry,) = eventually(audited)
    assert (entry["target"], entry["reason"]) == ("aa", "on it")


def test_mutes_are_made_listed_and_ended(http: httpx.Client, incidents: None) -> None:
    until = (NOW + timedelta(hours=1)).isoformat()
    made = http.post(f"{API}/mutes", json={"tasks": "crm-*", "until": until, "reason": "deploy"})
    assert made.status_code == 201, made.text
    (found,) = http.get(f"{API}/mutes").json()
    assert (found["tasks"], found["reason"], found["actor"]) == ("crm-*", "deploy", "this machine")
    assert http.post(f"{API}/mutes/{found['id']}/end").json()["ended_at"] is not None
    assert http.get(f"{API}/mutes").json() == []
    assert len(http.get(f"{API}/mutes", params={"ended": True}).json()) == 1
    assert http.post(f"{API}/mutes/{found['id']}/end").json()["code"] == "unknown_mute"
    bodies: tuple[dict[str, object], ...]
    bodies = ({"tasks": "******"}, {"kinds": ["x"]}, {"reason": " "}, {"until": "tomorrow"})
    for wrong in bodies:
        body = {"tasks": "*", "until": until, "reason": "x", **wrong}
        assert http.post(f"{API}/mutes", json=body).status_code == 422, wrong


def test_a_mute_that_would_be_over_is_refused(http: httpx.Client, incidents: None) -> None:
    over = {"tasks": "*", "until": "2020-01-01T00:00:00Z", "reason": "deploy"}
    answer = http.post(f"{API}/mutes", json=over)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_args")
    assert http.get(f"{API}/mutes", params={"ended": True}).json() == []


def test_rules_are_put_listed_and_removed(http: httpx.Client, incidents: None) -> None:
    url = f"{API}/notify-rules/night"
    body = {"channels": ["ops"], "tags": ["shop"], "quiet": "22:00-07:00", "timezone": "Europe/Copenhagen"}
    assert http.put(url, json=body).status_code == 200
    (found,) = http.get(f"{API}/notify-rules").json()
    assert found["origin"] == "api"
    assert {name: found[name] for name in body} == body
    bodies: tuple[dict[str, object], ...] = (
        {"channels": []},
        {"quiet": "22:00-22:00"},
        {"timezone": "Mars"},
        {"kinds": ["nothing"]},
        {"remind_every": 5},
        {"tasks": ""},
        {"other": 1},
    )
    for wrong in bodies:
        answer = http.put(url, json={**body, **wrong})
        assert answer.status_code == 422, (wrong, answer.text)
    assert http.delete(url).status_code == 204
    assert http.delete(url).json()["code"] == "unknown_rule"


@pytest.mark.parametrize("by_http", [False, True])
def test_incidents_on_the_command_line(
    http: httpx.Client, incidents: None, server: Server, processes: Processes, by_http: bool
) -> None:
    if by_http:
        processes.environment["INFINITAS_SERVER"] = server.address.replace("http", "ws")
    else:
        processes.environment["INFINITAS_POSTGRES_URL"] = server.postgres_url

    def run(*arguments: str) -> Any:
        return processes.call("incident", *arguments)

    assert [each["id"] for each in json.loads(run("ls", "-o", "json").stdout)] == ["aa"]
    lines = run("ls", "--all").stdout.splitlines()
    assert len(lines) == 3
    assert "\x1b" not in lines[1]
    shown = run("show", "aa").stdout
    assert "notified" in shown
    assert "ops at" in shown
    assert "acknowledged" in run("ack", "aa").stdout
    assert run("show", "zz").returncode == 5
    assert run("mute", "crm-*", "-r", "x").returncode == 2, "until when?"
    muted = json.loads(run("mute", "crm-*", "-k", "failing", "--for", "2h", "-r", "x", "-o", "json").stdout)
    assert muted["kinds"] == ["failing"]
    assert "crm-*" in run("mutes").stdout
    assert "has ended" in run("unmute", str(muted["id"])).stdout
    assert run("unmute", str(muted["id"])).returncode == 5


@pytest.mark.parametrize("by_http", [False, True])
def test_rules_on_the_command_line(
    incidents: None, server: Server, archiver: None, processes: Processes, by_http: bool
) -> None:
    if by_http:
        processes.environment["INFINITAS_SERVER"] = server.address.replace("http", "ws")
    else:
        processes.environment["INFINITAS_POSTGRES_URL"] = server.postgres_url

    def run(*arguments: str) -> Any:
        return processes.call("rule", *arguments)

    assert run("ls", "-o", "json").stdout == "[]\n"
    quiet = ("--quiet", "22:00-07:00", "--tz", "Europe/Copenhagen", "--urgent", "missed")
    made = run("set", "night", "-c", "ops", "-c", "mail", "-t", "crm.*", "--remind-every", "30m", *quiet)
    assert (made.stdout, made.stderr) == ("The rule night notifies ops, mail.\n", "")
    (rule,) = json.loads(run("ls", "-o", "json").stdout)
    assert (rule["name"], rule["origin"], rule["channels"]) == ("night", "api", ["ops", "mail"])
    assert (rule["remind_every"], rule["urgent"], rule["tasks"]) == (1800, ["missed"], "crm.*")
    assert "22:00-07:00 Europe/Copenhagen" in run("ls").stdout
    for wrong in (("--quiet", "noon"), ("--tz", "Mars"), ("--remind-every", "5s"), ("-t", "")):
        refused = run("set", "night", "-c", "ops", *wrong)
        assert (refused.returncode, refused.stdout) != (0, ""), wrong
        assert "Traceback" not in refused.stderr
    assert run("set", "night").returncode == 2, "which channel?"
    assert run("rm", "night", "-r", "over").stdout == "The rule night is removed.\n"
    assert run("rm", "night").returncode == 5

    def audited() -> list[str]:
        with psycopg.connect(server.postgres_url) as connection:
            found = connection.execute("SELECT action FROM infinitas_audit ORDER BY id").fetchall()
        return [action for (action,) in found if action in ("put_rule", "remove_rule")]

    eventually(lambda: audited() == ["put_rule", "remove_rule"])


def test_rules_of_the_file_are_listed(server: Server, processes: Processes) -> None:
    processes.environment["INFINITAS_POSTGRES_URL"] = server.postgres_url
    (processes.folder / "infinitas.toml").write_text('[[notify]]\nname = "all"\nchannels = ["ops"]\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(processes.folder)
        (rule,) = json.loads(processes.call("rule", "ls", "-o", "json").stdout)
    assert (rule["name"], rule["origin"]) == ("all", "file")


def test_without_postgres_the_commands_name_the_setting(processes: Processes) -> None:
    found = processes.call("incident", "ls")
    assert found.returncode == 2
    assert "INFINITAS_POSTGRES_URL" in found.stderr
