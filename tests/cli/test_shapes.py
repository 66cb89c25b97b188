"""`-o json` of each command is what the published schema has, which changes only on purpose."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import click
import jsonschema_rs
import pytest
from click.testing import CliRunner
from redis import Redis

from infinitas.cli.context import AMISS
from infinitas.cli.main import cli
from infinitas.cli.shapes import SHAPES, document
from infinitas.cli.workers import drain_worker, list_workers
from infinitas.devservers.servers import Urls
from tests.support import ROOT

APP = "tests.apps.jobs:app"
PUBLISHED = ROOT / "docs/cli-output.json"
BIG = 1180591620717411303424
ELSEWHERE = {
    *("conformance", "channel test", "channel replay", "doctor", "healthcheck", "restore"),
    *("incident show", "incident ack", "job wait"),
}
"""They wait for a client, a notifier, an incident, a worker, or need a system: run by tests of those."""

Run = Callable[..., Any]


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def test_every_command_with_json_has_a_shape() -> None:
    found = [*commands(cli), ("worker ls", list_workers), ("worker drain", drain_worker)]
    with_json = {name for name, command in found if any(each.name == "output" for each in command.params)}
    assert with_json == SHAPES.keys()


def test_the_published_schema_is_the_one_of_the_code() -> None:
    """A promise to programs. `python -m infinitas.cli.shapes > docs/cli-output.json` makes a new one."""
    assert json.loads(PUBLISHED.read_text()) == document()


@pytest.fixture
def run(servers: Urls, redis: Redis, postgres_url: str) -> Run:
    """Runs a command in this process, and checks its JSON against the published schema."""
    published = json.loads(PUBLISHED.read_text())
    for part in published["$defs"].values():
        # Fields that the schema does not name would be a promise that was not made.
        if "properties" in part and "additionalProperties" not in part:
            part["additionalProperties"] = False
    runner = CliRunner(env={"INFINITAS_REDIS_URL": servers.redis, "INFINITAS_POSTGRES_URL": postgres_url})

    def run(name: str, *arguments: str) -> Any:
        ran = runner.invoke(cli, [*name.split(), *arguments, "-o", "json"], catch_exceptions=False)
        assert ran.exit_code == (AMISS if name == "status" else 0), (name, ran.output)
        shown = json.loads(ran.stdout)
        schema = {**published["properties"][name], "$defs": published["$defs"]}
        jsonschema_rs.validator_for(schema).validate(shown)
        return shown

    return run


def test_all_commands(run: Run, redis: Redis, servers: Urls) -> None:
    applied = run("sync", APP)
    assert applied["schedules"][0]["after"]["every"] == 1
    assert run("task ls")[0]["name"]
    assert run("task show", "slow")["options"]["queue"] == "default"
    assert run("task preview", "tick")

    job = run("task run", "slow", f'{{"seconds": {BIG}}}')["id"]
    assert run("job ls")[0]["args"] == {"seconds": BIG}
    shown = run("job show", job)
    assert (shown["args"], shown["result"], shown["attempts"]) == ({"seconds": BIG}, None, [])
    assert run("job cancel", job)["state"] == "cancelled"
    assert run("job retry", job)["state"] == "queued"
    assert run("job rerun", job)["args"] == {"seconds": BIG}

    added = run("schedule add", "k", "noop", "--every", "5m", "--args", "[]")
    assert (added["key"], added["every"], added["args"]) == ("k", 300, [])
    assert run("schedule change", "k", "--every", "6m")["every"] == 360
    assert run("schedule pause", "k", "-r", "why")["paused"]["reason"] == "why"
    assert run("schedule resume", "k")["paused"] is None
    assert run("schedule skip", "k")["slots"]
    assert run("schedule trigger", "k")["id"]
    assert {each["key"] for each in run("schedule ls")} == {"k", "tick"}
    assert run("schedule show", "k")["skips"] == 1
    dry = ("2026-05-01T00:00Z", "2026-05-01T01:00Z", "--dry-run")
    assert len(run("schedule backfill", "k", *dry)["slots"]) == 10
    run("schedule reset", "tick")
    assert run("schedule rm", "k") == {"removed": "k", "comes_back": False}
    assert run("task pause", "slow", "-r", "why")["paused"]["reason"] == "why"
    assert run("task resume", "slow")["paused"] is None
    assert run("queue pause", "default", "-r", "why") == {"queue": "default"}
    assert run("queue ls")[0]["paused"]["reason"] == "why"
    assert run("task ls")[0]["paused"]["reason"] == "why"
    assert run("queue resume", "default") == {"queue": "default"}
    assert run("queue ls")[0]["queued"] == 3
    assert run("queue purge", "default", "--task", "slow") == {"queue": "default", "dry_run": True, "jobs": 2}
    assert run("queue purge", "default", "--yes")["jobs"] == 3
    assert run("queue ls")[0]["queued"] == 0
    assert run("task rm", "noop")["schedules"] == []
    assert run("preview", "30 2 * * *", "--tz", "Europe/Paris", "-n", "1")["slots"][0]["local"][-6] == "+"


def test_of_workers_and_queues(run: Run, redis: Redis) -> None:
    run("sync", APP)
    redis.hset("{infinitas:default}:members", "w", "{}")
    facts: dict[Any, Any] = {"host": "h", "pid": 1, "version": "1", "started": 1, "last_beat": 2, "busy": 0}
    redis.zadd("{infinitas:default}:beats", {"w": 1})
    redis.hset("infinitas:worker:w", mapping={**facts, "capacity": 3, "queues": '["default"]', "tasks": "[]"})
    assert run("worker ls")[0]["id"] == "w"
    run("worker drain", "w")
    assert run("status")["workers"]["live"] == 1
    assert run("archiver", "--forget") == {"forgotten": []}
    assert run("notifier", "--forget") == {"forgotten": []}
    assert run("migrate") == {"applied": []}


def test_of_channels_rules_tokens_and_pings(run: Run) -> None:
    assert run("channel add", "hook", "webhook", "--url", "https://example.org/x")["secret"]
    assert run("channel ls")[0]["state"] == "new"
    assert run("channel deliveries", "hook") == []
    assert run("rule set", "r", "--channel", "hook")["channels"] == ["hook"]
    assert run("rule ls")[0]["origin"] == "api"
    assert run("rule rm", "r") == {"removed": "r"}
    assert run("channel rm", "hook") == {"removed": "hook"}
    assert run("incident ls") == []
    mute = run("incident mute", "x", "--until", "2100-01-01T00:00Z", "-r", "why")
    assert run("incident mutes")[0]["id"] == mute["id"]
    assert run("incident unmute", str(mute["id"]))["id"] == mute["id"]
    token = run("token add", "t", "-s", "read")
    assert run("token ls")[0]["id"] == token["id"]
    assert run("token rm", token["id"]) == {"removed": token["id"]}
    assert run("ping add", "backup", "--every", "1h")["path"]
    assert run("ping ls")[0]["name"] == "backup"
    assert run("ping rotate", "backup")["url"] is None
    assert run("ping rm", "backup") == {"removed": "backup"}


def test_all_commands_are_run() -> None:
    """Each shape is used by a test above, or by a test of the part that the command waits for."""
    text = (ROOT / "tests/cli/test_shapes.py").read_text()
    assert {name for name in SHAPES if f'run("{name}"' not in text} == ELSEWHERE
