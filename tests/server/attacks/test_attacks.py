"""While any of the attacks runs, honest workers and clients go on, and the server's memory stays flat."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from infinitas.cli.main import cli
from infinitas.devservers.servers import Urls
from tests.databases import Databases
from tests.server.attacks.attacks import ATTACKS
from tests.server.attacks.honest import HonestWorker, latencies
from tests.server.attacks.target import SCOPES, Target
from tests.server.calls import job
from tests.server_fixtures import Server
from tests.support import PATIENCE_S, Processes

LEASE_S = 4
SECONDS = 0.5
REQUESTS = 9
MOST_MB = 60
"""Also what a server needs anyway after its start."""


class Fort:
    """A server with all limits on, its tokens, and an honest worker that holds one job."""

    def __init__(self, server: Server, redis_url: str, processes: Processes) -> None:
        admin, worker = (add_token(redis_url, scope) for scope in ("admin", "worker"))
        tokens = {name: add_token(redis_url, scopes) for name, scopes in SCOPES.items()}
        headers = {"Authorization": f"Bearer {admin}"}
        self.http = httpx.Client(base_url=server.address, headers=headers, timeout=PATIENCE_S)
        for task in ("held", "honest", "noise"):
            assert self.http.put(f"/api/v1/tasks/{task}", json={}).status_code == 200
        processes.start("scheduler")
        self.server = server
        self.target = Target(server.address, **tokens)
        self.worker = HonestWorker(self.http, worker)


def add_token(redis_url: str, scopes: str) -> str:
    options = [option for scope in scopes.split() for option in ("--scope", scope)]
    command = ["--redis-url", redis_url, "token", "add", scopes, *options]
    return CliRunner().invoke(cli, command, catch_exceptions=False).output.strip()


def rss_mb(server: Server) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.fixture
def fort(
    servers: Urls, redis: object, databases: Databases, processes: Processes, tmp_path: Path
) -> Iterator[Fort]:
    with databases.database() as url:
        processes.environment["INFINITAS_LEASE"] = str(LEASE_S)
        folder = tmp_path / "server"
        folder.mkdir()
        server = Server(folder, {**processes.environment, "INFINITAS_POSTGRES_URL": url})
        fort = Fort(server, servers.redis, processes)
        yield fort
        fort.worker.close()
        fort.http.close()
        server.stop()


@pytest.mark.long
@pytest.mark.timeout(15 * PATIENCE_S)
def test_honest_workers_and_clients_go_on_while_others_attack(fort: Fort) -> None:
    """One after the other on one server: what one leaves behind meets the next."""
    latencies(fort.http, REQUESTS)
    before = rss_mb(fort.server)
    with ThreadPoolExecutor(1) as threads:
        for name, attack in ATTACKS.items():
            attacking = threads.submit(attack, fort.target, SECONDS)
            slowest = latencies(fort.http, REQUESTS)[-1]
            attacking.result()
            assert fort.worker.closed is None, name
            print(f"{name}: held; slowest answer {slowest * 1000:.0f} ms, {rss_mb(fort.server):.0f} MB")
    assert rss_mb(fort.server) - before < MOST_MB
    assert job(fort.http, fort.worker.held)["attempt"] == 1
    fort.worker.finish()
    assert job(fort.http, fort.worker.held)["state"] == "succeeded"
    assert "Traceback" not in fort.server.logs()
