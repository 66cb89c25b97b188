"""The edges of a remote worker, one by one, against a real server."""

from collections.abc import AsyncIterator

import httpx
import pytest

from infinitas.broker.messages import ClaimRequest
from infinitas.core.task_definition import TaskDefinition
from infinitas.worker.transport.websocket import WebSocketQueue, WebSocketTransport
from tests.server.calls import send
from tests.support import PATIENCE_S


@pytest.fixture
async def edges(http: httpx.Client) -> AsyncIterator[WebSocketQueue]:
    source = WebSocketTransport(str(http.base_url).replace("http", "ws", 1), None, concurrency=1)
    edges = source.queue("default")
    await edges.declare([TaskDefinition(name="noop")], [])
    await edges.workers.join("w", ["noop"], 10, {}, ())
    yield edges
    await source.close()


def change(http: httpx.Client, id: str, verb: str, **body: str) -> None:
    assert http.post(f"/api/v1/jobs/{id}/{verb}", json=body).status_code == 200


async def test_a_cancel_before_its_job_has_begun_is_kept_until_it_has(
    http: httpx.Client, edges: WebSocketQueue
) -> None:
    id = send(http, "noop")
    assert await edges.waits.for_bell(["noop"], PATIENCE_S)
    change(http, id, "cancel", reason="wrong one")
    assert await edges.waits.for_cancel("w", PATIENCE_S) == id
    assert (await edges.workers.beat("w", [], 10)).cancels == []
    (job,) = (await edges.jobs.claim(ClaimRequest("w", [["noop"]], 1, 60))).jobs
    held = [(job.id, job.attempt)]
    assert (await edges.workers.beat("w", held, 10)).cancels == [(id, "wrong one")]
    assert (await edges.workers.beat("w", held, 10)).cancels == []
    await edges.jobs.release("w", held, 60)


async def test_a_cancel_is_forgotten_with_its_attempt(http: httpx.Client, edges: WebSocketQueue) -> None:
    id = send(http, "noop")
    assert await edges.waits.for_bell(["noop"], PATIENCE_S)
    (job,) = (await edges.jobs.claim(ClaimRequest("w", [["noop"]], 1, 60))).jobs
    change(http, id, "cancel", reason="wrong one")
    assert await edges.waits.for_cancel("w", PATIENCE_S) == id
    await edges.jobs.release("w", [(job.id, job.attempt)], 60)
    change(http, id, "retry")
    assert await edges.waits.for_bell(["noop"], PATIENCE_S)
    (again,) = (await edges.jobs.claim(ClaimRequest("w", [["noop"]], 1, 60))).jobs
    assert (again.id, again.attempt) == (id, 2)
    assert (await edges.workers.beat("w", [(id, 2)], 10)).cancels == []
    await edges.jobs.release("w", [(id, 2)], 60)
