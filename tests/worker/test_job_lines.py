"""The worker logs one line for each attempt; at DEBUG also that it has begun."""

import asyncio
import logging
import re
from typing import Any

import pytest

from infinitas import Infinitas, Job
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.worker import job_lines
from tests.support import finished, running


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "infinitas.job")
    return caplog


def of_jobs(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    """Level, message without times, facts."""
    found = [record for record in caplog.records if record.name == "infinitas.job"]
    return [
        (r.levelname, re.sub(r"in \d+\.\d+ s", "in T s", r.getMessage()), vars(r)["infinitas"]) for r in found
    ]


async def test_a_job_that_succeeds(app: Infinitas, lines: pytest.LogCaptureFixture) -> None:
    @app.task
    async def charge() -> int:
        return 42

    async with running(app):
        handle = await charge.asend()
        await finished(app, handle)
    received, ended = of_jobs(lines)
    assert received[:2] == ("DEBUG", f"charge {handle.id} received (attempt 1)")
    assert ended[:2] == ("INFO", f"charge {handle.id} succeeded in T s (attempt 1)")
    facts = {**ended[2], "duration_s": 0}
    assert facts == {
        "task": "charge",
        "job": handle.id,
        "attempt": 1,
        "state": "succeeded",
        "duration_s": 0,
    }


async def test_a_job_that_is_retried_and_fails(app: Infinitas, lines: pytest.LogCaptureFixture) -> None:
    @app.task(retries=1, retry_delay=0.01)
    def charge(job: Job) -> None:
        raise OSError("no\nanswer")

    async with running(app, scheduler=True):
        handle = await charge.asend()
        await finished(app, handle)
    retried, failed = [line for line in of_jobs(lines) if line[0] != "DEBUG"]
    assert retried[:2] == (
        "INFO",
        f"charge {handle.id} failed in T s (attempt 1), retry 1 of 1 in T s: OSError: no answer",
    )
    assert (retried[2]["state"], retried[2]["retry"], retried[2]["retries"]) == ("retrying", 1, 1)
    assert failed[:2] == ("ERROR", f"charge {handle.id} failed in T s (attempt 2): OSError: no answer")
    assert "in charge" in lines.text
    assert 'raise OSError("no\\nanswer")' in lines.text


async def test_a_value_that_the_task_redacts_is_in_no_line(
    app: Infinitas, lines: pytest.LogCaptureFixture
) -> None:
    @app.task(redact=["card"])
    async def charge(card: str) -> None:
        raise ValueError(f"card {card} is refused")

    async with running(app):
        handle = await charge.asend("4711-s3cret")
        await finished(app, handle)
    assert "card *** is refused" in of_jobs(lines)[-1][1]
    assert "s3cret" not in lines.text


async def test_every_other_end_has_its_line(app: Infinitas, lines: pytest.LogCaptureFixture) -> None:
    started = asyncio.Event()

    @app.task(timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(60)

    @app.task
    async def endless() -> None:
        started.set()
        await asyncio.sleep(60)

    @app.task
    async def explicit(job: Job) -> None:
        await job.fail("no stock")

    async with running(app):
        await finished(app, await slow.asend())
        await finished(app, await explicit.asend())
        handle = await endless.asend()
        await started.wait()
        await app.acancel(handle.id, "not needed")
        await finished(app, handle)
    ends = [(level, text.partition(" ")[2][27:]) for level, text, _ in of_jobs(lines) if level != "DEBUG"]
    assert ends == [
        ("ERROR", "failed in T s (attempt 1): timed out: the limit of 0.05 s is over"),
        ("ERROR", "failed in T s (attempt 1): no stock"),
        ("INFO", "cancelled in T s (attempt 1): not needed"),
    ]


def test_where_the_level_is_off_nothing_is_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("infinitas.job"), "level", logging.CRITICAL)
    logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]
    monkeypatch.setattr(job_lines, "_line", lambda text: pytest.fail("formatted"))
    nothing: Any = None
    job_lines.log_received(nothing)
    job_lines.log_lost(nothing)
    job_lines.log_end(nothing, Verdict(state=State.FAILED), TaskDefinition(name="t"), 0.0)
