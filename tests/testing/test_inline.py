"""`inline`: jobs run where they are sent, without servers; `run_inline_sync`; what the kit leaves behind."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from infinitas import ConfigError, Infinitas, Job, JobFailed, NotInTime, current_job
from infinitas.testing import InlineJobs, KitMaker, inline, run_inline_sync


@pytest.fixture
def shop() -> Infinitas:
    """An app without servers."""
    app = Infinitas(redis_url="redis://127.0.0.1:1")
    threads: list[int] = []

    @app.task
    def pack(number: int) -> int:
        threads.append(threading.get_ident())
        if number < 0:
            raise ValueError(f"{number} is too few")
        return number + 1

    @app.task(retries=2)
    async def flaky(job: Job) -> int:
        job.log(f"try {job.attempt}")
        if job.attempt < 3:
            raise OSError("not yet")
        return job.attempt

    @app.task
    def order(number: int) -> str:
        job = current_job()
        assert job is not None
        job.log("packs")
        return pack.using(headers={"of": job.id}).send(number).id

    app.threads = threads  # type: ignore[attr-defined]
    return app


def test_send_runs_at_once_in_its_own_thread(shop: Infinitas) -> None:
    pack = shop.find("pack")
    with inline(shop) as jobs:
        handle = pack.send(3)
        assert (handle.get(), handle.done(), handle.info().state) == (4, True, "succeeded")
        assert shop.threads == [threading.get_ident()]  # type: ignore[attr-defined]
        failed = pack.send(-1)
        with pytest.raises(JobFailed, match="-1 is too few"):
            failed.get()
        assert [job.args for job in jobs.of(pack)] == [[3], [-1]]
        assert [job.id for job in shop.fetch_jobs(pack, state="failed")] == [failed.id]
        assert shop.rerun(handle).get() == 4
    assert shop.client.stand_in is None


def test_async_code_retries_and_jobs_within_jobs(shop: Infinitas) -> None:
    with inline(shop) as jobs:
        handle = shop.find("flaky").send()
        assert handle.get() == 3
        assert [line.text for line in handle.info().log] == ["try 1", "try 2", "try 3"]
        order = shop.find("order").send(7)
        (packed,) = jobs.of(shop.find("pack"))
        assert (order.get(), packed.headers, packed.result) == (packed.id, {"of": order.id}, 8)


async def test_in_a_running_event_loop(
    shop: Infinitas, infinitas_inline: Callable[[Infinitas], InlineJobs]
) -> None:
    jobs = infinitas_inline(shop)
    assert await (await shop.find("flaky").asend()).result() == 3
    assert len(await shop.find("pack").asend_many([(1,), (2,)])) == 2
    shop.find("flaky").send()
    assert len(jobs.all) == 4


def test_a_job_for_later_does_not_run(shop: Infinitas) -> None:
    with inline(shop) as jobs:
        later = shop.find("pack").using(delay=60).send(1)
        assert (later.info().state, len(jobs.all)) == ("scheduled", 1)
        with pytest.raises(NotInTime):
            later.get()
        assert later.cancel("enough").state == "cancelled"
        with pytest.raises(ConfigError, match="infinitas_kit has one"):
            shop.schedule("pack", "@hourly", key="k", args=(1,))
        with pytest.raises(ConfigError, match="inline already"), inline(shop):
            pass


def test_one_task_in_a_sync_test(shop: Infinitas) -> None:
    assert run_inline_sync(shop.find("pack"), 1).result == 2
    assert run_inline_sync(shop.find("flaky"), attempt=3).result == 3
    assert run_inline_sync(shop.find("pack"), -1).error == "ValueError: -1 is too few"


async def test_one_task_while_a_loop_runs(shop: Infinitas) -> None:
    assert run_inline_sync(shop.find("flaky"), attempt=3).result == 3
    await asyncio.sleep(0)


async def test_the_kit_leaves_the_app_as_it_was(shop: Infinitas, infinitas_kit: KitMaker) -> None:
    before = shop.settings
    async with infinitas_kit(shop, datetime(2026, 1, 1, tzinfo=UTC)) as kit:
        assert shop.settings.redis_url != before.redis_url
        await shop.find("pack").asend(1)
        assert len(await kit.advance(timedelta(seconds=1))) == 1
    assert shop.settings == before
    assert shop.client.connect is None
