"""The commands as a person types them: what they print, what they exit with."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.support import PATIENCE_S, ROOT, Processes, eventually

P = "{infinitas:default}:"


@pytest.fixture
def busy(processes: Processes, servers: Urls, redis: Redis, postgres_url: str) -> Iterator[Processes]:
    """A system with a finished, a failed and a running job."""
    app = jobs.app.configure(redis_url=servers.redis)
    for part in ("scheduler", "archiver"):
        processes.start(part)
    processes.start("worker", "tests.apps.jobs:app", "-c", "3")
    failed = app.find("explode").send().id
    app.find("slow").send(20.0)
    eventually(lambda: app.fetch_job(failed).ended)
    eventually(lambda: app.fetch_task("tick").last_success)
    eventually(lambda: redis.exists("{infinitas:default}:beats"))
    yield processes
    app.close()


def as_json(processes: Processes, *arguments: str) -> Any:
    result = processes.call(*arguments, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_everything_at_a_glance(busy: Processes) -> None:
    tasks = {task["name"]: task for task in as_json(busy, "task", "ls")}
    assert tasks["tick"]["last_success"]["status"] == "succeeded"
    assert tasks["tick"]["has_worker"] is True
    assert tasks["explode"]["streak"] == -1
    assert tasks["slow"]["running"] == 1

    lines = busy.call("task", "ls").stdout.splitlines()
    assert lines[0].split("\t")[:5] == ["TASK", "NEXT", "LEFT", "LAST", "RESULT"]
    assert lines[1].startswith("explode"), "what fails comes first"

    shown = busy.call("task", "show", "tick").stdout
    assert "every 1s" in shown
    assert "last success" in shown
    slots = as_json(busy, "task", "preview", "tick", "-n", "3")
    assert len(slots) == 3
    assert [worker["capacity"] for worker in as_json(busy, "worker", "ls")] == [3]


def test_jobs(busy: Processes) -> None:
    running = as_json(busy, "job", "ls", "-s", "running")
    assert [job["task"] for job in running if job["task"] != "tick"] == ["slow"]
    (failed,) = as_json(busy, "job", "ls", "-t", "explode")
    shown = busy.call("job", "show", failed["id"]).stdout
    assert "SystemExit: not the worker, please" in shown
    sent = busy.run("task", "run", "slow", "[0.01]").stdout.strip()
    eventually(lambda: as_json(busy, "job", "show", sent)["state"] == "succeeded")
    named = as_json(busy, "task", "run", "slow", '{"seconds": 0.02}')["id"]
    eventually(lambda: as_json(busy, "job", "show", named)["result"] == "slept")


def test_wrong_use_prints_what_to_do(busy: Processes) -> None:
    for arguments, code, words in (
        (("task", "show", "nobody"), 5, "unknown_task"),
        (("task", "run", "nobody"), 5, "unknown_task"),
        (("job", "show", "nothing"), 5, "unknown_job"),
        (("task", "run", "slow", "{nonsense"), 1, "bad_args"),
        (("-A", "tests.apps.jobs:app", "task", "run", "slow", '["x"]'), 1, "seconds: Input should be"),
        (("worker", "no.such.module:app"), 2, "bad_app"),
        (("worker", "tests.apps.jobs:nothing"), 2, "there is no 'nothing'"),
        (("worker", "tests.apps.jobs:app", "-q", "other"), 2, "nothing to work on"),
        (("worker", "tests.apps.jobs:app", "-c", "0"), 2, "concurrency"),
        (("--redis-url", "redis://127.0.0.1:1", "task", "ls"), 6, "server_unreachable"),
        (("--redis-url", "redis://127.0.0.1:1", "scheduler"), 6, "server_unreachable"),
        (("--postgres-url", "nonsense", "archiver"), 2, "postgres_url"),
        (("--redis-url", "nonsense", "task", "ls"), 2, "redis_url"),
        (("task", "lst"), 2, "No such command"),
    ):
        serves = {"worker", "scheduler", "archiver"} & set(arguments)
        result = busy.run(*arguments) if serves else busy.call(*arguments)
        assert result.returncode == code, (arguments, result.stderr)
        assert words in result.stderr, (arguments, result.stderr)
        assert "Traceback" not in result.stderr


def inspect(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Isolated (-I): the bundled script needs nothing but Python."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "scripts" / "inspect"), *arguments],
        capture_output=True,
        text=True,
        env={**environment, "PATH": os.environ["PATH"]},
        check=False,
        timeout=PATIENCE_S,
    )


def test_the_bundled_script_shows_the_same_from_redis_alone(busy: Processes, servers: Urls) -> None:
    environment = {"INFINITAS_REDIS_URL": servers.redis}
    tasks = {task["task"]: task for task in json.loads(inspect(environment, "-o", "json").stdout)}
    shown = {task["name"]: task for task in as_json(busy, "task", "ls")}
    assert tasks.keys() == shown.keys()
    assert tasks["explode"]["last_failure"] == shown["explode"]["last_failure"]["id"]
    assert tasks["explode"]["last_failure_error"] == "SystemExit: not the worker, please"
    assert len(tasks["slow"]["running"]) == shown["slow"]["running"] == 1
    assert tasks["tick"]["has_worker"]

    job = json.loads(inspect(environment, "job", tasks["tick"]["last_success"], "-o", "json").stdout)
    assert [line["text"] for line in job["log"]] == ["tick"]
    assert "every 1s" in inspect(environment).stdout
    assert "SystemExit" in inspect(environment, "task", "explode").stdout
    assert len(json.loads(inspect(environment, "workers", "-o", "json").stdout)) == 1
    assert inspect(environment, "task", "nobody").returncode == 5
    gone = inspect({}, "--url", "redis://:secret@127.0.0.1:1")
    assert gone.returncode == 6
    assert "secret" not in gone.stderr


def test_redis_cli_alone_answers(busy: Processes, redis: Redis) -> None:
    """The commands of docs/redis-keys.md, as they stand, on this Redis."""
    text = (ROOT / "docs" / "redis-keys.md").read_text()
    commands = [line[2:] for line in text.splitlines() if line.startswith("> ")]
    assert len(commands) >= 6
    raw = redis.connection_pool.get_connection()
    answers: dict[str, Any] = {}
    for command in commands:
        words = [word.strip('"') for word in command.replace("TASK", "slow").split()]
        raw.send_command(*words)  # type: ignore[no-untyped-call]
        answers[words[0] + words[1].rpartition("}")[2]] = raw.read_response()
    redis.connection_pool.release(raw)
    assert answers["XLEN:stream:slow"] == 1
    assert len(answers["XPENDING:stream:slow"]) == 1
    summary = redis.hgetall(f"{P}task:explode")
    assert summary["last_failure_error"] == "SystemExit: not the worker, please"
    assert summary["last_job_status"] == "failed"
