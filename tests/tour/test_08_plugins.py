"""Plugins are called for every job, carry context along, and break nothing."""

from collections.abc import Callable, MutableMapping
from contextvars import ContextVar

import pytest

from infinitas import Infinitas, Job, Plugin, Verdict
from infinitas.core.task_definition import TaskDefinition
from tests.support import finished, running

trace: ContextVar[str] = ContextVar("trace", default="")


class Tracing(Plugin):
    """What an OpenTelemetry plugin would do, in small."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_declare(self, task: TaskDefinition) -> None:
        self.heard.append(f"declare {task.name}")

    def before_send(self, task: TaskDefinition, headers: MutableMapping[str, str]) -> None:
        headers["trace"] = trace.get()

    def after_send(self, task: TaskDefinition, job: str) -> None:
        self.heard.append("sent")

    def before_run(self, job: Job) -> None:
        trace.set(job.headers["trace"])
        self.heard.append(f"run {job.attempt}")

    def after_run(self, job: Job, verdict: Verdict) -> None:
        self.heard.append(f"ran {verdict.state}")

    def on_retry(self, job: Job, verdict: Verdict) -> None:
        self.heard.append(f"retry {verdict.error}")

    def on_failure(self, job: Job, verdict: Verdict) -> None:
        self.heard.append(f"failure {verdict.reason}")

    def on_worker_start(self, worker: str) -> None:
        self.heard.append("start")

    def on_worker_stop(self, worker: str) -> None:
        self.heard.append("stop")


class Broken(Plugin):
    def before_send(self, task: TaskDefinition, headers: MutableMapping[str, str]) -> None:
        raise RuntimeError("a broken plugin")

    before_run = after_run = on_worker_start = on_declare = before_send  # type: ignore[assignment]


async def test_hooks_and_context(make_app: Callable[..., Infinitas]) -> None:
    plugin = Tracing()
    app = make_app(plugins=[Broken(), plugin])

    @app.task(retries=1, retry_delay=0)
    async def traced(job: Job) -> str:
        if job.attempt == 1:
            raise OSError("once")
        return trace.get()

    @app.task
    def traced_in_a_thread() -> str:
        return trace.get()

    trace.set("abc-123")
    async with running(app, scheduler=True):
        assert (await finished(app, await traced.asend())).result == "abc-123"
        assert (await finished(app, await traced_in_a_thread.asend())).result == "abc-123"

    assert plugin.heard.count("sent") == 2
    assert [heard for heard in plugin.heard if heard != "sent"] == [
        "declare traced",
        "declare traced_in_a_thread",
        "start",
        "run 1",
        "retry OSError: once",
        "ran retrying",
        "run 2",
        "ran succeeded",
        "run 1",
        "ran succeeded",
        "stop",
    ]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point, as an installed package would bring it."""
    from importlib.metadata import EntryPoint

    entry = EntryPoint("tracing", "tests.tour.test_08_plugins:Tracing", "infinitas.plugins")
    broken = EntryPoint("broken", "no.such.module:Plugin", "infinitas.plugins")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken, entry])


@pytest.mark.usefixtures("installed")
async def test_plugins_of_installed_packages(make_app: Callable[..., Infinitas]) -> None:
    app = make_app()

    @app.task
    async def plain(job: Job) -> list[str]:
        return sorted(job.headers)

    async with running(app):
        assert await (await plain.asend()).result(10) == ["trace"]
