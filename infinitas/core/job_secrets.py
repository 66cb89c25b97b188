"""Jobs without the values of their secret arguments, in every text that leaves for people. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic_core import from_json, to_json

from infinitas.core.records import AttemptInfo, JobInfo, LogLine
from infinitas.core.redaction import HIDDEN, hidden_values, mask, mask_value, redact


def without_secrets(job: JobInfo, paths: Sequence[str]) -> JobInfo:
    """The paths that held when the job was made, and those that hold now.

    Raises ValueError: the arguments can't be read.
    """
    if not job.args_json:
        return job
    before = positional, named = from_json(job.args_json)
    after = redact(positional, named, [*dict.fromkeys((*job.redact, *paths))])
    values = hidden_values(before, after)
    if not values:
        return replace(job, args_json=to_json(after).decode())

    def text(shown: str | None) -> str | None:
        return mask(shown, values) if shown else shown

    def payload(shown: str | None) -> str | None:
        return to_json(mask_value(from_json(shown), values)).decode() if shown else shown

    return replace(
        job,
        args_json=to_json(after).decode(),
        error=text(job.error),
        traceback=text(job.traceback),
        step=text(job.step),
        result_json=payload(job.result_json),
        checkpoint_json=payload(job.checkpoint_json),
        headers={name: mask(value, values) for name, value in job.headers.items()},
        rejections={worker: mask(why, values) for worker, why in job.rejections.items()},
        log=tuple(_line(line, values) for line in job.log),
        attempts=tuple(_attempt(attempt, values) for attempt in job.attempts),
    )


def error_without_secrets(error: str, args: str, paths: Iterable[str]) -> str:
    """An error of a job with these arguments. Raises ValueError: they can't be read."""
    before = positional, named = from_json(args)
    return mask(error, hidden_values(before, redact(positional, named, [*paths])))


def kind_of_error(error: str) -> str:
    """An error without its text, which may quote arguments that are not at hand: `ValueError: ***`."""
    kind, colon, _ = error.partition(":")
    return f"{kind}: {HIDDEN}" if colon and kind.isidentifier() else HIDDEN


def _line(line: LogLine, values: set[str]) -> LogLine:
    return replace(line, text=mask(line.text, values))


def _attempt(attempt: AttemptInfo, values: set[str]) -> AttemptInfo:
    error, traceback = (mask(text, values) if text else text for text in (attempt.error, attempt.traceback))
    return replace(attempt, error=error, traceback=traceback)
