"""What Redis' errors mean: an outage that ends by itself, or a refusal of one command.

redis-py cuts the codes that it knows off the text and keeps them in `status_code`; those of other
refusals, and all of those that a script passes on, still stand in front of the text.
"""

from textwrap import shorten

from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from infinitas.core.errors import InfinitasError, ServerFull, ServerUnreachable, UnsafeBroker
from infinitas.runtime.masking import mask_text, mask_url

_NO_WRITES = {
    "OOM": "is full (maxmemory) and refuses writes: raise maxmemory, or find what fills it",
    "MISCONF": "can't write to its disk and refuses writes: see its log, and the room on its disk",
    "READONLY": "is a read-only replica: redis_url must lead to the primary",
    "NOREPLICAS": "lacks replicas and refuses writes (min-replicas-to-write): see to its replicas",
    "MASTERDOWN": "is a replica that has lost its primary: redis_url must lead to the primary",
    "UNBLOCKED": "has become a replica: redis_url must lead to the primary",
    "LOADING": "is starting: it loads its data",
    "BUSY": "is busy with a script of somebody, which SCRIPT KILL may end",
    "CLUSTERDOWN": "belongs to a Redis Cluster that is down",
    "TRYAGAIN": "belongs to a Redis Cluster that moves its slots",
    "NOAUTH": "wants a password: redis_url has none",
    "WRONGPASS": "refuses the user name or the password of redis_url",
}
_MOVED_ON = {"READONLY", "NOREPLICAS", "MASTERDOWN", "UNBLOCKED"}
_CLUSTER = {"MOVED", "ASK", "CROSSSLOT"}
_CLOSED_TRANSPORT = "unable to perform operation on"
NO_CLUSTER = "Redis Cluster is not supported yet: redis_url must lead to a Redis without cluster-enabled"


def first_cause(error: Exception) -> Exception:
    """What Redis answered to the greeting of a new connection, which redis-py wraps."""
    wrapped = type(error) is RedisConnectionError and isinstance(error.__cause__, RedisError)
    return first_cause(error.__cause__) if wrapped and isinstance(error.__cause__, Exception) else error


def code_of(error: Exception) -> str:
    """The code in front of what Redis answered, e.g. OOM. Empty where there is none."""
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
    """Whether the address may by now lead to another server, while this connection stays with the old one."""
    return code_of(error) in _MOVED_ON


def is_closed_transport(error: RuntimeError) -> bool:
    """uvloop's answer to a use of a connection that another task has just closed."""
    return str(error).startswith(_CLOSED_TRANSPORT)


def in_our_words(error: Exception, url: str) -> InfinitasError:
    """ServerUnreachable for an answer that did not come, or not now; else what Redis refused."""
    error = first_cause(error)
    code, where = code_of(error), f"Redis at {mask_url(url)}"
    said = mask_text(str(error) or type(error).__name__, url)
    if code in _NO_WRITES:
        kind = ServerFull if code == "OOM" else ServerUnreachable
        return kind(f"{where} {_NO_WRITES[code]} ({_with_code(code, said)}).")
    if code in _CLUSTER:
        return UnsafeBroker(f"{where} is a node of a Redis Cluster. {NO_CLUSTER}.")
    if code == "NOPERM":
        return InfinitasError(
            f"{where} forbids a command that Infinitas needs: its user (ACL) must be allowed it ({said})."
        )
    if isinstance(error, RedisConnectionError) and said == "max number of clients reached":
        return ServerUnreachable(
            f"{where} refuses more connections: raise maxclients, or use fewer processes."
        )
    if isinstance(error, ResponseError):
        return InfinitasError(f"{where} refused a command: {said}")
    return ServerUnreachable(f"{where} gave no answer ({said}).")


def _with_code(code: str, said: str) -> str:
    text = said if said.startswith(code) else f"{code} {said}"
    return shorten(text, 200, placeholder=" …").rstrip(".")
