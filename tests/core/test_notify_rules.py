"""Rules, quiet hours across clock changes, and the settings that hold rules. Pure."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from infinitas.core.errors import ConfigError
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notify_rules import CODE_RULE, Mute, NotifyRule, announcements_of
from infinitas.core.quiet_hours import read_quiet_hours
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.config import load_settings

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def incident(kind: IncidentKind = IncidentKind.FAILING, subject: str = "crm", **fields: object) -> Incident:
    task = subject if kind is IncidentKind.FAILING else None
    return Incident(id="i", kind=kind, subject=subject, task=task, opened_at=NOW, last_at=NOW)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", "2026-07-01T21:59", None),
        ("22:00-07:00", "2026-07-01T22:00", "2026-07-02T07:00"),
        ("22:00-07:00", "2026-07-02T06:59", "2026-07-02T07:00"),
        ("22:00-07:00", "2026-07-02T07:00", None),
        ("12:00-13:00", "2026-07-02T12:30", "2026-07-02T13:00"),
        # The night of 29 March is an hour shorter, that of 25 October an hour longer.
        ("22:00-07:00", "2026-03-29T01:30", "2026-03-29T07:00"),
        ("22:00-07:00", "2026-10-25T01:30", "2026-10-25T07:00"),
        # 02:30 does not occur on 29 March: it is over at the change.
        ("22:00-02:30", "2026-03-29T01:59", "2026-03-29T03:00"),
        ("22:00-02:30", "2026-03-29T03:00", None),
        ("02:30-04:00", "2026-03-29T03:00", "2026-03-29T04:00"),
    ],
)
def test_quiet_hours_follow_the_wall_clock(hours: str, now: str, until: str | None) -> None:
    found = read_quiet_hours(hours, COPENHAGEN)
    assert found is not None

    def utc(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=COPENHAGEN).astimezone(UTC)

    assert found.until(utc(now)) == (utc(until) if until else None)


def test_of_a_repeated_time_the_first_one_counts() -> None:
    found = read_quiet_hours("22:00-02:30", COPENHAGEN)
    assert found is not None
    midnight = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
    assert found.until(midnight) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert found.until(datetime(2026, 10, 25, 1, 15, tzinfo=UTC)) is None, "02:15 for the second time"


def test_other_texts_are_no_quiet_hours() -> None:
    for text in ("22:00", "22:00-22:00", "24:00-07:00", "2:00-3:00", "22:00-07:60", ""):
        assert read_quiet_hours(text, COPENHAGEN) is None


def test_the_channels_that_are_notified() -> None:
    rules = (
        NotifyRule(name="all", channels=("ops",)),
        NotifyRule(name="crm", tasks="c*", channels=("ops", "crm"), kinds=("failing",)),
        NotifyRule(name="tagged", tags=("x", "y"), channels=("tag",)),
    )

    def notified(what: Incident, task: TaskDefinition | None = None, mutes: tuple[Mute, ...] = ()) -> object:
        return [(each.channel, each.rule) for each in announcements_of(what, task, rules, mutes, NOW)]

    assert notified(incident()) == [("ops", "all"), ("crm", "crm")], "each channel once"
    assert notified(incident(), TaskDefinition(name="crm", tags=["y"]))[-1:] == [("tag", "tagged")]  # type: ignore[index]
    assert notified(incident(), TaskDefinition(name="crm", notify=["own"])) == [("own", CODE_RULE)]
    assert notified(incident(), TaskDefinition(name="crm", notify=[])) == []
    lost = incident(IncidentKind.WORKER_LOST, "eu-3")
    assert notified(lost) == [("ops", "all")]
    failing = incident(IncidentKind.CHANNEL_FAILING, "ops")
    assert notified(failing) == [], "not through itself"
    mute = Mute(
        id=1,
        tasks="crm",
        kinds=(),
        until=NOW + timedelta(minutes=1),
        reason="x",
        actor="nina",
        created_at=NOW,
    )
    assert notified(incident(), None, (mute,)) == []
    assert notified(lost, None, (mute,)) == [("ops", "all")]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[[notify]]\nname = "x"', "needs channels"),
        ('[[notify]]\nchannels = ["a"]\nkind = ["x"]', "has no option 'kind'"),
        ('[[notify]]\nchannels = ["a"]\nkinds = ["x"]', "worker_lost"),
        ('[[notify]]\nchannels = ["a"]\nquiet = "night"', "22:00-07:00"),
        ('[[notify]]\nchannels = ["a"]\ntimezone = "Mars"', "Mars"),
        ('[[notify]]\nchannels = ["a"]\nremind_every = 5', "seconds from 60"),
        ('[[notify]]\nchannels = "a"', "channels of the rule"),
        ('[[notify]]\nname = "x"\nchannels = ["a"]\n[[notify]]\nname = "x"\nchannels = ["a"]', "twice"),
        ("notify = 5", "tables [[notify]]"),
        ('notify_rate = "many"', "a number per period"),
        ('page_url = "ftp://x"', "https://"),
        ('page_url = "https://me:secret@x/"', "https://host"),
    ],
)
def test_a_rule_that_is_wrong_is_named(text: str, part: str, tmp_path: Path) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_settings({}, {}, file)
    assert part in str(refused.value)
    assert "secret" not in str(refused.value)


def test_rules_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text('page_url = "https://x.example/jobs/"\n[[notify]]\nchannels = ["a"]\nremind_every = 0')
    found = load_settings({}, {}, file)
    assert found.page_url == "https://x.example/jobs"
    assert found.notify == (NotifyRule(name="notify 1", channels=("a",), remind_every=0),)


@pytest.mark.parametrize(
    "options",
    [
        {"notify": "ops"},
        {"notify": [5]},
        {"notify_after": 0},
        {"notify_after": "often"},
        {"slow_after": 0},
        {"owner": "a\nb"},
        {"runbook": "wiki"},
        {"runbook": "javascript:alert(1)"},
        {"tags": ["\n"]},
    ],
)
def test_options_of_tasks_that_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as refused:
        TaskDefinition(name="t", **options)  # type: ignore[arg-type]
    assert next(iter(options)) in str(refused.value)
