"""A task's definition: its options, as stored in Redis and Postgres."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import orjson

from infinitas.core.errors import BadArgs, BadName, ConfigError
from infinitas.core.incident_fold import Threshold
from infinitas.core.names import check_name, check_text, shorten
from infinitas.core.numbers import is_number, is_whole

YEAR_S = 365 * 86_400
_RATE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{0,6})\s*(s|m|h|d|second|minute|hour|day)s?")
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MONITOR = re.compile(r"(healthchecks|cronitor|sentry):([A-Za-z0-9_-]{1,100})")
MAX_RATE = 100_000
EXTERNAL_TIMEOUT_S = 86_400
"""Without a `timeout`: how long a run of an external task may take before it counts as failed."""
MOST_PATHS = 100
MAX_DOC_CHARS = 1_000
MAX_PLACE_CHARS = 400
MOST_ALIASES = 20
MAX_SCHEMA_CHARS = 8_000
MOST_WORDS = 20
MAX_WORD_CHARS = 63
MOST_FAILURES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """Options of a task.

    Attributes:
        timeout: seconds an attempt may take; None means no limit.
        soft_timeout: seconds after which `on_soft_timeout` callbacks of the processor are called.
        runner: "auto" (async functions in the event loop, others in a thread) or "process".
        isolate: "worker" (a process of `runner="process"` runs one job of its worker after another) or "job"
            (each job has a fresh one).
        retries: how many further attempts a job gets after a failed one.
        retry_delay: seconds before the first retry.
        backoff: "exponential" (the delay doubles each time, up to an hour) or "fixed".
        retry_timeouts: an attempt that ran out of time is retried like one that raised.
        give_up_after: no retry begins later than so many seconds after the job was due.
        on_lost: what happens to a job whose worker died: "retry" runs it again, "fail" fails it (at most
            once).
        no_processor: what a slot's job without a worker does: "fail" after 41 s, or "wait".
        max_running: most jobs of this task that run at once, over all workers.
        rate: most jobs that start in a period, over all workers: "10/s", "600/m", "5/30s".
        expires: seconds after its due time at which a job that has not started is skipped.
        priority: a worker claims tasks with a higher number first.
        result_ttl: seconds that a finished job stays in Redis; None: the setting `job_ttl`.
        capture_print: store what the processor prints with its job.
        redact: paths of arguments that the server never shows: "password", "card.number", "0.iban".
        external: it has no processor: its jobs run elsewhere, and pings report them (docs/pings.md).
        monitor: where its runs are reported to: "healthchecks:SLUG", "cronitor:KEY" or "sentry:SLUG".
        place: where the code is, `module:qualname`. Empty: unknown, and never in conflict with another.
        takes_over: the place of other code that had this name: no conflict with its live workers.
        aliases: former names of the task: jobs that wait under one of them become its jobs.
        notify: names of the channels that are notified of the task's incidents; () is none, None: by the
            rules.
        notify_after: failures after which `failing` and `timed_out` are incidents: so many in a row, or
            "5/10m": so many within ten minutes.
        slow_after: seconds after which a running job is slow; None: three times the usual duration.
        owner: a person or team, for messages. runbook: the address of instructions, for messages.
        tags: names by which rules choose tasks.
        doc: first line of the processor's docstring.
        parameters: JSON Schema of the arguments, as JSON text, for forms; '' if it is not known.
    """

    name: str
    queue: str = "default"
    timeout: float | None = None
    soft_timeout: float | None = None
    runner: str = "auto"
    isolate: str = "worker"
    retries: int = 0
    retry_delay: float = 1.0
    backoff: str = "exponential"
    retry_timeouts: bool = True
    give_up_after: float | None = None
    on_lost: str = "retry"
    no_processor: str = "fail"
    max_running: int | None = None
    rate: str | None = None
    expires: float | None = None
    priority: int = 0
    result_ttl: float | None = None
    capture_print: bool = False
    redact: Sequence[str] = ()
    external: bool = False
    monitor: str | None = None
    place: str = ""
    takes_over: str | None = None
    aliases: Sequence[str] = ()
    notify: Sequence[str] | None = None
    notify_after: int | str = 1
    slow_after: float | None = None
    owner: str = ""
    runbook: str = ""
    tags: Sequence[str] = ()
    doc: str = ""
    parameters: str = ""

    def __post_init__(self) -> None:
        schema: object = self.parameters
        if isinstance(schema, dict):
            object.__setattr__(self, "parameters", orjson.dumps(schema).decode())
        for name in ("redact", "aliases", "notify", "tags"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        check_name(self.name, "task")
        check_name(self.queue, "queue")
        check = self._check
        above_0 = "seconds above 0, up to a year, or None"
        for name in ("timeout", "soft_timeout", "give_up_after", "expires", "result_ttl", "slow_after"):
            check(name, above_0, lambda v: v is None or (is_number(v) and 0 < v <= YEAR_S))
        check("retries", "0 to 10,000", lambda v: is_whole(v, 0, 10_000))
        check("retry_delay", "seconds from 0 to 86,400", lambda v: is_number(v) and 0 <= v <= 86_400)
        for name, allowed in (
            ("runner", ("auto", "process")),
            ("isolate", ("worker", "job")),
            ("backoff", ("exponential", "fixed")),
            ("on_lost", ("retry", "fail")),
            ("no_processor", ("fail", "wait")),
        ):
            check(name, " or ".join(map(repr, allowed)), lambda v, allowed=allowed: v in allowed)
        few = "1 to 1,000,000, or None"
        check("max_running", few, lambda v: v is None or is_whole(v, 1, 1_000_000))
        check("priority", "-100 to 100", lambda v: is_whole(v, -100, 100))
        check("redact", "a list of up to 100 paths of arguments", _is_paths)
        check("rate", 'a number per period, e.g. "10/s" or "600/m"', lambda v: v is None or parse_rate(v))
        for name in ("capture_print", "retry_timeouts", "external"):
            check(name, "true or false", lambda v: isinstance(v, bool))
        kinds = "healthchecks:SLUG, cronitor:KEY or sentry:SLUG"
        check("monitor", kinds, lambda v: v is None or parse_monitor(v))
        check("place", f"text of up to {MAX_PLACE_CHARS} characters", lambda v: _is_text(v, MAX_PLACE_CHARS))
        check("takes_over", 'a place, e.g. "shop.jobs:cleanup"', lambda v: v is None or _is_place(v))
        check("aliases", f"a list of up to {MOST_ALIASES} former names", lambda v: _are_names(v, self.name))
        check("doc", f"text of up to {MAX_DOC_CHARS:,} characters", lambda v: _is_text(v, MAX_DOC_CHARS))
        a_schema = f"a JSON Schema of up to {MAX_SCHEMA_CHARS:,} characters"
        check("parameters", a_schema, lambda v: v == "" or _is_schema(v))
        self._check_incidents()
        if self.timeout and self.soft_timeout and self.soft_timeout >= self.timeout:
            raise ConfigError(f"soft_timeout of task {self.name!r} must be shorter than its timeout.")

    def _check_incidents(self) -> None:
        check = self._check
        few = f"a list of up to {MOST_WORDS} names, each of up to {MAX_WORD_CHARS} characters"
        check("notify", few, lambda v: v is None or _are_words(v))
        check("tags", few, _are_words)
        check("notify_after", '1 to 1,000 failures, or a rate such as "5/10m"', _is_threshold)
        check("owner", f"one line of up to {MAX_PLACE_CHARS} characters", _is_line)
        check("runbook", "an address that starts with https:// or http://", lambda v: v == "" or _is_link(v))

    def _check(self, option: str, allowed: str, right: Callable[..., object]) -> None:
        value = getattr(self, option)
        try:
            fine = bool(right(value))
        except TypeError:
            fine = False
        if not fine:
            raise ConfigError(f"{option} of task {self.name!r} is {shorten(value)}; allowed: {allowed}.")

    @property
    def threshold(self) -> Threshold:
        """The failures that `notify_after` wants."""
        if isinstance(self.notify_after, int):
            return Threshold(self.notify_after)
        failures, window_ms = parse_rate(self.notify_after) or (1, 1)
        return Threshold(failures, timedelta(milliseconds=window_ms))

    @property
    def limits(self) -> dict[str, int]:
        """The limits that the claim script applies, as whole numbers (times in ms)."""
        found: dict[str, int] = {}
        if self.max_running is not None:
            found["max_running"] = self.max_running
        if self.rate is not None:
            found["rate"], found["per"] = parse_rate(self.rate) or (1, 1)
        if self.expires is not None:
            found["expires"] = round(self.expires * 1000)
        if self.external:
            found["external"] = round((self.timeout or EXTERNAL_TIMEOUT_S) * 1000)
        return found

    @property
    def options(self) -> dict[str, Any]:
        """All options but the name, as plain JSON values; the schema of the arguments only if it is known."""
        found: dict[str, Any] = orjson.loads(self.to_json())
        del found["name"]
        if not self.parameters:
            del found["parameters"]
        return found

    def to_json(self) -> str:
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def from_json(cls, text: str) -> "TaskDefinition":
        """The stored definition, without options that a newer version added.

        Raises:
            ConfigError: it can't be read.
        """
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in orjson.loads(text).items() if name in known})
        except (ValueError, TypeError, AttributeError, BadName) as error:
            raise ConfigError(f"The stored definition of a task can't be read: {error!s:.200}") from None


def parse_monitor(text: str) -> tuple[str, str] | None:
    """`"sentry:nightly"` → ("sentry", "nightly"); None unless it names a monitor outside."""
    match = _MONITOR.fullmatch(text) if isinstance(text, str) else None
    return (match[1], match[2]) if match else None


def parse_rate(text: str) -> tuple[int, int] | None:
    """`"5/30s"` → (5, 30,000 ms); None unless it is 1 to 100,000 per period."""
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not 1 <= int(match[1]) <= MAX_RATE:
        return None
    period = int(match[2] or 1) * _UNITS_MS[match[3][0]]
    return (int(match[1]), period) if period else None


def _is_paths(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) > 2 * MOST_PATHS:
        return False
    return all(path and _is_text(path, 200) for path in value)


def _are_words(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) > MOST_WORDS:
        return False
    return all(_is_text(word, MAX_WORD_CHARS) and word and word.isprintable() for word in value)


def _is_threshold(value: object) -> bool:
    if isinstance(value, str):
        found = parse_rate(value)
        return found is not None and found[0] <= MOST_FAILURES
    return is_whole(value, 1, MOST_FAILURES)


def _is_line(value: object) -> bool:
    return _is_text(value, MAX_PLACE_CHARS) and str(value).isprintable()


def _is_link(value: object) -> bool:
    return _is_line(value) and str(value).startswith(("https://", "http://")) and " " not in str(value)


def _is_place(value: object) -> bool:
    return isinstance(value, str) and ":" in value and _is_text(value, MAX_PLACE_CHARS)


def _are_names(value: object, own: str) -> bool:
    if not isinstance(value, tuple) or len(value) > MOST_ALIASES:
        return False
    return all(check_name(name, "alias") != own for name in value)


def _is_schema(value: object) -> bool:
    """Whether it is the text of a JSON object."""
    try:
        return _is_text(value, MAX_SCHEMA_CHARS) and isinstance(orjson.loads(str(value)), dict)
    except ValueError:
        return False


def _is_text(value: object, most: int) -> bool:
    try:
        check_text(value, "option", most)
    except BadArgs:
        return False
    return True


UNREADABLE_TASK = TaskDefinition(name="unreadable")
"""Stands in for a stored definition that can't be read."""
