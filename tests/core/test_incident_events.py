"""Which events matter for incidents. Pure."""

from infinitas.core.events import Event
from infinitas.core.incident_events import relevant


def event(kind: str, **fields: str) -> Event:
    return Event(position="1-0", kind=kind, at_ms=1, fields=fields)


def kinds(*events: Event) -> list[str]:
    return [each.kind for each in relevant(events)]


def test_of_many_successes_the_first_one_after_a_failure_matters() -> None:
    success, failure = event("job.succeeded", task="t", job="j"), event("job.failed", task="t", job="j")
    other = event("job.succeeded", task="u", job="j")
    many = [success] * 100
    assert kinds(*many) == ["job.succeeded"]
    assert kinds(*many, other, *many) == ["job.succeeded"] * 2
    assert kinds(*many, failure, *many) == ["job.succeeded", "job.failed", "job.succeeded"]
    late = event("schedule.late", schedule="s", slot="1", state="running")
    assert kinds(success, late, success) == ["job.succeeded", "schedule.late", "job.succeeded"]


def test_only_a_slot_that_begins_matters() -> None:
    begins = event("job.running", task="t", job="t@1")
    assert kinds(event("job.running", task="t", job="x"), begins, begins) == ["job.running"]


def test_texts_are_short_and_storable() -> None:
    (found,) = relevant([event("job.failed", task="t\x00" * 1_000, error="e" * 100_000, traceback="x")])
    assert "\x00" not in found.fields["task"]
    assert len(found.fields["task"]) == 400
    assert len(found.fields["error"]) == 2_000
    assert "traceback" not in found.fields
