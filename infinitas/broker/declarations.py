"""Stores what code declares, tasks and their schedules; newer code wins."""

from collections.abc import Iterable, Mapping, Sequence

from infinitas.broker.answers import RuleAnswer
from infinitas.broker.connection import RAW, Connection
from infinitas.broker.homes import Homes
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.messages import Declarer
from infinitas.broker.schedules import Schedules, encode_rule
from infinitas.broker.stored_rules import digest, read_declarer, read_known
from infinitas.core.codec import json_text, to_ms
from infinitas.core.declaration import declared_later, kept_by_newer_code, merge
from infinitas.core.errors import InfinitasError, KeyTaken
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition

_TRIES = 1000


class Declarations:
    """Every method may be called again after a lost reply. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys, schedules: Schedules) -> None:
        self._connection = connection
        self._keys = keys
        self._schedules = schedules
        self._homes = Homes(connection, keys.queue)

    async def declare(
        self,
        tasks: Iterable[TaskDefinition],
        schedules: Iterable[Schedule],
        declarer: Declarer | None = None,
    ) -> int:
        """Store definitions and code's schedules. Returns how many tasks were new or changed.

        An unchanged schedule keeps its next slot, its anchor and a person's override. What newer
        code has declared, and is still there, stays. Without a declarer only unknown tasks are
        stored. A task that lives in another queue, or under one of its aliases, is moved here first.

        Raises:
            KeyTaken: another task's schedule has the name of one of the tasks.
        """
        await self._connection.command("sadd", QUEUES, self._keys.queue)
        by_task = {schedule.task: schedule for schedule in schedules}
        todo = {task.name: task for task in tasks}
        changed = 0
        for _ in range(_TRIES):
            settled = await self._homes.settle(list(todo.values()), declarer)
            here = [task for task in todo.values() if task.name not in settled.elsewhere]
            rules = {name: rule for name, rule in by_task.items() if name not in settled.held}
            items = await self._changes(here, rules, declarer, settled.gone)
            if not items:
                return changed
            answers = await self._connection.run_script("declare", self._keys, declarations=json_text(items))
            refused: dict[str, RuleAnswer] = {}
            for item, text in zip(items, answers, strict=True):
                answer = RuleAnswer(text)
                if answer is RuleAnswer.STORED:
                    changed += 1
                else:
                    refused[str(item["task"])] = answer
            todo = {name: todo[name] for name in refused}
            for name, answer in refused.items():
                if answer is RuleAnswer.DUE:
                    await self._schedules.settle_past(by_task[name].key)
        raise InfinitasError("The tasks were changed again and again while they were declared.")

    async def remove_task(self, task: str) -> bool:
        """Forget a task. False if jobs of it are still ready or running."""
        return bool(await self._connection.run_script("remove_task", self._keys, task=task))

    async def _changes(
        self,
        tasks: Sequence[TaskDefinition],
        rules: Mapping[str, Schedule],
        declarer: Declarer | None,
        gone: Mapping[str, str],
    ) -> list[dict[str, object]]:
        """What `declare` has to write, compared with what is stored."""
        if not tasks:
            return []
        names = [task.name for task in tasks]
        pipe = self._connection.pipeline()
        keys = [rules[n].key if n in rules else n for n in names]
        pipe.hmget(self._keys["tasks"], names)
        pipe.execute_command("HMGET", self._keys["schedules"], *keys, **RAW)
        pipe.hmget(self._keys["declarers"], names)
        definitions, stored, declarers = await self._connection.execute(pipe)
        after = await self._schedules.slots_after(keys, await self._connection.now())
        newer = await self._newer(dict(zip(names, declarers, strict=True)), declarer)
        items: list[dict[str, object]] = []
        for task, definition, key, text in zip(tasks, definitions, keys, stored, strict=True):
            if task.name in newer or (declarer is None and definition is not None):
                continue
            rule = rules.get(task.name)
            before = read_known(key, text)
            if rule and before and before.task != task.name:
                raise _key_taken(task.name, before)
            merged = merge(before, rule) if rule else None
            if definition == task.to_json() and merged is None:
                continue
            item = new_definition(task, definition, gone[task.name])
            if declarer is not None:
                item["declarer"] = json_text({"worker": declarer.worker, "born": to_ms(declarer.born)})
            if merged is not None:
                item["schedule"] = {**encode_rule(merged, after[key]), "seen": digest(text)}
            items.append(item)
        return items

    async def _newer(self, declarers: Mapping[str, str | None], declarer: Declarer | None) -> set[str]:
        """Tasks that newer code has declared: a worker that lives, or `infinitas sync`."""
        if declarer is None:
            return set()
        known = {task: found for task, text in declarers.items() if (found := read_declarer(text))}
        later = declared_later(known, to_ms(declarer.born))
        workers = sorted({worker for worker in later.values() if worker})
        living: set[str] = set()
        if workers:
            beats = await self._connection.command("zmscore", self._keys["beats"], workers)
            living = {worker for worker, count in zip(workers, beats, strict=True) if count is not None}
        return kept_by_newer_code(later, living)


def new_definition(task: TaskDefinition, seen: str | None, gone: str = "") -> dict[str, object]:
    """One task for the script `declare`, which stores it if what is stored is still what was `seen`.

    `gone`: where the task had moved to, as it is stored; '' for nowhere.
    """
    item: dict[str, object] = {"task": task.name, "seen": digest(seen), "gone": gone}
    item["definition"] = task.to_json()
    limits: dict[str, object] = {**task.limits}
    if task.redact:
        limits["redact"] = json_text(task.redact)
    if limits:
        item["limits"] = json_text(limits)
    return item


def _key_taken(task: str, stored: Schedule) -> KeyTaken:
    return KeyTaken(
        f"The task {task!r} has a schedule of its own, but the schedule of that key belongs to the task "
        f"{stored.task!r}. Remove it (`infinitas schedule rm {task}`), or give one of them another name."
    )
