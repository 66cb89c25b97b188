"""Hidden arguments, and their values in all that is shown of a job: live, archived, after a loss."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from redis import Redis

from infinitas import Infinitas, Job, JobInfo
from infinitas.client.redis_client import RedisClient
from infinitas.server.server import serving
from tests.support import PATIENCE_S, aeventually, running

API = "http://localhost/api/v1"
NUMBER, PASSWORD = "4111-1111", "correct horse"


@pytest.mark.parametrize("task_is_gone", [False, True])
async def test_no_part_of_a_job_shows_what_is_hidden(
    make_app: Callable[..., Infinitas], redis: Redis, task_is_gone: bool
) -> None:
    app = make_app(archive=True)

    @app.task(redact=["cards.number"])
    async def pay(job: Job, cards: list[dict[str, str]], db_password: str) -> None:
        job.log(f"logs in with {db_password}")
        await job.progress(0.5, f"charges {cards[0]['number']}")
        await job.checkpoint({"used": [cards[0]["number"]]})
        raise ValueError(f"{db_password} was refused for {cards}")

    async with (
        running(app, archiver=True),
        serving(app.settings, local=True, rate=0, always_open=True) as api,
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=API) as http,
    ):
        handle = await pay.asend([{"number": NUMBER, "to": "us"}], PASSWORD)
        await app.await_for_end(handle.id, PATIENCE_S)

        async def archived() -> bool:
            return bool((await http.get(f"/jobs/{handle.id}/attempts")).json()[0:1])

        await aeventually(archived)
        stream = {"Accept": "text/event-stream"}
        paths = [f"/jobs/{handle.id}{part}" for part in ("", "/attempts", "/logs")]
        paths += ["/jobs", "/tasks", "/tasks/pay"]
        await check(http, paths)
        followed = (await http.get(f"/jobs/{handle.id}/logs", headers=stream)).text
        assert "logs in with ***" in followed
        job = (await http.get(paths[0])).json()
        assert job["args"] == [[{"number": "***", "to": "us"}], "***"]
        assert (job["step"], job["checkpoint"]) == ("charges ***", {"used": ["***"]})
        assert "*** was refused" in job["error"]
        await aeventually(archive_of(api.state.client, handle.id))
    redis.flushall()
    async with (
        serving(app.settings, local=True, rate=0, always_open=True) as api,
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=API) as http,
    ):
        if not task_is_gone:
            # Redis is new, and the task is declared without its paths.
            assert (await http.put("/tasks/pay", json={})).status_code == 200
        await check(http, [f"/jobs/{handle.id}", f"/jobs/{handle.id}/attempts", "/jobs"])
        shown = (await http.get(f"/jobs/{handle.id}")).json()
        assert shown["args"] == [[{"number": "***", "to": "us"}], "***"]
        assert "*** was refused" in shown["error"]


def archive_of(client: RedisClient, id: str) -> Callable[[], Awaitable[JobInfo | None]]:
    async def look() -> JobInfo | None:
        assert client.archive is not None
        found = await client.archive.jobs.find(id)
        return found if found is not None and found.ended else None

    return look


async def check(http: httpx.AsyncClient, paths: list[str]) -> None:
    for path in paths:
        answer = await http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert NUMBER not in answer.text, (path, answer.text)
        assert PASSWORD not in answer.text, (path, answer.text)
