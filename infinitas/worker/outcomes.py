"""What a processor did, as an outcome: the same in the event loop, a thread or a process of its own."""

import traceback
from pathlib import Path
from types import TracebackType

from infinitas.core.codec import encode_payload
from infinitas.core.errors import Refused, Retry
from infinitas.core.states import Reason
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.tasks.task import AnyTask

_PACKAGE = str(Path(__file__).parents[1])
_NOTHING = Succeeded()
MAX_ERROR_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000


def success(value: object) -> Outcome:
    """The outcome of a processor that returned; a value without JSON form is a failure never retried."""
    if value is None:
        return _NOTHING
    try:
        return Succeeded(result=encode_payload(value, "result"))
    except Refused as error:
        return Failed(error=f"{error} The work itself was done.", reason=Reason.BAD_RESULT)


def failure(task: AnyTask, error: BaseException) -> Failed:
    """The outcome of a processor that raised."""
    text = "".join(traceback.format_exception_only(error)).strip()
    lines = traceback.TracebackException(type(error), error, _own_frames(error)).format()
    return Failed(
        error=_clean(text)[:MAX_ERROR_CHARS],
        # The innermost frames say most, so a long traceback loses its beginning.
        traceback=_clean("".join(lines).rstrip())[-MAX_TRACEBACK_CHARS:],
        retryable=isinstance(error, Retry) or task.retries_on(error),
        after_s=error.after if isinstance(error, Retry) else None,
    )


def _own_frames(error: BaseException) -> TracebackType | None:
    """The traceback without our frames in front of the processor's; all of it if there are no others."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        found = found.tb_next
    return found or error.__traceback__


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()
