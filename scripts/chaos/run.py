"""One run: load and faults by a seed, then quiet, then all that is left is collected."""

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg.rows import class_row
from redis.exceptions import RedisError

from infinitas import every
from infinitas.core.errors import InfinitasError
from scripts.chaos.app import RETRIES, app
from scripts.chaos.checker import FINAL, Attempt, History, Row, Run, Slots, Violation, check
from scripts.chaos.faults import FAULTS, Injector, Planned, plan
from scripts.chaos.world import World, world

P = "{infinitas:default}:"
QUIET_S = 90.0
PERIODS = {
    "tick-1": ("tick", 200),
    "tick-2": ("tick", 500),
    "tick-3": ("tick", 1_000),
    "alone-1": ("alone", 400),
}
"""Schedules, with their tasks and periods in ms; jobs of `alone` take longer than its period, at times."""
SQL = Path(__file__).with_name("sql")


@dataclass
class Result:
    """What a run has shown; durations in seconds."""

    seed: int
    seconds: float
    plan: list[Planned]
    violations: list[Violation] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class Sender(threading.Thread):
    """Sends jobs until it is stopped; the ledger has those whose send was answered."""

    def __init__(self, seed: int, per_s: float) -> None:
        super().__init__(daemon=True)
        self.accepted: dict[str, str] = {}
        self.refused = 0
        self._chance = random.Random(seed)
        self._pause_s = 1 / per_s
        self._stop_sending = threading.Event()

    def run(self) -> None:
        while not self._stop_sending.wait(self._chance.expovariate(1 / self._pause_s)):
            try:
                self._send()
            except InfinitasError:
                self.refused += 1

    def finish(self) -> None:
        self._stop_sending.set()
        self.join()

    def _send(self) -> None:
        chance, number = self._chance, self._chance.randrange(1_000)
        task = chance.choices(
            ("quick", "flaky", "slow", "in_a_thread", "at_most_once", "poison", "burst", "cancel"),
            (30, 20, 15, 8, 12, 0.3, 1, 3),
        )[0]
        if task == "cancel":
            if self.accepted:
                with contextlib.suppress(InfinitasError):
                    app.cancel(chance.choice(list(self.accepted)))
            return
        if task == "burst":
            handles = app.find("quick").send_many([(i,) for i in range(chance.randrange(20, 200))])
            self.accepted |= {handle.id: "quick" for handle in handles}
            return
        # Long enough that a zombie reports while its successor runs.
        factor = {"poison": 0, "slow": 4, "at_most_once": 2}.get(task, 1)
        arguments = (number * factor,) if factor else ()
        if chance.random() < 0.1:
            sent = app.find(task).using(delay=chance.uniform(0.1, 3.0)).send(*arguments)
        else:
            sent = app.find(task).send(*arguments)
        self.accepted[sent.id] = task


def run(
    seed: int,
    seconds: float,
    mean_s: float,
    names: Sequence[str] = tuple(FAULTS),
    per_s: float = 20.0,
    *,
    everysec: bool = False,
) -> Result:
    """A whole run, on servers of its own.

    Args:
        everysec: Redis may answer before it has written: a restart may then lose what it has confirmed.
    """
    result = Result(seed, seconds, plan(seed, seconds, mean_s, names))
    with world(everysec=everysec) as made:
        app.configure(redis_url=made.redis_url)
        history = History(
            retries={"flaky": RETRIES},
            at_most_once=frozenset({"at_most_once"}),
            alone=frozenset({"alone"}),
        )
        starts = _declare(made)
        sender = Sender(seed, per_s)
        sender.start()
        injector = Injector(made)
        began = time.monotonic()
        for each in result.plan:
            time.sleep(max(0.0, began + each.at_s - time.monotonic()))
            injector.begin(each)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        injector.wait()
        sender.finish()
        history.accepted = sender.accepted
        made.heal()
        healed = time.monotonic()
        history.slots = _end_schedules(made, starts, history)
        _become_quiet(made, history)
        result.facts["quiet_after_s"] = round(time.monotonic() - healed, 1)
        _collect(made, history)
        result.facts |= _facts(history, sender, injector)
        result.violations = check(history)
        if result.violations:
            result.facts["log"] = _tail(made.folder / "forks.log")
        app.close()
    return result


def _declare(made: World) -> dict[str, int]:
    """Store the schedules. Returns the first slot of each, in ms."""
    _wait(lambda: made.admin.hexists(f"{P}tasks", "alone"), "a worker joins")
    for key, (task, period) in PERIODS.items():
        arguments = (300,) if task == "alone" else ()
        app.schedule(
            app.find(task),
            every(milliseconds=period),
            key=key,
            args=arguments,
            overlap="skip" if task == "alone" else "allow",
            catch_up_window=timedelta(seconds=1).total_seconds(),
        )
    rules = {key: orjson.loads(made.admin.hget(f"{P}schedules", key)) for key in PERIODS}
    return {key: int(rule["anchor_ms"]) + PERIODS[key][1] for key, rule in rules.items()}


