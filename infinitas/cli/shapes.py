"""What `-o json` of each command prints: the types, and the JSON Schema of them that is published.

`python -m infinitas.cli.shapes > docs/cli-output.json` writes the published document.
"""

from typing import Any

import orjson
from pydantic import TypeAdapter

from infinitas.cli.health_shapes import Diagnosis, Health, RestoredQueues
from infinitas.cli.versus import Comparison
from infinitas.core.incident import Incident
from infinitas.core.notify_rules import Mute
from infinitas.core.records import QueueInfo, TaskRemoval, WorkerInfo
from infinitas.core.schedule_preview import Preview
from infinitas.core.status import Status
from infinitas.wire.channels import ChannelView, DeliveryView, NewChannelView
from infinitas.wire.incidents import IncidentView, RuleView
from infinitas.wire.jobs import JobId, JobView, JobWithAttempts, Retried
from infinitas.wire.pings import ExternalTaskView, PingUrl
from infinitas.wire.schedules import NextSlot, RemovedSchedule, ScheduleView, Slots
from infinitas.wire.sync import Synced
from infinitas.wire.system import Check, Draining, Forgotten, Migrated, Purged, QueueName, Removed
from infinitas.wire.tasks import TaskLineView, TaskView
from infinitas.wire.tokens import NewToken, TokenView

SHAPES: dict[str, Any] = {
    "archiver": Forgotten,
    "channel add": NewChannelView,
    "channel deliveries": list[DeliveryView],
    "channel ls": list[ChannelView],
    "channel replay": DeliveryView,
    "channel rm": Removed,
    "channel test": DeliveryView,
    "conformance": list[Check],
    "doctor": Diagnosis,
    "healthcheck": Health,
    "incident ack": IncidentView,
    "incident ls": list[Incident],
    "incident mute": Mute,
    "incident mutes": list[Mute],
    "incident show": IncidentView,
    "incident unmute": Mute,
    "job cancel": JobView,
    "job ls": list[JobView],
    "job rerun": JobView,
    "job retry": JobView | Retried,
    "job show": JobWithAttempts,
    "job wait": JobView,
    "migrate": Migrated,
    "notifier": Forgotten,
    "ping add": PingUrl,
    "ping ls": list[ExternalTaskView],
    "ping rm": Removed,
    "ping rotate": PingUrl,
    "preview": Preview | Comparison,
    "queue ls": list[QueueInfo],
    "queue pause": QueueName,
    "queue purge": Purged,
    "queue resume": QueueName,
    "restore": RestoredQueues,
    "rule ls": list[RuleView],
    "rule rm": Removed,
    "rule set": RuleView,
    "schedule add": ScheduleView,
    "schedule backfill": Slots,
    "schedule change": ScheduleView,
    "schedule ls": list[ScheduleView],
    "schedule pause": ScheduleView,
    "schedule reset": ScheduleView,
    "schedule resume": ScheduleView,
    "schedule rm": RemovedSchedule,
    "schedule show": ScheduleView,
    "schedule skip": Slots,
    "schedule trigger": JobId,
    "status": Status,
    "sync": Synced,
    "task ls": list[TaskLineView],
    "task pause": TaskView,
    "task preview": list[NextSlot],
    "task resume": TaskView,
    "task rm": TaskRemoval,
    "task run": JobId | JobView,
    "task show": TaskView,
    "token add": NewToken,
    "token ls": list[TokenView],
    "token rm": Removed,
    "worker drain": Draining,
    "worker ls": list[WorkerInfo],
}
"""By command."""


def document() -> dict[str, Any]:
    """A JSON Schema: `properties` has one for each command."""
    wanted = [(name, "serialization", TypeAdapter(shape)) for name, shape in sorted(SHAPES.items())]
    schemas, shared = TypeAdapter.json_schemas(wanted, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `infinitas COMMAND -o json` prints",
        "properties": {name: schema for (name, _), schema in schemas.items()},
        **shared,
    }


if __name__ == "__main__":
    print(orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode())
