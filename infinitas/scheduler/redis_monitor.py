"""Monitors Redis itself: its memory, and settings under which jobs could be lost."""

import asyncio

from infinitas.broker.health import Health, Memory
from infinitas.core.event_kinds import EventKind
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
CHECK_EVERY_S = 10.0
CHECKS_PER_SETTINGS_CHECK = 6
NEARLY_FULL = 0.9
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
        share = memory.used / memory.limit if memory.limit else 0.0
        if NEARLY_FULL > share >= ENOUGH_ROOM:
            return
        text = (
            f"Redis is nearly full: {share:.0%} of maxmemory is used. At 100 % it takes no more jobs. "
            "Raise maxmemory, shorten job_ttl, or find what fills it: redis-cli --bigkeys"
        )
        await self._report("memory", text if share >= NEARLY_FULL else None, {"used": memory.used})

    async def _check_settings(self, memory: Memory | None) -> None:
        if memory is not None:
            evicts = memory.policy != "noeviction"
            text = (
                f"Redis' maxmemory-policy is now {memory.policy}, which may throw jobs away. "
                "Run: redis-cli config set maxmemory-policy noeviction"
            )
            await self._report("policy", text if evicts else None, {"policy": memory.policy})
        if (has_aof := await self._health.has_aof()) is not None:
            text = (
                "Redis' append-only file is off: a restart of Redis loses jobs. "
                "Run: redis-cli config set appendonly yes (and set it in redis.conf)"
            )
            await self._report("aof", None if has_aof else text, {})

    async def _report(self, what: str, fault: str | None, facts: dict[str, object]) -> None:
        """Log and record a change. `fault` describes what is wrong; None means that nothing is."""
        if fault is not None and what not in self._faults:
            self._faults.add(what)
            _log.warning("%s", fault)
        elif fault is None and what in self._faults:
            self._faults.discard(what)
            _log.info("Redis is well again: %s.", what)
        kind = EventKind.REDIS_WELL if fault is None else EventKind.REDIS_AMISS
        described = facts if fault is None else {"text": fault, **facts}
        await self._health.amiss(f"redis:{what}", kind, described, over=fault is None)
