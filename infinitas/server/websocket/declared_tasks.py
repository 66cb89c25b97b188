"""What a remote worker's token lets its tasks declare, and the audit of what they do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
from pydantic_core import to_json

from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.intents import QUEUE
from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken, Scope
from infinitas.core.changes import changes
from infinitas.core.errors import Forbidden, UnknownSchedule
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.task import AnyTask

DEFAULT_QUEUE = "default"
DEFINITION, SCHEDULE = "declare_task", "put_schedule"
"""Actions in the audit, as of the HTTP routes that do the same."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a declaration changes, for the audit."""

    action: str
    target: str
    fields: dict[str, list[object]]


async def refuse_new_queues(client: RedisClient, queues: Iterable[str], token: AccessToken) -> None:
    """Refuse queues that there are not yet: each costs connections of every process. Raises Forbidden."""
    if token.allows(Scope.ADMIN):
        return
    known = {DEFAULT_QUEUE, *await list_queues(client.connection)}
    if new := sorted(set(queues) - known):
        raise Forbidden(
            f"There is no queue {new[0][:80]!r}, and the token {token.name!r} may not add one: that needs "
            "the scope 'admin', or a worker beside Redis."
        )


def keep_redacted(
    definition: TaskDefinition, stored: TaskDefinition | None, token: AccessToken
) -> TaskDefinition:
    """The definition, which hides at least what the stored one hides, unless the token is an admin's."""
    if stored is None or token.allows(Scope.ADMIN):
        return definition
    hidden = dict.fromkeys((*stored.redact, *definition.redact))
    return definition if len(hidden) == len(definition.redact) else replace(definition, redact=tuple(hidden))


async def changes_of(
    client: RedisClient, tasks: Mapping[str, AnyTask], declared: Sequence[str]
) -> list[Change]:
    """What the declarations of these tasks change."""
    stored = await client.definitions(declared)
    found = []
    for name in declared:
        before, after = stored.get(name), tasks[name].definition
        if fields := changes(_values(before), _values(after)):
            found.append(Change(DEFINITION, name, fields))
        rule = tasks[name].schedule
        if rule is not None and (fields := changes(_rule(await _stored_rule(client, rule.key)), _rule(rule))):
            found.append(Change(SCHEDULE, rule.key, fields))
    return found


async def record_changes(
    client: RedisClient, found: Iterable[Change], token: AccessToken, session: str, origin: str
) -> None:
    """Write them to the audit. Raises ServerUnreachable."""
    for change in found:
        await (await client.broker(QUEUE)).audit(
            action=change.action,
            actor=token.name,
            target=change.target,
            reason=f"declared by the worker {session}",
            origin=origin,
            changes=to_json(change.fields).decode(),
        )


async def _stored_rule(client: RedisClient, key: str) -> Schedule | None:
    try:
        info = await client.schedules.find(key)
    except UnknownSchedule:
        return None
    return None if info.unreadable is not None else info.schedule


def _values(definition: TaskDefinition | None) -> dict[str, object]:
    return {} if definition is None else dict(orjson.loads(definition.to_json()))


_OF_A_RULE = ("task", "cron", "every_ms", "at_ms", "timezone", "args", "start_ms", "end_ms", "max_runs")


def _rule(schedule: Schedule | None) -> dict[str, object]:
    return {} if schedule is None else {name: getattr(schedule, name) for name in _OF_A_RULE}
