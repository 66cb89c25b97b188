"""The worker's log lines about its jobs: one as a job begins (DEBUG), one as an attempt ends."""

import logging

from infinitas.broker.messages import ClaimedJob
from infinitas.core.job_secrets import error_without_secrets, kind_of_error
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.runtime.logging import JOB_LOGGER, get_logger

_log = get_logger(JOB_LOGGER.partition(".")[2])
_MAX_ERROR_CHARS = 300


def log_received(claimed: ClaimedJob) -> None:
    """A worker has claimed a job."""
    if _log.isEnabledFor(logging.DEBUG):
        facts = {"task": claimed.task, "job": claimed.id, "attempt": claimed.attempt, "state": "running"}
        _log.add(logging.DEBUG, "%(task)s %(job)s received (attempt %(attempt)d)", facts, None, facts)


def log_lost(claimed: ClaimedJob) -> None:
    """Another worker has the job."""
    if _log.isEnabledFor(logging.WARNING):
        facts = {"task": claimed.task, "job": claimed.id, "attempt": claimed.attempt, "state": "lost"}
        text = "%(task)s %(job)s belongs to another worker now; attempt %(attempt)d is stopped"
        _log.add(logging.WARNING, text, facts, None, facts)


def log_end(claimed: ClaimedJob, verdict: Verdict, definition: TaskDefinition, took_s: float) -> None:
    """An attempt has ended. Does nothing where the level is off. Values that the task redacts are masked.

    Args:
        definition: of the job's task.
        took_s: from the claim to the end.
    """
    failed = verdict.state is State.FAILED
    level = logging.ERROR if failed else logging.INFO
    if not _log.isEnabledFor(level):
        return
    facts: dict[str, object] = {
        "task": claimed.task,
        "job": claimed.id,
        "attempt": claimed.attempt,
        "state": verdict.state.value,
        "duration_s": round(took_s, 3),
    }
    state = State.FAILED if verdict.state is State.RETRYING else verdict.state
    text = f"{claimed.task} {claimed.id} {state.value} in {took_s:.3f} s (attempt {claimed.attempt})"
    if verdict.state is State.RETRYING:
        number, delay_s = claimed.attempt - claimed.uncharged, (verdict.delay_ms or 0) / 1000
        facts |= {"retry": number, "retries": definition.retries, "delay_s": delay_s}
        text += f", retry {number} of {definition.retries} in {delay_s:.1f} s"
    if verdict.reason:
        facts["reason"] = str(verdict.reason)
    if why := _line(_masked(verdict.error, claimed, definition) or verdict.reason or ""):
        facts["error"] = why
        text += f": {why}"
    _log.add(level, text, facts, _masked(verdict.traceback, claimed, definition) if failed else None)


def _masked(text: str | None, claimed: ClaimedJob, definition: TaskDefinition) -> str | None:
    if not text:
        return text
    try:
        return error_without_secrets(text, claimed.args, definition.redact)
    except (ValueError, TypeError):  # The arguments can't be read, so their values are not known.
        return kind_of_error(text)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ERROR_CHARS else f"{line[: _MAX_ERROR_CHARS - 1]}…"
