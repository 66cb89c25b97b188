"""Any report of a processor reaches its row, and so does the next job."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from infinitas import BadArgs, Infinitas, Job, PayloadTooLarge
from tests.support import aeventually, finished, running
from tests.views.system import RUN

TEXT = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["in\0fo", "\ud800", "", "x" * 3000, "\x1b[2J"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from([10**400, 2**70]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
REPORTS = st.fixed_dictionaries(
    {
        "lines": st.lists(st.tuples(TEXT | VALUE, TEXT | VALUE), max_size=3),
        "progress": VALUE,
        "step": VALUE,
        "checkpoint": VALUE,
        "end": st.sampled_from(["return", "done", "raise", "fail"]),
        "with": VALUE,
    }
)


async def test_any_report_is_archived(make_app: Callable[..., Infinitas], postgres_url: str) -> None:
    app = make_app(archive=True)
    reports: list[dict[str, Any]] = []

    @settings(max_examples=20, **RUN)
    @given(REPORTS)
    def gather(report: dict[str, Any]) -> None:
        reports.append(report)

    gather()

    @app.task
    async def report(job: Job, n: int) -> Any:
        return await report_all(job, reports[n])

    @app.task
    async def honest(job: Job) -> str:
        job.log("all is well")
        return "fine"

    async with running(app, archiver=True):
        sent = [await report.asend(n) for n in range(len(reports))]
        last = await honest.asend()
        for handle in [*sent, last]:
            assert (await finished(app, handle)).unreadable is None
        shown = await app.afetch_job(last.id)
        assert (shown.result, shown.log[0].text, shown.unreadable) == ("fine", "all is well", None)
        await aeventually(lambda: are_archived(postgres_url, [handle.id for handle in [*sent, last]]))


async def are_archived(postgres_url: str, ids: list[str]) -> bool:
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        ended = "SELECT count(*) FROM infinitas_jobs WHERE id = ANY(%s) AND ended_at IS NOT NULL"
        found = await (await connection.execute(ended, [ids])).fetchone()
    return found is not None and found[0] == len(ids)


async def report_all(job: Job, report: dict[str, Any]) -> Any:
    for level, text in report["lines"]:
        job.log(text, level)
    with suppress(BadArgs, PayloadTooLarge):
        await job.progress(report["progress"], report["step"])
    with suppress(BadArgs, PayloadTooLarge):
        await job.checkpoint(report["checkpoint"])
    match report["end"]:
        case "raise":
            raise RuntimeError(report["with"])
        case "fail":
            await job.fail(report["with"])
        case "done":
            await job.done(report["with"])
        case _:
            return report["with"]
