"""Along the notes of a task's moves, from where it was to where it lives now.

A lookup yields commands and is sent their answers: async and sync code run the same one.
"""

from collections.abc import Generator, Mapping
from typing import Any, TypeVar

from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.moves import Target, read_target

MOST_HOPS = 100

Address = tuple[str, str]
"""A queue, and a task's name there."""

T = TypeVar("T")
Lookup = Generator[tuple[str, ...], Any, T]

NO_NOTES: Mapping[Address, str] = {}


def follow(start: Address, notes: Mapping[Address, str] = NO_NOTES) -> Lookup[list[Target]]:
    """The moves of a task, one after the other; the last target is where it lives.

    `notes`: those that are known, '' for none.
    """
    hops: list[Target] = []
    here, passed = start, {start}
    while len(hops) < MOST_HOPS:
        known = notes.get(here)
        text = (yield "hget", QueueKeys(here[0])["moved"], here[1]) if known is None else known
        target = read_target(text)
        if target is None:
            return hops
        hops.append(target)
        here = target.queue, target.task
        if here in passed:
            # It is on its way back, and not declared there yet: the newest move counts.
            return sorted(hops, key=lambda hop: hop.at_ms)
        passed.add(here)
    return hops


def end_of(start: Address, hops: list[Target]) -> Address:
    return (hops[-1].queue, hops[-1].task) if hops else start


def search(queue: str, task: str) -> Lookup[Address]:
    """Where a task lives that `queue` does not have; the end of its trail if it lives nowhere."""
    end = end_of((queue, task), (yield from follow((queue, task))))
    if end != (queue, task) and (yield "hexists", QueueKeys(end[0])["tasks"], end[1]):
        return end
    # It was never here, or a note between was lost with its queue.
    for name in dict.fromkeys((end[1], task)):
        for other in sorted((yield "smembers", QUEUES)):
            if (yield "hexists", QueueKeys(other)["tasks"], name):
                return other, name
    return end
