"""Where a task's code is, as it is compared between programs."""

import functools
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from infinitas import Infinitas
from infinitas.tasks.place import place_of


def plain() -> None: ...


class Holder:
    @staticmethod
    def method() -> None: ...


def test_module_and_qualified_name() -> None:
    assert place_of(plain) == f"{__name__}:plain"
    assert place_of(Holder.method) == f"{__name__}:Holder.method"


def test_a_wrapped_function_is_where_the_function_is() -> None:
    @functools.wraps(plain)
    def wrapper() -> None: ...

    assert place_of(wrapper) == f"{__name__}:plain"


@pytest.mark.parametrize(
    ("main", "place"),
    [
        (SimpleNamespace(__spec__=SimpleNamespace(name="shop.jobs"), __file__="/x/jobs.py"), "shop.jobs:f"),
        (SimpleNamespace(__spec__=None, __file__="/srv/shop/jobs.py"), "jobs:f"),
        (SimpleNamespace(__spec__=None, __file__="/srv/shop/__init__.py"), "shop:f"),
        (SimpleNamespace(__spec__=None), ""),
        (SimpleNamespace(__spec__=None, __file__=None), ""),
        (ModuleType("__main__"), ""),
    ],
    ids=["python -m", "a script", "a package", "a notebook", "a prompt", "python -c"],
)
def test_a_script_has_the_name_that_others_import_it_by(
    monkeypatch: pytest.MonkeyPatch, main: Any, place: str
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", main)

    def f() -> None: ...

    f.__module__, f.__qualname__ = "__main__", "f"
    assert place_of(f) == place


def test_what_has_no_name_has_no_place() -> None:
    assert place_of(functools.partial(plain)) == ""
    assert place_of(type("Callable", (), {"__call__": plain})()) == ""


def test_a_definition_carries_it() -> None:
    task = Infinitas("shop").task(takes_over="old.jobs:plain", aliases=("former", "shop.first"))(plain)
    assert task.definition.place == f"{__name__}:plain"
    assert task.definition.takes_over == "old.jobs:plain"
    assert task.definition.aliases == ("shop.former", "shop.first")
