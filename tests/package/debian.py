"""Debian systems in folders: made by debootstrap, changed in a chroot, booted with their systemd by nspawn.

Needs root, debootstrap and systemd-container. A booted system has a network of its own: its ports are free.
"""

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT, eventually

BASES = ROOT / "build" / "debian"
PACKAGES = "systemd,systemd-sysv,dbus,curl,procps"
"""What a minimal system lacks for a boot and for the tests; no Python."""
NO_SERVICES = "#!/bin/sh\nexit 101\n"
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
INSTALL_WITHIN_S = 900.0
UP = ("running", "degraded")


def base(suite: str) -> Path:
    """The folder of a minimal system, made once."""
    root = BASES / suite
    if not (root / "made").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(root)]
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_WITHIN_S)
        (root / "made").touch()
    return root


@contextmanager
def overlay(lower: Path, folder: Path) -> Iterator[Path]:
    """A system that begins as `lower` and leaves it as it is."""
    parts = [folder / name for name in ("upper", "work", "root")]
    for part in parts:
        part.mkdir(parents=True)
    upper, work, root = parts
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", str(root)], check=True)


def run_in_chroot(root: Path, *command: str) -> str:
    """Run a command with the network of this machine; packages start no services. Returns its output."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(NO_SERVICES)
    policy.chmod(0o755)
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    # In a mount namespace of its own: nothing stays mounted.
    called = ["unshare", "--mount", "sh", "-c", script, str(root), *command]
    try:
        done = subprocess.run(
            called, env=ENVIRONMENT, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False
        )
    finally:
        policy.unlink()
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


class Booted:
    """A system that runs."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self._leader = leader

    def call(self, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command line of a shell, as root."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "sh", "-c", command]
        given = ENVIRONMENT | environment
        return subprocess.run(enter, env=given, capture_output=True, text=True, timeout=300, check=False)

    def run(self, command: str, **environment: str) -> str:
        """`call`, which must succeed. Returns its output without spaces at the end."""
        done = self.call(command, **environment)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}{self.journal()}"
        return done.stdout.strip()

    def journal(self) -> str:
        return self.call("journalctl --no-pager -n 60 -u 'infinitas*'").stdout

    def show(self, unit: str, field: str) -> str:
        """One property of a unit."""
        return self.run(f"systemctl show {unit} --property {field} --value")


@contextmanager
def booted(root: Path) -> Iterator[Booted]:
    """Boot a system, and shut it down at the end."""
    options = ["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
    # Without an id it would be a first boot, which enables services.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    nspawn = subprocess.Popen(
        ["systemd-nspawn", *options, "-D", str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        leader = eventually(lambda: _leader(nspawn.pid))
        system = Booted(root, leader)
        _wait_until_up(system)
        yield system
    finally:
        nspawn.send_signal(signal.SIGTERM)
        try:
            nspawn.wait(60)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()


def _wait_until_up(system: Booted) -> None:
    try:
        eventually(lambda: system.call("systemctl is-system-running").stdout.strip() in UP)
    except AssertionError as error:
        error.add_note(
            system.call("systemctl is-system-running; systemctl list-jobs; systemctl --failed").stdout
        )
        raise


def _leader(nspawn: int) -> int | None:
    """The container's first process; nspawn has other children before it."""
    children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
    return next((int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"), None)


def tools_missing() -> str:
    """What this machine lacks for these tests; empty if nothing."""
    if os.geteuid() != 0:
        return "root"
    return ", ".join(tool for tool in ("debootstrap", "systemd-nspawn", "lintian") if not shutil.which(tool))
