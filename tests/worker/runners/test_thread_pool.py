"""Code that goes on after its attempt is over must not stand in the way of the next attempt."""

import threading

from infinitas import Infinitas, Job
from tests.support import finished, running


async def test_the_next_attempt_runs_beside_what_is_left_of_the_last(app: Infinitas) -> None:
    release = threading.Event()

    @app.task(timeout=0.2, retries=1, retry_delay=0)
    def stubborn(job: Job) -> str:
        if job.attempt == 1:
            release.wait(30)
        return "second"

    async with running(app, scheduler=True):
        job = await finished(app, await stubborn.asend())
        release.set()

    assert (job.state, job.attempt, job.result) == ("succeeded", 2, '"second"')
