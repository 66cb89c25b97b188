"""The compose file and the image: by their schema and rules, and by running what the file runs.

No engine is needed: each command and healthcheck runs with the user, the read-only root and the environment
of its service, in a Debian system with the package.
"""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.package.debian import Booted, booted, overlay
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.package, pytest.mark.timeout(1800)]
FILE = ROOT / "compose/compose.yaml"
PROCESSES = ("scheduler", "worker", "archiver", "server", "notifier")
TOOLS = ROOT / "build/tools/bin"
LIMITS = (
    "ReadOnlyPaths=/",
    "PrivateTmp=yes",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "WorkingDirectory=/app",
)
SERVERS = """
    useradd --uid 10001 --no-create-home container
    echo '127.0.0.1 redis postgres' >> /etc/hosts
    runuser -u postgres -- createuser infinitas
    runuser -u postgres -- createdb -O infinitas -E UTF8 -T template0 infinitas
    runuser -u postgres -- psql -qc "ALTER ROLE infinitas PASSWORD 'infinitas'"
"""


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def in_container(name: str, *options: str) -> str:
    """The begin of a command line that runs as this service."""
    service = services()[name]
    user, group = service["user"].split(":")
    values = {
        key: value.replace("${POSTGRES_PASSWORD:-infinitas}", "infinitas")
        for key, value in service["environment"].items()
    }
    given = [f"--setenv={key}={value}" for key, value in values.items()]
    limits = [f"--property={each}" for each in LIMITS]
    return shlex.join(
        ["systemd-run", "--quiet", f"--uid={user}", f"--gid={group}", *given, *limits, *options]
    )


@pytest.fixture
def hosts(installed: Path, tmp_path: Path) -> Iterator[Booted]:
    """A system with Redis and Postgres under the names of the compose file."""
    with overlay(installed, tmp_path / "hosts") as root, booted(root) as system:
        subprocess.run(["cp", "-r", ROOT / "workers", root / "app-workers"], check=True)
        system.run("mkdir -p /app && mv /app-workers /app/workers")
        for line in SERVERS.strip().splitlines():
            system.run(line)
        yield system


def wait_until_well(hosts: Booted, name: str, check: str) -> None:
    try:
        eventually(lambda: hosts.call(check).returncode == 0)
    except AssertionError as error:
        error.add_note(hosts.call(check).stdout + hosts.run(f"journalctl --no-pager -u c-{name} | tail -20"))
        raise


def test_the_file_follows_the_schema_of_compose(deb: Path) -> None:
    check = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_follows_the_rules_of_hadolint(deb: Path) -> None:
    done = subprocess.run(
        [TOOLS / "hadolint", ROOT / "compose/Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_manifests_follow_the_schemas_of_kubernetes(deb: Path) -> None:
    check = [str(TOOLS / "kubernetes-validate"), "--strict", str(ROOT / "kubernetes/infinitas.yaml")]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_command_and_healthcheck_runs_as_its_service(hosts: Booted) -> None:
    admin = f"{in_container('server', '--pipe', '--wait')} infinitas token add admin --scope admin"
    assert hosts.run(admin).startswith("inf_")
    for name in PROCESSES:
        hosts.run(f"{in_container(name, f'--unit=c-{name}')} infinitas {services()[name]['command']}")
    for name in PROCESSES:
        kind, *check = services()[name]["healthcheck"]["test"]
        assert (kind, check[-1]) == ("CMD", name)
        wait_until_well(hosts, name, f"{in_container(name, '--pipe', '--wait')} {shlex.join(check)}")
    hosts.run("systemctl stop c-scheduler")
    stopped = hosts.call(f"{in_container('scheduler', '--pipe', '--wait')} infinitas healthcheck scheduler")
    assert stopped.returncode == 1
