"""`Tasks`: a collection without an app, until one includes it."""

import pytest

from infinitas import ConfigError, DuplicateTask, Infinitas, Plugin, Tasks
from infinitas.core.task_definition import TaskDefinition


class Declared(Plugin):
    def __init__(self) -> None:
        self.names: list[str] = []

    def on_declare(self, task: TaskDefinition) -> None:
        self.names.append(task.name)


def test_a_collection_becomes_tasks_of_the_app_that_includes_it() -> None:
    tasks, plugin = Tasks(), Declared()

    @tasks.task(retries=2, schedule="@hourly")
    def early(number: int = 0) -> int:
        return number

    assert early(3) == 3
    with pytest.raises(ConfigError, match=r"belong to no app yet: app.include\(tasks\)"):
        early.send(3)
    app = Infinitas("shop", queue="slow", timeout=7, plugins=[plugin])
    app.include(tasks)
    app.include(tasks)

    @tasks.task
    def late() -> None: ...

    assert plugin.names == ["shop.early", "shop.late"]
    assert app.tasks["early"] is early
    assert (early.name, early.definition.queue, early.definition.timeout) == ("shop.early", "slow", 7)
    assert early.schedule is not None
    assert (early.schedule.key, early.definition.retries, early(4)) == ("shop.early", 2, 4)
    with pytest.raises(ConfigError, match="Another app has included"):
        Infinitas().include(tasks)


def test_names_are_unique_in_the_app() -> None:
    tasks, app = Tasks(), Infinitas()

    @tasks.task(name="same")
    def one() -> None: ...

    @app.task(name="same")
    def other() -> None: ...

    with pytest.raises(DuplicateTask):
        app.include(tasks)


def test_its_jobs_run(app: Infinitas) -> None:
    tasks = Tasks()

    @tasks.task
    def double(number: int) -> int:
        return 2 * number

    app.include(tasks)
    assert app.fetch_job(double.send(4)).args == [4]
