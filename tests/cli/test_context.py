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
        ("../proj/mv:app", "`cd ../proj`, then name it mv:app"),
        ("../proj/mv.py:app", "`cd ../proj`, then name it mv:app"),
        ("proj/mv", "`cd proj`, then name it mv:app"),
        ("./mv:shop", "`cd .`, then name it mv:shop"),
        ("/srv/proj/mv.py", "`cd /srv/proj`, then name it mv:app"),
        ("proj\\mv.py:app", "`cd proj`, then name it mv:app"),
        ("mv.py:app", "name it mv:app"),
        ("mv.py", "name it mv:app"),
        (".mv:app", "module:object"),
        ("..:app", "module:object"),
        (":app", "module:object"),
        ("no.such:app", "can't be imported"),
        ("json:app", "there is no 'app' in json"),
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
