"""The small pure rules: names, ids, payloads, intervals, retries, verdicts, catching up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infinitas import BadArgs, BadName, BadSchedule, ConfigError, PayloadTooLarge, every
from infinitas.core.codec import encode_payload, from_ms, sent_job_id, slot_job_id, slot_of_job, to_ms
from infinitas.core.interval import describe_ms, next_interval_slot
from infinitas.core.names import check_name
from infinitas.core.planner import plan
from infinitas.core.retry_delay import retry_delay_ms
from infinitas.core.schedule import ON_TIME, Schedule
from infinitas.core.schedule_options import make_schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition, parse_rate
from infinitas.core.verdict import Cancelled, Failed, Outcome, Succeeded, judge

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "\x7f", "é" * 101, "\ud800", "x" * 201])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(BadName) as refused:
        check_name(name, "task")
    assert len(str(refused.value)) < 200


def test_good_names_are_kept() -> None:
    for name in ("archive_orders", "reports/daily", "søg", "x" * 200):
        assert check_name(name, "task") == name


def test_the_same_slot_is_the_same_job_for_ever() -> None:
    assert slot_job_id("hello", NOW, "default") == "hello@20261123T120000Z"
    assert slot_job_id("hello", NOW + timedelta(milliseconds=5), "default") == "hello@20261123T120000.005Z"
    assert slot_job_id("hello", NOW, "slow") == "hello@20261123T120000Z/slow"


@pytest.mark.parametrize("queue", ["default", "slow", "a/b", "20261123T120000Z", "/"])
@pytest.mark.parametrize("key", ["hello", "shop.hello", "a@b", "x@20261123T120000Z", "a/b"])
def test_key_and_slot_are_read_back_from_a_slots_id(key: str, queue: str) -> None:
    assert slot_of_job(slot_job_id(key, NOW, queue)) == (key, NOW)


def test_sent_ids_sort_by_time() -> None:
    ids = [sent_job_id(ms, entropy) for ms, entropy in ((1, 2**80 - 1), (2, 0), (2**40, 5))]
    assert ids == sorted(ids)
    assert {len(id) for id in ids} == {26}


def test_milliseconds_survive_a_round_trip() -> None:
    assert from_ms(to_ms(NOW)) == NOW


def nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), [float("inf")], {1: object()}, nested(220), nested(100_000)],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(BadArgs):
        encode_payload(value, "result")


def test_the_payload_limit_is_256_kb() -> None:
    encode_payload("x" * (256 * 1024 - 2), "result")
    with pytest.raises(PayloadTooLarge, match="262,145 bytes"):
        encode_payload("x" * (256 * 1024 - 1), "result")


def test_intervals_count_from_their_anchor() -> None:
    assert next_interval_slot(1000, 500, 500) == 1500
    assert next_interval_slot(1000, 500, 1499) == 1500
    assert next_interval_slot(1000, 500, 1500) == 2500
    assert next_interval_slot(1000, 5500, 100) == 500, "an anchor that a fast clock gave holds nothing back"


@pytest.mark.parametrize("seconds", [0, -1, 0.001, float("nan"), float("inf"), 1e12])
def test_absurd_intervals_are_refused(seconds: float) -> None:
    with pytest.raises(BadSchedule):
        every(seconds=seconds)


def test_durations_have_at_most_two_units() -> None:
    assert describe_ms(0) == "0ms"
    assert describe_ms(90_061_001) == "1d 1h"
    assert describe_ms(450) == "450ms"


def test_retry_delays_double_up_to_an_hour() -> None:
    assert [retry_delay_ms(1, n, "exponential", 0.0) for n in (1, 2, 3)] == [1000, 2000, 4000]
    assert retry_delay_ms(1, 10_000, "exponential", 0.0) == 3_600_000
    assert retry_delay_ms(1, 1, "exponential", 0.99) == 1099
    assert [retry_delay_ms(7_200, n, "fixed", 0.0) for n in (1, 9)] == [7_200_000] * 2


def test_verdicts() -> None:
    task = TaskDefinition(name="t", retries=1, give_up_after=60)

    def state(outcome: Outcome, tries: int = 1, age_s: float = 0) -> State:
        return judge(outcome, task, tries, age_s, 0).state

    assert state(Succeeded(result="1")) == State.SUCCEEDED
    assert state(Cancelled(why="w")) == State.CANCELLED
    assert state(Failed(error="e")) == State.RETRYING
    assert state(Failed(error="e"), tries=2) == State.FAILED
    assert state(Failed(error="e"), age_s=59.5) == State.FAILED, "the retry would begin too late"
    assert state(Failed(error="e", retryable=False)) == State.FAILED
    assert state(Failed(error="e", reason=Reason.BAD_ARGS)) == State.FAILED
    assert state(Failed(error="e", reason=Reason.BAD_RESULT)) == State.FAILED
    late = Failed(error="e", reason=Reason.TIMED_OUT)
    assert state(late) == State.RETRYING
    assert judge(late, replace(task, retry_timeouts=False), 1, 0, 0).state == State.FAILED
    assert judge(Failed(error="e", after_s=2.5), task, 1, 0, 0.9).delay_ms == 2500


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/s", (10, 1000)), ("5/30s", (5, 30_000)), ("600 / m", (600, 60_000)), ("1/day", (1, 86_400_000))],
)
def test_rates(text: str, rate: tuple[int, int]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": "0/s"},
        {"rate": "fast"},
        {"rate": "1/0s"},
        {"rate": 5},
        {"timeout": "soon"},
        {"timeout": 1, "soft_timeout": 1},
        {"retries": 1.5},
        {"retries": True},
        {"backoff": "random"},
        {"runner": "gpu"},
        {"on_lost": "ignore"},
        {"no_processor": None},
        {"max_running": 0},
        {"priority": 101},
        {"expires": 0},
        {"result_ttl": float("nan")},
    ],
    ids=str,
)
def test_wrong_options_name_themselves(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        TaskDefinition(name="t", **wrong)


def test_options_of_a_newer_version_are_left_out() -> None:
    assert TaskDefinition.from_json('{"name":"t","colour":"red","retries":2}').retries == 2


def test_a_naive_moment_or_two_rules_are_refused() -> None:
    for arguments in (
        {"rule": None, "at": datetime(2026, 1, 1)},
        {"rule": "* * * * *", "at": NOW},
        {"rule": None, "at": None},
        {"rule": 5, "at": None},
    ):
        with pytest.raises(BadSchedule):
            make_schedule(key="k", task="t", now=NOW, **arguments)


def test_catching_up_runs_the_newest_and_records_the_rest() -> None:
    schedule = Schedule(key="k", task="t", every_ms=60_000)
    first = NOW - timedelta(minutes=5)
    fires = list(plan(schedule, first, NOW + timedelta(seconds=30)))
    assert [fire.unrun for fire in fires] == [Reason.CATCH_UP] * 5 + [None]
    assert [fire.slot for fire in fires] == [first + timedelta(minutes=i) for i in range(6)]
    assert fires[-1].next_slot == NOW + timedelta(minutes=1)


def test_a_slot_a_little_late_still_runs() -> None:
    schedule = Schedule(key="k", task="t", every_ms=1000)
    fires = list(plan(schedule, NOW - ON_TIME + timedelta(seconds=1), NOW))
    assert [fire.unrun for fire in fires] == [None] * len(fires)
