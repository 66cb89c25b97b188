"""A job's log has what its code logs, whatever the program does to `logging`."""

import asyncio
import contextvars
import io
import logging
import logging.config
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

from infinitas import Infinitas
from infinitas.runtime import logging as runtime_logging
from infinitas.testing import run_inline
from infinitas.worker.log_capture import capturing
from tests.django_setup import set_up_django
from tests.support import finished, logging_as_before, running


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    with logging_as_before():
        yield


def captured(work: Callable[[], object]) -> list[str]:
    """The log of a job that does `work`."""
    task = Infinitas().task(name="captured")(lambda: work() and None)
    ran = asyncio.run(run_inline(task))
    assert ran.error is None, ran.error
    return [text for _, text in ran.log]


def says(name: str = "shop.orders") -> None:
    """Log a line."""
    logging.getLogger(name).warning("a line")


def twice() -> None:
    says()
    says()


MINIMAL: dict[str, Any] = {"version": 1}
DJANGO: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.NullHandler"}},
    "loggers": {"shop": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}
FILE_CONFIG = """[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=
[logger_root]\nlevel=WARN\nhandlers=\n"""


def file_config() -> None:
    logging.config.fileConfig(io.StringIO(FILE_CONFIG))


class OwnRecord(logging.LogRecord):
    pass


SET_UPS: dict[str, Callable[[], object]] = {
    "dictConfig": lambda: logging.config.dictConfig({**MINIMAL, "root": {"level": "INFO", "handlers": []}}),
    "dictConfig, which disables what exists": lambda: logging.config.dictConfig(MINIMAL),
    "propagate=False": lambda: logging.config.dictConfig(DJANGO),
    "fileConfig": file_config,
    "basicConfig": lambda: logging.basicConfig(force=True, stream=io.StringIO()),
    "root.handlers": lambda: logging.getLogger().handlers.clear(),
    "shutdown": logging.shutdown,
    "record factory": lambda: logging.setLogRecordFactory(OwnRecord),
    "disabled": lambda: setattr(logging.getLogger("shop.orders"), "disabled", True),
}


@pytest.mark.parametrize("name", SET_UPS)
def test_a_set_up_inside_a_job_ends_nothing(name: str) -> None:
    logging.getLogger("shop.orders")

    def work() -> None:
        says()
        SET_UPS[name]()
        says()

    assert captured(work) == ["a line", "a line"]
    assert captured(says) == ["a line"], "nor for the next job"


@pytest.mark.parametrize("name", SET_UPS)
def test_a_set_up_while_a_worker_runs_ends_nothing(name: str) -> None:
    logging.getLogger("shop.orders")
    with capturing([]):
        SET_UPS[name]()
        assert captured(says) == ["a line"]


async def test_a_set_up_in_a_job_of_a_worker_ends_nothing(app: Infinitas) -> None:
    @app.task
    def migrate() -> None:
        file_config()
        says()

    @app.task
    async def work() -> None:
        says()

    async with running(app):
        for task in (migrate, work):
            job = await finished(app, await task.asend())
            assert [line.text for line in job.log] == ["a line"]


def test_levels_are_those_of_the_program() -> None:
    def work() -> None:
        for level in (logging.DEBUG, logging.INFO, logging.ERROR):
            logging.getLogger("shop").log(level, "%s", logging.getLevelName(level))

    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    assert captured(work) == ["DEBUG", "INFO", "ERROR"]
    assert root.level == logging.DEBUG
    root.setLevel(logging.ERROR)
    assert captured(work) == ["ERROR"]
    logging.disable(logging.ERROR)
    try:
        assert captured(work) == []
        logging.getLogger("shop").disabled = True
        assert captured(work) == []
    finally:
        logging.disable(logging.NOTSET)


def test_filters_of_a_logger_count() -> None:
    """They may hide secrets."""

    def hide(record: logging.LogRecord) -> bool:
        record.msg = str(record.msg).replace("SECRET", "***")
        return "private" not in record.msg

    logger = logging.getLogger("shop.filtered")
    logger.addFilter(hide)

    def work() -> None:
        logger.warning("a SECRET")
        logger.warning("private")

    for disabled in (False, True):
        logger.disabled = disabled
        assert captured(work) == ["a ***"]


class Raises:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Exits:
    def __str__(self) -> str:
        return 1  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("message", "args", "kept"),
    [
        ("%d", ("x",), "%d ('x',) (can't be formatted: TypeError)"),
        ("%s and %s", ("x",), "%s and %s ('x',) (can't be formatted: TypeError)"),
        ("100%", ("x",), "100% ('x',) (can't be formatted: ValueError)"),
        ("%(name)s", ({"other": 1},), "%(name)s {'other': 1} (can't be formatted: KeyError)"),
        ("%s", (Raises(),), "%s <tuple> (can't be formatted: ValueError)"),
        (Raises(), (), "<Raises> () (can't be formatted: ValueError)"),
        ("%s", (Exits(),), "can't be formatted: TypeError"),
        (b"bytes", (), "b'bytes'"),
        (None, (), "None"),
        ({"event": "paid", "level": "info", "order": 42}, (), "paid order=42"),
        ({"event": Raises()}, (), "<dict> () (can't be formatted: ValueError)"),
    ],
)
def test_a_record_that_cant_be_formatted_keeps_a_line(message: Any, args: Any, kept: str) -> None:
    (text,) = captured(lambda: logging.getLogger("shop").warning(message, *args))
    assert kept in text


