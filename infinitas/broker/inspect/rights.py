"""Which commands the user of redis_url may not run. Each is tried on a key that is made for it."""

from collections.abc import Iterable

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.refusals import NotPermitted
from infinitas.broker.vetting import COMMANDS
from infinitas.core.errors import InfinitasError, ServerUnreachable

PROBE = QueueKeys("doctor").of("probe", "rights")
KEPT_MS = 10_000
_TWO = ("blpop", "hdel", "hexists", "hget", "hmget", "hscan", "lindex", "lpush", "pexpire", "rpush", "sadd")
_MORE_WITH_TWO = ("sismember", "srem", "xdel", "xpending", "zmscore", "zrem", "zscan", "zscore")
_THREE = ("hincrby", "hset", "hsetnx", "lrange", "ltrim", "xack", "xgroup|create", "xgroup|delconsumer")
_MORE_WITH_THREE = ("xrange", "xread", "xrevrange", "xtrim", "zadd", "zcount", "zincrby", "zrange")
_ARGUMENTS = {
    "time": 0,
    **dict.fromkeys((*_TWO, *_MORE_WITH_TWO), 2),
    **dict.fromkeys((*_THREE, *_MORE_WITH_THREE, "zrangebyscore"), 3),
    "xadd": 4,
    "xreadgroup": 6,
}
"""The fewest arguments of a command, where they are not one: fewer are refused before rights are checked."""
_LAST = ("del",)


async def missing_rights(connection: Connection) -> list[str]:
    """Commands of `vetting.COMMANDS` that are forbidden or disabled, e.g. XGROUP CREATE.

    The key is a text, so those that write refuse it; it is deleted at the end, and expires.
    Raises ServerUnreachable.
    """
    return [name.replace("|", " ").upper() for name in _in_order() if not await _may(connection, name)]


def _in_order() -> Iterable[str]:
    first = [name for name in COMMANDS if name == "set"]
    rest = [name for name in COMMANDS if name not in (*first, *_LAST, "persist")]
    return (*first, *rest, *(name for name in COMMANDS if name == "persist"), *_LAST)


async def _may(connection: Connection, name: str) -> bool:
    arguments = [PROBE] * _ARGUMENTS.get(name, 1)
    if name == "set":
        arguments = [PROBE, "1", "PX", str(KEPT_MS)]
    elif name in ("eval", "evalsha"):
        arguments = ["", "0"]
    elif name == "select":
        arguments = ["none"]
    try:
        await connection.raw_command(name.replace("|", " ").upper(), *arguments)
    except NotPermitted:
        return False
    except ServerUnreachable:
        # A Redis that refuses writes now has checked the right before.
        await connection.now()
        return True
    except InfinitasError:
        return True
    return True
