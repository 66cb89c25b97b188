"""The kit tests the clients of this repository, and finds the faults of a bad one."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.server_fixtures import NODE
from tests.support import PATIENCE_S, ROOT, Processes, eventually


def try_client(processes: Processes, command: Sequence[object]) -> tuple[int, str]:
    """The kit's exit code and what it printed about the client that `command` starts."""
    kit = processes.start("conformance", "--port", "0")
    url = eventually(lambda: re.search(r"ws://127\.0\.0\.1:\d+", processes.logs()))[0]
    environment = {**os.environ, "INFINITAS_SERVER": url}
    with (processes.folder / "client.log").open("wb") as log:
        client = subprocess.Popen(
            [str(part) for part in command], env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        return kit.wait(2 * PATIENCE_S), processes.logs()
    finally:
        client.kill()
        client.wait()


@pytest.mark.long
def test_the_node_client_conforms(processes: Processes) -> None:
    code, said = try_client(processes, [NODE, "workers/node/conformance.mjs"])
    assert code == 0, said


@pytest.mark.long
def test_the_python_client_conforms(processes: Processes) -> None:
    command = [sys.executable, "-m", "infinitas", "worker", "tests.apps.conformance:app"]
    code, said = try_client(processes, command)
    assert code == 0, said


@pytest.mark.long
def test_the_faults_of_a_bad_client_are_listed(processes: Processes) -> None:
    kit = processes.start("conformance", "--port", "0", "-o", "json")
    url = eventually(lambda: re.search(r"ws://127\.0\.0\.1:\d+", processes.logs()))[0]
    for _ in range(20):
        try:
            with connect(url, proxy=None, subprotocols=[Subprotocol("infinitas.v1")]) as socket:
                socket.send('{"t":"identify","tasks":[{"name":"conformance.echo"}],"capacity":1}')
                socket.recv()
                socket.recv()
                for message in socket:
                    if '"job"' in str(message):
                        socket.send('{"t":"done","result":1}')
        except (ConnectionClosed, OSError):
            if kit.poll() is not None:
                break
    assert kit.wait(2 * PATIENCE_S) == 1
    found = {
        each["check"]: each["wrong"] for each in json.loads(processes.logs()[processes.logs().index("[\n") :])
    }
    assert "does not serve" in found["identifies first"]
    assert "no beat" in found["beats"]
    assert "no frame of infinitas.v1" in found["runs a job"]


def test_a_port_that_is_taken_is_refused(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = processes.call("conformance", "--port", str(port))
    assert said.returncode == 2
    assert (
        f"can't listen on 127.0.0.1:{port}: Address already in use. Choose another with --port."
        in said.stderr
    )
