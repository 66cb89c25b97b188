"""Wheel and sdist: complete, the same bytes each time, and of use without any extra."""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from infinitas.runtime.version import VERSION
from tests.support import ROOT

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]
EXTRAS = {
    ("server",): "infinitas[server]",
    ("--postgres-url", "postgresql://x/y", "archiver"): "infinitas[postgres]",
    ("--postgres-url", "postgresql://x/y", "notifier"): "infinitas[notifier]",
    ("dev", "app:app"): "infinitas[embedded]",
    ("worker", "app:app", "--reload"): "infinitas[reload]",
}


def build() -> dict[str, Path]:
    """Build both, and return them by their suffix."""
    subprocess.run([ROOT / "scripts/package", "wheel"], check=True, capture_output=True)
    return {suffix: next((ROOT / "dist").glob(f"infinitas-*{suffix}")) for suffix in (".whl", ".tar.gz")}


@pytest.fixture(scope="session")
def wheel() -> Path:
    return build()[".whl"]


@pytest.fixture(scope="session")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and no extra."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "-q", wheel], check=True, capture_output=True)
    (folder / "app.py").write_text(
        "from infinitas import Infinitas\napp = Infinitas()\n@app.task\ndef t(): ...\n"
    )
    return folder


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_two_builds_are_the_same() -> None:
    digests = [
        {suffix: hashlib.sha256(file.read_bytes()).hexdigest() for suffix, file in build().items()}
        for _ in range(2)
    ]
    assert digests[0] == digests[1]


def test_both_have_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if not name.startswith("infinitas-")} == tracked("infinitas")
    assert f"infinitas-{VERSION}.dist-info/licenses/LICENSE" in names
    with tarfile.open(wheel.with_name(f"infinitas-{VERSION}.tar.gz")) as source:
        files = {name.partition("/")[2] for name in source.getnames()}
    assert files >= tracked("infinitas") | {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"}


def test_the_wheel_alone_imports_and_has_its_version(alone: Path) -> None:
    code = "import infinitas; print(infinitas.Infinitas)"
    subprocess.run([alone / "bin/python", "-c", code], cwd=alone, check=True, capture_output=True)
    shown = subprocess.run(
        [alone / "bin/infinitas", "--version"], cwd=alone, capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"infinitas, version {VERSION}\n"


@pytest.mark.parametrize(("command", "extra"), EXTRAS.items(), ids=lambda value: str(value[-1]))
def test_a_missing_extra_is_named(alone: Path, command: tuple[str, ...], extra: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(alone)}
    called = subprocess.run(
        [alone / "bin/infinitas", *command],
        cwd=alone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"pip install '{extra}'" in called.stderr, called.stderr[-2000:]
    assert "Traceback" not in called.stderr
