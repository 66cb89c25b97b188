"""Return value, exception or time limit → outcome: the same in the event loop, a thread or a process."""

import traceback
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from infinitas.core.errors import Refused, Retry
from infinitas.core.states import Reason
from infinitas.core.text import clean
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.tasks.task import AnyTask

_PACKAGE = str(Path(__file__).parents[1])
_NO_RESULT = Succeeded()
MAX_ERROR_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000


def success(task: AnyTask, value: object) -> Outcome:
    """The outcome of a processor that returned; a value without JSON form fails, and is never retried."""
    if value is None:
        return _NO_RESULT
    try:
        return Succeeded(result=task.signature.encode_result(value))
    except Refused as error:
        return Failed(error=f"{error} The work itself was done.", reason=Reason.BAD_RESULT)


def failure(task: AnyTask, error: BaseException) -> Failed:
    """The outcome of a processor that raised."""
    text = "".join(traceback.format_exception_only(error)).strip()
    lines = traceback.TracebackException(type(error), error, _own_frames(error)).format()
    return Failed(
        error=_encodable(text)[:MAX_ERROR_CHARS],
        # The innermost frames matter most, so a long traceback loses its beginning.
        traceback=_encodable("".join(lines).rstrip())[-MAX_TRACEBACK_CHARS:],
        retryable=isinstance(error, Retry) or task.retries_on(error),
        after_s=error.after if isinstance(error, Retry) else None,
    )


def timed_out(limit_s: float) -> Failed:
    """The outcome of a processor that ran beyond its hard limit."""
    return Failed(error=f"timed out: the limit of {limit_s:g} s is over", reason=Reason.TIMED_OUT)


def cleaned(failed: Failed) -> Failed:
    """`failed` without characters that Postgres can't store: its text comes from the processor."""
    trace = None if failed.traceback is None else clean(failed.traceback)
    return replace(failed, error=clean(failed.error), traceback=trace)


def _own_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the processor's first frame on; all of it if there is none."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        found = found.tb_next
    return found or error.__traceback__


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
