"""Logging of our own processes: their loggers, and where records go."""

import json
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from infinitas.runtime.masking import mask_text
from infinitas.runtime.record_text import message_of, trace_of

FACTS = "infinitas"
"""The attribute of a record with the facts of the job that it belongs to: task, job, attempt."""
JOB_LOGGER = "infinitas.job"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", FACTS}
_broken: set[str] = set()


class OwnLogger(logging.Logger):
    """A logger of Infinitas: a program's logging set-up can neither switch it off by the way nor break us.

    `disable_existing_loggers` would silence outages; a handler that raises would end a loop.
    """

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, _: bool) -> None: ...

    def add(
        self, level: int, message: str, facts: Mapping[str, object], trace: str | None, *args: object
    ) -> None:
        """Log a line about a job; the caller has asked `isEnabledFor`."""
        try:
            record = self.makeRecord(self.name, level, "(infinitas)", 0, message, args, None)
            record.exc_text = trace
            setattr(record, FACTS, facts)
            self.handle(record)
        except Exception as error:  # noqa: BLE001 - handlers of any program
            report_broken_handler(error)

    def _log(self, level: int, msg: object, args: object, *rest: object, **named: object) -> None:
        named["stacklevel"] = int(str(named.get("stacklevel", 1))) + 1
        try:
            super()._log(level, msg, args, *rest, **named)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - handlers of any program
            report_broken_handler(error)


def get_logger(part: str) -> OwnLogger:
    """The logger of one part of Infinitas, e.g. `infinitas.worker`."""
    logger = logging.getLogger(f"infinitas.{part}")
    # Not made by the class: a program may have asked for it before, to set its level.
    logger.__class__ = OwnLogger
    assert isinstance(logger, OwnLogger)
    return logger


def report_broken_handler(error: Exception) -> None:
    """A program's log handler, filter or record factory has raised: print it, once for each kind."""
    if type(error).__name__ in _broken or sys.stderr is None:
        return
    _broken.add(type(error).__name__)
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(
        f"infinitas: a log handler or filter of this program raises; its records are lost:\n{text}"
    )


_set_up: dict[str, str] = {}
"""How this process logs; empty in a program that embeds Infinitas."""


def logging_here() -> dict[str, str]:
    """How this process logs, for `log_like` in a job's own process."""
    return dict(_set_up)


def log_like(set_up: Mapping[str, str]) -> None:
    """Log as the process does from which this comes."""
    if set_up:
        set_up_logging(set_up["level"], set_up["format"])
    if "hides" in set_up:
        hide_records_of_jobs()


def logs_as_json() -> bool:
    """Whether this is a command-line process that prints nothing but JSON."""
    return _set_up.get("format") == "json"


def set_up_logging(level: str, format: str = "text") -> None:
    """Set up logging of a command-line process; a program that embeds Infinitas keeps its own.

    Our own loggers and, where the root logger has no handlers, all others write to stderr. Warnings
    (`warnings.warn`) become records.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `text` or `json`.
    """
    _set_up.update(level=level, format=format)
    if warnings.showwarning is getattr(warnings, "_showwarning_orig", None):
        logging.captureWarnings(True)
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger("infinitas").setLevel(number)
    root = logging.getLogger()
    if any(not isinstance(handler, logging.NullHandler) for handler in root.handlers):
        return
    handler = TerminalHandler(sys.stderr)
    handler.setLevel(number)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root.addHandler(handler)
    # A job's log keeps INFO, whatever the terminal shows.
    root.setLevel(min(number, logging.INFO))


def hide_records_of_jobs() -> None:
    """Have handlers on the terminal leave out what jobs log: it is shown with the jobs."""
    _set_up["hides"] = "records of jobs"
    every: list[object] = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in every:
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if _is_terminal(handler):
                handler.addFilter(_is_of_no_job)


class TerminalHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Prints the records that no handler of the program prints."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _is_printed(record, self):
            super().emit(record)


class TextFormatter(logging.Formatter):
    """`2026-11-27T07:16:36.123+01:00 INFO    shop.orders  [charge 01m8d4…] 42 charged`."""

    def format(self, record: logging.LogRecord) -> str:
        facts = facts_of(record)
        tag = f"[{facts['task']} {facts['job']}] " if facts and record.name != JOB_LOGGER else ""
        trace = trace_of(record)
        text = message_of(record) + (f"\n{trace}" if trace else "")
        # Only a new entry begins at the left margin.
        text = _CONTROL.sub(_escaped, _masked(record, text)).replace("\n", "\n  ")
        return f"{_moment(record)} {record.levelname!s:<7} {record.name}  {tag}{text}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; for a job's record its task, job and attempt."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": _moment(record),
            "level": str(record.levelname).lower(),
            "logger": record.name,
            "message": _masked(record, message_of(record)),
            **facts_of(record),
        }
        if trace := trace_of(record):
            entry["exception"] = _masked(record, trace)
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        try:
            return json.dumps({**entry, "extra": extra} if extra else entry, default=str, skipkeys=True)
        except Exception:  # noqa: BLE001 - objects of any program
            return json.dumps(entry, default=repr)


def facts_of(record: logging.LogRecord) -> Mapping[str, object]:
    """Task, job and attempt of a job's record; nothing of any other."""
    facts = getattr(record, FACTS, None)
    # A program may use the name for something else.
    return facts if isinstance(facts, Mapping) and "task" in facts and "job" in facts else {}


def is_ours(record: logging.LogRecord) -> bool:
    return str(record.name).startswith("infinitas.")


def _moment(record: logging.LogRecord) -> str:
    """ISO 8601 with milliseconds and the offset of local time."""
    second, fraction = divmod(record.created, 1)
    to_the_second, offset = _parts_of_moment(int(second))
    return f"{to_the_second}.{int(fraction * 1000):03}{offset}"


@lru_cache(maxsize=8)
def _parts_of_moment(second: int) -> tuple[str, str]:
    text = datetime.fromtimestamp(second).astimezone().isoformat(timespec="seconds")
    return text[:19], text[19:]


def _masked(record: logging.LogRecord, text: str) -> str:
    """What a client library or a job's exception quotes may hold a URL with a password."""
    return mask_text(text) if is_ours(record) and record.levelno >= logging.WARNING else text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _is_of_no_job(record: logging.LogRecord) -> bool:
    return is_ours(record) or not facts_of(record)


def _is_printed(record: logging.LogRecord, ours: logging.Handler) -> bool:
    """Whether a handler of the program prints the record: it would come twice."""
    found = logging.Logger.manager.loggerDict.get(record.name)
    logger: logging.Logger | None = found if isinstance(found, logging.Logger) else logging.getLogger()
    while logger is not None:
        for handler in logger.handlers:
            if handler is not ours and record.levelno >= handler.level and _is_terminal(handler):
                return True
        logger = logger.parent if logger.propagate else None
    return False


def _is_terminal(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    return stream is not None and stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
