"""The examples in the docstrings of what users import run as they stand."""

import asyncio
import doctest
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import infinitas.testing
from infinitas import Handle, Infinitas, Job, Plugin, Task
from infinitas.app.schedules import Schedules

PUBLIC: tuple[Any, ...] = (
    Infinitas,
    Schedules,
    Task,
    Handle,
    Job,
    Plugin,
    infinitas.current_job,
    infinitas.testing.run_inline,
)


def documented(value: Any) -> Iterator[tuple[str, str]]:
    """Names and docstrings: of the value and, for a class, of its public methods."""
    yield value.__name__, inspect.getdoc(value) or ""
    for name, member in vars(value).items():
        if inspect.isclass(value) and not name.startswith("_") and callable(member):
            yield f"{value.__name__}.{name}", inspect.getdoc(member) or ""


EXAMPLES = {
    name: text
    for value in PUBLIC
    for name, text in documented(value)
    if (">>>" in text and not name.rpartition(".")[2].startswith("a")) or name == "Schedules.add_many"
}


@pytest.fixture
def names(make_app: Callable[..., Infinitas]) -> Iterator[dict[str, Any]]:
    """What the examples use: an app with a worker, two tasks and a schedule."""
    app = make_app()

    @app.task
    def add(a: int, b: int = 2) -> int:
        return a + b

    @app.task
    def fail() -> None:
        raise ValueError("out of stock")

    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with app.embedded():
            ready.set()
            await asyncio.to_thread(over.wait)

    serving = threading.Thread(target=asyncio.run, args=(serve(),))
    serving.start()
    assert ready.wait(60)
    app.schedule(add, "30 2 * * *", key="example", args=(1, 2))
    yield {"app": app, "add": add, "fail": fail}
    over.set()
    serving.join()


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, names: dict[str, Any]) -> None:
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], names, name, None, None)
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.attempted
    assert not result.failed, "".join(report)


def test_every_public_verb_has_a_docstring() -> None:
    for value in PUBLIC:
        for name, text in documented(value):
            assert text, name


def test_both_forms_of_a_verb_have_its_name_and_docstring() -> None:
    assert Infinitas.cancel.__name__ == "cancel"
    assert Infinitas.acancel.__qualname__ == "Infinitas.acancel"
    assert Infinitas.cancel.__doc__ == Infinitas.acancel.__doc__
