"""Signals as HTTP requests, by the published protocols of each monitor. Pure.

Healthchecks: https://healthchecks.io/docs/http_api/. Cronitor: https://cronitor.io/docs/telemetry-api and
https://cronitor.io/docs/monitor-api. Sentry: https://docs.sentry.io/product/crons/getting-started/http/ and
https://develop.sentry.dev/sdk/telemetry/check-ins/.
"""

import base64
import math
import re
import uuid
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

import orjson

from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.notifier.pings.translation import FAIL, OK, START, Signal

_FIVE_FIELDS = re.compile(r"[0-9*/,\-]+(?: [0-9*/,\-]+){4}")
"""What every cron reads alike; with names, H, L, # or seconds the schedule is set in the monitor by hand."""
_ENDINGS = {START: "/start", OK: "", FAIL: "/fail"}
_STATES = {START: "run", OK: "complete", FAIL: "fail"}
_STATUSES = {START: "in_progress", OK: "ok", FAIL: "error"}
_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"))


@dataclass(frozen=True, slots=True)
class Monitors:
    """The accounts with monitors, from the settings. What is None is not set."""

    healthchecks_url: str = "https://hc-ping.com"
    healthchecks_ping_key: str | None = field(default=None, repr=False)
    cronitor_api_key: str | None = field(default=None, repr=False)
    sentry_dsn: str | None = field(default=None, repr=False)
    cronitor_ping_url: str = "https://cronitor.link"
    cronitor_api_url: str = "https://cronitor.io"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request. Its `url` may be secret, and is not logged."""

    method: str
    url: str = field(repr=False)
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class MissingSetting(Exception):
    """A monitor can't be reached without this setting."""


def ping_request(
    monitors: Monitors, service: str, name: str, signal: Signal, task: TaskDefinition, rule: Schedule | None
) -> Outgoing:
    """The request for one signal. Raises MissingSetting."""
    if service == "healthchecks":
        return _healthchecks(monitors, name, signal)
    if service == "cronitor":
        return _cronitor(monitors, name, signal)
    return _sentry(monitors, name, signal, task, rule)


def schedule_request(monitors: Monitors, service: str, name: str, rule: Schedule) -> Outgoing | None:
    """The request that stores a schedule, where that is one of its own; None: there is none.

    Sentry gets it with each check-in. The ping API of Healthchecks takes none. Raises MissingSetting.
    """
    text = _cronitor_schedule(rule) if service == "cronitor" else None
    if text is None:
        return None
    monitor: dict[str, object] = {"type": "job", "key": name, "schedule": text}
    if rule.cron is not None:
        monitor["timezone"] = rule.timezone
    if rule.grace_ms is not None:
        monitor["grace_seconds"] = math.ceil(rule.grace_ms / 1000)
    key = _given(monitors.cronitor_api_key, "cronitor_api_key")
    credentials = base64.b64encode(f"{key}:".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    body = orjson.dumps({"monitors": [monitor]})
    return Outgoing("PUT", f"{monitors.cronitor_api_url}/api/monitors", body, headers)


def _healthchecks(monitors: Monitors, name: str, signal: Signal) -> Outgoing:
    if _is_uuid(name):
        check = name
    else:
        check = f"{quote(_given(monitors.healthchecks_ping_key, 'healthchecks_ping_key'), safe='')}/{name}"
    url = f"{monitors.healthchecks_url}/{check}{_ENDINGS[signal.kind]}?rid={signal.run}"
    return Outgoing("POST", url, signal.message.encode(errors="replace"))


def _cronitor(monitors: Monitors, name: str, signal: Signal) -> Outgoing:
    key = quote(_given(monitors.cronitor_api_key, "cronitor_api_key"), safe="")
    query = {"state": _STATES[signal.kind], "series": signal.run}
    if signal.duration_s is not None:
        query["metric"] = f"duration:{signal.duration_s:.3f}"
    if signal.message:
        query["message"] = signal.message.encode(errors="replace").decode()
    return Outgoing("GET", f"{monitors.cronitor_ping_url}/p/{key}/{name}?{urlencode(query)}")


def _sentry(
    monitors: Monitors, name: str, signal: Signal, task: TaskDefinition, rule: Schedule | None
) -> Outgoing:
    dsn = urlsplit(_given(monitors.sentry_dsn, "sentry_dsn"))
    prefix, _, project = dsn.path.rpartition("/")
    host = dsn.netloc.rpartition("@")[2]
    url = f"{dsn.scheme}://{host}{prefix}/api/{project}/cron/{name}/{dsn.username or ''}/"
    check_in: dict[str, object] = {"check_in_id": signal.run.replace("-", "")}
    check_in["status"] = _STATUSES[signal.kind]
    if signal.duration_s is not None:
        check_in["duration"] = signal.duration_s
    if rule is not None and (config := _sentry_config(task, rule)):
        check_in["monitor_config"] = config
    return Outgoing("POST", url, orjson.dumps(check_in), {"Content-Type": "application/json"})


def _sentry_config(task: TaskDefinition, rule: Schedule) -> dict[str, object] | None:
    """Its margins are whole minutes."""
    schedule: dict[str, object] | None = None
    if rule.cron is not None and _FIVE_FIELDS.fullmatch(rule.cron):
        schedule = {"type": "crontab", "value": rule.cron}
    elif rule.every_ms is not None and (interval := _interval(rule.every_ms)):
        schedule = {"type": "interval", "value": interval[0], "unit": interval[1]}
    if schedule is None:
        return None
    config: dict[str, object] = {"schedule": schedule}
    if rule.cron is not None:
        config["timezone"] = rule.timezone
    if rule.grace_ms is not None:
        config["checkin_margin"] = max(math.ceil(rule.grace_ms / 60_000), 1)
    if task.timeout is not None and not task.retries:
        config["max_runtime"] = max(math.ceil(task.timeout / 60), 1)
    return config


def _cronitor_schedule(rule: Schedule) -> str | None:
    if rule.cron is not None:
        return rule.cron if _FIVE_FIELDS.fullmatch(rule.cron) else None
    if rule.every_ms is not None and (interval := _interval(rule.every_ms)):
        count, unit = interval
        return f"every {count} {unit}{'s' if count > 1 else ''}"
    return None


def _interval(ms: int) -> tuple[int, str] | None:
    """As a number of whole days, hours or minutes."""
    return next(((ms // unit, name) for unit, name in _UNITS if ms % unit == 0), None)


def _given(value: str | None, setting: str) -> str:
    if not value:
        raise MissingSetting(setting)
    return value


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
