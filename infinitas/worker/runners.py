"""Two ways to run a processor: async functions in the loop, sync functions in threads.

A runner turns whatever the processor does into an outcome. `SystemExit` in somebody's code is a
failed job, not the end of the worker.
"""

import asyncio
import contextvars
import inspect
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from infinitas.core.codec import encode_payload
from infinitas.core.errors import JobEnded, Refused
from infinitas.core.verdict import Failed, Succeeded
from infinitas.worker.attempt import Attempt

MAX_ERROR_CHARS = 2_000
Outcome = Succeeded | Failed


class Runner(Protocol):
    """Starts a call; `stops_on_cancel` says whether cancelling the future ends it."""

    stops_on_cancel: bool

    def start(
        self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> "asyncio.Future[Outcome]": ...


class AsyncRunner:
    """In the worker's event loop."""

    stops_on_cancel = True

    def start(
        self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> "asyncio.Future[Outcome]":
        return asyncio.ensure_future(self._run(attempt, args, kwargs))

    async def _run(self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
        try:
            return _success(attempt, await attempt.task.function(*args, **kwargs))
        except asyncio.CancelledError:
            return Failed(error="CancelledError: the processor was cancelled")
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            return _failure(attempt, error)


class ThreadRunner:
    """In a thread of a pool as large as the worker has slots."""

    stops_on_cancel = False

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="infinitas-job")

    def start(
        self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> "asyncio.Future[Outcome]":
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, context.run, _call, attempt, args, kwargs)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function)


def _call(attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
    try:
        return _success(attempt, attempt.task.function(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
        return _failure(attempt, error)


def _success(attempt: Attempt, value: object) -> Succeeded:
    if value is None:
        return Succeeded()
    try:
        return Succeeded(result=encode_payload(value, "result"))
    except Refused as error:
        # Code that somebody already has may return anything; its work is done all the same.
        if not attempt.ended:
            attempt.note("warning", f"The result is not kept: {error}")
        return Succeeded()


def _failure(attempt: Attempt, error: BaseException) -> Failed:
    if not isinstance(error, JobEnded) or not attempt.ended:
        attempt.note("error", "".join(traceback.format_exception(error)).rstrip())
    text = "".join(traceback.format_exception_only(error)).strip()
    return Failed(error=text[:MAX_ERROR_CHARS].encode(errors="replace").decode())
