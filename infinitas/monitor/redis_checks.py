"""What is wrong with Redis itself, by what it reports of itself. No I/O."""

from infinitas.broker.health import Memory, Persistence
from infinitas.broker.vetting import is_too_old
from infinitas.core.findings import Finding, FindingCode, finding

NEARLY_FULL = 0.9
REDIS = "redis"


def memory_share(memory: Memory) -> float:
    """How much of what it may use is used: of `maxmemory`, else of the machine; 0 if neither is known."""
    limit = memory.limit or memory.host
    return memory.used / limit if limit else 0.0


def nearly_full(memory: Memory) -> Finding:
    of = "maxmemory" if memory.limit else "the memory of its machine"
    text = (
        f"Redis is nearly full: {memory_share(memory):.0%} of {of} is used. At 100 % it takes no more jobs."
    )
    return finding(FindingCode.REDIS_MEMORY, REDIS, text)


def check_memory(memory: Memory) -> Finding | None:
    return nearly_full(memory) if memory_share(memory) >= NEARLY_FULL else None


def check_policy(memory: Memory) -> Finding | None:
    if memory.policy == "noeviction":
        return None
    text = f"Redis' maxmemory-policy is now {memory.policy}, which may throw jobs away."
    return finding(FindingCode.REDIS_EVICTION, REDIS, text)


def check_aof(persistence: Persistence) -> Finding | None:
    if persistence.has_aof:
        return None
    text = "Redis' append-only file is off: a restart of Redis loses jobs."
    return finding(FindingCode.REDIS_PERSISTENCE, REDIS, text)


def check_disk(persistence: Persistence) -> Finding | None:
    if not persistence.failed:
        return None
    text = f"Redis could not write {persistence.failed} to its disk: it may refuse jobs now, or lose them."
    return finding(FindingCode.REDIS_DISK, REDIS, text)


def check_version(version: str) -> Finding | None:
    if not is_too_old(version):
        return None
    return finding(
        FindingCode.REDIS_VERSION, REDIS, f"Redis is version {version}; Infinitas needs 7.0 or later."
    )


def check_rights(missing: list[str]) -> Finding | None:
    if not missing:
        return None
    text = f"Redis forbids or lacks commands that Infinitas needs: {', '.join(missing)}."
    return finding(FindingCode.REDIS_COMMANDS, REDIS, text, count=len(missing), names=missing)
