"""What real processes print, beside what an app does to `logging`."""

import json
import re
from collections.abc import Callable
from typing import Any

from infinitas import Infinitas
from tests.support import PATIENCE_S, Processes, eventually


def test_an_app_that_sets_up_logging_gets_each_line_once(
    processes: Processes, make_app: Callable[..., Infinitas]
) -> None:
    processes.start("worker", "tests.apps.logs:app")
    app = make_app()

    @app.task
    def migrate() -> None: ...

    @app.task
    def charge(order: int) -> str | None: ...

    @app.task
    def charge_apart(order: int) -> None: ...

    first = app.wait_for_end(charge.send(1).id, PATIENCE_S)
    assert first.result == first.id
    eventually(lambda: f"own infinitas.job: charge {first.id} succeeded in" in processes.logs())
    moved = app.wait_for_end(migrate.send().id, PATIENCE_S)
    assert [line.text for line in moved.log] == ["before the set-up", "after the set-up"]
    second = app.wait_for_end(charge.send(2).id, PATIENCE_S)
    assert [line.text for line in second.log] == ["charging 2"]
    apart = app.wait_for_end(charge_apart.send(3).id, PATIENCE_S)
    assert [line.text for line in apart.log] == ["charging 3 apart", "paid apart"]
    eventually(lambda: f"new infinitas.job: charge_apart {apart.id} succeeded in" in processes.logs())
    logs = processes.logs()
    for line in ("own shop: charging 1", f"charge {second.id} succeeded", "charging 3 apart"):
        assert logs.count(line) == 1, logs


def test_a_worker_prints_json(processes: Processes, make_app: Callable[..., Infinitas]) -> None:
    processes.start("worker", "tests.apps.jobs:app", "--log-format", "json", "--log-level", "debug")
    processes.start("scheduler", "--log-format", "json")
    app = make_app()

    @app.task
    def explode() -> None: ...

    failed = explode.send().id

    def entries() -> list[dict[str, Any]]:
        lines = [line for line in re.split(r"\n|\.log: ", processes.logs()) if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def ended() -> dict[str, Any] | None:
        found = [e for e in entries() if e.get("job") == failed and e.get("state") == "failed"]
        return found[0] if found else None

    entry = eventually(ended)
    assert (entry["level"], entry["task"], entry["attempt"]) == ("error", "explode", 1)
    assert "SystemExit" in entry["exception"]
    messages = [each["message"] for each in entries()]
    assert f"explode {failed} received (attempt 1)" in messages
    assert "Scheduler runs." in messages


def test_an_error_that_ends_a_process_is_json_too(processes: Processes) -> None:
    processes.environment |= {"INFINITAS_REDIS_URL": "redis://127.0.0.1:1/0"}
    worker = processes.start("worker", "tests.apps.jobs:app", "--log-format", "json")
    assert worker.wait(PATIENCE_S) == 6
    line = next(line for line in processes.logs().splitlines() if "(server_unreachable)" in line)
    entry = json.loads(line[line.index("{") :])
    assert (entry["level"], entry["logger"]) == ("critical", "infinitas.cli")


def test_dev_shows_tracebacks_and_log_lines_once(
    processes: Processes, make_app: Callable[..., Infinitas]
) -> None:
    processes.start("dev", "tests.apps.logs:app", "--port", "0")
    app = make_app()

    @app.task
    def charge(order: int) -> str | None: ...

    @app.task
    def charge_apart(order: int) -> None: ...

    @app.task
    def explode() -> None: ...

    eventually(lambda: "Ctrl-C stops." in processes.logs())
    charged, failed = charge.send(1), explode.send()
    eventually(
        lambda: re.search(rf"✗ explode +{failed.id[-6:]} .*ValueError: out of stock", processes.logs())
    )
    eventually(lambda: re.search(rf"│ charge +{charged.id[-6:]}  charging 1\n", processes.logs()))
    app.wait_for_end(charge_apart.send(3).id, PATIENCE_S)
    eventually(lambda: "✓ charge_apart" in processes.logs())
    logs = processes.logs()
    for line in ("charging 1", "charging 3 apart", "paid apart"):
        assert logs.count(line) == 1, logs
    assert 'raise ValueError("out of stock")' in logs
    assert "infinitas.job" not in logs
