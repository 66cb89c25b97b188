"""Whatever is sent, the API answers as its own description has it."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.server.test_auth import API, OPEN
from tests.server_fixtures import MakeToken
from tests.support import PATIENCE_S, ROOT

CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


@pytest.mark.long
@pytest.mark.timeout(15 * PATIENCE_S)
def test_schemathesis_finds_nothing(http: httpx.Client, tmp_path: Path, make_token: MakeToken) -> None:
    """With a token: without one it would make the first, and get 401 from then on.

    Its phases `examples` and `coverage` take longest, and run by hand (CONTRIBUTING.md).
    """
    said = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{http.base_url}/api/v1/openapi.json",
            *(
                "--checks",
                CHECKS,
                "--phases",
                "fuzzing,stateful",
                "--max-examples",
                "3",
                "--no-color",
                "--request-timeout",
                "60",
            ),
            *("--header", f"Authorization: Bearer {make_token('admin')}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=14 * PATIENCE_S,
        check=False,
    )
    assert said.returncode == 0, said.stdout[-5000:]
    assert http.get("/readyz").json()["ready"] is True


def test_the_published_protocol_is_what_the_server_checks(http: httpx.Client) -> None:
    """`python -m infinitas.server.websocket.asyncapi > docs/asyncapi.json` makes it so again."""
    published = json.loads((ROOT / "docs/asyncapi.json").read_text())
    assert published == http.get("/api/v1/asyncapi.json").json()


def test_routes_without_a_token_are_described_as_such(http: httpx.Client) -> None:
    described = http.get("/api/v1/openapi.json").json()
    assert described["security"] == [{"token": []}]
    open_routes = {
        f"{method.upper()} {path}".replace(API, "")
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") == []
    }
    assert open_routes == (OPEN - {"GET /login"}) | {"GET /livez", "GET /readyz"}


def test_a_wrong_method_is_answered_with_those_that_there_are(http: httpx.Client) -> None:
    answer = http.request("TRACE", "/livez")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
