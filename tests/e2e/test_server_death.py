"""A server that is killed while remote workers hold jobs: every job ends once, where it was."""

import httpx
import pytest
from redis import Redis

from tests.own_redis import free_port
from tests.server_fixtures import APP
from tests.support import PATIENCE_S, Processes, eventually

JOBS, WORKERS = 1000, 4


@pytest.mark.long
def test_no_job_is_lost_and_none_runs_twice(processes: Processes, redis: Redis) -> None:
    # However slow the machine: jobs end when the test opens the gate, and the lease outlasts the restart.
    processes.environment |= {"INFINITAS_LEASE": "120"}
    assert processes.run("sync", APP).returncode == 0
    processes.start("scheduler")
    port = free_port()
    server = processes.start("server", "--port", str(port), "--open")
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: address in processes.logs())
    runs, gate = processes.folder / "runs", processes.folder / "gate"
    beside_redis = processes.environment
    processes.environment = beside_redis | {
        "INFINITAS_SERVER": address,
        "INFINITAS_REDIS_URL": "redis://127.0.0.1:1/0",
        "INFINITAS_TEST_RUNS": str(runs),
        "INFINITAS_TEST_GATE": str(gate),
    }
    for _ in range(WORKERS):
        processes.start("worker", APP, "--concurrency", str(JOBS // WORKERS))
    with httpx.Client(base_url=address, timeout=PATIENCE_S) as http:
        batches = [
            http.post("/api/v1/tasks/wait_for_gate/jobs/batch", json={"jobs": [{}] * (JOBS // WORKERS)})
            for _ in range(WORKERS)
        ]
        ids = [id for batch in batches for id in batch.json()["ids"]]
    stream = "{infinitas:default}:stream:wait_for_gate"
    eventually(lambda: runs.exists() and len(runs.read_text().split()) == JOBS, patience=2 * PATIENCE_S)
    server.kill()
    server.wait()
    processes.environment = beside_redis
    processes.start("server", "--port", str(port), "--open")
    gate.touch()
    eventually(lambda: redis.xlen(stream) == 0, patience=2 * PATIENCE_S)
    for id in ids:
        state, attempt = redis.hmget(f"{{infinitas:default}}:job:{id}", "state", "attempt")
        assert (state, attempt) == ("succeeded", "1"), (id, state, attempt)
    assert sorted(runs.read_text().split()) == sorted(ids)
