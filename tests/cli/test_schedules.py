"""`infinitas schedule`, `preview` and `sync` as a person types them, wrong input too."""

import json
import time
from typing import Any

import pytest
from redis import Redis

from tests.support import Processes, eventually

APP = "tests.apps.jobs:app"


@pytest.fixture
def cli(processes: Processes) -> Processes:
    said = processes.call("sync", APP)
    assert said.returncode == 0, said.stderr
    assert "+ task noop" in said.stdout
    return processes


@pytest.fixture
def archived(postgres_url: str, cli: Processes) -> Processes:
    cli.start("archiver")
    eventually(lambda: cli.call("job", "ls").returncode == 0)
    return cli


def as_json(cli: Processes, *arguments: str) -> Any:
    said = cli.call(*arguments, "-o", "json")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_a_schedules_life(archived: Processes) -> None:
    cli = archived
    shown = cli.call(
        "schedule", "add", "nightly", "noop", "--cron", "30 2 * * *", "--tz", "Europe/Copenhagen"
    )
    assert shown.returncode == 0, shown.stderr
    assert "at 02:30, every day" in shown.stdout
    listed = {row["key"] for row in as_json(cli, "schedule", "ls")}
    assert listed == {"nightly", "tick"}
    assert "nightly" in cli.call("schedule", "ls", "-t", "noop").stdout

    cli.call("schedule", "change", "nightly", "--overlap", "queue", "--jitter", "90s")
    shown = cli.call("schedule", "show", "nightly")
    assert "overlap=queue, jitter=1m 30s" in shown.stdout.replace("1m30s", "1m 30s")
    assert "paused" in cli.call("schedule", "pause", "nightly", "-r", "no power").stdout
    assert as_json(cli, "schedule", "show", "nightly")["paused"]["reason"] == "no power"
    assert as_json(cli, "schedule", "resume", "nightly")["paused"] is None
    assert len(as_json(cli, "schedule", "skip", "nightly", "-n", "2")["slots"]) == 2
    job = as_json(cli, "schedule", "trigger", "nightly")["id"]
    assert as_json(cli, "job", "show", job)["state"] == "queued"
    dry = ("schedule", "backfill", "nightly", "2026-05-01T00:00Z", "2026-05-04T00:00Z", "--dry-run")
    assert len(as_json(cli, *dry)["slots"]) == 3
    assert "removed" in cli.call("schedule", "rm", "nightly").stdout
    assert {row["key"] for row in as_json(cli, "schedule", "ls")} == {"tick"}


WRONG = (
    (("schedule", "show", "nobody"), "unknown_schedule"),
    (("schedule", "rm", "nobody"), "unknown_schedule"),
    (("schedule", "pause", "tick"), "--reason"),
    (("schedule", "pause", "tick", "-r", "x", "--until", "2030-01-01"), "has no time zone"),
    (("schedule", "add", "k", "nothing", "--every", "5m"), "unknown_task"),
    (("schedule", "add", "k", "noop"), "needs either a rule"),
    (("schedule", "add", "k", "noop", "--every", "5m", "--cron", "* * * * *"), "one of --cron"),
    (("schedule", "add", "k", "noop", "--cron", "61 * * * *"), "column 1"),
    (("schedule", "add", "k", "noop", "--every", "5 parsecs"), "parsecs"),
    (("schedule", "change", "tick", "--max-runs", "0"), "max_runs"),
    (("schedule", "backfill", "tick", "2026-05-04T00:00Z", "2026-05-01T00:00Z"), "bad_schedule"),
    (("schedule", "change", "tick", "0 4 * * *"), "--cron '0 4 * * *'"),
    (("schedule", "change", "tick", "0", "4", "*", "*", "*"), "--cron '0 4 * * *'"),
    (("schedule", "change", "tick", "5m"), "--every 5m"),
    (("schedule", "add", "k", "noop", "@hourly"), "--cron @hourly"),
    (("preview", "* * * *"), "column"),
    (("preview", "0 0 30 2 *"), "bad_schedule"),
    (("preview", "* * * * *", "--tz", "Mars/Olympus"), "Mars/Olympus"),
    (("preview", "* * * * *", "-n", "0"), "-n"),
    (("sync", "no.such:app"), "no.such"),
)


def test_wrong_input_is_a_sentence(cli: Processes) -> None:
    for command, said in WRONG:
        result = cli.call(*command)
        assert result.returncode != 0, command
        assert said in result.stderr, command
        assert "Traceback" not in result.stderr, command
        assert len(result.stderr.splitlines()) < 8, command


def test_preview(processes: Processes) -> None:
    said = processes.call("preview", "30 2 * * *", "--tz", "Europe/Copenhagen", "-n", "3")
    assert "at 02:30, every day" in said.stdout
    assert "Clock changes within a year" in said.stdout
    found = as_json(processes, "preview", "every 90s", "-n", "4")
    assert len(found["slots"]) == 4
    assert found["description"] == "every 1m 30s"


def test_sync_prints_what_a_deploy_changes(cli: Processes, redis: Redis) -> None:
    assert "Nothing changes" in cli.call("sync", APP).stdout
    gone = {"key": "noop", "task": "noop", "cron": "0 * * * *", "declared": "x", "origin": "code"}
    redis.hset("{infinitas:default}:schedules", "noop", json.dumps(gone))
    redis.zadd("{infinitas:default}:due", {"noop": (time.time() // 3600 + 1) * 3_600_000})
    plan = cli.call("sync", APP, "--dry-run", "--prune").stdout
    assert "? schedule noop" in plan or "- schedule noop" in plan, plan
    assert "24 slots" in plan
    assert "Nothing was stored" in plan
    cli.call("sync", APP, "--prune")
    assert not redis.hexists("{infinitas:default}:schedules", "noop")
