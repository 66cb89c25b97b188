"""How our processes log: each record once, with date and zone; no set-up of a program is undone."""

import io
import json
import logging
import logging.config
import re
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from infinitas.runtime.logging import get_logger, hide_records_of_jobs, set_up_logging
from tests.support import logging_as_before


class Stderr:
    """What a test has written there."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Stderr]:
    """At the end all logging is set up as before."""
    with logging_as_before(), warnings.catch_warnings():
        yield Stderr(capsys)
        logging.captureWarnings(False)


def set_up(level: str, format: str = "text") -> None:
    alone()
    set_up_logging(level, format)


def alone() -> None:
    """Without the handlers that pytest adds as a test begins."""
    logging.getLogger().handlers.clear()


def test_a_line_has_date_zone_level_logger_and_message(stderr: Stderr) -> None:
    set_up("info")
    get_logger("worker").info("Worker %s serves.", "w")
    logging.getLogger("shop.orders").info("charged")
    logging.getLogger("shop.orders").debug("not at this level")
    first, second = stderr.getvalue().splitlines()
    moment, rest = first.split(" ", 1)
    assert rest == "INFO    infinitas.worker  Worker w serves."
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", moment)
    assert second.endswith(" INFO    shop.orders  charged")


def test_a_record_of_a_job_names_it(stderr: Stderr) -> None:
    set_up("info")
    facts = {"task": "charge", "job": "j1", "attempt": 2}
    logging.getLogger("shop").info("42", extra={"infinitas": facts})
    get_logger("job").add(logging.INFO, "charge j1 succeeded", facts, None)
    first, second = stderr.getvalue().splitlines()
    assert first.endswith("shop  [charge j1] 42")
    assert second.endswith("infinitas.job  charge j1 succeeded"), "not twice"


def test_json_is_one_object_a_line(stderr: Stderr) -> None:
    set_up("warning", "json")
    facts = {"task": "charge", "job": "j1", "attempt": 2}
    log = logging.getLogger("shop")
    log.info("not at this level")
    log.warning("two\nlines ü \ud800", extra={"infinitas": facts, "order": 42, "odd": {object: set()}})
    try:
        raise OSError("no answer")
    except OSError:
        get_logger("worker").exception("failed")
    first, second = map(json.loads, stderr.getvalue().splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first.pop("extra")["order"] == 42
    assert first == {"level": "warning", "logger": "shop", "message": "two\nlines ü \ud800", **facts}
    assert second["exception"].startswith("Traceback")
    assert second["exception"].endswith("OSError: no answer")


@pytest.mark.parametrize("value", ["text", None, 42, {}, {"task": "only"}])
@pytest.mark.parametrize("format", ["text", "json"])
def test_a_program_may_use_our_attribute(stderr: Stderr, format: str, value: Any) -> None:
    set_up("info", format)
    logging.getLogger("shop").info("charged", extra={"infinitas": value})
    logging.getLogger().handle(logging.makeLogRecord({"msg": "empty", "levelname": None, "levelno": 30}))
    assert "charged" in stderr.getvalue()
    assert "empty" in stderr.getvalue()
    assert "Logging error" not in stderr.getvalue()


def circular() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    ("message", "args"), [("%d", ("x",)), ("%s", (b"\xff",)), ("\x1b[31m \r fake", ()), (circular(), ())]
)
def test_every_record_is_one_entry(stderr: Stderr, format: str, message: Any, args: Any) -> None:
    set_up("info", format)
    logging.getLogger("shop").warning(message, *args, extra={"odd": circular()})
    logging.getLogger("shop").warning("several\nlines")
    text = stderr.getvalue()
    assert "Logging error" not in text
    entries = [line for line in text.splitlines() if not line.startswith("  ")]
    assert len(entries) == 2
    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("where", ["root", "shop"])
def test_each_record_comes_once_beside_a_set_up_of_the_program(
    stderr: Stderr, before: bool, where: str
) -> None:
    def program() -> None:
        handler = {"class": "logging.StreamHandler", "formatter": "own"}
        logger = {"handlers": ["own"], "level": "INFO"}
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"own": {"format": "own %(name)s %(message)s"}},
                "handlers": {"own": handler},
                **({"root": logger} if where == "root" else {"loggers": {"shop": logger}}),
            }
        )

    alone()
    if before:
        program()
    set_up_logging("info")
    if not before:
        program()
    get_logger("worker").info("from us")
    logging.getLogger("shop").info("from the program")
    assert stderr.getvalue().count("from us") == 1
    assert stderr.getvalue().count("from the program") == 1
    assert "own shop from the program" in stderr.getvalue()


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_a_root_logger_with_handlers_is_left_alone(stderr: Stderr, level: int) -> None:
    alone()
    root, own = logging.getLogger(), io.StringIO()
    logging.basicConfig(stream=own, level=level, format="%(message)s")
    handlers = root.handlers[:]
    set_up_logging("info", "json")
    assert (root.handlers, root.level) == (handlers, level)
    get_logger("worker").info("from us")
    assert own.getvalue() == "from us\n"
    assert stderr.getvalue() == ""


def test_warnings_are_records_unless_the_program_shows_them(stderr: Stderr) -> None:
    warnings.simplefilter("always")
    set_up("info")
    warnings.warn("old use", FutureWarning, stacklevel=1)
    assert "WARNING py.warnings  " in stderr.getvalue()
    logging.captureWarnings(False)
    shown: list[object] = []
    warnings.showwarning = lambda *args, **_: shown.append(args)
    set_up("info")
    warnings.warn("old use", FutureWarning, stacklevel=1)
    assert len(shown) == 1


def test_our_loggers_outlive_what_disables_others(stderr: Stderr) -> None:
    set_up("info")
    log = get_logger("worker")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    log.disabled = True
    log.info("still there")
    assert "still there" in stderr.getvalue()
    log.setLevel(logging.CRITICAL)
    log.info("a level counts")
    log.setLevel(logging.NOTSET)
    assert "a level counts" not in stderr.getvalue()


def test_a_logger_that_the_program_made_first_keeps_its_level() -> None:
    logging.getLogger("infinitas.made_first").setLevel(logging.ERROR)
    assert get_logger("made_first").level == logging.ERROR
    assert get_logger("made_first") is logging.getLogger("infinitas.made_first")


def test_the_place_of_a_call_is_the_callers(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("worker").warning("here")
    assert caplog.records[-1].filename == "test_logging.py"
    assert caplog.records[-1].funcName == "test_the_place_of_a_call_is_the_callers"


@pytest.mark.parametrize("format", ["text", "json"])
def test_our_lines_show_no_secret(stderr: Stderr, format: str) -> None:
    set_up("info", format)
    log = get_logger("loop")
    log.warning("redis://user:p@ss:S3CRET@h:6379/0 is away")
    log.error("failed to resolve postgresql://u:x#S3CRET@h/db?password=S3CRET")
    try:
        raise ValueError("wss://h/?token=S3CRET")
    except ValueError:
        log.exception("this pass failed")
    log.warning("password='S3CRET' api_token=S3CRET")
    assert "S3CRET" not in stderr.getvalue()
    assert "@h:6379/0" in stderr.getvalue()


def test_records_of_jobs_can_be_left_out(stderr: Stderr) -> None:
    set_up("info")
    own = logging.StreamHandler(sys.stderr)
    logging.getLogger("shop").addHandler(own)
    hide_records_of_jobs()
    logging.getLogger("shop").info("of a job", extra={"infinitas": {"task": "t", "job": "j"}})
    logging.getLogger("shop").info("of none")
    assert stderr.getvalue() == "of none\n"
