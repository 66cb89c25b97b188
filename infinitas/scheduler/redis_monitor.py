"""Monitors Redis itself: its memory, and settings under which jobs could be lost."""

import asyncio

from infinitas.broker.health import Health, Memory
from infinitas.core.event_kinds import EventKind
from infinitas.core.findings import Finding
from infinitas.monitor.redis_checks import (
    NEARLY_FULL,
    check_aof,
    check_disk,
    check_memory,
    check_policy,
    memory_share,
)
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
CHECK_EVERY_S = 10.0
CHECKS_PER_SETTINGS_CHECK = 6
ENOUGH_ROOM = 0.85


class RedisMonitor:
    """Monitor of one Redis server; its events go to one queue. Without INFO permission it does nothing."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._checks = 0
        self._faults: set[str] = set()

    async def run_once(self) -> None:
        """Check once, then sleep."""
        await self.check()
        await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> None:
        """Check the memory; each minute also the settings that keep jobs safe."""
        memory = await self._health.memory()
        if memory is not None:
            await self._check_memory(memory)
        if self._checks % CHECKS_PER_SETTINGS_CHECK == 0:
            await self._check_settings(memory)
        self._checks += 1

    async def _check_memory(self, memory: Memory) -> None:
        share = memory_share(memory)
        if NEARLY_FULL > share >= ENOUGH_ROOM:
            return
        await self._report("memory", check_memory(memory), {"used": memory.used})

    async def _check_settings(self, memory: Memory | None) -> None:
        if memory is not None:
            await self._report("policy", check_policy(memory), {"policy": memory.policy})
        if (persistence := await self._health.persistence()) is not None:
            await self._report("aof", check_aof(persistence), {})
            await self._report("disk", check_disk(persistence), {})

    async def _report(self, what: str, found: Finding | None, facts: dict[str, object]) -> None:
        """Log and record a change. `found` is what is wrong; None means that nothing is."""
        fault = f"{found.text} {found.remedy}" if found is not None else None
        if fault is not None and what not in self._faults:
            self._faults.add(what)
            _log.warning("%s", fault)
        elif fault is None and what in self._faults:
            self._faults.discard(what)
            _log.info("Redis is well again: %s.", what)
        kind = EventKind.REDIS_WELL if fault is None else EventKind.REDIS_AMISS
        described = facts if fault is None else {"text": fault, **facts}
        await self._health.amiss(f"redis:{what}", kind, described, over=fault is None)
