"""Checks by its INFO that a Redis does not lose jobs."""

import re
from collections.abc import Mapping, Sequence

from infinitas.broker.refusals import NO_CLUSTER
from infinitas.core.errors import UnsafeBroker
from infinitas.runtime.masking import mask_url

OLDEST = (7, 0)
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
            f"{where} is a Sentinel, which holds no data: redis_url must lead to the primary, or to an "
            "address that follows it."
        )
    if mode == "cluster" or str(info.get("cluster_enabled", 0)) == "1":
        raise UnsafeBroker(f"{where} is a node of a Redis Cluster. {NO_CLUSTER}.")
    version = str(info.get("redis_version", ""))
    found = _VERSION.match(version)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise UnsafeBroker(
            f"{where} is version {version}, and Infinitas needs 7.0 or later: upgrade it, or use Valkey."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise UnsafeBroker(
            f"{where} has maxmemory-policy {policy}, which may throw jobs away. "
            "Run: redis-cli config set maxmemory-policy noeviction"
        )
