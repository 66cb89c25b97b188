"""Cron: published rules, refusals, and that no text hangs or breaks the parser."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinitas import BadSchedule
from infinitas.core.cron.expression import parse_cron
from infinitas.core.schedule_options import make_schedule


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
        # Also where one of them is L, W or #.
        ("0 0 1 * 1#1", "2026-11-02T12:00+01:00", ["12-01 00:00:00+0100", "12-07 00:00:00+0100"]),
        ("0 0 15W * 1", "2026-12-08T12:00+01:00", ["12-14 00:00:00+0100", "12-15 00:00:00+0100"]),
        # A range over the end of its field goes on from its start, in the same steps.
        (
            "0 22-5/3 * * *",
            "2026-06-01T12:00+02:00",
            ["06-01 22:00:00+0200", "06-02 01:00:00+0200", "06-02 04:00:00+0200", "06-02 22:00:00+0200"],
        ),
        ("0 0 * * fri-mon", "2026-06-02T12:00+02:00", [f"06-0{d} 00:00:00+0200" for d in (5, 6, 7, 8)]),
        ("5/20 9 * * *", "2026-06-01T00:00+02:00", [f"06-01 09:{m}:00+0200" for m in ("05", "25", "45")]),
        ("0 0 * * 7", "2026-06-02T12:00+02:00", ["06-07 00:00:00+0200"]),
        # A day field that begins with * is not restricted.
        ("0 0 */2 * 1", "2026-05-31T12:00+02:00", ["06-01 00:00:00+0200", "06-15 00:00:00+0200"]),
        ("@daily", "2026-06-01T12:00+02:00", ["06-02 00:00:00+0200"]),
    ],
)
def test_rules_in_copenhagen(expression: str, start: str, expected: list[str]) -> None:
    assert slots(expression, "Europe/Copenhagen", start, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 L * *", ["11-30", "12-31", "01-31", "02-28"]),
        ("0 0 L-3 * *", ["11-27", "12-28", "01-28", "02-25"]),
        ("0 0 LW * *", ["11-30", "12-31", "01-29", "02-26"]),
        ("0 0 15,L * *", ["11-30", "12-15", "12-31", "01-15"]),
        # 15 August 2027 is a Sunday, 1 May 2027 a Saturday, 31 January 2027 a Sunday.
        ("0 0 15W 8 *", ["08-16", "08-15"]),
        ("0 0 1W 5 *", ["05-03", "05-01"]),
        ("0 0 31W 1 *", ["01-29", "01-31"]),
        ("0 0 31W 4,6,12 *", ["12-31", "12-31"]),
        ("0 0 * * 5L", ["11-27", "12-25", "01-29", "02-26"]),
        ("0 0 * * friL", ["11-27", "12-25", "01-29", "02-26"]),
        ("0 0 * * 1#5", ["11-30", "03-29", "05-31", "08-30"]),
        ("0 0 * * 0#1,6L", ["11-28", "12-06", "12-26", "01-03"]),
        ("0 0 29 2 *", ["02-29", "02-29"]),
    ],
)
def test_days_as_quartz_writes_them(expression: str, expected: list[str]) -> None:
    found = slots(expression, "UTC", "2026-11-23T00:00Z", len(expected))
    assert [slot[:5] for slot in found] == expected


def test_h_is_a_value_of_the_schedules_own() -> None:
    def found(name: str, expression: str = "H H(0-5) * * *") -> list[str]:
        cron, moment, times = (
            parse_cron(expression, "UTC", "cron", name),
            datetime(2026, 1, 1, tzinfo=UTC),
            [],
        )
        for _ in range(4):
            following = cron.next_after(moment)
            assert following is not None
            times.append(f"{following:%H:%M}")
            moment = following
        return times

    assert found("a") == found("a")
    assert len({found(f"task {i}")[0] for i in range(300)}) > 150
    assert all(found(f"task {i}")[0] < "06:00" for i in range(50))
    quarters = found("a", "H/15 * * * *")
    assert len({int(time[3:]) % 15 for time in quarters}) == 1


@pytest.mark.parametrize(
    ("dst", "expression", "spring", "autumn"),
    [
        ("cron", "30 2 * * *", ["03:00:00+0200"], ["02:30:00+0200"]),
        ("skip", "30 2 * * *", [], ["02:30:00+0200"]),
        ("literal", "30 2 * * *", [], ["02:30:00+0200", "02:30:00+0100"]),
        ("cron", "30 * * * *", ["01:30:00+0100", "03:30:00+0200"], ["02:30:00+0200", "02:30:00+0100"]),
        ("skip", "30 * * * *", ["01:30:00+0100", "03:30:00+0200"], ["02:30:00+0200"]),
        ("literal", "30 1-3 * * *", ["01:30:00+0100", "03:30:00+0200"], ["02:30:00+0200", "02:30:00+0100"]),
        ("cron", "30 1-3 * * *", ["01:30:00+0100", "03:00:00+0200", "03:30:00+0200"], ["02:30:00+0200"]),
    ],
)
def test_the_choices_for_a_clock_change(
    dst: str, expression: str, spring: list[str], autumn: list[str]
) -> None:
    cron, zone = parse_cron(expression, "Europe/Copenhagen", dst), ZoneInfo("Europe/Copenhagen")

    def between(start: str, end: str) -> list[str]:
        moment, found = datetime.fromisoformat(start), []
        while (following := cron.next_after(moment)) and following < datetime.fromisoformat(end):
            found.append(following.astimezone(zone).strftime("%H:%M:%S%z"))
            moment = following
        return found

    assert between("2026-03-29T01:00+01:00", "2026-03-29T04:00+02:00") == spring
    assert between("2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00") == autumn


@pytest.mark.parametrize(
    ("zone", "expression", "start", "expected"),
    [
        # Cronos (github.com/HangfireIO/Cronos, README): a fixed time in a gap runs at the first valid
        # time after it, a repeated one once, before the shift; an interval goes on through both.
        (
            "America/New_York",
            "30 2 * * *",
            "2016-03-12T12:00-05:00",
            ["03-13 03:00:00-0400", "03-14 02:30:00-0400"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2016-11-05T12:00-04:00",
            ["11-06 01:30:00-0400", "11-07 01:30:00-0500"],
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2016-03-13T01:00-05:00",
            ["03-13 01:30:00-0500", "03-13 03:00:00-0400", "03-13 03:30:00-0400"],
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2016-11-06T00:30-04:00",
            [f"11-06 01:{m}:00{o}" for o in ("-0400", "-0500") for m in ("00", "30")],
        ),
        # Lord Howe moves by half an hour.
        ("Australia/Lord_Howe", "15 2 * * *", "2025-10-04T12:00+10:30", ["10-05 02:30:00+1100"]),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2025-04-05T12:00+11:00",
            ["04-06 01:45:00+1100", "04-07 01:45:00+1030"],
        ),
        # croniter loses these three (its bug with */9 there).
        (
            "Australia/Lord_Howe",
            "*/9 * * * *",
            "2025-04-06T01:54+11:00",
            [f"04-06 01:{m}:00+1030" for m in ("36", "45", "54")],
        ),
        # São Paulo changed at midnight.
        (
            "America/Sao_Paulo",
            "0 0 * * *",
            "2018-11-03T12:00-03:00",
            ["11-04 01:00:00-0200", "11-05 00:00:00-0200"],
        ),
        ("America/Sao_Paulo", "*/8 1 * * 0", "2017-10-11T00:00-03:00", ["10-15 01:00:00-0200"]),
    ],
)
def test_published_rules_and_known_traps(zone: str, expression: str, start: str, expected: list[str]) -> None:
    assert slots(expression, zone, start, len(expected)) == expected


def test_a_day_that_a_zone_skipped_has_no_slot() -> None:
    found = slots("0 12 * * *", "Pacific/Apia", "2011-12-28T00:00-10:00", 3)
    assert found == ["12-28 12:00:00-1000", "12-29 12:00:00-1000", "12-31 12:00:00+1400"]


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("", 1),
        ("* * * *", 8),
        ("* * * * * * *", 13),
        ("1--100000000 * * * *", 1),
        ("60 * * * *", 1),
        ("0 24 * * *", 3),
        ("0 0 0 * *", 5),
        ("0 0 1 13 *", 7),
        ("0 0 * * 8", 9),
        ("  0 0 * * 1,9", 13),
        ("*/0 * * * *", 1),
        ("*/60 * * * *", 1),
        ("1,,2 * * * *", 3),
        ("1, * * * *", 3),
        ("0 0 * * mon-xyz", 9),
        ("0 0 * foo *", 7),
        ("R * * * *", 1),
        ("H(5-3) * * * *", 1),
        ("H(0-9)/20 * * * *", 1),
        ("?/2 * * * *", 1),
        ("? * * * *", 1),
        ("0 0 L-31 * *", 5),
        ("0 0 32W * *", 5),
        ("0 0 * * L5", 9),
        ("0 0 * * 1#6", 9),
        ("0 0 * * W", 9),
        ("L * * * *", 1),
        ("@reboot", 1),
        ("@every 5m", 1),
        ("@daily 5", 8),
        ("TZ=UTC 0 0 * * *", 1),
        ("٥ * * * *", 1),
        ("0\x00 * * * *", 2),
        ("0 0 * *\n*", 8),
        ("a" * 10_000_000, 257),
        ("* " * 5_000_000, 257),
        (",".join(["1"] * 100_000) + " * * * *", 257),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, str) else None,
)
def test_a_refusal_names_the_column(expression: str, column: int) -> None:
    with pytest.raises(BadSchedule) as refused:
        parse_cron(expression, "UTC")
    assert refused.value.code == "bad_schedule"
    assert refused.value.column == column
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "expression", ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 31W 2 *", "* * 30 2 *", "0 0 29 2 */6"]
)
def test_a_rule_without_a_slot_in_five_years_is_refused(expression: str) -> None:
    with pytest.raises(BadSchedule, match="five years"):
        make_schedule(expression, key="k", task="t", now=datetime(2026, 1, 1, tzinfo=UTC))


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("Mars/Olympus", "", "../etc/passwd", "UTC\x00"):
        with pytest.raises(BadSchedule, match="time zone"):
            parse_cron("* * * * *", zone)


CRON_TEXT = st.one_of(
    st.text(alphabet="0123456789*/,-?LW#@abcRH() \t\n", max_size=60),
    st.lists(st.text(alphabet="0123456789*/,-?LWH#()", min_size=1, max_size=6), min_size=4, max_size=7).map(
        " ".join
    ),
    st.text(max_size=300),
)


@settings(max_examples=500, deadline=None)
@given(CRON_TEXT, st.sampled_from(["Europe/Copenhagen", "Australia/Lord_Howe", "UTC"]))
def test_any_text_is_read_or_refused(text: str, zone: str) -> None:
    error: BadSchedule | None = None
    try:
        cron = parse_cron(text, zone, "cron", "name")
    except BadSchedule as refused:
        error = refused
    if error is not None:
        assert error.column is not None
        assert 1 <= error.column <= len(text) + 1
        return
    start = datetime(2026, 1, 1, tzinfo=UTC)
    following = cron.next_after(start)
    assert following is None or following > start
