"""Watches over Redis itself: its memory, and settings under which jobs could be lost."""

import asyncio

from infinitas.broker.health import Health, Memory
from infinitas.core.event_kinds import EventKind
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
LOOK_EVERY_S = 10.0
LOOKS_PER_SAFETY = 6
NEARLY_FULL = 0.9
ROOMY_AGAIN = 0.85


class RedisWatch:
    """One server's; its events go to one queue. Where INFO is not permitted it sees nothing."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._looks = 0
        self._wrong: set[str] = set()

    async def run_once(self) -> None:
        """One look, and a rest."""
        await self.look()
        await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look at the memory; each minute also at what keeps jobs safe."""
        memory = await self._health.memory()
        if memory is not None:
            await self._judge_memory(memory)
        if self._looks % LOOKS_PER_SAFETY == 0:
            await self._judge_safety(memory)
        self._looks += 1

    async def _judge_memory(self, memory: Memory) -> None:
        share = memory.used / memory.limit if memory.limit else 0.0
        if NEARLY_FULL > share >= ROOMY_AGAIN:
            return
        text = (
            f"Redis is nearly full: {share:.0%} of maxmemory is used. At 100 % it takes no more jobs. "
            "Raise maxmemory, shorten job_ttl, or look what fills it: redis-cli --bigkeys"
        )
        await self._tell("memory", text if share >= NEARLY_FULL else None, {"used": memory.used})

    async def _judge_safety(self, memory: Memory | None) -> None:
        if memory is not None:
            evicts = memory.policy != "noeviction"
            text = (
                f"Redis' maxmemory-policy is now {memory.policy}, which may throw jobs away. "
                "Run: redis-cli config set maxmemory-policy noeviction"
            )
            await self._tell("policy", text if evicts else None, {"policy": memory.policy})
        if (has_aof := await self._health.has_aof()) is not None:
            text = (
                "Redis' append-only file is off: a restart of Redis loses jobs. "
                "Run: redis-cli config set appendonly yes (and set it in redis.conf)"
            )
            await self._tell("aof", None if has_aof else text, {})

    async def _tell(self, what: str, text: str | None, facts: dict[str, object]) -> None:
        """`text`: what is wrong; None: nothing."""
        if text is not None and what not in self._wrong:
            self._wrong.add(what)
            _log.warning("%s", text)
        elif text is None and what in self._wrong:
            self._wrong.discard(what)
            _log.info("Redis is well again: %s.", what)
        kind = EventKind.REDIS_WELL if text is None else EventKind.REDIS_AMISS
        await self._health.amiss(f"redis:{what}", kind, facts, over=text is None)
