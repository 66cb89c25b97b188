"""A schedule gives birth to jobs: in code or at run time, by cron, by interval, or once."""

from datetime import UTC, datetime, timedelta

from infinitas import Infinitas, Job, TaskInfo, every
from tests.support import aeventually, running


async def test_the_missions_own_scenario(app: Infinitas) -> None:
    """Every second, "hello world"; unschedule; the task has its job, the job has its line."""

    @app.task(schedule=every(seconds=1))
    async def hello(job: Job) -> None:
        job.log("hello world")
        await job.done()

    async def ran() -> TaskInfo | None:
        task = await app.afetch_task("hello")
        return task if task.last_success else None

    async with running(app, scheduler=True):
        await aeventually(ran)
        assert await app.aunschedule("hello")
        task = await app.afetch_task("hello")
        assert task.next_slot is None

    assert task.last_job is not None
    assert task.last_success == task.last_job
    assert task.last_failure is None
    job = await app.afetch_job(task.last_job.id)
    assert job.schedule == "hello"
    assert [line.text for line in job.log] == ["hello world"]


async def test_a_reminder_at_a_moment(app: Infinitas) -> None:
    @app.task
    def remind(user: int, text: str) -> str:
        return f"{user}: {text}"

    async def reminded() -> TaskInfo | None:
        task = await app.afetch_task("remind")
        return task if task.last_success else None

    async with running(app, scheduler=True):
        moment = datetime.now(UTC) + timedelta(milliseconds=300)
        await app.aschedule(remind, at=moment, key="todo-7", args=(42, "due tomorrow"))
        task = await aeventually(reminded)

    assert task.last_success is not None
    job = await app.afetch_job(task.last_success.id)
    assert job.result == "42: due tomorrow"
    assert job.due == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert task.schedules == ()
    assert not await app.aunschedule("todo-7")


async def test_declaring_again_shifts_nothing(app: Infinitas) -> None:
    @app.task(schedule=every(hours=12))
    def report() -> None: ...

    async with running(app):
        first = (await app.afetch_task("report")).next_slot
    async with running(app):
        again = (await app.afetch_task("report")).next_slot

    assert first is not None
    assert first == again


async def test_an_earlier_schedule_wakes_a_sleeping_scheduler(app: Infinitas) -> None:
    @app.task(schedule=every(hours=1))
    def tick() -> None: ...

    async def ran() -> bool:
        return (await app.afetch_task("tick")).last_success is not None

    async with running(app, scheduler=True):
        await aeventually(lambda: app.afetch_task("tick"))
        await app.aschedule(tick, every(milliseconds=200), key="soon")
        await aeventually(ran)
