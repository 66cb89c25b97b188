"""core/event_kinds lists what is emitted: no other kind, no other field, and each kind somewhere."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from redis import Redis

import infinitas
from infinitas.broker.queue import QueueBroker
from infinitas.core.event_kinds import EventKind, Side
from infinitas.core.events import Event
from infinitas.core.history import fold
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Verdict
from tests.archiver.kinds import DUE, KINDS, PACKED, find_kind
from tests.broker.scenarios import SCENARIOS, TASK, paused, queued, running, scheduled
from tests.broker.test_jobs import HOURLY, MS, SLOT, claimed, fire, job_of, settlement
from tests.support import events

PACKAGE = Path(infinitas.__file__).parent
LUA = sorted((PACKAGE / "broker" / "lua").glob("*.lua"))
PREFIXES = {"emit": "", "emit_job": "job.", "emit_attempt": "job.", "emit_together": "job."}
OF_A_JOB = {"job", "task", "due"}
ALWAYS = {
    "emit": set[str](),
    "emit_job": OF_A_JOB,
    "emit_attempt": OF_A_JOB | {"attempt", "worker", "started"},
    "emit_together": OF_A_JOB | {"attempt", "worker", "started"},
}
"""The fields that each function adds itself."""


@dataclass(frozen=True)
class Emission:
    """A call in a script; `whole` if it names all fields itself."""

    where: str
    kind: str
    fields: frozenset[str]
    whole: bool


def arguments(text: str) -> list[str]:
    """The arguments of a call, from behind its opening parenthesis."""
    depth, quoted, found = 0, False, [""]
    for char in text:
        quoted ^= char == "'"
        if not quoted:
            depth += (char in "([{") - (char in ")]}")
            if depth < 0:
                break
            if char == "," and depth == 0:
                found.append("")
                continue
        found[-1] += char
    return [each.strip() for each in found]


def emissions() -> Iterator[Emission]:
    """Every call in a script that names its kind."""
    for file in LUA:
        text = re.sub(r"--.*", "", file.read_text())
        for call in re.finditer(r"(?<!function )\b(emit\w*)\(", text):
            function, (kind, *rest) = call[1], arguments(text[call.end() :])
            if function not in PREFIXES or not re.fullmatch(r"'[\w.]+'", kind):
                continue
            names = rest[1::2] if function == "emit_job" else rest[::2] if function == "emit" else []
            literal = [name.strip("'") for name in names if name.startswith("'")]
            whole = len(literal) == len(names) and function in ("emit", "emit_job")
            yield Emission(
                where=file.name,
                kind=PREFIXES[function] + kind.strip("'"),
                fields=frozenset(ALWAYS[function].union(literal)),
                whole=whole,
            )


EMISSIONS = list(emissions())


def faults(kind: str, fields: frozenset[str], *, whole: bool = True) -> str:
    """How an event differs from the list; '' if it doesn't."""
    listed = find_kind(kind)
    if listed is None:
        return f"{kind} is not listed"
    if other := fields - listed.required - listed.optional:
        return f"{kind} has other fields: {sorted(other)}"
    if whole and (missing := listed.required - fields):
        return f"{kind} lacks fields: {sorted(missing)}"
    return ""


def test_the_scripts_name_no_other_kind_and_no_other_field() -> None:
    assert len(EMISSIONS) > 30
    found = [f"{each.where}: {faults(each.kind, each.fields, whole=each.whole)}" for each in EMISSIONS]
    assert [text for text in found if not text.endswith(": ")] == []


async def cancelling(broker: QueueBroker) -> None:
    """Cancel a running job, and end its attempt."""
    await running(broker)
    await broker.jobs.cancel(["a"], "why", 60)
    await broker.jobs.release("w1", [("a", 1)], 60)


async def stale(broker: QueueBroker) -> None:
    await running(broker)
    await broker.jobs.settle("w1", [settlement("a", 7)])


async def with_result(broker: QueueBroker) -> None:
    await running(broker)
    await broker.jobs.settle("w1", [settlement("a", 1, Verdict(state=State.SUCCEEDED, result="5"))])


async def with_traceback(broker: QueueBroker) -> None:
    await running(broker)
    verdict = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e", traceback="t")
    await broker.jobs.settle("w1", [settlement("a", 1, verdict)])


async def skipped(broker: QueueBroker) -> None:
    await paused(broker)
    await broker.schedules.fire([fire()])


async def missed(broker: QueueBroker) -> None:
    await scheduled(broker)
    await broker.schedules.fire([replace(fire(), unrun=Reason.CATCH_UP)])


async def expired(broker: QueueBroker) -> None:
    await queued(broker)
    await broker.connection.command("hset", broker.keys.of("job", "b"), "expires", 1)
    await claimed(broker, limit=3)


async def late(broker: QueueBroker) -> None:
    rule = replace(HOURLY, grace_ms=1)
    await broker.schedules.schedule([rule], SLOT - MS)
    await broker.schedules.fire([fire(rule)])
    assert await claimed(broker)
    await broker.connection.command("zadd", broker.keys["expected"], {job_of(fire(rule)): 1})
    await broker.schedules.overdue(0, 10)


BESIDE_THE_SCENARIOS = (cancelling, stale, with_result, with_traceback, skipped, missed, expired, late)


async def test_no_edge_emits_another_kind_or_field_and_each_kind_is_emitted(
    broker: QueueBroker, redis: Redis
) -> None:
    """What the scripts compute is seen by running every edge."""
    seen: dict[str, set[frozenset[str]]] = defaultdict(set)
    steps = [(each.prepare, each.act) for each in SCENARIOS.values()]
    for both in [*steps, *((step,) for step in BESIDE_THE_SCENARIOS)]:
        redis.flushall()
        await broker.declarations.declare([TASK], [])
        for worker in ("w1", "w2"):
            await broker.workers.join(worker, ["t"], 60)
        for step in both:
            await step(broker)
        for event in events(redis):
            seen[event.kind].add(frozenset(event.fields))
    found = {faults(kind, fields) for kind, forms in seen.items() for fields in forms}
    assert found == {""}
    emitted = {each.kind for each in EMISSIONS} | set(seen)
    assert {kind for kind in EventKind if kind.side is Side.SCRIPT} - emitted == set()


def test_each_kind_that_python_names_is_named_in_a_process() -> None:
    """Health.amiss takes an EventKind, so mypy refuses any other."""
    processes = [file for folder in ("monitor", "scheduler") for file in (PACKAGE / folder).glob("*.py")]
    text = "\n".join(file.read_text() for file in processes)
    named = set(re.findall(r"EventKind\.(\w+)", text))
    assert {kind.name for kind in EventKind if kind.side is Side.PYTHON} - named == {"AUDIT"}
    assert "broker(QUEUE)).audit(" in (PACKAGE / "server" / "audit_trail.py").read_text()


def test_the_examples_have_every_field() -> None:
    for kind, entry in KINDS.items():
        fields = frozenset(entry) - {"jobs"} | (PACKED if "jobs" in entry else frozenset())
        assert faults(kind, fields) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_place_in_the_archive(kind: str) -> None:
    if "jobs" not in KINDS[kind]:
        event = Event(position=f"{DUE}-0", kind=kind, at_ms=int(DUE), fields=KINDS[kind])
        assert fold("default", [event]).refused == []
