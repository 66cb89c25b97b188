"""Checks that a Redis does not lose jobs, by its INFO, and that it has the commands that we use."""

import os
import re
from collections.abc import Mapping, Sequence

from infinitas.broker.refusals import USE_CLUSTER
from infinitas.core.errors import ConfigError, UnsafeBroker
from infinitas.runtime.masking import mask_url

OLDEST = (7, 0)
COMMANDS: tuple[str, ...] = (
    *("blpop", "del", "eval", "evalsha", "exists", "get", "hdel", "hexists"),
    *("hget", "hgetall", "hincrby", "hkeys", "hlen", "hmget", "hscan", "hset"),
    *("hsetnx", "hvals", "lindex", "llen", "lpop", "lpush", "lrange", "ltrim", "persist"),
    *("pexpire", "rpush", "sadd", "scan", "scard", "select", "set", "sismember"),
    *("smembers", "srem", "time", "xack", "xadd", "xdel", "xgroup|create", "xgroup|delconsumer"),
    *("xinfo|groups", "xinfo|stream", "xlen", "xpending", "xrange", "xread", "xreadgroup", "xrevrange"),
    *("xtrim", "zadd", "zcard", "zcount", "zincrby", "zmscore", "zrange", "zrangebyscore"),
    *("zrem", "zscan", "zscore"),
)
"""All that Infinitas needs: what a user of Redis must be allowed (docs/settings.md)."""
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_VERSION = re.compile(r"(\d+)\.(\d+)")


def parse_info(text: str) -> Mapping[str, object]:
    """The fields of INFO."""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def parse_greeting(pairs: Sequence[object]) -> Mapping[str, object]:
    """What HELLO returns of the fields of INFO, for a user that may not run INFO."""
    greeting = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return {"redis_version": greeting.get("version", ""), "redis_mode": greeting.get("mode", "")}


def check_info(info: Mapping[str, object], url: str) -> None:
    """Check the fields of INFO; a missing one is not refused. Raises UnsafeBroker."""
    where = f"Redis at {mask_url(url)}"
    mode = info.get("server_mode") or info.get("redis_mode")
    if mode == "sentinel":
        raise UnsafeBroker(
            f"{where} is a Sentinel, which holds no data: redis+sentinel://host:port/service "
            "leads to the primary that it names."
        )
    is_node = mode == "cluster" or str(info.get("cluster_enabled", 0)) == "1"
    if is_node and "+cluster://" not in url:
        raise UnsafeBroker(f"{where} is a node of a Redis Cluster: {USE_CLUSTER}.")
    version = str(info.get("redis_version", ""))
    if is_too_old(version):
        raise UnsafeBroker(
            f"{where} is version {version}, and Infinitas needs 7.0 or later: upgrade it, or use Valkey."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise UnsafeBroker(
            f"{where} has maxmemory-policy {policy}, which may throw jobs away. "
            "Run: redis-cli config set maxmemory-policy noeviction"
        )


def is_too_old(version: str) -> bool:
    """False for a version that can't be read."""
    found = _VERSION.match(version)
    return found is not None and (int(found[1]), int(found[2])) < OLDEST


def check_files(options: Mapping[str, object]) -> None:
    """Check that the files that a connection's options name can be read. Raises ConfigError."""
    for name in _FILES:
        path = options.get(name)
        if isinstance(path, str) and not os.access(path, os.R_OK):
            raise ConfigError(f"{name} of redis_url names {path!r}, which is not there or can't be read.")


def check_commands(found: Sequence[object], url: str) -> None:
    """Check the reply of COMMAND INFO for all of COMMANDS. Raises UnsafeBroker."""
    lacking = [name.upper() for name, entry in zip(COMMANDS, found, strict=True) if not entry]
    if lacking:
        raise UnsafeBroker(
            f"Redis at {mask_url(url)} lacks commands that Infinitas needs, disabled or renamed by its "
            f"configuration (rename-command): {', '.join(lacking)}."
        )
