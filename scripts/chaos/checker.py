"""Checks what a run has left against the oracle. Pure: it knows nothing of how the run was made."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

FINAL = ("succeeded", "failed", "cancelled", "skipped", "missed")
NOT_RUN = ("skipped", "missed")
UNCHARGED = ("lost", "released")
MOST_CRASHES = 3
SHOWN = 5


@dataclass(frozen=True)
class Run:
    """An attempt that the oracle saw begin; `ended`: None if its code did not reach its end. Times in ms."""

    job: str
    task: str
    attempt: int
    pid: int
    began: int
    ended: int | None


@dataclass(frozen=True)
class Row:
    """A row of infinitas_jobs. `due` in ms; `result` as its processor returned it."""

    id: str
    task: str
    state: str
    reason: str | None
    attempt: int | None
    schedule: str | None
    due: int
    result: Mapping[str, int] | None


@dataclass(frozen=True)
class Attempt:
    """A row of infinitas_attempts."""

    job: str
    attempt: int
    outcome: str | None
    reason: str | None


@dataclass(frozen=True)
class Slots:
    """The slots of a schedule that must be in the ledger: `first`, `first + period` … up to `last`, in ms."""

    schedule: str
    first: int
    period: int
    last: int


@dataclass
class History:
    """All that is known after a run has become quiet.

    Attributes:
        accepted: jobs whose send was answered, with their tasks.
        live: states of the jobs that Redis still has.
        counts: by task, how many jobs have succeeded and failed, as infinitas_tasks counts them.
        retries: by task; `at_most_once`, `alone`: tasks with that option.
        leftovers: lengths in Redis that must be 0, by name.
        faults: what the run itself found wrong, e.g. that it did not become quiet.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    live: dict[str, str] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    slots: list[Slots] = field(default_factory=list)
    retries: dict[str, int] = field(default_factory=dict)
    at_most_once: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    leftovers: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Violation:
    """An invariant (DESIGN §9) that did not hold, with the first few cases."""

    invariant: int
    text: str
    cases: tuple[str, ...]
    count: int


def check(history: History) -> list[Violation]:
    """All violations."""
    found: list[Violation] = []
    for invariant, text, cases in (
        (1, "slots without exactly one row", _slots(history)),
        (2, "slots with more than one job", _twice(history)),
        (3, "jobs that did not end", _unfinished(history)),
        (3, "jobs with more attempts than allowed", _too_many(history)),
        (4, "attempts that began twice", _same_attempt(history)),
        (4, "successes that no code has returned", _invented(history)),
        (5, "rows that are there twice", _doubled(history)),
        (5, "states that differ between Redis and Postgres", _differ(history)),
        (5, "counts that are not the number of rows", _counts(history)),
        (6, "attempts that ran again without a recorded crash, release or failure", _unexplained(history)),
        (6, "jobs that may run at most once and began more often", _more_than_once(history)),
        (6, "jobs that overlap although their schedule skips", _overlaps(history)),
        (7, "left in Redis", (f"{name}: {count}" for name, count in history.leftovers.items() if count)),
        (8, "accepted jobs without a row", _lost(history)),
        (0, "the run itself", iter(history.faults)),
    ):
        all_cases = list(cases)
        if all_cases:
            found.append(Violation(invariant, text, tuple(all_cases[:SHOWN]), len(all_cases)))
    return found


def _slots(history: History) -> Iterator[str]:
    rows = Counter((row.schedule, row.due) for row in history.rows if row.schedule)
    for each in history.slots:
        expected = range(each.first, each.last + 1, each.period)
        for slot in expected:
            if rows[each.schedule, slot] != 1:
                yield f"{each.schedule} {slot}: {rows[each.schedule, slot]} rows"
        known = set(expected)
        for schedule, due in rows:
            if schedule == each.schedule and each.first <= due <= each.last and due not in known:
                yield f"{schedule} {due}: is no slot"


def _twice(history: History) -> Iterator[str]:
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    for row in history.rows:
        if row.schedule:
            ids[row.schedule, row.due].add(row.id)
    yield from (f"{slot}: {sorted(jobs)}" for slot, jobs in ids.items() if len(jobs) > 1)


