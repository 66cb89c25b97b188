"""The faults. Each is planned with its parameters before a run begins, and heals itself."""

import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.chaos.world import LEASE_S, Member, World

Injection = Callable[[World, random.Random], None]


@dataclass(frozen=True)
class Planned:
    """A fault of a plan: `at_s` after the start; `seed` decides its victim and its length."""

    at_s: float
    name: str
    seed: int


FAULTS: dict[str, Injection] = {}


def fault(inject: Injection) -> Injection:
    FAULTS[inject.__name__] = inject
    return inject


def plan(seed: int, seconds: float, mean_s: float, names: Sequence[str]) -> list[Planned]:
    """The faults of a run, by its seed alone: about one each `mean_s` seconds."""
    chance, at_s, found = random.Random(seed), 0.0, []
    while (at_s := at_s + chance.expovariate(1 / mean_s)) < seconds:
        found.append(Planned(round(at_s, 3), chance.choice(names), chance.randrange(2**32)))
    return found


def _one(world: World, role: str, chance: random.Random) -> Member:
    return chance.choice(world.of(role))


def _kill(world: World, role: str, chance: random.Random) -> None:
    with world.lock:
        _one(world, role, chance).send(signal.SIGKILL)


def _freeze(member: Member, seconds: float) -> None:
    member.send(signal.SIGSTOP)
    time.sleep(seconds)
    member.send(signal.SIGCONT)


@fault
def kill_scheduler(world: World, chance: random.Random) -> None:
    _kill(world, "scheduler", chance)


@fault
def kill_worker(world: World, chance: random.Random) -> None:
    _kill(world, "worker", chance)


@fault
def kill_archiver(world: World, chance: random.Random) -> None:
    _kill(world, "archiver", chance)


@fault
def freeze_scheduler(world: World, chance: random.Random) -> None:
    _freeze(_one(world, "scheduler", chance), chance.uniform(0.2, 3.0))


@fault
def freeze_all_schedulers(world: World, chance: random.Random) -> None:
    """For longer than a late slot counts as on time."""
    schedulers, seconds = world.of("scheduler"), chance.uniform(3.0, 7.0)
    for each in schedulers:
        each.send(signal.SIGSTOP)
    time.sleep(seconds)
    for each in schedulers:
        each.send(signal.SIGCONT)


@fault
def freeze_worker(world: World, chance: random.Random) -> None:
    """Beyond its lease: when it goes on, it is a zombie."""
    _freeze(_one(world, "worker", chance), chance.uniform(0.5, 3.0) * LEASE_S)


@fault
def stop_worker(world: World, chance: random.Random) -> None:
    """A deploy: SIGTERM, and another one at once."""
    _one(world, "worker", chance).send(signal.SIGTERM)


@fault
def wrong_clock(world: World, chance: random.Random) -> None:
    """A scheduler is started again with a clock that is up to an hour wrong."""
    with world.lock:
        scheduler = _one(world, "scheduler", chance)
        scheduler.skew_s = chance.choice((-3600.0, -5.0, 0.0, 5.0, 3600.0))
        scheduler.send(signal.SIGKILL)


@fault
def restart_redis(world: World, chance: random.Random) -> None:
    world.restart_redis(chance.uniform(0.0, 5.0))


@fault
def full_redis(world: World, chance: random.Random) -> None:
    world.admin.config_set("maxmemory", 1)
    time.sleep(chance.uniform(0.5, 5.0))
    world.admin.config_set("maxmemory", 0)


@fault
def refusing_redis(world: World, chance: random.Random) -> None:
    """It lacks a replica, and refuses writes."""
    world.admin.config_set("min-replicas-to-write", 1)
    time.sleep(chance.uniform(0.5, 5.0))
    world.admin.config_set("min-replicas-to-write", 0)


@fault
def restart_postgres(world: World, chance: random.Random) -> None:
    world.restart_postgres(chance.uniform(0.0, 8.0))


@fault
def lost_replies(world: World, chance: random.Random) -> None:
    """Connections end at any moment: what was sent may have been carried out."""
    member, until = chance.choice(world.members), time.monotonic() + chance.uniform(0.5, 2.0)
    while time.monotonic() < until:
        member.proxy.drop()
        time.sleep(chance.uniform(0.01, 0.1))


@fault
def cut_cable(world: World, chance: random.Random) -> None:
    """Half-open connections, and no new ones, for longer than a lease."""
    member = chance.choice(world.members)
    member.proxy.target = "/nowhere"
    member.proxy.fall_silent()
    time.sleep(chance.uniform(0.5, 3.0) * LEASE_S)
    member.proxy.target = world.socket


@fault
def end_all_connections(world: World, chance: random.Random) -> None:
    world.admin.client_kill_filter(_type="normal", skipme=True)


class Injector:
    """Carries out a plan. Faults of servers wait for each other; others overlap."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.errors: list[str] = []

    def begin(self, planned: Planned) -> None:
        thread = threading.Thread(target=self._inject, args=(planned,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def wait(self) -> None:
        for each in self._threads:
            each.join()

    def _inject(self, planned: Planned) -> None:
        try:
            if planned.name in ON_SERVERS:
                with self._server:
                    FAULTS[planned.name](self._world, random.Random(planned.seed))
            else:
                FAULTS[planned.name](self._world, random.Random(planned.seed))
        except Exception as error:  # noqa: BLE001 - the run goes on, and the report has it
            self.errors.append(f"{planned.name}: {type(error).__name__}: {error}")


ON_SERVERS = {
    "restart_redis",
    "full_redis",
    "refusing_redis",
    "restart_postgres",
    "end_all_connections",
}
