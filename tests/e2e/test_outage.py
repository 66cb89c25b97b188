"""Redis itself goes away and comes back: processes wait, log it once, and lose nothing."""

import shutil
import tempfile
from pathlib import Path

from redis import Redis

from infinitas.devservers.redis import start_redis
from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.support import Processes, eventually

P = "{infinitas:default}:"


def test_redis_is_restarted_under_running_processes(tmp_path: Path) -> None:
    data = Path(tempfile.mkdtemp(prefix="infinitas-outage-"))
    server, url = start_redis(data)
    processes = Processes(tmp_path, {"INFINITAS_REDIS_URL": url})
    app = jobs.app.configure(redis_url=url)
    redis = Redis.from_url(url, decode_responses=True)
    try:
        processes.start("scheduler")
        processes.start("worker", "tests.apps.jobs:app")
        eventually(lambda: app.fetch_task("tick").last_success if redis.exists(f"{P}tasks") else None)
        server.stop()
        eventually(lambda: processes.logs().count("Trying again") >= 4)
        server, _ = start_redis(data)
        redis.close()
        before = app.fetch_task("tick").last_success
        eventually(lambda: app.fetch_task("tick").last_success != before)
        job = app.find("noop").send().id
        eventually(lambda: app.fetch_job(job).ended)
        eventually(lambda: "back to work" in processes.logs())
        said = [line for line in processes.logs().splitlines() if "ticker default" in line]
        assert len([line for line in said if "Trying again" in line]) == 1, said
        assert "Traceback" not in processes.logs()
    finally:
        processes.kill_all()
        app.close()
        redis.close()
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


def test_commands_show_what_is_live_while_postgres_is_away(processes: Processes, servers: Urls) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    assert processes.run("sync", "tests.apps.jobs:app").returncode == 0
    job = app.find("noop").send()
    away = ("--postgres-url", "postgresql://127.0.0.1:1/x")
    for command in (("job", "ls"), ("job", "show", job.id), ("task", "ls"), ("task", "show", "noop")):
        shown = processes.run(*away, *command)
        assert shown.returncode == 0, (command, shown.stderr)
    assert job.id in processes.run(*away, "job", "ls").stdout
    app.close()
