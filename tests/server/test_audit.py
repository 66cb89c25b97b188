"""The audit over HTTP: what each change has changed, searched and in pages."""

from typing import Any

import httpx
import pytest

from tests.support import eventually

API = "/api/v1"
Entries = list[dict[str, Any]]


def search(http: httpx.Client, **query: str | int) -> Entries:
    answer = http.get(f"{API}/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: Entries = answer.json()["items"]
    return found


def test_changes_of_a_schedule_have_before_and_after(http: httpx.Client, archiver: None) -> None:
    url = f"{API}/schedules/nightly"
    http.put(url, json={"task": "noop", "cron": "0 3 * * *", "args": [1]})
    http.patch(url, json={"every": 90, "args": [2]}, headers={"X-Reason": "more often"})
    http.post(f"{url}/pause", json={"reason": "too loud"})
    http.post(f"{url}/skip", json={"count": 2})
    http.post(f"{url}/resume")
    http.post(f"{url}/resume")
    http.delete(url)
    entries = eventually(lambda: found if len(found := search(http, target="nightly")) == 7 else None)
    actions = [str(each["action"]) for each in entries][::-1]
    assert actions[:2] == ["put_schedule", "change_schedule"]
    changed = [each["changes"] for each in entries][::-1]
    assert changed[0]["cron"] == [None, "0 3 * * *"]
    assert changed[1] == {
        "rule": ["0 3 * * *", "every 1m 30s"],
        "cron": ["0 3 * * *", None],
        "every": [None, 90.0],
        "anchor": [None, changed[1]["anchor"][1]],
        "args": [[1], [2]],
    }
    paused = changed[2]["paused"]
    assert (paused[0], paused[1]["reason"]) == (None, "too loud")
    assert changed[3] == {"skips": [0, 2]}
    assert changed[4] == {"paused": [paused[1], None]}
    assert changed[5] is None, "a resume of a schedule that is not paused changes nothing"
    assert changed[6]["every"] == [90.0, None]


def test_hidden_arguments_stay_hidden(http: httpx.Client, archiver: None) -> None:
    http.put(f"{API}/tasks/pay", json={"redact": ["password"]})
    http.put(f"{API}/schedules/p", json={"task": "pay", "every": 60, "kwargs": {"password": "s3cret"}})
    (entry,) = eventually(lambda: search(http, target="p"))
    assert "s3cret" not in str(entry)
    assert "***" in str(entry["changes"])


@pytest.fixture
def pauses(http: httpx.Client, archiver: None) -> Entries:
    """Nine changes of three schedules."""
    for n in range(3):
        http.put(f"{API}/schedules/s{n}", json={"task": "noop", "every": 60})
        http.post(f"{API}/schedules/s{n}/pause", json={"reason": f"100% LOUD_{n}"})
        http.post(f"{API}/schedules/s{n}/resume")
    return eventually(lambda: found if len(found := search(http)) == 9 else None)


def test_search_and_pages(http: httpx.Client, pauses: Entries) -> None:
    def ids(**query: str | int) -> list[object]:
        return [each["id"] for each in search(http, **query)]

    everything = [each["id"] for each in pauses]
    assert len(ids(action="pause_schedule")) == 3
    assert ids(q="loud_2") == ids(action="pause_schedule", target="s2")
    assert ids(q="0% l") == ids(action="pause_schedule"), "a percent sign is one"
    assert ids(q="loud%2") == []
    assert ids(q="this MACHINE") == everything
    assert ids(actor="this machine", target="s1", q="resume") == ids(action="resume_schedule", target="s1")
    since = str(pauses[4]["at"])
    assert set(everything[:4]) <= set(ids(since=since)) < set(everything)
    first = http.get(f"{API}/audit", params={"limit": 5}).json()
    rest = http.get(f"{API}/audit", params={"limit": 5, "before": first["next"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == everything
    assert rest["next"] is None
    for wrong in ({"q": "x" * 201}, {"since": "yesterday"}, {"before": 0}, {"q": "\0"}):
        assert http.get(f"{API}/audit", params=wrong).json()["code"] == "bad_request", wrong
