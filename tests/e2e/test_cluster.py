"""A Redis Cluster under load: one shard fails over, a hash slot moves, and all queues go on."""

from pathlib import Path
from typing import Any

from infinitas.broker.keys import QueueKeys
from tests.apps import shards
from tests.clusters import ClusterSystem, cluster_system
from tests.load import Load
from tests.support import Processes, eventually

APP = "tests.apps.shards:app"
HELD = 5
PREFIX = {queue: QueueKeys(queue).prefix for queue in shards.QUEUES}
HURT, MOVED, _ = shards.QUEUES


def test_a_failover_and_a_move_under_load(tmp_path: Path) -> None:
    with cluster_system() as system:
        runs, gate = tmp_path / "runs", tmp_path / "gate"
        processes = Processes(
            tmp_path,
            {
                "INFINITAS_REDIS_URL": system.url,
                "INFINITAS_TEST_RUNS": str(runs),
                "INFINITAS_TEST_GATE": str(gate),
            },
        )
        app = shards.app.configure(redis_url=system.url)
        try:
            started = [processes.start("scheduler"), processes.start("worker", APP)]
            eventually(lambda: all(_redis(system, queue).exists(f"{PREFIX[queue]}tasks") for queue in PREFIX))
            held = [app.find("hold").send().id for _ in range(HELD)]
            eventually(lambda: runs.exists() and len(runs.read_text().split()) == len(held))
            load = Load(app, [f"noop-{queue}" for queue in PREFIX])
            load.more()
            old = system.primary_of(PREFIX[HURT])
            confirmed = list(load.ids)
            system.confirmed(PREFIX[HURT])
            old.kill()
            eventually(lambda: system.primary_of(PREFIX[HURT]) is not old)
            load.more()
            eventually(lambda: all(app.fetch_job(id).state == "succeeded" for id in confirmed))
            old.start()
            system.wait_until_ready()
            system.move(PREFIX[MOVED], system.other_than(system.primary_of(PREFIX[MOVED])))
            load.more()
            load.stop()
            eventually(lambda: all(app.fetch_job(id).state == "succeeded" for id in load.ids[-20:]))
            before = {queue: _ticks(system, queue) for queue in PREFIX}
            eventually(lambda: all(_ticks(system, queue) != before[queue] for queue in PREFIX))
            gate.touch()
            eventually(lambda: all(app.fetch_job(id).state == "succeeded" for id in held))
            # No live worker was declared dead: each ran once.
            assert sorted(runs.read_text().split()) == sorted(held)
            assert all(process.poll() is None for process in started), processes.logs()
            assert "Traceback" not in processes.logs()
        finally:
            processes.kill_all()
            app.close()


def _redis(system: ClusterSystem, queue: str) -> Any:
    return system.primary_of(PREFIX[queue]).admin


def _ticks(system: ClusterSystem, queue: str) -> Any:
    return _redis(system, queue).hget(f"{PREFIX[queue]}task:tick-{queue}", "last_success_date")
