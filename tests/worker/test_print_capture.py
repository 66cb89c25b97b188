"""`capture_print` takes what its jobs print, and nothing else of `sys.stdout` changes."""

import asyncio
import contextlib
import io
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from infinitas import Infinitas, Job
from infinitas.tasks.printed_lines import MAX_UNFINISHED_CHARS
from infinitas.testing import run_inline
from infinitas.worker.print_capture import capturing_prints
from tests.support import finished, running


def printed(work: Callable[[], object]) -> list[str]:
    """The log of a job with `capture_print` that does `work`."""
    task = Infinitas().task(name="printed", capture_print=True)(lambda: work() and None)
    ran = asyncio.run(run_inline(task))
    assert ran.error is None, ran.error
    return [text for _, text in ran.log]


def on_a_file(monkeypatch: pytest.MonkeyPatch, path: Any) -> io.TextIOWrapper:
    stream = path.open("w", encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdout", stream)
    return stream  # type: ignore[no-any-return]


def test_the_stream_stays_what_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    stream = on_a_file(monkeypatch, tmp_path / "out")
    names = ("encoding", "errors", "name", "mode", "closed", "newlines", "line_buffering", "buffer")
    before = [getattr(stream, name) for name in names]

    def work() -> None:
        assert sys.stdout is stream
        assert [getattr(sys.stdout, name) for name in names] == before
        assert (sys.stdout.fileno(), sys.stdout.isatty()) == (stream.fileno(), False)
        sys.stdout.reconfigure(line_buffering=False)
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-c", "print('a child')"], stdout=sys.stdout, check=True)
        with pytest.raises(TypeError):
            sys.stdout.write(b"bytes")  # type: ignore[arg-type]
        print("kept", file=sys.stdout)
        sys.stdout.writelines(["two\n", "lines\n"])
        assert sys.stdout.write("five\n") == 5

    assert printed(work) == ["kept", "two", "lines", "five"]
    print("outside", file=stream)
    assert "write" not in vars(stream), "ours is gone with the last worker"
    with stream:
        pass
    assert (tmp_path / "out").read_text() == "bytes\na child\noutside\n"


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["no newline"], ["no newline"]),
        (["a ", "b\n", "c"], ["a b", "c"]),
        (["\n\n"], ["", ""]),
        ([""], []),
        (["x" * MAX_UNFINISHED_CHARS, "y"], ["x" * MAX_UNFINISHED_CHARS + "y"]),
        (["x" * 10] * 1000, ["x" * 8010, "x" * 1990]),
        (["windows\r\n", "next\r\n"], ["windows", "next"]),
        ([f"\r{n} %" for n in range(101)], ["100 %"]),
        ([" 10 %\r", " 20 %\r"], [" 20 %"]),
        (["ü\ud800\x00\n"], ["ü\ud800\x00"]),
    ],
)
def test_text_becomes_lines(texts: list[str], kept: list[str]) -> None:
    assert printed(lambda: [sys.stdout.write(text) for text in texts]) == kept


async def test_a_last_text_comes_before_every_kind_of_end(app: Infinitas) -> None:
    kinds = ("returns", "raises", "done", "times out", "thread times out")

    def ask(question: str) -> None:
        print(question, end="")

    @app.task(capture_print=True)
    async def returns() -> None:
        ask("returns")

    @app.task(capture_print=True)
    def raises() -> None:
        ask("raises")
        raise ValueError

    @app.task(name="done", capture_print=True)
    async def done(job: Job) -> None:
        ask("done")
        await job.done()

    @app.task(name="times out", capture_print=True, timeout=0.05)
    async def times_out() -> None:
        ask("times out")
        await asyncio.sleep(60)

    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    @app.task(name="thread times out", capture_print=True, timeout=0.05)
    def thread_times_out() -> None:
        ask("thread times out")
        asyncio.run_coroutine_threadsafe(over.wait(), loop).result()
        ask("late")

    async with running(app):
        handles = [await app.find(name).asend() for name in kinds]
        for name, handle in zip(kinds, handles, strict=True):
            lines = [line.text for line in (await finished(app, handle)).log if line.level == "print"]
            assert lines == [name]
        over.set()
    assert [line.text for line in (await app.afetch_job(handles[-1].id)).log][-1] == "late"


async def test_jobs_side_by_side_keep_their_lines_apart(app: Infinitas) -> None:
    both = asyncio.Barrier(2)

    @app.task(capture_print=True)
    async def talk(name: str) -> None:
        for part in ("one ", "two ", "three"):
            await both.wait()
            print(name, part, end="")

    async with running(app):
        handles = [await talk.asend("a"), await talk.asend("b")]
        logs = [(await finished(app, handle)).log for handle in handles]
    assert [[line.text for line in log] for log in logs] == [["a one a two a three"], ["b one b two b three"]]


def test_a_job_that_redirects_gets_its_own_text() -> None:
    def work() -> None:
        inner = io.StringIO()
        print("before")
        with contextlib.redirect_stdout(inner):
            print("inside")
            with contextlib.redirect_stdout(sys.__stderr__):
                pass
        print("after", inner.getvalue())

    assert printed(work) == ["before", "after inside", ""]


def test_a_stream_that_was_replaced_while_a_worker_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with capturing_prints():
        own = io.StringIO()
        monkeypatch.setattr(sys, "stdout", own)
        assert printed(lambda: print("kept")) == ["kept"]
        print("outside")
        monkeypatch.undo()
        assert printed(lambda: print("kept")) == ["kept"]
        print("outside too")
    assert own.getvalue() == "outside\n"
    assert capsys.readouterr().out == "outside too\n"


async def test_a_stream_that_was_replaced_between_two_jobs(
    app: Infinitas, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task(capture_print=True)
    def talk() -> None:
        print("kept")

    async with running(app):
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        job = await finished(app, await talk.asend())
    assert [line.text for line in job.log] == ["kept"]


def test_other_code_that_replaces_write_stays_in_front() -> None:
    stream, seen = io.StringIO(), list[str]()
    with contextlib.redirect_stdout(stream), capturing_prints():
        ours = stream.write
        stream.write = lambda text: seen.append(text) or ours(text)  # type: ignore[method-assign,func-returns-value]
        assert printed(lambda: print("kept")) == ["kept"]
    stream.write("after")
    assert seen == ["kept", "\n", "after"]
    assert stream.getvalue() == "after"


@pytest.mark.parametrize("stream", [None, object()])
def test_a_program_without_a_usable_stdout(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    assert printed(lambda: None) == []


def test_a_log_handler_on_stdout_makes_no_second_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)

    def work() -> None:
        logging.getLogger("shop").warning("logged")
        print("said")

    try:
        with contextlib.redirect_stdout(stream):
            assert printed(work) == ["logged", "said"]
    finally:
        logging.getLogger().removeHandler(handler)
    assert stream.getvalue() == "logged\n"


def test_structlog_without_logging_prints() -> None:
    structlog = pytest.importorskip("structlog")
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.processors.KeyValueRenderer()])
    assert printed(lambda: log.info("paid", order=42)) == ["order=42 event='paid'"]
