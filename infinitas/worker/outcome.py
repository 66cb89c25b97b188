"""What a processor did, as an outcome: the same in the event loop, a thread or a process of its own."""

import traceback

from infinitas.app import AnyTask
from infinitas.core.codec import encode_payload
from infinitas.core.errors import Refused, Retry
from infinitas.core.states import Reason
from infinitas.core.verdict import Failed, Outcome, Succeeded

MAX_ERROR_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000


def success(value: object) -> Outcome:
    """The outcome of a processor that returned; a value without JSON form is a failure never retried."""
    if value is None:
        return Succeeded()
    try:
        return Succeeded(result=encode_payload(value, "result"))
    except Refused as error:
        return Failed(error=f"{error} The work itself was done.", reason=Reason.BAD_RESULT)


def failure(task: AnyTask, error: BaseException) -> Failed:
    """The outcome of a processor that raised."""
    text = "".join(traceback.format_exception_only(error)).strip()
    lines = traceback.format_exception(error)
    return Failed(
        error=_clean(text)[:MAX_ERROR_CHARS],
        # The innermost frames say most, so a long traceback loses its beginning.
        traceback=_clean("".join(lines).rstrip())[-MAX_TRACEBACK_CHARS:],
        retryable=isinstance(error, Retry) or task.retries_on(error),
        after_s=error.after if isinstance(error, Retry) else None,
    )


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()
