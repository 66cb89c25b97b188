"""Parts of kept counts cover a window once, with few parts, and none crosses a bucket's edge."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinitas.core.count_parts import SIZES_S, parts_of

START = datetime(2026, 3, 29, tzinfo=UTC)


def quarter(moment: datetime) -> int:
    return int(moment.timestamp()) // 900


@given(
    st.integers(0, 10**6),
    st.integers(0, 40 * 86_400),
    st.sampled_from((None, 900, 1_800, 7_200, 10_800, 14_400, 43_200, 86_400)),
)
def test_each_quarter_is_covered_once(first: int, length: int, bucket_s: int | None) -> None:
    since = START + timedelta(seconds=first, milliseconds=7)
    until = since + timedelta(seconds=length)
    parts = parts_of(since, until, bucket_s)
    covered = [n for part in parts for n in range(quarter(part.first), quarter(part.after))]
    last = -(-until.timestamp() // 900)
    assert covered == list(range(quarter(since), int(last)))
    for part in parts:
        assert part.first.timestamp() % part.size_s == part.after.timestamp() % part.size_s == 0
        assert bucket_s is None or bucket_s % part.size_s == 0
    assert len(parts) <= 2 * len(SIZES_S) - 1


@pytest.mark.parametrize(("days", "most"), [(1, 30), (7, 40), (31, 90)])
def test_a_long_window_has_few_parts(days: int, most: int) -> None:
    since = START + timedelta(seconds=1_234)
    parts = parts_of(since, since + timedelta(days=days))
    assert sum((part.after - part.first).total_seconds() / part.size_s for part in parts) <= most
