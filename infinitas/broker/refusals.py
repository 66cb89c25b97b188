"""Errors of Redis, translated: an outage that ends by itself, or a refusal of one command.

redis-py removes the codes that it knows from the text and keeps them in `status_code`; those of other
refusals, and all that a script passes on, stay in front of the text.
"""

import re
from textwrap import shorten

from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from infinitas.core.errors import InfinitasError, ServerFull, ServerUnreachable, UnsafeBroker
from infinitas.runtime.masking import mask_text, mask_url

_NO_WRITES = {
    "OOM": "is full (maxmemory) and refuses writes: raise maxmemory, or find what fills it",
    "MISCONF": "can't write to its disk and refuses writes: check its log and the free space on its disk",
    "READONLY": "is a read-only replica: redis_url must lead to the primary",
    "NOREPLICAS": "lacks replicas and refuses writes (min-replicas-to-write): check its replicas",
    "MASTERDOWN": "is a replica that has lost its primary: redis_url must lead to the primary",
    "UNBLOCKED": "has become a replica: redis_url must lead to the primary",
    "LOADING": "is starting: it loads its data",
    "BUSY": "is busy with a script of another client, which SCRIPT KILL may end",
    "CLUSTERDOWN": "belongs to a Redis Cluster that is down",
    "TRYAGAIN": "belongs to a Redis Cluster that moves a hash slot: the queue waits until it has arrived",
    "NOAUTH": "wants a password: redis_url has none",
    "WRONGPASS": "refuses the user name or the password of redis_url",
}
_MOVED_ON = {"READONLY", "NOREPLICAS", "MASTERDOWN", "UNBLOCKED", "MOVED", "CLUSTERDOWN"}
_CLUSTER = {"MOVED", "ASK", "CROSSSLOT"}
_HALF_MOVED = "to access a non local key in a cluster node"
_OF_ONE_KEY = ("WRONGTYPE", "NOGROUP")
_CLOSED_TRANSPORT = "unable to perform operation on"
_FORBIDDEN = re.compile(
    r"ACL failure in script|The user executing the script|has no permissions to |No permissions to "
)
_UNKNOWN_COMMAND = re.compile(r"(?i)unknown (redis |valkey )?(sub)?command")
_NOTHING_LISTENS = re.compile(r"\b(?:Error|Errno) (?:2|61|111)\b")
_WAYS_TO_A_REDIS = (
    "Start it, or `infinitas dev`, which has its own; or set INFINITAS_REDIS_URL, or INFINITAS_DATA_DIR to "
    "the folder of an `infinitas dev` that runs elsewhere."
)
USE_CLUSTER = "redis_url must begin with redis+cluster://"


class NotPermitted(UnsafeBroker):
    """Redis has an ACL that forbids the command, or has the command disabled."""


def first_cause(error: Exception) -> Exception:
    """Redis' answer to the greeting of a new connection, which redis-py wraps."""
    wrapped = type(error) is RedisConnectionError and isinstance(error.__cause__, RedisError)
    return first_cause(error.__cause__) if wrapped and isinstance(error.__cause__, Exception) else error


def code_of(error: Exception) -> str:
    """The code in front of Redis' answer, e.g. OOM; empty without one."""
    error = first_cause(error)
    if not isinstance(error, RedisError):
        return ""
    code = error.status_code
    if code is None or code == "ERR":
        # A script may pass a code on behind an ERR of its own.
        code = str(error).partition(" ")[0].removeprefix("-")
    if isinstance(error, AuthenticationError) and code not in _NO_WRITES:
        return "WRONGPASS"
    return code if code.isupper() and code.isalpha() else ""


def primary_is_elsewhere(error: Exception) -> bool:
    """Whether the address may lead to another server by now, while this connection stays with the old one."""
    return code_of(error) in _MOVED_ON


def is_outage(error: Exception) -> bool:
    """Whether the server gave no answer: it may be gone, and another one the primary."""
    return isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError))


def is_of_one_key(error: Exception) -> bool:
    """Whether only the key of this command is at fault: it has another type, or lacks its group."""
    return type(error) is ResponseError and any(code in str(error) for code in _OF_ONE_KEY)


def is_closed_transport(error: RuntimeError) -> bool:
    """Whether uvloop refuses a connection that another asyncio task has just closed."""
    return str(error).startswith(_CLOSED_TRANSPORT)


def translated(error: Exception, url: str) -> InfinitasError:
    """ServerUnreachable for an answer that did not come, or not now; else the refusal."""
    error = first_cause(error)
    code, where = code_of(error), f"Redis at {mask_url(url)}"
    text = mask_text(str(error) or type(error).__name__, url)
    if code in _NO_WRITES:
        kind = ServerFull if code == "OOM" else ServerUnreachable
        return kind(f"{where} {_NO_WRITES[code]} ({_with_code(code, text)}).")
    if code in _CLUSTER and "+cluster://" not in url:
        return UnsafeBroker(f"{where} is a node of a Redis Cluster: {USE_CLUSTER}.")
    if code in _CLUSTER or _HALF_MOVED in text:
        return ServerUnreachable(f"{where} {_NO_WRITES['TRYAGAIN']} ({text}).")
    if code == "NOPERM" or _FORBIDDEN.search(text):
        return NotPermitted(
            f"{where} forbids a command or key that Infinitas needs: its user (ACL) must be allowed it "
            f"({text}). docs/settings.md has the line for such a user."
        )
    if _UNKNOWN_COMMAND.search(text):
        return NotPermitted(f"{where} lacks a command that Infinitas needs ({text}).")
    if isinstance(error, RedisConnectionError) and text == "max number of clients reached":
        return ServerUnreachable(
            f"{where} refuses more connections: raise maxclients, or use fewer processes."
        )
    if isinstance(error, ResponseError):
        return InfinitasError(f"{where} refused a command: {text}")
    no_redis = _NOTHING_LISTENS.search(text) and "+" not in url.partition("://")[0]
    remedy = f" {_WAYS_TO_A_REDIS}" if no_redis else ""
    return ServerUnreachable(f"{where} gave no answer ({text.rstrip('.')}).{remedy}")


def _with_code(code: str, text: str) -> str:
    text = text if text.startswith(code) else f"{code} {text}"
    return shorten(text, 200, placeholder=" …").rstrip(".")
