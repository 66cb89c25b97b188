"""Builds the Debian package, and systems that have it installed. Takes minutes: `scripts/package test`."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.debian import Booted, base, booted, overlay, run_in_chroot, tools_missing
from tests.support import ROOT, eventually

PAGE = ROOT / "docs" / "install.md"
APP = """
from infinitas import Infinitas, every

app = Infinitas()


@app.task(schedule=every(seconds=1))
def count_stock():
    return "counted"
"""


def lines_of_docs() -> list[str]:
    """The commands for Debian, as root: the minimal system has no sudo."""
    section = PAGE.read_text().split("## Debian and Ubuntu")[1].split("\n## ")[0]
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]
    as_user = [re.sub(r"sudo -u (\w+) ", r"runuser -u \1 -- ", line) for line in lines]
    return [line.replace("sudo ", "") for line in as_user]


@pytest.fixture(scope="session")
def deb() -> Path:
    """The package, built from this checkout, or the one that INFINITAS_DEB names."""
    if missing := tools_missing():
        pytest.fail(f"These tests need {missing}: apt install debootstrap systemd-container lintian")
    if built := os.environ.get("INFINITAS_DEB"):
        return Path(built).resolve()
    subprocess.run([ROOT / "scripts/package", "deb"], check=True, capture_output=True)
    return next((ROOT / "dist").glob("infinitas_*_amd64.deb"))


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def installed(
    request: pytest.FixtureRequest, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A system after the first line of the documents."""
    with overlay(base(request.param), tmp_path_factory.mktemp(request.param)) as root:
        (root / deb.name).write_bytes(deb.read_bytes())
        install = lines_of_docs()[0].replace("apt install", "apt-get install -qq -y --no-install-recommends")
        run_in_chroot(root, "apt-get", "update", "-qq")
        run_in_chroot(root, "sh", "-c", install)
        yield root


@pytest.fixture(scope="session")
def bare(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A running system with the package, before anything is configured."""
    with overlay(installed, tmp_path_factory.mktemp("bare")) as root, booted(root) as system:
        yield system


@pytest.fixture(scope="session")
def system(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A running system after all lines of the documents, with a worker whose task is due each second."""
    with overlay(installed, tmp_path_factory.mktemp("system")) as root, booted(root) as system:
        configure(system)
        yield system


@pytest.fixture
def own_system(installed: Path, tmp_path: Path) -> Iterator[Booted]:
    """As `system`, for one test."""
    with overlay(installed, tmp_path / "own") as root, booted(root) as system:
        configure(system)
        yield system


def configure(system: Booted) -> None:
    system.run("mkdir -p /srv/shop/shop")
    (system.root / "srv/shop/shop/tasks.py").write_text(APP)
    for line in lines_of_docs()[1:]:
        system.run(line)
    eventually(lambda: "succeeded" in system.run("cd /etc/infinitas && infinitas job ls"))
