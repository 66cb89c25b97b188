"""`infinitas worker` through a server: the same app, no Redis in reach."""

import signal
import subprocess
from datetime import date

import httpx

from infinitas import Infinitas
from tests.apps import jobs
from tests.server.calls import ended, job, send
from tests.server_fixtures import APP
from tests.support import PATIENCE_S, Processes, eventually

NOWHERE = "redis://127.0.0.1:1/0"


def start_worker(processes: Processes, http: httpx.Client, *options: str) -> "subprocess.Popen[bytes]":
    url = str(http.base_url)
    processes.environment |= {"INFINITAS_SERVER": url, "INFINITAS_REDIS_URL": NOWHERE}
    return processes.start("worker", APP, *options)


def test_the_same_app_runs_through_a_server(http: httpx.Client, processes: Processes) -> None:
    start_worker(processes, http)
    assert ended(http, send(http, "noop"))["state"] == "succeeded"
    slept = ended(http, send(http, "slow", 0.1))
    assert (slept["state"], slept["result"]) == ("succeeded", "slept")
    failed = ended(http, send(http, "explode"))
    assert (failed["state"], failed["error"]) == ("failed", "SystemExit: not the worker, please")
    assert "explode" in failed["traceback"]
    (worker,) = http.get("/api/v1/workers").json()
    assert worker["id"] in processes.logs()
    assert worker["pid"] != 0


def test_its_log_shows_neither_token_nor_password(http: httpx.Client, processes: Processes) -> None:
    """Client libraries log headers at DEBUG."""
    url = http.base_url.copy_with(username="user", password="S3CRET")
    token = "inf_abcd1234_" + "S3CRET" * 10
    processes.environment |= {"INFINITAS_SERVER": str(url), "INFINITAS_TOKEN": token}
    processes.environment |= {"INFINITAS_REDIS_URL": NOWHERE}
    processes.start("worker", APP, "--log-level", "debug").wait(PATIENCE_S)
    assert "unauthorized" in processes.logs(), "it has sent them"
    assert "S3CRET" not in processes.logs()
    assert "dXNlcj" not in processes.logs(), "user and password, encoded"


def test_values_have_their_types_through_a_server(http: httpx.Client, processes: Processes) -> None:
    start_worker(processes, http)
    packed = ended(http, send(http, "pack", "2026-01-01", "//8=", ["a"]))
    assert packed["result"] == {"day": "2026-01-01", "raw": "__8=", "tags": ["a"]}
    app = Infinitas(server=str(http.base_url))
    pack = app.task(jobs.pack.function)
    assert pack.send(date(2026, 1, 1), b"\xff\xff", {"a"}).get(PATIENCE_S) == jobs.Parcel(
        date(2026, 1, 1), b"\xff\xff", {"a"}
    )
    app.close()


def test_it_logs_and_fires_what_the_app_declares(
    http: httpx.Client, processes: Processes, scheduler: None
) -> None:
    start_worker(processes, http)
    found = eventually(
        lambda: http.get("/api/v1/jobs", params={"task": "tick", "state": "succeeded"}).json()["items"]
    )
    assert [line["text"] for line in job(http, found[0]["id"])["log"]] == ["tick"]


def test_it_stops_when_asked_and_leaves(http: httpx.Client, processes: Processes) -> None:
    worker = start_worker(processes, http)
    gate = processes.folder / "gate"
    id = send(http, "slow_until", str(gate))
    eventually(lambda: job(http, id)["state"] == "running")
    worker.send_signal(signal.SIGTERM)
    eventually(lambda: "may finish" in processes.logs())
    gate.touch()
    assert worker.wait(PATIENCE_S) == 0
    assert job(http, id)["state"] == "succeeded"
    assert http.get("/api/v1/workers").json() == []


def test_a_running_job_is_cancelled(http: httpx.Client, processes: Processes) -> None:
    start_worker(processes, http)
    id = send(http, "dream")
    eventually(lambda: job(http, id)["state"] == "running")
    http.post(f"/api/v1/jobs/{id}/cancel", json={"reason": "enough"})
    assert ended(http, id)["state"] == "cancelled"
    assert ended(http, send(http, "noop"))["state"] == "succeeded"


def test_a_missing_server_is_named(processes: Processes) -> None:
    processes.environment["INFINITAS_SERVER"] = "http://127.0.0.1:1"
    refused = processes.run("worker", APP)
    assert refused.returncode == 6
    assert "ws://127.0.0.1:1" in refused.stderr
    assert "[server_unreachable]" in refused.stderr


def test_what_needs_redis_is_refused(processes: Processes) -> None:
    processes.environment["INFINITAS_SERVER"] = "http://127.0.0.1:1"
    refused = processes.run("worker", APP, "-p", "2")
    assert (refused.returncode, "beside Redis" in refused.stderr) == (2, True)
