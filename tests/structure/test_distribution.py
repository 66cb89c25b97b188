"""What is distributed: no file of the package is left out, and the version stands in one place."""

import subprocess
import tomllib

from tests.support import ROOT


def test_git_ignores_no_file_of_the_package() -> None:
    """The build leaves out what .gitignore names, whether or not it is tracked."""
    listed = subprocess.run(
        ["git", "ls-files", "infinitas"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    check = ["git", "check-ignore", "--no-index", "--stdin"]
    ignored = subprocess.run(
        check, cwd=ROOT, input=listed.stdout, capture_output=True, text=True, check=False
    )
    assert listed.stdout
    assert ignored.stdout == ""


def test_what_the_package_needs_beside_python_is_there() -> None:
    for name in ("py.typed", "server/page/static/index.html"):
        assert (ROOT / "infinitas" / name).is_file()
    assert list((ROOT / "infinitas").rglob("*.lua"))
    assert list((ROOT / "infinitas").rglob("*.sql"))
    assert (ROOT / "LICENSE").read_text().strip().startswith("Apache License")


def test_the_changelog_has_the_version() -> None:
    from infinitas.runtime.version import VERSION

    assert f"\n## {VERSION}\n" in (ROOT / "CHANGELOG.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
