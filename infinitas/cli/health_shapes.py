"""The JSON of what commands report of an installation's health."""

from pydantic import BaseModel

from infinitas.core.findings import Finding
from infinitas.monitor.doctor import Skipped
from infinitas.monitor.health_checks import Finding as ProcessHealth


class Health(BaseModel):
    """`infinitas healthcheck`: `well` if all of the processes are."""

    well: bool
    processes: list[ProcessHealth]


class RestoredQueue(BaseModel):
    """`counts`: by what was restored; `faults`: rows that could not be."""

    queue: str
    counts: dict[str, int]
    faults: list[str]


class RestoredQueues(BaseModel):
    """`infinitas restore`: only queues that lacked something; with `dry_run` nothing was changed."""

    dry_run: bool
    queues: list[RestoredQueue]


class Diagnosis(BaseModel):
    """`infinitas doctor`: `ok` without findings; `skipped` checks could not be made."""

    ok: bool
    findings: list[Finding]
    skipped: list[Skipped]