def test_an_exception_is_kept_and_formatted_anew_by_the_program() -> None:
    class Short(logging.Formatter):
        def formatException(self, ei: Any) -> str:
            return f"short: {ei[1]}"

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Short())
    logging.getLogger("shop").addHandler(handler)

    def work() -> None:
        try:
            raise KeyError("gone")
        except KeyError:
            logging.getLogger("shop").exception("failed")

    (text,) = captured(work)
    assert text.startswith("failed\nTraceback")
    assert text.endswith("KeyError: 'gone'")
    assert stream.getvalue() == "failed\nshort: 'gone'\n"


@pytest.mark.parametrize("where", ["handler", "filter", "factory"])
def test_a_handler_that_raises_breaks_no_job(
    where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_logging, "_broken", set())

    def refuse(*_: object, **__: object) -> Any:
        raise OSError("disk full")

    handler = logging.NullHandler()
    handler.handle = refuse  # type: ignore[method-assign]
    if where == "handler":
        logging.getLogger().addHandler(handler)
        assert captured(twice) == ["a line", "a line"]
        assert capsys.readouterr().err.count("OSError: disk full") == 1, "printed once"
        logging.getLogger("infinitas.worker").warning("nor a loop of the worker")
    elif where == "filter":
        logging.getLogger("shop.orders").addFilter(refuse)
        try:
            assert captured(says) == []
        finally:
            logging.getLogger("shop.orders").removeFilter(refuse)
    else:
        logging.setLogRecordFactory(refuse)
        logging.getLogger("infinitas.worker").warning("nor a loop of the worker")


def test_handlers_of_the_program_still_get_each_record_once_and_with_the_job() -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logging.getLogger().addHandler(Keep())
    with capturing([]), capturing([]):
        assert captured(says) == ["a line"]
        says()
    assert [record.getMessage() for record in records] == ["a line", "a line"]
    assert vars(records[0])["infinitas"] == {"task": "captured", "job": "inline", "attempt": 1}
    assert vars(records[1])["infinitas"] == ""


def test_a_handler_that_logs_does_not_go_round_in_circles() -> None:
    class Echo(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "echo":
                logging.getLogger("echo").warning("echo of %s", record.getMessage())

    logging.getLogger().addHandler(Echo())
    assert captured(says) == ["a line", "echo of a line"]


@pytest.mark.parametrize("where", ["handler", "object"])
def test_logging_without_end_is_cut_off(where: str) -> None:
    class Endless(logging.NullHandler):
        def handle(self, record: logging.LogRecord) -> bool:
            says()
            return True

        def __str__(self) -> str:
            logging.getLogger("shop").warning(self)
            return "an object"

    if where == "handler":
        logging.getLogger().addHandler(Endless())
        assert set(captured(says)) == {"a line"}
    else:
        assert set(captured(lambda: logging.getLogger("shop").warning(Endless()))) == {"an object"}


def test_warnings_are_lines_once_they_are_records() -> None:
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            (text,) = captured(lambda: warnings.warn("old use", FutureWarning, stacklevel=1))
    finally:
        logging.captureWarnings(False)
    assert "FutureWarning: old use" in text


def test_threads_in_the_jobs_context_are_part_of_it() -> None:
    def work() -> None:
        with ThreadPoolExecutor() as pool:
            pool.submit(contextvars.copy_context().run, says).result()

    assert captured(work) == ["a line"]


def test_a_forked_process_logs_its_own_way(capfd: pytest.CaptureFixture[str]) -> None:
    def in_the_copy() -> None:
        logging.basicConfig(force=True, stream=sys.stderr)
        says()

    def work() -> None:
        copy = multiprocessing.get_context("fork").Process(target=in_the_copy)
        copy.start()
        copy.join()
        says()

    assert captured(work) == ["a line"]
    assert "a line" in capfd.readouterr().err


def test_our_own_records_are_no_lines_of_the_job() -> None:
    assert captured(lambda: says("infinitas.worker")) == []
    assert captured(lambda: says("infinitas_shop")) == ["a line"]


@pytest.mark.parametrize(
    ("style", "form"), [("%", "%(infinitas)s|%(message)s"), ("{", "{infinitas}|{message}")]
)
def test_a_format_with_the_facts_of_jobs_fits_every_record(
    style: Literal["%", "{"], form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = io.StringIO()
    handler = logging.StreamHandler(printed)
    handler.setFormatter(logging.Formatter(form, style=style))
    logging.getLogger().addHandler(handler)

    def work() -> None:
        says()
        contextvars.Context().run(says)

    assert captured(work) == ["a line"]
    says("shop.web")
    logging.getLogger("shop").warning("a line", extra={"infinitas": "mine"})
    of_job, *others = printed.getvalue().splitlines()
    assert "'task': 'captured'" in of_job
    assert others == ["|a line", "|a line", "mine|a line"]
    assert "Logging error" not in capfd.readouterr().err


def test_structlog_over_logging() -> None:
    structlog = pytest.importorskip("structlog")
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        log = structlog.get_logger("shop")
        assert captured(lambda: log.warning("paid", order=42)) == ["paid order=42"]
    finally:
        structlog.reset_defaults()


def test_loguru_over_logging() -> None:
    loguru = pytest.importorskip("loguru")

    class Propagate(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logging.getLogger(record.name).handle(record)

    sink = loguru.logger.add(Propagate(), format="{message}")
    try:
        assert captured(lambda: loguru.logger.info("paid {}", 42)) == ["paid 42"]
    finally:
        loguru.logger.remove(sink)


def test_django_sets_its_logging_up() -> None:
    from django.utils import log  # type: ignore[import-untyped, unused-ignore]

    set_up_django()

    def work() -> None:
        log.configure_logging("logging.config.dictConfig", DJANGO)
        says()

    assert captured(work) == ["a line"]
