"""The Debian package on a real Debian, under its real systemd."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.package.debian import Booted
from tests.support import eventually

pytestmark = [pytest.mark.package, pytest.mark.timeout(1800)]
PROCESSES = ("scheduler", "archiver", "server", "notifier")
UNITS = [*(f"infinitas-{name}" for name in PROCESSES), "infinitas-worker@shop"]
MOST_EXPOSED = 25
"""Of systemd-analyze's 100: above that, a unit lacks hardening."""
ROWS = "runuser -u postgres -- psql -At infinitas -c 'SELECT count(*) FROM infinitas_jobs'"


def states(system: Booted) -> list[str]:
    return system.call(f"systemctl is-active {' '.join(UNITS)}").stdout.split()


def newer(deb: Path, folder: Path) -> Path:
    """The same package with the next version."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"(Version: .*)", r"\1+next", control.read_text()))
    toml = folder / "etc/infinitas/infinitas.toml"
    toml.write_text(toml.read_text() + "\n# A new line.\n")
    made = folder.parent / "next.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", folder, made], check=True)
    return made


def test_lintian_finds_no_error(deb: Path) -> None:
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", deb], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_nothing_starts_before_it_is_configured(bare: Booted) -> None:
    units = " ".join(UNITS[:-1])
    assert bare.call(f"systemctl is-enabled {units}").stdout.split() == ["disabled"] * 4
    assert states(bare) == ["inactive"] * 5
    bare.run(f"systemctl preset {units}")
    assert bare.call(f"systemctl is-enabled {units}").stdout.split() == ["disabled"] * 4
    names = "infinitas.toml environment"
    rights = bare.run(f"cd /etc/infinitas && stat -c '%a %U %G' . {names}").splitlines()
    assert rights == ["750 root infinitas", "640 root infinitas", "640 root infinitas"]
    assert re.fullmatch(r"infinitas, version \S+", bare.run("infinitas --version"))
    assert bare.call("systemctl start infinitas-worker@shop").returncode != 0, "there is no worker-shop.env"


def test_the_lines_of_the_documents_run_jobs(system: Booted) -> None:
    assert states(system) == ["active"] * 5
    assert eventually(lambda: int(system.run(ROWS)))
    assert "<title>Infinitas" in system.run("curl -fs http://127.0.0.1:3000/")
    assert system.call("curl -fs http://[::1]:3000/").returncode != 0
    worker = eventually(
        lambda: re.search(r"1 task, \d running, [1-9]\d* done", system.show(UNITS[-1], "StatusText"))
    )
    assert worker
    assert "fired" in eventually(lambda: system.show("infinitas-scheduler", "StatusText"))
    for name in (*PROCESSES, "worker"):
        system.run(f"cd /etc/infinitas && infinitas healthcheck {name}")
    found = json.loads(system.run("cd /etc/infinitas && infinitas healthcheck -o json"))
    assert found["well"], found


def test_a_reload_starts_afresh_in_the_same_process(system: Booted) -> None:
    unit = "infinitas-server"
    pid = system.show(unit, "MainPID")
    system.run(f"systemctl reload {unit}")
    again = "journalctl -u infinitas-server | grep -c 'Server answers'"
    eventually(lambda: int(system.run(again)) == 2 and system.show(unit, "SubState") == "running")
    assert (system.show(unit, "MainPID"), system.show(unit, "NRestarts")) == (pid, "0")


def test_the_watchdog_replaces_a_process_that_is_stopped(system: Booted) -> None:
    folder = "/run/systemd/system/infinitas-scheduler.service.d"
    system.run(f"mkdir -p {folder} && printf '[Service]\\nWatchdogSec=2\\n' > {folder}/soon.conf")
    system.run("systemctl daemon-reload && systemctl restart infinitas-scheduler")
    pid = system.show("infinitas-scheduler", "MainPID")
    system.run(f"kill -STOP {pid}")
    eventually(lambda: system.show("infinitas-scheduler", "MainPID") not in (pid, "0"))
    eventually(lambda: system.show("infinitas-scheduler", "SubState") == "running")


def test_units_are_correct_and_hardened(system: Booted) -> None:
    verified = system.call(f"systemd-analyze verify --man=no {' '.join(f'{unit}.service' for unit in UNITS)}")
    assert verified.returncode == 0, verified.stderr
    assert "infinitas" not in verified.stderr
    system.run(f"systemd-analyze security --no-pager --threshold={MOST_EXPOSED} {' '.join(UNITS)}")


def test_bash_completes_commands(bare: Booted) -> None:
    script = """. /usr/share/bash-completion/completions/infinitas
        COMP_WORDS=(infinitas sche); COMP_CWORD=1; _infinitas_completion infinitas; echo "${COMPREPLY[@]}" """
    assert bare.run(f"bash -c '{script}'") == "schedule scheduler"


def test_upgrade_remove_and_purge(own_system: Booted, deb: Path, tmp_path: Path) -> None:
    system = own_system
    (system.root / "next.deb").write_bytes(newer(deb, tmp_path / "next").read_bytes())
    pid = system.show("infinitas-scheduler", "MainPID")
    kept = system.run("cat /etc/infinitas/infinitas.toml")
    system.run("dpkg --force-confdef --force-confold -i /next.deb")
    assert states(system) == ["active"] * 5
    assert system.show("infinitas-scheduler", "MainPID") != pid
    assert system.run("cat /etc/infinitas/infinitas.toml") == kept
    assert system.run("stat -c %a /etc/infinitas/infinitas.toml") == "640"

    rows = int(system.run(ROWS))
    system.run("apt-get remove -qq -y infinitas")
    assert "active" not in states(system)
    assert system.call("command -v infinitas").returncode != 0
    system.run("test -f /etc/infinitas/infinitas.toml && test ! -e /opt/infinitas")

    system.run("apt-get purge -qq -y infinitas")
    system.run("test ! -e /etc/infinitas/infinitas.toml && test -d /var/lib/infinitas && id infinitas")
    assert int(system.run(ROWS)) >= rows
    system.run("dpkg -i /next.deb && apt-get purge -qq -y infinitas", INFINITAS_PURGE_DATA="yes")
    system.run("test ! -e /etc/infinitas && test ! -e /var/lib/infinitas && ! id infinitas")
