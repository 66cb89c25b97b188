"""What may stand for a rule: cron text, `every(...)`, its text, a timedelta."""

from datetime import UTC, datetime, timedelta

import pytest

from infinitas import BadSchedule, Infinitas, every, preview
from infinitas.core.interval import Rule
from infinitas.core.schedule_options import make_schedule
from infinitas.wire.schedules import change_fields

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("rule", [every(minutes=5), "every 5m", " Every 5m ", timedelta(minutes=5)])
def test_an_interval_wherever_a_rule_is(rule: Rule) -> None:
    assert make_schedule(rule, key="k", task="t", now=NOW).every_ms == 300_000
    assert change_fields(rule, None, None, {}) == {"every": 300}
    assert preview(rule, now=NOW, count=1).rule == "every 5m"

    @Infinitas().task(schedule=rule)
    def task() -> None: ...

    assert task.schedule is not None
    assert task.schedule.every_ms == 300_000


@pytest.mark.parametrize("rule", ["every five minutes", timedelta(0), timedelta(days=9_999)])
def test_a_wrong_one_is_refused(rule: Rule) -> None:
    with pytest.raises(BadSchedule):
        make_schedule(rule, key="k", task="t", now=NOW)
