"""Redis answers reads and refuses writes, for longer than a lease, under load: all processes wait."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from infinitas import ServerUnreachable
from tests.apps import jobs
from tests.own_redis import NO_WRITES, OwnRedis, own_redis
from tests.support import PATIENCE_S, Processes, eventually

P = "{infinitas:default}:"
APP = "tests.apps.jobs:app"
LEASE_S = 2.0


@pytest.fixture
def own() -> Iterator[OwnRedis]:
    with own_redis() as server:
        yield server


class Sender:
    """Sends until stopped; what Redis has accepted is in `accepted`."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._stop.wait(0.01):
            try:
                self.accepted.append(jobs.nap.send(0.05).id)
            except ServerUnreachable:
                self.refused += 1

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("code", NO_WRITES)
@pytest.mark.long
def test_no_worker_dies_and_no_job_is_lost_or_run_twice(
    processes: Processes, own: OwnRedis, postgres_url: str, tmp_path: Path, code: str
) -> None:
    redis, trace = own.admin, tmp_path / "trace"
    trace.touch()
    processes.environment |= {
        "INFINITAS_REDIS_URL": own.url,
        "INFINITAS_LEASE": str(LEASE_S),
        "INFINITAS_TEST_RUNS": str(trace),
    }
    app = jobs.app.configure(redis_url=own.url)
    parts = [processes.start("scheduler"), processes.start("scheduler"), processes.start("archiver")]
    parts += [processes.start("worker", APP, "-c", "2") for _ in range(3)]
    eventually(lambda: redis.zcard(f"{P}beats") == 3)
    workers = set(redis.zrange(f"{P}beats", 0, -1))
    long = jobs.nap.send(3 * LEASE_S)
    with Sender() as sender:
        eventually(lambda: len(trace.read_text().split()) > 20)
        backlog = [handle.id for handle in jobs.nap.send_many([(0.05,)] * 200)]
        own.refuse(code)
        ran = len(trace.read_text().split())
        until = time.monotonic() + 2.5 * LEASE_S
        eventually(lambda: sender.refused > 5 and time.monotonic() > until)
        drained = len(trace.read_text().split()) - ran
        own.accept()
        accepted = len(sender.accepted)
        eventually(lambda: len(sender.accepted) > accepted + 10)
    sent = [long.id, *backlog, *sender.accepted]
    for id in sent:
        assert app.wait_for_end(id, 2 * PATIENCE_S).state == "succeeded"
    runs = Counter(trace.read_text().split())
    assert [runs[id] for id in sent] == [1] * len(sent)
    assert set(redis.zrange(f"{P}beats", 0, -1)) == workers, processes.logs()
    assert [part.poll() for part in parts] == [None] * len(parts), processes.logs()
    assert "is dead" not in processes.logs()
    if code == "OOM":
        assert drained > 0, "what was queued runs on a full Redis"
    app.close()