def _end_schedules(made: World, starts: dict[str, int], history: History) -> list[Slots]:
    """Wait until slots are fired again, then remove the schedules. Returns what the ledger must have."""
    now = int(time.time() * 1000)

    def goes_on() -> bool:
        return all(int(made.admin.hget(f"{P}marks", key) or 0) > now for key in starts)

    try:
        _wait(goes_on, "slots are fired again", 60)
    except TimeoutError as error:
        history.faults.append(str(error))
    found = []
    for key, first in starts.items():
        last = int(made.admin.hget(f"{P}marks", key) or 0)
        app.unschedule(key)
        found.append(Slots(key, first, PERIODS[key][1], last))
    return found


def _become_quiet(made: World, history: History) -> None:
    try:
        _wait(lambda: not _busy(made), "everything has ended and is archived", QUIET_S)
    except TimeoutError as error:
        history.faults.append(f"{error}: {_busy(made)}")


def _busy(made: World) -> str:
    """What still waits or runs, or is not archived; '' for nothing."""
    admin = made.admin
    for task in admin.hkeys(f"{P}tasks"):
        if length := admin.xlen(f"{P}stream:{task}"):
            return f"{length} in the stream of {task}"
    if later := admin.zcard(f"{P}later"):
        return f"{later} wait for their time"
    newest, position = admin.xrevrange(f"{P}events", count=1), admin.hget(f"{P}readers", "archiver")
    if newest and newest[0][0] != position:
        return f"the archiver is at {position}, the newest event is {newest[0][0]}"
    with psycopg.connect(made.postgres_url) as connection:
        row = connection.execute(_sql("open")).fetchone()
    return f"{row[0]} rows are open" if row and row[0] else ""


def _collect(made: World, history: History) -> None:
    history.runs = _runs(made.oracle)
    with psycopg.connect(made.postgres_url) as connection:
        with connection.cursor(row_factory=class_row(Row)) as rows:
            history.rows = rows.execute(_sql("rows")).fetchall()
        with connection.cursor(row_factory=class_row(Attempt)) as attempts:
            history.attempts = attempts.execute(_sql("attempts")).fetchall()
        history.counts = {name: (done, failed) for name, done, failed in connection.execute(_sql("counts"))}
    admin = made.admin
    left = {}
    for key in admin.scan_iter(f"{P}job:*", count=1_000):
        state, ttl = admin.hget(key, "state"), admin.pttl(key)
        history.live[key.removeprefix(f"{P}job:")] = state
        if ttl < 0 or state not in FINAL:
            left[f"{key} ({state})"] = 1
    for task in admin.hkeys(f"{P}tasks"):
        left[f"stream of {task}"] = admin.xlen(f"{P}stream:{task}")
        with contextlib.suppress(RedisError):
            left[f"pending of {task}"] = admin.xpending(f"{P}stream:{task}", "workers")["pending"]
        left[f"lingering of {task}"] = admin.scard(f"{P}lingering:{task}")
    left["later"], left["live"] = admin.zcard(f"{P}later"), admin.hlen(f"{P}live")
    left["kept"] = admin.xlen(f"{P}kept")
    history.leftovers = left


def _runs(folder: Path) -> list[Run]:
    """Attempts by the files of the oracle; the last line of a killed process may be cut off."""
    begun: dict[tuple[str, int, int], dict[str, Any]] = {}
    ended: dict[tuple[str, int, int], int] = {}
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            with contextlib.suppress(ValueError):
                fact = json.loads(line)
                name = (fact["job"], fact["attempt"], fact["pid"])
                if fact["what"] == "begin":
                    begun[name] = fact
                else:
                    ended[name] = fact["at"]
    return [
        Run(fact["job"], fact["task"], fact["attempt"], fact["pid"], fact["at"], ended.get(name))
        for name, fact in begun.items()
    ]


def _facts(history: History, sender: Sender, injector: Injector) -> dict[str, Any]:
    states: dict[str, int] = {}
    for row in history.rows:
        name = f"{row.state} {row.reason}" if row.reason and row.state != "cancelled" else row.state
        states[name] = states.get(name, 0) + 1
    return {
        "accepted": len(history.accepted),
        "refused_sends": sender.refused,
        "attempts_begun": len(history.runs),
        "rows": len(history.rows),
        "slots": sum((each.last - each.first) // each.period + 1 for each in history.slots),
        "states": dict(sorted(states.items())),
        "errors_of_the_run": injector.errors,
    }


def _wait(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(RedisError, psycopg.Error):
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {seconds:g} s: {what}")
        time.sleep(0.1)


def _sql(name: str) -> Any:
    return (SQL / f"{name}.sql").read_text()


def _tail(file: Path) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-200:]
