"""`infinitas job`: list, follow, wait, retry many."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from infinitas import Infinitas, Job
from infinitas.cli.context import EXIT_CODES
from infinitas.cli.job_ends import follow_log, repeat
from infinitas.cli.main import cli
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import InfinitasError
from infinitas.devservers.servers import Urls
from tests.support import PATIENCE_S, aeventually, running

Run = Callable[..., Result]


@pytest.fixture
def run(servers: Urls, postgres_url: str) -> Run:
    def run(*arguments: str) -> Result:
        environment = {"INFINITAS_REDIS_URL": servers.redis, "INFINITAS_POSTGRES_URL": postgres_url}
        return CliRunner(env=environment).invoke(cli, [*arguments])

    return run


@pytest.fixture
def shop(make_app: Callable[..., Infinitas]) -> Infinitas:
    app = make_app(archive=True)

    @app.task(schedule="0 0 1 1 *")
    async def pack(number: int = 0) -> int:
        if number < 0:
            raise ValueError(f"{number} is too few")
        return number

    @app.task
    async def talk(job: Job) -> None:
        job.log("first")
        await asyncio.Event().wait()

    return app


SLOT = datetime(2026, 1, 1, tzinfo=UTC)
OF_SLOT = "pack@20260101T000000Z"


async def send_all(shop: Infinitas) -> None:
    """One job that succeeds, two that fail, and one of a past slot; all archived."""
    pack = shop.find("pack")
    async with running(shop, scheduler=True, archiver=True):
        for number in (1, -1, -2):
            await pack.asend(number)
        await shop.schedules.abackfill("pack", SLOT, SLOT + timedelta(days=1))

        async def archived() -> bool:
            jobs = await shop.afetch_jobs(pack)
            return len([job for job in jobs if job.ended]) == 4

        await aeventually(archived)


def test_a_list_by_schedule_and_time_and_many_retries(shop: Infinitas, run: Run) -> None:
    asyncio.run(send_all(shop))

    def ids(*options: str) -> list[str]:
        return [each["id"] for each in json.loads(run("job", "ls", "-o", "json", *options).stdout)]

    assert ids("--schedule", "pack") == [OF_SLOT]
    assert len(ids("--since", "1h")) == 3
    assert ids("--since", "2100-01-01T00:00Z") == []
    assert [job.id for job in shop.fetch_jobs("pack", schedule="pack")] == [OF_SLOT]

    retry = ("job", "retry", "--all", "--state", "failed", "--task", "pack")
    dry = run(*retry, "--dry-run")
    assert dry.stdout.splitlines()[-1] == "Would retry 2 jobs."
    assert len(ids("-s", "failed")) == 2
    assert run(*retry).stdout == "Retried 2 jobs.\n"
    assert len(ids("-s", "queued")) == 2
    found = json.loads(run("job", "retry", "--all", "-s", "cancelled", "-o", "json").stdout)
    assert found == {"dry_run": False, "done": [], "refused": []}


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("job", "retry"), "Name one job, or select"),
        (("job", "retry", "j", "--all"), "Name one job, or select"),
        (("job", "retry", "j", "--task", "t"), "is for --all"),
        (("job", "retry", "--all"), "--all needs --state"),
        (("job", "ls", "--since", "yesterday"), "is no date"),
        (("job", "ls", "--watch", "-o", "json"), "--watch is for people"),
        (("task", "run", "t", "--timeout", "3"), "--timeout is for --wait"),
    ],
)
def test_wrong_use(run: Run, command: tuple[str, ...], text: str) -> None:
    found = run(*command)
    assert (found.exit_code, text in found.stderr) == (2, True), found.stderr


async def test_a_log_is_followed_until_the_job_has_ended(
    shop: Infinitas, servers: Urls, capsys: pytest.CaptureFixture[str]
) -> None:
    client = RedisClient(servers.redis, None, 60)
    async with running(shop):
        handle = await shop.find("talk").asend()
        following = asyncio.create_task(follow_log(client, handle.id, every_s=0.01))
        shown = ""

        async def printed() -> bool:
            nonlocal shown
            shown += capsys.readouterr().out
            return "first" in shown

        await aeventually(printed)
        await handle.acancel("enough")
        job = await asyncio.wait_for(following, PATIENCE_S)
    await client.close()
    assert job.state == "cancelled"
    assert shown.split()[1:] == ["info", "first"]


async def test_a_command_waits_for_its_job(shop: Infinitas, run: Run) -> None:
    async with running(shop):

        async def task_run(*arguments: str) -> Result:
            return await asyncio.to_thread(run, "task", "run", *arguments)

        sent = await task_run("pack", "[7]", "--wait", "--key", "k")
        assert (sent.exit_code, sent.stdout.split()[1:]) == (0, ["succeeded", "7"])
        failed = await task_run("pack", "[-1]", "--wait", "-o", "json")
        assert (failed.exit_code, json.loads(failed.stdout)["state"]) == (3, "failed")
        later = await task_run("pack", "--delay", "1h", "--wait", "--timeout", "0.01")
        assert isinstance(later.exception, InfinitasError)
        assert EXIT_CODES[later.exception.code] == 4
        (waits,) = await shop.afetch_jobs(state="scheduled")
        waited = await asyncio.to_thread(run, "job", "wait", json.loads(failed.stdout)["id"])
        assert waited.exit_code == 3
        await shop.acancel(waits)


def test_a_screen_is_shown_again_and_again() -> None:
    shown: list[float] = []

    def rest(seconds: float) -> None:
        shown.append(seconds)
        if len(shown) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(lambda: None, rest)
    assert len(shown) == 3
