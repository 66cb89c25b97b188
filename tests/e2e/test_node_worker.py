"""A worker in plain Node.js, which follows only the published protocol."""

import os
import signal
import subprocess

import httpx
import pytest
from redis import Redis

from tests.own_redis import free_port
from tests.server.calls import ended, job, send
from tests.server_fixtures import NODE, StartNode
from tests.support import PATIENCE_S, ROOT, Processes, eventually


def test_it_runs_jobs_with_progress_log_and_result(http: httpx.Client, start_node: StartNode) -> None:
    start_node(str(http.base_url))
    found = ended(http, send(http, "thumbnail", "cat.jpg"))
    assert (found["state"], found["result"]) == ("succeeded", {"file": "cat.jpg@200.webp"})
    assert (found["progress"], found["step"]) == (1, "part 4 of 4")
    assert [line["text"] for line in found["log"]] == ["scaling cat.jpg to 200 px"]
    big = ended(http, send(http, "echo", "ü", {"a": [1]}))
    assert big["result"] == ["ü", {"a": [1]}]


def test_a_cancelled_job_stops(http: httpx.Client, start_node: StartNode) -> None:
    start_node(str(http.base_url))
    id = send(http, "thumbnail", "cat.jpg")
    eventually(lambda: job(http, id)["progress"])
    http.post(f"/api/v1/jobs/{id}/cancel", json={"reason": "no cats"})
    assert ended(http, id)["state"] == "cancelled"
    assert ended(http, send(http, "echo", 1))["state"] == "succeeded"


def test_it_finishes_when_asked_to_stop(http: httpx.Client, start_node: StartNode) -> None:
    node = start_node(str(http.base_url))
    id = send(http, "thumbnail", "cat.jpg")
    eventually(lambda: job(http, id)["state"] == "running")
    node.send_signal(signal.SIGTERM)
    assert node.wait(PATIENCE_S) == 0
    assert job(http, id)["state"] == "succeeded"
    assert http.get("/api/v1/workers").json() == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_goes_on_when_the_server_was_killed_or_stopped(
    processes: Processes, redis: Redis, start_node: StartNode, how: signal.Signals
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = processes.start("server", "--port", str(port), "--open")
    eventually(lambda: address in processes.logs())
    start_node(address)
    with httpx.Client(base_url=address, timeout=PATIENCE_S) as http:
        ids = [send(http, "thumbnail", f"{n}.jpg") for n in range(10)]
        eventually(lambda: job(http, ids[-1])["progress"])
    server.send_signal(how)
    server.wait()
    processes.start("server", "--port", str(port), "--open")
    eventually(lambda: "back at the server" in processes.logs())
    with httpx.Client(base_url=address, timeout=PATIENCE_S) as http:
        for id in ids:
            found = ended(http, id)
            assert (found["state"], found["attempt"]) == ("succeeded", 1)


def test_it_leaves_when_it_is_not_wanted(processes: Processes, http: httpx.Client) -> None:
    environment = {**os.environ, "INFINITAS_SERVER": str(http.base_url), "INFINITAS_TOKEN": "inf_wrong"}
    found = subprocess.run(
        [NODE, ROOT / "workers/node/worker.mjs"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert found.returncode == 1
    assert "unauthorized" in found.stdout
    assert "set INFINITAS_TOKEN to a valid token" in found.stdout


def test_a_result_beyond_a_frame_fails_its_job_and_nothing_else(
    http: httpx.Client, processes: Processes, start_node: StartNode
) -> None:
    script = processes.folder / "big.mjs"
    script.write_text(
        f'import {{ serve }} from "{ROOT}/workers/node/client.mjs";\n'
        'serve({ big: { options: {}, run: async (job, size) => "x".repeat(size) } });\n'
    )
    start_node(str(http.base_url), script)
    big = ended(http, send(http, "big", 2_000_000))
    assert (big["state"], big["reason"]) == ("failed", "bad_result")
    assert ended(http, send(http, "big", 3))["result"] == "xxx"
