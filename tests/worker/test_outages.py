"""Redis gives no answer while a job settles or logs: the processor gets an error, and nothing is lost."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infinitas import Infinitas, Job, JobDone, ServerUnreachable
from infinitas.core.errors import InfinitasError
from infinitas.devservers.redis import start_redis
from tests.support import PATIENCE_S, aeventually, running


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="infinitas-outage-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_settle_without_an_answer_raises_and_is_sent_again(data: Path, kind: str) -> None:
    server, url = start_redis(data)
    app = Infinitas(redis_url=url).configure(lease=1)
    codes: list[str] = []
    complaints: list[str] = []

    def complain(error: InfinitasError) -> None:
        complaints.append(error.code)

    def broken(job: Job) -> None:
        server.stop()
        job.log("not sent at once", on_error=complain)
        job.log("nor this")

    async def settle(job: Job) -> None:
        broken(job)
        try:
            await job.done("kept")
        except ServerUnreachable as error:
            codes.append(error.code)
        try:
            await job.fail("changed my mind")
        except JobDone as error:
            codes.append(error.code)

    def settle_in_a_thread(job: Job) -> None:
        broken(job)
        try:
            job.done("kept")
        except ServerUnreachable as error:
            codes.append(error.code)
        try:
            job.fail("changed my mind")
        except JobDone as error:
            codes.append(error.code)

    task: Any = app.task(settle if kind == "async" else settle_in_a_thread)
    async with running(app):
        handle = await task.asend()

        async def both_raised() -> bool:
            return len(codes) == 2

        await aeventually(both_raised)
        assert codes == ["server_unreachable", "job_done"]
        assert complaints == ["server_unreachable"], "once, and only the line with a callback"
        server, _ = start_redis(data)
        assert await handle.result(PATIENCE_S) == "kept"
        job = await app.afetch_job(handle.id)
        assert [line.text for line in job.log] == ["not sent at once", "nor this"]
    app.close()
    server.stop()
