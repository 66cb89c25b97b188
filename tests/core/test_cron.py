"""Cron: tables of published rules, a differential test against a brute-force walk, refusals."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from infinitas import BadSchedule
from infinitas.core.cron import parse_cron


def slots(expression: str, zone: str, start: str, count: int) -> list[str]:
    cron = parse_cron(expression, zone)
    moment, found = datetime.fromisoformat(start), []
    for _ in range(count):
        following = cron.next_after(moment)
        assert following is not None
        assert following > moment
        found.append(following.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M:%S%z"))
        moment = following
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        # cron(8): a fixed time in the gap runs once, right after it.
        ("30 2 * * *", "2026-03-28T12:00+01:00", ["03-29 03:00:00+0200", "03-30 02:30:00+0200"]),
        # A repeated fixed time runs the first time only.
        (
            "30 2 * * *",
            "2026-10-24T12:00+02:00",
            ["10-25 02:30:00+0200", "10-26 02:30:00+0100"],
        ),
        # A wildcard hour runs whenever the clock really shows it.
        (
            "30 * * * *",
            "2026-03-29T01:00+01:00",
            ["03-29 01:30:00+0100", "03-29 03:30:00+0200"],
        ),
        (
            "30 * * * *",
            "2026-10-25T02:00+02:00",
            ["10-25 02:30:00+0200", "10-25 02:30:00+0100", "10-25 03:30:00+0100"],
        ),
        # The first slot after a gap may lie exactly on it.
        ("0 * * * *", "2026-03-29T01:30+01:00", ["03-29 03:00:00+0200", "03-29 04:00:00+0200"]),
        # Six fields: seconds first.
        ("15 30 9 * * *", "2026-06-01T00:00+02:00", ["06-01 09:30:15+0200", "06-02 09:30:15+0200"]),
        # An equal range is that one value.
        ("0 9-9 * * *", "2026-06-01T00:00+02:00", ["06-01 09:00:00+0200", "06-02 09:00:00+0200"]),
        # Both day fields restricted: either matches (1 June 2026 is a Monday).
        ("0 0 3 * 1", "2026-05-31T12:00+02:00", ["06-01 00:00:00+0200", "06-03 00:00:00+0200"]),
        # A day field that begins with * is not restricted.
        ("0 0 */2 * 1", "2026-05-31T12:00+02:00", ["06-01 00:00:00+0200", "06-15 00:00:00+0200"]),
        ("@daily", "2026-06-01T12:00+02:00", ["06-02 00:00:00+0200"]),
    ],
)
def test_rules_in_copenhagen(expression: str, start: str, expected: list[str]) -> None:
    assert slots(expression, "Europe/Copenhagen", start, len(expected)) == expected


def test_a_day_that_a_zone_skipped_has_no_slot() -> None:
    found = slots("0 12 * * *", "Pacific/Apia", "2011-12-28T00:00-10:00", 3)
    assert found == ["12-28 12:00:00-1000", "12-29 12:00:00-1000", "12-31 12:00:00+1400"]


ZONES = ["Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]
WINDOWS = {
    "Europe/Copenhagen": ["2026-03-28", "2026-10-24"],
    "America/New_York": ["2026-03-07", "2026-10-31"],
    "Australia/Lord_Howe": ["2025-04-05", "2025-10-04"],
    "America/Sao_Paulo": ["2018-11-03", "2018-02-17"],
    "UTC": ["2026-02-27"],
}


def brute_force(expression: str, zone: str, start: datetime, hours: int) -> list[datetime]:
    """The rule of cron(8), minute by minute over UTC, without any of our own code."""
    tz = ZoneInfo(zone)
    repeats = any(field.startswith("*") for field in expression.split()[:2])
    found, seen, previous = [], set(), (start - timedelta(minutes=1)).astimezone(tz).replace(tzinfo=None)
    for minute in range(hours * 60):
        moment = start + timedelta(minutes=minute)
        wall = moment.astimezone(tz).replace(tzinfo=None, fold=0)
        hidden = [
            previous + timedelta(minutes=i) for i in range(1, int((wall - previous).total_seconds() // 60))
        ]
        matches = croniter.match(expression, wall)
        if repeats:
            if matches:
                found.append(moment)
        elif (matches and wall not in seen) or any(croniter.match(expression, w) for w in hidden):
            found.append(moment)
        seen.add(wall)
        previous = wall
    return found


@settings(max_examples=25, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    minute=st.sampled_from(["*", "*/7", "0", "30", "15,45", "10-20/5", "59"]),
    hour=st.sampled_from(["*", "*/2", "0", "1", "2", "1-3", "2,23", "0-6/2"]),
    window=st.integers(0, 1),
)
def test_no_disagreement_with_a_walk_over_every_minute(
    zone: str, minute: str, hour: str, window: int
) -> None:
    expression = f"{minute} {hour} * * *"
    day = WINDOWS[zone][window % len(WINDOWS[zone])]
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    expected = brute_force(expression, zone, start, 60)
    cron, moment, found = parse_cron(expression, zone), start - timedelta(milliseconds=1), []
    while (following := cron.next_after(moment)) and following < start + timedelta(hours=60):
        found.append(following)
        moment = following
    assert found == expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "0 0 30 2 *",
        "0 0 31 4 *",
        "1--100000000 * * * *",
        "60 * * * *",
        "*/0 * * * *",
        "*/61 * * * *",
        "R * * * *",
        "H H * * *",
        "@reboot",
        "@every 5m",
        "0 22-5/3 * * *",
        "0 0 1 * 1#1",
        "0 0 15W * 1",
        "٥ * * * *",
        "0\x00 * * * *",
        "a" * 10_000_000,
        "*" * 10_000_000,
        "* " * 5_000_000,
        ",".join(["1"] * 100_000) + " * * * *",
    ],
    ids=lambda expression: repr(expression[:24]),
)
def test_what_is_wrong_or_can_never_come_true_is_refused_at_once(expression: str) -> None:
    start = time.perf_counter()
    with pytest.raises(BadSchedule) as refused:
        parse_cron(expression, "UTC")
    assert refused.value.code == "bad_schedule"
    assert time.perf_counter() - start < 1.0
    assert len(str(refused.value)) < 500


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("Mars/Olympus", "", "../etc/passwd", "UTC\x00"):
        with pytest.raises(BadSchedule, match="time zone"):
            parse_cron("* * * * *", zone)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789*/,-?LW#@abcRH \t\n", max_size=40))
def test_no_text_raises_anything_but_bad_schedule(text: str) -> None:
    try:
        cron = parse_cron(text, "Europe/Copenhagen")
    except BadSchedule:
        return
    start = datetime(2026, 1, 1, tzinfo=UTC)
    following = cron.next_after(start)
    assert following is None or following > start
