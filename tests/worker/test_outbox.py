"""What a job reports while it runs: coalesced, live, in order, bounded."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from infinitas import BadArgs, Infinitas, Job
from infinitas.worker.attempt_log import MAX_LINES
from infinitas.worker.outbox import LINGER_S
from tests.support import aeventually, finished, running

P = "{infinitas:default}:"


async def test_progress_is_coalesced_and_the_last_value_is_kept(app: Infinitas, redis: Redis) -> None:
    go = asyncio.Event()

    @app.task
    async def busy(job: Job) -> None:
        for number in range(5_000):
            await job.progress(number / 5_000, f"step {number}")
        await go.wait()

    async with running(app):
        redis.config_resetstat()
        handle = await busy.asend()

        async def shown() -> bool:
            return (await app.afetch_job(handle.id)).step == "step 4999"

        await aeventually(shown)
        stats: Any = redis.info("commandstats")
        scripts = stats["cmdstat_evalsha"]["calls"]
        assert scripts < 100, "one call per value would be thousands"
        go.set()
        assert (await finished(app, handle)).progress == 4999 / 5000


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), float("inf"), "0.5x", None, [1]])
async def test_only_a_float_from_0_to_1_is_progress(app: Infinitas, wrong: Any) -> None:
    refused: list[bool] = []

    @app.task
    async def reports(job: Job) -> None:
        try:
            await job.progress(wrong)
            refused.append(False)
        except BadArgs:
            refused.append(True)

    async with running(app):
        await finished(app, await reports.asend())
    assert refused == [not isinstance(wrong, (str, type(None)))]


async def test_lines_are_live_within_a_second_and_in_order(app: Infinitas) -> None:
    go = asyncio.Event()

    @app.task
    async def logs(job: Job) -> None:
        for number in range(1_000):
            job.log(f"line {number}", level="debug")
        await go.wait()
        logging.getLogger("shop").error("the last")

    async with running(app):
        handle = await logs.asend()

        async def started() -> bool:
            return (await app.afetch_job(handle.id)).state == "running"

        await aeventually(started)

        async def live() -> bool:
            return len((await app.afetch_job(handle.id)).log) == 1_000

        await aeventually(live)
        assert LINGER_S < 1.0, "longer than that no line waits"
        go.set()
        lines = (await finished(app, handle)).log
    assert [line.text for line in lines] == [*(f"line {n}" for n in range(1_000)), "the last"]
    assert {line.level for line in lines} == {"debug", "error"}


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_prints_are_kept_if_the_task_captures_them(
    app: Infinitas, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def loud() -> None:
        print("one", "line")
        print("and ", end="")
        await asyncio.sleep(0)
        print("another")

    def loud_in_a_thread() -> None:
        print("one", "line")
        print("and ", end="")
        print("another")

    @app.task
    def plain() -> None:
        print("to the terminal")

    task: Any = app.task(capture_print=True)(loud if kind == "async" else loud_in_a_thread)
    async with running(app):
        captured = await finished(app, await task.asend())
        through = await finished(app, await plain.asend())
    assert [line.text for line in captured.log] == ["one line", "and another"]
    assert through.log == ()
    assert capsys.readouterr().out == "to the terminal\n"


async def test_dropped_lines_are_counted_and_errors_kept(make_app: Callable[..., Infinitas]) -> None:
    app = make_app(archive=True)

    @app.task
    def chatty(job: Job) -> None:
        for number in range(MAX_LINES + 5):
            job.log(str(number))
        raise ValueError("after all that")

    async with running(app, archiver=True):
        job = await finished(app, await chatty.asend())
    assert len(job.log) == MAX_LINES + 1
    assert job.log[-1].text.startswith("… 5 lines dropped")
    assert job.error == "ValueError: after all that"


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_soft_limit_comes_before_the_hard_one(app: Infinitas, kind: str) -> None:
    async def careful(job: Job) -> str:
        winding_up = asyncio.Event()
        job.on_soft_timeout(lambda limit: winding_up.set())
        await asyncio.wait_for(winding_up.wait(), 10)
        return "wound up"

    def careful_in_a_thread(job: Job) -> str:
        limits: list[float] = []
        job.on_soft_timeout(limits.append)
        while not limits:
            time.sleep(0.005)
        return "wound up"

    task: Any = app.task(timeout=10, soft_timeout=0.1)(careful if kind == "async" else careful_in_a_thread)
    async with running(app):
        job = await finished(app, await task.asend())
    assert (job.state, job.result) == ("succeeded", "wound up")
    assert [line.text for line in job.log] == ["the soft limit of 0.1 s is over"]


async def test_half_characters_and_long_text_stop_nothing(app: Infinitas) -> None:
    @app.task
    async def odd(job: Job) -> None:
        await job.progress(0.5, "\ud800 step" + "x" * 1_000)
        job.log("\ud800", level="\udfff" + "y" * 1_000)

    async with running(app):
        job = await finished(app, await odd.asend())
    assert job.state == "succeeded"
    assert job.step is not None
    assert job.step.startswith("\ufffd step")
    assert len(job.step) == 200
    assert (job.log[0].text, len(job.log[0].level)) == ("\ufffd", 20)
