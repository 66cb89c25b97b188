"""Previews of rules, above all at clock changes."""

from datetime import UTC, datetime, timedelta

import pytest

from infinitas import BadSchedule, every, preview

WINTER = datetime(2026, 2, 1, tzinfo=UTC)
COPENHAGEN = "Europe/Copenhagen"


def test_a_fixed_time_in_the_gap_is_moved() -> None:
    found = preview("30 2 * * *", now=datetime(2026, 3, 28, 12, tzinfo=UTC), count=2, timezone=COPENHAGEN)
    moved, usual = found.slots
    assert (moved.utc, moved.local.hour, moved.local.minute) == (datetime(2026, 3, 29, 1, tzinfo=UTC), 3, 0)
    assert moved.note.startswith("moved")
    assert usual.note == ""


def test_warnings_of_a_year_name_gap_and_fold() -> None:
    found = preview("30 2 * * *", now=WINTER, timezone=COPENHAGEN)
    notes = {warning.local.date().isoformat(): warning.note for warning in found.warnings}
    assert set(notes) == {"2026-03-29", "2026-10-25"}
    assert "does not exist" in notes["2026-03-29"]
    assert "twice" in notes["2026-10-25"]


def test_times_that_a_gap_drops_are_listed() -> None:
    found = preview("30 2 * * *", now=WINTER, timezone=COPENHAGEN, dst="skip")
    assert [w.local.date().isoformat() for w in found.warnings][:1] == ["2026-03-29"]
    assert "moved" not in found.warnings[0].note


def test_no_clock_change_no_warning() -> None:
    assert preview("30 12 * * *", now=WINTER, timezone=COPENHAGEN).warnings == ()
    assert preview("30 2 * * *", now=WINTER).warnings == ()
    assert preview(every(minutes=5), now=WINTER).warnings == ()


def test_an_interval_counts_from_now() -> None:
    found = preview(every(minutes=5), now=WINTER, count=2)
    assert [slot.utc - WINTER for slot in found.slots] == [timedelta(minutes=5), timedelta(minutes=10)]
    assert found.description == "every 5m"


@pytest.mark.parametrize(
    ("rule", "description"),
    [
        ("30 2 * * *", "at 02:30, every day"),
        ("*/15 * * * *", "every 15 minutes, every day"),
        ("0 9 * * mon-fri", "at 09:00, on Monday to Friday"),
    ],
)
def test_a_rule_is_described(rule: str, description: str) -> None:
    assert preview(rule).description == description


def test_a_wrong_one_is_refused_with_its_column() -> None:
    with pytest.raises(BadSchedule) as refused:
        preview("0 61 * * *")
    assert refused.value.column == 3
    with pytest.raises(BadSchedule):
        preview("0 6 * * *", count=0)
