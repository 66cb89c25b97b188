"""The schema of a task's arguments over HTTP: declared by a frame or a request, shown for one task."""

import httpx
import pytest

from tests.server_fixtures import MakePeer
from tests.support import eventually

API = "/api/v1"
SCHEMA = {"type": "object", "properties": {"url": {"type": "string"}}}


def test_a_schema_of_another_language_is_shown(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify({"name": "node", "options": {"parameters": SCHEMA}})
    shown = eventually(lambda: http.get(f"{API}/tasks/node").json().get("parameters"))
    assert shown == SCHEMA
    assert "parameters" not in http.get(f"{API}/tasks/node").json()["options"]
    listed = {each["name"]: each for each in http.get(f"{API}/tasks").json()["items"]}
    assert "parameters" not in listed["node"], "a list is short"
    assert http.get(f"{API}/tasks/noop").json()["parameters"] is None


@pytest.mark.parametrize("wrong", ["nonsense", "[]", 7, "{" + " " * 8_000 + "}", {"x": "y" * 8_000}])
def test_other_schemas_are_refused(http: httpx.Client, wrong: object) -> None:
    made = http.put(f"{API}/tasks/x", json={"parameters": wrong})
    assert made.json()["code"] == "bad_setting", made.text
