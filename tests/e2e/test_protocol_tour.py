"""docs/protocol.md as a fresh user walks it: curl, Node, Python, cancel."""

import re
import subprocess

import httpx

from infinitas import Infinitas
from tests.server.calls import ended, job
from tests.server_fixtures import StartNode
from tests.support import PATIENCE_S, ROOT, eventually


def curl(http: httpx.Client, number: int) -> str:
    """Run the curl command of that number in the docs, against this server."""
    commands = re.findall(r"^curl (?:.*\\\n)*.*$", (ROOT / "docs/protocol.md").read_text(), re.MULTILINE)
    line = commands[number].replace("localhost:3000", str(http.base_url).removeprefix("http://").rstrip("/"))
    ran = subprocess.run(
        ["bash", "-c", f"{line} -sS"], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    return ran.stdout


def test_curl_schedules_node_serves_python_watches_and_cancels(
    http: httpx.Client, start_node: StartNode
) -> None:
    assert '"name":"thumbnail"' in curl(http, 0)
    assert '"rule":"0 3 * * *"' in curl(http, 1)
    start_node(str(http.base_url))
    id = httpx.Response(200, text=curl(http, 2)).json()["id"]
    app = Infinitas(server=str(http.base_url))
    eventually(lambda: (app.fetch_job(id).step or "").startswith("part"))
    assert app.cancel(id, "wrong picture").id == id
    found = ended(http, id)
    assert (found["state"], found["reason"]) == ("cancelled", "wrong picture")
    assert job(http, id)["headers"]["infinitas-triggered-by"] == "nightly"
    app.close()
