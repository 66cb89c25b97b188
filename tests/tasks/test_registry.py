"""Options of tasks: all of them are applied, and what is no option, or no value of one, is refused."""

import functools
from typing import Any

import pytest

from infinitas import Infinitas, Plugin
from infinitas.core.errors import BadArgs, BadName, ConfigError, InfinitasError


def scale(value: int, factor: int) -> int:
    return value * factor


@pytest.fixture
def mine() -> Infinitas:
    return Infinitas("mine", redis_url="redis://127.0.0.1:1/0")


def test_a_function_given_with_options_is_a_task_with_these_options(mine: Infinitas) -> None:
    triple = mine.task(functools.partial(scale, factor=3), name="triple", retries=2)
    assert (triple.name, triple.definition.retries) == ("mine.triple", 2)
    assert mine.task(lambda: 1, name="one", schedule="@hourly", timeout=5).schedule is not None
    assert mine.task(scale, queue="slow").definition.queue == "slow"
    # A task of a task: the same function under another name.
    assert mine.task(triple, name="again").definition.retries == 0
    assert set(mine.tasks) == {"mine.triple", "mine.one", "mine.scale", "mine.again"}


@pytest.mark.parametrize(
    "options",
    [
        {"aliases": "old"},
        {"aliases": b"old"},
        {"aliases": 5},
        {"redact": "password"},
        {"redact": 5},
        {"retry_on": "OSError"},
        {"never_retry_on": ["OSError"]},
        {"schedule": "@hourly", "args": "ab"},
        {"schedule": "@hourly", "args": b"ab"},
        {"schedule": "@hourly", "args": {"value": 1, "factor": 2}},
        {"schedule": "@hourly", "args": {1, 2}},
        {"schedule": "@hourly", "kwargs": "ab"},
        {"schedule": "@hourly", "kwargs": ["ab"]},
    ],
)
def test_one_value_where_a_list_belongs_is_refused(mine: Infinitas, options: dict[str, Any]) -> None:
    with pytest.raises(InfinitasError) as refused:
        mine.task(scale, **options)
    assert refused.value.code in ("bad_setting", "bad_args")
    assert f"{[*options][-1]} of task 'mine.scale'" in str(refused.value)
    assert not mine.tasks


def test_one_text_is_no_list_of_arguments(mine: Infinitas) -> None:
    task = mine.task(scale)
    with pytest.raises(BadArgs, match="list"):
        task.send_many(["ab"])
    with pytest.raises(BadArgs, match="list"):
        mine.schedule("elsewhere", "@hourly", key="k", args="ab")


def test_a_name_that_is_no_text_is_refused(mine: Infinitas) -> None:
    for options in ({"name": 5}, {"name": ["a"]}, {"aliases": [5]}, {"aliases": [""]}, {"queue": 5}):
        with pytest.raises(BadName):
            mine.task(scale, **options)


def test_several_former_names_may_come_as_any_list(mine: Infinitas) -> None:
    assert mine.task(scale, aliases=["a", "b"]).definition.aliases == ("mine.a", "mine.b")
    assert mine.task(scale, name="other", aliases=("c",)).definition.aliases == ("mine.c",)


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("max_retries", "retries"),
        ("rate_limit", "rate"),
        ("time_limit", "timeout"),
        ("soft_time_limit", "soft_timeout"),
        ("autoretry_for", "retry_on"),
        ("default_retry_delay", "retry_delay"),
        ("timout", "timeout"),
        ("cron", "schedule"),
        ("tz", "timezone"),
        ("max_retrys", "retries"),
        ("acks_late", "on_lost"),
        ("bind", "job: Job"),
    ],
)
def test_an_unknown_option_is_refused_with_the_one_that_was_meant(
    mine: Infinitas, unknown: str, meant: str
) -> None:
    with pytest.raises(ConfigError, match=rf"unknown option '{unknown}'.*{meant}") as refused:
        mine.task(**{unknown: 3})(scale)  # type: ignore[call-overload]
    assert "mine.scale" in str(refused.value)
    assert not mine.tasks


def test_options_that_only_code_sets_are_unknown(mine: Infinitas) -> None:
    for name in ("doc", "place", "quux"):
        with pytest.raises(ConfigError, match=f"unknown option '{name}'"):
            mine.task(scale, **{name: "x"})  # type: ignore[call-overload]


def test_unknown_options_are_refused_elsewhere_too(mine: Infinitas) -> None:
    task = mine.task(scale)
    for name, meant in (("countdown", "delay"), ("eta", "at"), ("header", "headers"), ("expire", "expires")):
        with pytest.raises(ConfigError, match=f"unknown option '{name}'; did you mean '{meant}'"):
            task.using(**{name: 5})  # type: ignore[arg-type]
    for name, meant in (("broker", "redis_url"), ("redis", "redis_url"), ("brker", "redis_url")):
        with pytest.raises(ConfigError, match=f"unknown option '{name}'; did you mean '{meant}'"):
            Infinitas(**{name: "redis://x"})  # type: ignore[arg-type]
    mine.configure(concurency=5)
    with pytest.raises(ConfigError, match="unknown option 'concurency'; did you mean 'concurrency'"):
        _ = mine.settings


@pytest.mark.parametrize("plugins", [Plugin(), "my.plugin", [Plugin], ["my.plugin"], 5])
def test_what_is_no_list_of_plugins_is_refused(plugins: Any) -> None:
    with pytest.raises(ConfigError, match="plugin"):
        Infinitas(plugins=plugins)
