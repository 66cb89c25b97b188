"""Every Redis key, built in one place (docs/redis-keys.md documents them).

All keys of a queue share one hash tag, so each script touches one Cluster slot. Scripts build the
keys of single tasks and jobs themselves, from `prefix`: they are in the same slot.
"""

QUEUES = "infinitas:queues"
TOKENS = "infinitas:tokens"
REVOKED_TOKENS = "infinitas:tokens:revoked"
PINGS = "infinitas:pings"
HEARTBEAT = "infinitas:heartbeat"
PROCESSES = "infinitas:processes"
LOGINS = "infinitas:logins"
QUEUE_KEYS = (
    "tasks",
    "limits",
    "paused_tasks",
    "moved",
    "departures",
    "departed",
    "arrivals",
    "schedules",
    "due",
    "marks",
    "paused",
    "skips",
    "runs",
    "reported",
    "unreadable",
    "expected",
    "live",
    "declarers",
    "backfills",
    "zones",
    "jumps",
    "later",
    "processors",
    "events",
    "readers",
    "intents",
    "wake",
    "awaited",
    "beats",
    "members",
    "places",
    "reconciled",
    "stopping",
    "amiss",
    "pressure",
    "kept",
    "archived",
    "restoring",
)


def login(digest: str) -> str:
    return f"infinitas:login:{digest}"


def idempotency(digest: str) -> str:
    return f"infinitas:idempotency:{digest}"


def worker(worker_id: str) -> str:
    return f"infinitas:worker:{worker_id}"


class QueueKeys:
    """Keys of one queue: `keys["due"]`, `keys.of("stream", task)`."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.prefix = f"{{infinitas:{queue}}}:"

    def __getitem__(self, kind: str) -> str:
        assert kind in QUEUE_KEYS, kind
        return self.prefix + kind

    def of(self, kind: str, name: str) -> str:
        """The key of one kind for one task, job or worker; docs/redis-keys.md lists the kinds."""
        return f"{self.prefix}{kind}:{name}"