def _unfinished(history: History) -> Iterator[str]:
    yield from (f"{row.id} of {row.task}: {row.state}" for row in history.rows if row.state not in FINAL)


def _too_many(history: History) -> Iterator[str]:
    tasks = {row.id: row.task for row in history.rows}
    charged, crashes = Counter[str](), Counter[str]()
    for each in history.attempts:
        charged[each.job] += each.outcome not in UNCHARGED
        crashes[each.job] += each.outcome == "lost"
    for job, count in charged.items():
        if count > history.retries.get(tasks.get(job, ""), 0) + 1:
            yield f"{job} of {tasks.get(job)}: {count} attempts"
    yield from (f"{job}: {count} crashes" for job, count in crashes.items() if count > MOST_CRASHES)


def _same_attempt(history: History) -> Iterator[str]:
    begun = Counter((run.job, run.attempt) for run in history.runs)
    yield from (f"{job} attempt {attempt}" for (job, attempt), count in begun.items() if count > 1)


def _invented(history: History) -> Iterator[str]:
    ended = {(run.job, run.attempt, run.pid) for run in history.runs if run.ended is not None}
    for row in history.rows:
        if row.state == "succeeded":
            result = row.result or {}
            claimed = (row.id, result.get("attempt", -1), result.get("pid", -1))
            if claimed not in ended or result.get("attempt") != row.attempt:
                yield f"{row.id} of {row.task}: attempt {row.attempt}, result {result}"


def _doubled(history: History) -> Iterator[str]:
    yield from (id for id, count in Counter(row.id for row in history.rows).items() if count > 1)


def _differ(history: History) -> Iterator[str]:
    rows = {row.id: row.state for row in history.rows}
    for id, state in history.live.items():
        if rows.get(id) != state:
            yield f"{id}: {state} in Redis, {rows.get(id)} in Postgres"


def _counts(history: History) -> Iterator[str]:
    succeeded, failed = Counter[str](), Counter[str]()
    for row in history.rows:
        succeeded[row.task] += row.state == "succeeded"
        failed[row.task] += row.state == "failed"
    for task, counted in history.counts.items():
        if counted != (succeeded[task], failed[task]):
            yield f"{task}: counted {counted}, rows {(succeeded[task], failed[task])}"


def _unexplained(history: History) -> Iterator[str]:
    outcomes = {(each.job, each.attempt): each.outcome for each in history.attempts}
    last: dict[str, int] = {}
    for run in history.runs:
        last[run.job] = max(last.get(run.job, 0), run.attempt)
    for run in history.runs:
        if run.attempt < last[run.job] and outcomes.get((run.job, run.attempt)) in (None, "succeeded"):
            yield f"{run.job} attempt {run.attempt}: {outcomes.get((run.job, run.attempt))}"


def _more_than_once(history: History) -> Iterator[str]:
    begun = Counter(run.job for run in history.runs if run.task in history.at_most_once)
    yield from (f"{job}: {count} times" for job, count in begun.items() if count > 1)


def _overlaps(history: History) -> Iterator[str]:
    """By the oracle; an attempt that was lost may go on beside its successor until its worker notices."""
    outcomes = {(each.job, each.attempt): each.outcome for each in history.attempts}
    schedules = {row.id: row.schedule for row in history.rows}
    by_schedule: dict[str, list[Run]] = defaultdict(list)
    for run in history.runs:
        counts = run.ended is not None and outcomes.get((run.job, run.attempt)) not in UNCHARGED
        if run.task in history.alone and counts:
            by_schedule[schedules.get(run.job) or ""].append(run)
    for runs in by_schedule.values():
        in_order: Sequence[Run] = sorted(runs, key=lambda run: run.began)
        for before, after in pairwise(in_order):
            if before.ended is not None and after.began < before.ended and before.job != after.job:
                yield f"{before.job} until {before.ended}, {after.job} from {after.began}"


def _lost(history: History) -> Iterator[str]:
    rows, begun = {row.id for row in history.rows}, Counter(run.job for run in history.runs)
    for id, task in history.accepted.items():
        if id not in rows:
            yield f"{id} of {task}: begun {begun[id]} times, {history.live.get(id, 'gone')} in Redis"
