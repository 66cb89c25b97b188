"""The app of a command, as it is named on the command line."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from infinitas.cli.app_path import load_app
from infinitas.cli.main import cli
from infinitas.core.errors import BadApp
from infinitas.devservers.servers import Urls


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("../proj/mv:app", "there is none in"),
        ("./mv:shop", "there is none in"),
        ("/srv/proj/mv.py", "there is none in"),
        ("proj\\mv.py:app", "there is none in"),
        ("mv.py", "there is none in"),
        (".mv:app", "module:object"),
        ("..:app", "module:object"),
        (":app", "module:object"),
        ("no.such:app", "can't be imported"),
        ("json:app", "there is no 'app' in json"),
        ("json", "There is no app in json: neither json or json.app or json.tasks has"),
        ("json:loads", "not an Infinitas app"),
        ("", "Which app?"),
    ],
)
def test_what_leads_to_no_app_is_refused_with_what_to_write(path: str, remedy: str) -> None:
    with pytest.raises(BadApp) as refused:
        load_app(path)
    assert remedy in str(refused.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a user, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    folder = tmp_path / "shop_of_user"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "app.py").write_text(
        "from infinitas import Infinitas\nfrom shop_of_user import deep\n"
        "app = Infinitas()\ndef make() -> Infinitas:\n    return Infinitas('made')\n"
        "def fails():\n    raise OSError('no settings')\n"
    )
    return folder


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
        ("x = (", "SyntaxError: '(' was never closed"),
    ],
)
def test_an_error_deep_inside_has_the_lines_of_the_user(project: Path, code: str, text: str) -> None:
    (project / "deep.py").write_text(code)
    with pytest.raises(BadApp) as refused:
        load_app("shop_of_user.app:app")
    lines = str(refused.value).splitlines()
    assert lines[0] == "'shop_of_user.app:app' can't be imported:"
    assert lines[1] == f'  File "{project}/app.py", line 2, in <module>'
    assert lines[-1] == text
    assert f"{project}/deep.py" in str(refused.value)
    assert "importlib" not in str(refused.value)


def test_a_refusal_of_infinitas_has_no_lines_of_its_own_code(project: Path) -> None:
    code = "from infinitas import Infinitas\n@Infinitas().task(schedule='61 * * * *')\ndef f(): ...\n"
    (project / "deep.py").write_text(code)
    with pytest.raises(BadApp) as refused:
        load_app("shop_of_user.app:app")
    files = [line for line in str(refused.value).splitlines() if line.startswith("  File ")]
    assert [str(project) in file for file in files] == [True, True]
    assert "a value must be 0 to 59" in str(refused.value).splitlines()[-1]


def test_a_function_may_make_the_app(project: Path) -> None:
    (project / "deep.py").touch()
    assert load_app("shop_of_user.app:make()").name == "made"
    with pytest.raises(BadApp, match=r"name it shop_of_user.app:make\(\)"):
        load_app("shop_of_user.app:make")
    with pytest.raises(BadApp, match="OSError: no settings"):
        load_app("shop_of_user.app:fails()")


def test_the_app_may_be_named_by_the_environment(
    project: Path, servers: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "deep.py").touch()
    monkeypatch.setenv("INFINITAS_APP", "shop_of_user.app:make()")
    monkeypatch.setenv("INFINITAS_REDIS_URL", servers.redis)
    ran = CliRunner().invoke(cli, ["sync"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output


@pytest.fixture
def spread(project: Path) -> Path:
    """A project of several files: an app, a collection in a cycle with it, modules with tasks."""
    (project / "deep.py").touch()
    (project / "app.py").write_text(
        "from infinitas import Infinitas\nfrom shop_of_user.mail import tasks\n"
        "app = Infinitas()\napp.include(tasks)\n"
        "wide = Infinitas(include=['shop_of_user.mail', 'shop_of_user.*.tasks'])\n"
        "lost = Infinitas(include=['shop_of_user.nowhere.*'])\n"
    )
    (project / "mail.py").write_text(
        "from infinitas import Tasks\ntasks = Tasks()\n@tasks.task\ndef send_mail() -> None: ...\n"
    )
    orders = project / "orders"
    orders.mkdir()
    (orders / "__init__.py").touch()
    (orders / "tasks.py").write_text(
        "from shop_of_user.app import app, wide\n@app.task\n@wide.task\ndef pack() -> None: ...\n"
    )
    (orders / "models.py").write_text("raise OSError('nothing imports this')")
    return project


@pytest.mark.parametrize(
    "path", ["shop_of_user", "shop_of_user/app.py:app", "shop_of_user/app:app", "{}/app.py:app"]
)
def test_a_package_or_a_file_stands_for_its_app(spread: Path, path: str) -> None:
    app = load_app(path.format(spread))
    assert app.name == ""
    assert "send_mail" in app.tasks
    assert ("pack" in app.tasks) == (path == "shop_of_user"), "of a package all its modules called tasks"


def test_modules_are_included_by_globs(spread: Path) -> None:
    assert sorted(load_app("shop_of_user.app:wide").tasks) == ["pack"]
    with pytest.raises(BadApp, match=r"include has 'shop_of_user.nowhere.\*', and no module"):
        load_app("shop_of_user.app:lost")


def test_the_settings_file_may_name_the_app(
    spread: Path, servers: Urls, redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("infinitas.toml").write_text('app = "shop_of_user"\n')
    monkeypatch.setenv("INFINITAS_REDIS_URL", servers.redis)
    ran = CliRunner().invoke(cli, ["sync", "--dry-run"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert "+ task pack" in ran.output
