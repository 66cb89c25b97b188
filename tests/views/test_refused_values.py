"""Hostile values at the HTTP edge: refused with a code, or stored so that every view answers."""

from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.system import RUN, System

API = "/api/v1"
FAR = [
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59Z",
    "9000-01-01T00:00:00Z",
]
NO_MOMENTS = [*FAR, "2030-01-01", "2030-01-01T00:00:00", "0.5", 0.5, 1_700_000_000, True, "1700000000", {}]


def refused(system: System, method: str, path: str, body: Any = None) -> str:
    """The code of a refusal."""
    answer = system.request(method, API + path, body)
    assert answer.status_code in (400, 422), (path, body, answer.status_code, answer.text)
    return str(answer.json()["code"])


def test_bad_moments_are_refused_on_every_route(system: System) -> None:
    pause, fill = "/schedules/honest/pause", "/schedules/honest/backfill"
    before = system.redis.dbsize()
    for moment in NO_MOMENTS:
        assert refused(system, "POST", "/tasks/honest/jobs", {"due": moment}) == "bad_request"
        for name in ("at", "start", "end"):
            assert refused(system, "PATCH", "/schedules/honest", {name: moment}) == "bad_request"
        assert refused(system, "POST", pause, {"reason": "x", "until": moment}) == "bad_request"
        assert (
            refused(system, "POST", fill, {"start": moment, "end": "2026-01-01T00:00:00Z"}) == "bad_request"
        )
        filtered = {"action": "cancel", "filter": {"since": moment}}
        assert refused(system, "POST", "/jobs/bulk", filtered) == "bad_request"
        for path in ("/jobs", "/timeline"):
            for name in ("since", "until"):
                query = f"{path}?{name}={quote(str(moment))}"
                assert refused(system, "GET", query) == "bad_request"
    assert system.redis.dbsize() == before
    system.check()


BAD_BODIES: list[tuple[str, Any]] = [
    ("/schedules/honest/skip", {"count": False}),
    ("/schedules/honest/skip", {"count": "1"}),
    ("/schedules/preview", {"every": True}),
    ("/schedules/preview", {"every": "60"}),
    ("/tasks/honest/jobs", {"expires": "60"}),
    ("/tasks/honest/jobs", {"key": "a\0"}),
    ("/tasks/honest/jobs", {"args": ["\ud800"]}),
    ("/tasks/honest/jobs", {"\ud800": 1}),
    ("/jobs/bulk", {"action": "cancel", "ids": ["a\0"]}),
    ("/jobs/bulk", {"action": "cancel", "ids": [], "dry_run": 1}),
    ("/jobs/x/cancel", {"reason": "a\0"}),
    ("/jobs/x/cancel", {"reason": "\ud800"}),
    ("/schedules/honest/pause", {"reason": "\ud800"}),
]


def test_values_of_another_type_are_refused(system: System) -> None:
    for path, body in BAD_BODIES:
        assert refused(system, "POST", path, body) in ("bad_request", "bad_args", "bad_name")


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"doc": 5}, "bad_setting"),
    ({"doc": None}, "bad_setting"),
    ({"doc": {}}, "bad_setting"),
    ({"queue": None}, "bad_name"),
    ({"queue": ["a"]}, "bad_name"),
    ({"capture_print": "no"}, "bad_setting"),
    ({"max_running": True}, "bad_setting"),
    ({"redact": None}, "bad_setting"),
    ({"rate": 5}, "bad_setting"),
]


def test_options_of_another_type_are_refused(system: System) -> None:
    for options, code in BAD_OPTIONS:
        assert refused(system, "PUT", "/tasks/new", options) == code
    assert system.request("GET", f"{API}/tasks/new").status_code == 404


def test_names_that_no_store_can_hold_are_refused(system: System) -> None:
    for path in ("/jobs/a%00", "/tasks/a%00", "/schedules/a%00", "/jobs/a%00/logs", "/timeline?task=%00"):
        refused(system, "GET", path)
    refused(system, "GET", "/audit?actor=%00")
    refused(system, "GET", "/jobs?cursor=OTk5OTk5OTk5OTk5OTk5OSB4")
    refused(system, "GET", "/jobs?cursor=MSAA")


def test_an_invalid_origin_counts_as_another_site(system: System) -> None:
    for origin in ("http://[::1", "http://[", "null", "://", "http://x:y:z"):
        answer = system.request("POST", f"{API}/tasks/honest/jobs", {}, origin=origin)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_an_invalid_host_is_no_server_error(system: System) -> None:
    # Some versions of Starlette leave such a host out of the URL, others raise.
    assert system.request("GET", f"{API}/tasks", host="[::1").status_code in (200, 403)


def test_an_unexpected_error_is_answered_and_the_connection_stays(system: System) -> None:
    async def fail() -> None:
        raise RuntimeError("on purpose")

    system.api.add_api_route("/fail", fail)
    # If it were raised again, as Starlette does, uvicorn would close the connection.
    answer = system.request("GET", "/fail")
    assert (answer.status_code, answer.json()["code"]) == (500, "error")


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from([*FAR, "\0", "\ud800", 10**400, 10**4299, -1, 2**63, "* * * * *", "a" * 700, "Mars/X"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
JOB = ("args", "kwargs", "id", "headers", "key", "due", "expires")
OPTIONS = (
    *(
        "queue",
        "timeout",
        "soft_timeout",
        "runner",
        "isolate",
        "retries",
        "retry_delay",
        "backoff",
        "give_up_after",
    ),
    *("on_lost", "no_processor", "max_running", "rate", "expires", "priority", "result_ttl", "doc"),
    *("capture_print", "redact", "retry_timeouts", "name", "other"),
)
RULE = (
    *("cron", "every", "at", "args", "kwargs", "timezone", "dst", "overlap", "catch_up", "jitter", "start"),
    *("catch_up_window", "catch_up_limit", "end", "max_runs", "grace"),
)


def fields(names: tuple[str, ...]) -> Any:
    return st.dictionaries(st.sampled_from(names), ANY, min_size=1, max_size=2)


def test_every_view_answers_after_any_request(system: System) -> None:
    @settings(max_examples=8, **RUN)
    @given(fields(JOB), fields(OPTIONS), fields(RULE), ANY)
    def send(job: dict[str, Any], options: dict[str, Any], rule: dict[str, Any], other: Any) -> None:
        system.seed()
        base = {"task": "honest", "every": 3600}
        for method, path, body in (
            ("PUT", "/tasks/new", options),
            ("POST", "/tasks/honest/jobs", job),
            ("POST", "/tasks/new/jobs", job),
            ("POST", "/tasks/honest/jobs/batch", {"jobs": [job, other]}),
            ("PUT", "/schedules/new", {**base, **rule}),
            ("PATCH", "/schedules/new", rule),
            ("POST", "/schedules/preview", rule),
            ("POST", "/schedules/new/pause", {"reason": other, "until": other}),
            ("POST", "/schedules/new/trigger", rule),
            (
                "POST",
                "/jobs/bulk",
                {"action": "cancel", "filter": {"since": other, "key": other}, "dry_run": True},
            ),
        ):
            answer = system.request(method, API + path, body)
            assert answer.status_code < 500, (method, path, body, answer.text)
        system.check(tasks=["new"], schedules=["new"])

    send()
