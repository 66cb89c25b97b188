"""The outcome of a job, as JSON between a worker and its processes."""

from dataclasses import asdict
from typing import Any

from infinitas.core.states import Reason
from infinitas.core.verdict import Failed, Succeeded


def outcome_fields(outcome: object) -> dict[str, Any]:
    """An outcome as fields of a message."""
    assert isinstance(outcome, (Succeeded, Failed))
    return {type(outcome).__name__: asdict(outcome)}


def outcome_from(fields: dict[str, Any]) -> Succeeded | Failed:
    """The outcome in a message of a process. Raises KeyError, TypeError, ValueError: it holds none."""
    if "Succeeded" in fields:
        return Succeeded(**fields["Succeeded"])
    return Failed(**{**fields["Failed"], "reason": Reason(fields["Failed"]["reason"])})
