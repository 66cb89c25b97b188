"""Real programs on one Redis: two with a function of the same name; one whose task moves while it runs."""

from pathlib import Path
from typing import Any

from redis import Redis

from infinitas import Infinitas
from tests.support import Processes, eventually

OLD, NEW = "{infinitas:default}:", "{infinitas:slow}:"
PROGRAM = """
from infinitas import Infinitas
app = Infinitas()
@app.task
def cleanup():
    return "of {name}"
"""
VERSION = """
from infinitas import Infinitas, every
app = Infinitas({queue})
@app.task(schedule=every(seconds=1), overlap="allow"{options})
def {name}(): ...
@app.task
def other(): ...
"""


def program(tmp_path: Path, processes: Processes, folder: str, module: str, text: str) -> Processes:
    """Processes of one program, or of one version of it."""
    where = tmp_path / folder
    where.mkdir()
    (where / f"{module}.py").write_text(text)
    return Processes(where, dict(processes.environment))


def test_two_programs_with_a_function_of_the_same_name(
    processes: Processes, tmp_path: Path, app: Infinitas, redis: Redis
) -> None:
    shop = program(tmp_path, processes, "shop", "shop_jobs", PROGRAM.format(name="the shop"))
    billing = program(tmp_path, processes, "billing", "billing_jobs", PROGRAM.format(name="billing"))
    try:
        first = shop.start("worker", "shop_jobs:app")
        eventually(lambda: redis.exists(f"{OLD}beats"))
        for options in ([], ["-p", "2"]):
            refused = billing.start("worker", "billing_jobs:app", *options)
            assert refused.wait(timeout=60) == 2, "it is not started again and again"
        said = billing.run("worker", "billing_jobs:app").stderr
        assert "[name_taken]" in said
        assert "billing_jobs:cleanup" in said
        assert "shop_jobs:cleanup" in said
        dry = billing.run("sync", "billing_jobs:app", "--dry-run")
        assert "! The task 'cleanup' is billing_jobs:cleanup here" in dry.stdout
        assert first.poll() is None

        billing.environment["INFINITAS_APP_NAME"] = "billing"
        billing.start("worker", "billing_jobs:app")
        eventually(lambda: redis.hexists(f"{OLD}tasks", "billing.cleanup"))
        for name, text in (("cleanup", "of the shop"), ("billing.cleanup", "of billing")):
            job = shop.run("task", "run", name).stdout.strip()
            assert app.wait_for_end(job, timeout=60).result == text
        short = billing.run("-A", "billing_jobs:app", "task", "show", "cleanup")
        assert "billing.cleanup" in short.stdout
        shop.environment["INFINITAS_APP_NAME"] = "else"
        unknown = shop.run("task", "show", "cleanup")
        assert unknown.returncode == 5
        assert "Did you mean billing.cleanup or cleanup?" in unknown.stderr
    finally:
        shop.kill_all()
        billing.kill_all()


def slots(redis: Redis, prefix: str) -> list[int]:
    """The slots that became jobs in a queue, in ms."""
    entries: Any = redis.xrange(f"{prefix}events")
    created = [fields for _, fields in entries if fields["type"] == "job.created" and "schedule" in fields]
    return [int(fields["due"]) for fields in created]


def deploy(tmp_path: Path, processes: Processes, redis: Redis, new: str, queue: str) -> None:
    """Old and new workers side by side: every slot is one job, and what waits goes to the new ones."""
    old_code = VERSION.format(queue="", options="", name="report")
    old = program(tmp_path, processes, "v1", "jobs", old_code)
    fresh = program(tmp_path, processes, "v2", "jobs", new)
    name = "report" if "def report" in new else "daily"
    try:
        processes.start("scheduler")
        leaving = old.start("worker", "jobs:app")
        eventually(lambda: len(slots(redis, OLD)) > 1)
        old.run("task", "run", "report")
        waits = old.run("schedule", "add", "todo", "report", "--at", "2100-01-01T00:00Z")
        assert waits.returncode == 0, waits.stderr
        dry = fresh.run("sync", "jobs:app", "--dry-run").stdout
        assert f"> task {name}: report in the queue default → {name} in the queue {queue}" in dry
        fresh.start("worker", "jobs:app")
        prefix = f"{{infinitas:{queue}}}:"
        eventually(lambda: redis.hget(f"{prefix}declarers", name))
        before = len(slots(redis, OLD)) + len(slots(redis, NEW))
        eventually(lambda: len(slots(redis, OLD)) + len(slots(redis, NEW)) > before + 2)
        assert leaving.poll() is None, "the old worker lives, and has nothing more of it"
        leaving.terminate()
        assert leaving.wait(timeout=60) == 0
        fired = sorted(slots(redis, OLD) + slots(redis, NEW))
        assert fired == list(range(fired[0], fired[-1] + 1, 1000)), "no slot twice, and none left out"
        assert sorted(redis.hkeys(f"{prefix}schedules")) == sorted([name, "todo"])
        assert not redis.hexists(f"{OLD}tasks", "report")
    finally:
        old.kill_all()
        fresh.kill_all()


def test_a_task_moves_to_another_queue_during_a_rolling_deploy(
    processes: Processes, tmp_path: Path, redis: Redis
) -> None:
    new = VERSION.format(queue="", options=', queue="slow"', name="report")
    deploy(tmp_path, processes, redis, new, "slow")


def test_a_task_is_renamed_during_a_rolling_deploy(
    processes: Processes, tmp_path: Path, redis: Redis
) -> None:
    new = VERSION.format(queue="", options=', aliases=("report",)', name="daily")
    deploy(tmp_path, processes, redis, new, "default")
