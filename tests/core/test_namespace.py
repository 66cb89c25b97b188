"""What names mean inside an app, and outside of it."""

import pytest

from infinitas import Infinitas
from infinitas.core.errors import BadName, DuplicateTask, UnknownTask
from infinitas.core.names import check_app_name
from infinitas.core.namespace import Namespace


def test_a_name_is_qualified_once() -> None:
    shop = Namespace("shop")
    assert shop.full("cleanup") == "shop.cleanup"
    assert shop.full("shop.cleanup") == "shop.cleanup"
    assert shop.full("billing.cleanup") == "shop.billing.cleanup"
    assert Namespace().full("cleanup") == "cleanup"


def test_the_apps_own_name_comes_first() -> None:
    shop = Namespace("shop")
    assert shop.meanings("cleanup") == ("shop.cleanup",), "a short name is never that of another app"
    assert shop.meanings("billing.cleanup") == ("shop.billing.cleanup", "billing.cleanup")
    assert shop.meanings("shop.cleanup") == ("shop.cleanup",)
    assert Namespace().meanings("shop.cleanup") == ("shop.cleanup",)


@pytest.mark.parametrize("name", ["a.b", " ", "a b", "*", "a\n", "{x}", "x" * 300, "a:b", "shop."])
def test_bad_app_names(name: str) -> None:
    with pytest.raises(BadName):
        check_app_name(name)


@pytest.mark.parametrize("name", ["", "shop", "shop-2", "søg_x"])
def test_good_app_names(name: str) -> None:
    assert check_app_name(name) == name


def test_tasks_of_a_named_app() -> None:
    app = Infinitas("shop")

    @app.task
    def cleanup() -> None: ...

    @app.task(name="eu.cleanup", schedule="@hourly")
    def other() -> None: ...

    assert list(app.tasks) == ["shop.cleanup", "shop.eu.cleanup"]
    assert cleanup.name == "shop.cleanup"
    assert other.schedule is not None
    assert other.schedule.key == "shop.eu.cleanup"
    for name in ("cleanup", "shop.cleanup"):
        assert app.find(name) is cleanup
        assert app.tasks[name] is cleanup
        assert name in app.tasks
    assert "billing.cleanup" not in app.tasks
    with pytest.raises(UnknownTask):
        app.find("billing.cleanup")
    with pytest.raises(DuplicateTask):
        app.task(name="shop.cleanup")(other.function)


def test_the_setting_names_an_app_that_code_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFINITAS_APP_NAME", "from-env")
    assert Infinitas().name == "from-env"
    assert Infinitas("shop").name == "shop"
    assert Infinitas("").name == ""
