"""The WebSocket protocols as AsyncAPI 3, with a JSON Schema of every frame.

`python -m infinitas.server.websocket.asyncapi > docs/asyncapi.json` writes the published document.
"""

from importlib.metadata import version
from typing import Any

import orjson
from pydantic import TypeAdapter

from infinitas.server.websocket.page_subscription import PROTOCOL as FEED_PROTOCOL
from infinitas.server.websocket.page_subscription import Subscribe
from infinitas.wire import frames, messages

_SCHEMAS = "#/components/schemas/{model}"


def asyncapi_document() -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {}
    sent = _messages(frames.FRAMES, schemas)
    received = _messages(messages.MESSAGES, schemas)
    schemas["Subscribe"] = Subscribe.model_json_schema()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Infinitas over WebSocket",
            "version": version("infinitas"),
            "description": "Text frames of JSON: one message, or a list of them.",
        },
        "channels": {
            "worker": _channel("/api/v1/worker", frames.PROTOCOL, [*sent, *received]),
            "feed": _channel("/api/v1/feed", FEED_PROTOCOL, ["Subscribe"]),
        },
        "operations": {
            "workerSends": _operation("send", "worker", sent),
            "workerReceives": _operation("receive", "worker", received),
            "pageSubscribes": _operation("send", "feed", ["Subscribe"]),
        },
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _messages(adapter: TypeAdapter[Any], schemas: dict[str, Any]) -> list[str]:
    """Add the schemas of a union of frames to `schemas`. Returns the frames' names."""
    schema = adapter.json_schema(ref_template=_SCHEMAS)
    schemas.update(schema["$defs"])
    return [each["$ref"].rpartition("/")[2] for each in schema["oneOf"]]


def _channel(address: str, protocol: str, names: list[str]) -> dict[str, Any]:
    return {
        "address": address,
        "title": protocol,
        "messages": {name: {"payload": {"$ref": _SCHEMAS.format(model=name)}} for name in names},
    }


def _operation(action: str, channel: str, names: list[str]) -> dict[str, Any]:
    references = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": references}


if __name__ == "__main__":
    print(orjson.dumps(asyncapi_document(), option=orjson.OPT_INDENT_2).decode())
