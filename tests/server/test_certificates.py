"""TLS with a private authority: for the server's certificate, and for those of its clients."""

import re
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support import PATIENCE_S, Processes, eventually

API = "/api/v1"
NEW = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """A private authority, and the certificates that it signs: NAME.pem with NAME.key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.cert = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        self._make(name, "-addext", "basicConstraints=critical,CA:TRUE")

    def sign(self, name: str) -> tuple[Path, Path]:
        self._make(
            name, "-addext", "subjectAltName=IP:127.0.0.1", "-CA", str(self.cert), "-CAkey", str(self._key)
        )
        return self._folder / f"{name}.pem", self._folder / f"{name}.key"

    def _make(self, name: str, *more: str) -> None:
        files = ["-keyout", str(self._folder / f"{name}.key"), "-out", str(self._folder / f"{name}.pem")]
        subprocess.run(
            [*NEW, "-days", "1", "-subj", f"/CN={name}", *more, *files], check=True, capture_output=True
        )


def test_server_and_clients_present_certificates(processes: Processes) -> None:
    ours, others = Authority(processes.folder, "ours"), Authority(processes.folder, "others")
    cert, key = ours.sign("server")
    client_cert, client_key = ours.sign("client")
    stranger = others.sign("stranger")
    tls = ("--tls-cert", str(cert), "--tls-key", str(key), "--tls-client-ca", str(ours.cert))
    processes.start("server", "--port", "0", "--open", *tls)
    url = eventually(lambda: re.search(r"https://127\.0\.0\.1:\d+", processes.logs()))[0]

    def status(*presented: Path) -> int:
        context = ssl.create_default_context(cafile=ours.cert)
        if presented:
            context.load_cert_chain(presented[0], presented[1])
        with httpx.Client(base_url=url, verify=context, timeout=PATIENCE_S) as http:
            return http.get(f"{API}/tasks").status_code

    assert status(client_cert, client_key) == 200
    for refused in ((), stranger):
        with pytest.raises(httpx.TransportError):
            status(*refused)

    def list_tasks(**settings: Path) -> int:
        names = {f"INFINITAS_{name.upper()}": str(value) for name, value in settings.items()}
        processes.environment |= {"INFINITAS_SERVER": url, **names}
        return processes.run("task", "ls").returncode

    assert list_tasks() == 6, "an authority that the system does not know"
    assert list_tasks(server_ca=ours.cert) == 6, "no certificate of its own"
    assert list_tasks(client_cert=stranger[0], client_key=stranger[1]) == 6
    assert list_tasks(client_cert=client_cert, client_key=client_key) == 0
    processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: "noop" in processes.run("worker", "ls", "--output", "json").stdout)
    assert list_tasks(client_key=key) == 2, "the key of another"
    assert "client_cert is" in processes.run("task", "ls").stderr
    processes.environment["INFINITAS_SERVER_CA"] = str(key)
    assert "no certificate in PEM form" in processes.run("task", "ls").stderr


def test_wrong_files_end_the_start(processes: Processes) -> None:
    cert = Authority(processes.folder, "ours").cert
    wrong = processes.run("server", "--port", "0", "--tls-cert", str(cert), "--tls-key", str(cert))
    assert (wrong.returncode, "certificate" in wrong.stderr) == (2, True), wrong.stderr
    for alone in (("--tls-cert", str(cert)), ("--tls-client-ca", str(cert))):
        assert processes.run("server", "--port", "0", *alone).returncode == 2
