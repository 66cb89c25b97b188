"""Return value, exception or time limit → outcome: the same in the event loop, a thread or a process."""

from dataclasses import replace

from infinitas.core.errors import Refused, Retry
from infinitas.core.numbers import is_number
from infinitas.core.states import Reason
from infinitas.core.task_definition import YEAR_S
from infinitas.core.text import clean
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.runtime.error_text import describe
from infinitas.tasks.task import AnyTask

_NO_RESULT = Succeeded()


def returned(task: AnyTask, value: object) -> Outcome:
    """The outcome of a processor that returned; a value without JSON form fails, and is never retried."""
    if value is None:
        return _NO_RESULT
    kind = type(value)
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        # The work is still to be done, and never will be.
        return Failed(
            error=f"the processor returned an iterator ({kind.__name__}), and nothing has read its items: "
            "return a list of them, or read them inside the processor",
            retryable=False,
        )
    try:
        return Succeeded(result=task.signature.encode_result(value))
    except Refused as error:
        return Failed(error=f"{error} The work itself was done.", reason=Reason.BAD_RESULT)
    except Exception as error:  # noqa: BLE001 - whatever the value's class raises
        text, trace = describe(error)
        error_text = f"The result can't be written as JSON: {text} The work itself was done."
        return Failed(error=error_text, traceback=trace, reason=Reason.BAD_RESULT)


def failure(task: AnyTask, error: BaseException) -> Failed:
    """The outcome of a processor that raised."""
    text, trace = describe(error)
    if not issubclass(type(error), Retry):
        return Failed(error=text, traceback=trace, retryable=task.retries_on(type(error)))
    after_s = getattr(error, "after", None)
    if after_s is not None and not (is_number(after_s) and 0 <= after_s <= YEAR_S):
        text, after_s = f"{text} (its `after` is not 0 to a year, in seconds: not used)", None
    return Failed(error=text, traceback=trace, after_s=after_s)


def unforeseen(error: BaseException) -> Failed:
    """The outcome of an attempt that a fault outside of the processor ended, also one of this package."""
    text, trace = describe(error)
    return Failed(error=f"the worker could not run or end the job: {text}", traceback=trace)


def timed_out(task: AnyTask) -> Failed:
    """The outcome of a processor that ran beyond its hard limit."""
    limit_s = task.definition.timeout
    return Failed(error=f"timed out: the limit of {limit_s:g} s is over", reason=Reason.TIMED_OUT)


def crashed(task: AnyTask, error: str) -> Failed:
    """The outcome of a processor whose process has ended without one."""
    return Failed(error=error, reason=Reason.CRASHED, retryable=task.retries_on(ChildProcessError))


def cleaned(failed: Failed) -> Failed:
    """`failed` without characters that Postgres can't store: its text comes from the processor."""
    trace = None if failed.traceback is None else clean(failed.traceback)
    return replace(failed, error=clean(failed.error), traceback=trace)
