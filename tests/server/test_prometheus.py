"""A real Prometheus scrapes a real server: the rules hold, and each query of the dashboard has an answer."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.calls import send
from tests.support import PATIENCE_S, ROOT, Processes, eventually

FOLDER = ROOT / "compose/prometheus"
_UNPACKED = ROOT / ".venv/prometheus/usr/bin"
"""Where scripts/setup puts it."""


def binary(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(_UNPACKED))
    assert found, f"{name} is missing: scripts/setup dev unpacks it, or apt install prometheus"
    return found


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        [binary("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_right_and_each_alert_fires_as_its_test_has_it() -> None:
    rules = promtool("check", "rules", "infinitas.rules.yml")
    assert "SUCCESS: 16 rules found" in rules
    assert "SUCCESS" in promtool("test", "rules", "infinitas.test.yml")
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    alerts = {line.split()[-1] for line in _lines("infinitas.rules.yml") if "- alert:" in line}
    tested = {line.split()[-1] for line in _lines("infinitas.test.yml") if "alertname:" in line}
    assert alerts == tested


def _lines(name: str) -> list[str]:
    return (FOLDER / name).read_text().splitlines()


@pytest.fixture
def prometheus(http: httpx.Client, tmp_path: Path) -> Iterator[httpx.Client]:
    """A Prometheus with our configuration, which scrapes the server each second."""
    text = (FOLDER / "prometheus.yml").read_text()
    text = text.replace("15s", "1s").replace("server:3000", f"127.0.0.1:{http.base_url.port}")
    text = "\n".join(line for line in text.splitlines() if "authorization" not in line)
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(FOLDER / "infinitas.rules.yml", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary("prometheus"),
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    with httpx.Client(base_url=f"http://{address}/api/v1", timeout=PATIENCE_S) as client:
        yield client
    process.kill()
    process.wait()


def found_by(prometheus: httpx.Client, query: str) -> bool:
    """Whether a query finds something now; a wrong one fails the test."""
    try:
        answer = prometheus.get("/query", params={"query": query})
    except httpx.ConnectError:
        return False
    if answer.status_code == 503:
        return False
    assert answer.status_code == 200, (query, answer.text)
    return bool(answer.json()["data"]["result"])


def test_each_query_of_the_dashboard_finds_something(
    http: httpx.Client, processes: Processes, archiver: None, scheduler: None, prometheus: httpx.Client
) -> None:
    processes.start("worker", "tests.apps.jobs:app")
    send(http, "noop")
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    panels = dashboard["panels"]
    queries = [target["expr"].replace("$task", ".*") for panel in panels for target in panel["targets"]]
    assert len(queries) > 15
    missing: list[str] = []

    def all_found() -> bool:
        missing[:] = [query for query in queries if not found_by(prometheus, query)]
        return not missing

    try:
        eventually(all_found)
    except AssertionError:
        raise AssertionError(f"nothing is found by {missing}\n{http.get('/metrics').text}") from None
    groups = prometheus.get("/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 16
    assert {(rule["name"], rule["health"]) for rule in rules} == {(rule["name"], "ok") for rule in rules}
    scraped = prometheus.get("/targets").json()["data"]["activeTargets"][0]
    assert (scraped["health"], scraped["lastError"]) == ("up", "")
