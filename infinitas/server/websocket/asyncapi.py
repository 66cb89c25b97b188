"""The WebSocket protocols as AsyncAPI 3, with a JSON Schema of every frame.

`python -m infinitas.server.websocket.asyncapi > docs/asyncapi.json` writes the published document.
"""

from importlib.metadata import version
from typing import Any

import orjson
from pydantic import TypeAdapter

from infinitas.wire import close_codes, feed, frames, messages
from infinitas.wire.paths import PREFIX

_SCHEMAS = "#/components/schemas/{model}"
_DESCRIPTION = (
    "Text frames of JSON: one message, or a list of them, in order. Either side ignores fields and messages "
    "that it does not know. Close codes: `x-close-codes`. Both protocols explained: docs/protocol.md."
)
_HEADERS = {"type": "object", "properties": {"Authorization": {"type": "string"}}}
_ANSWERS = {
    "Identify": ["Welcome", "Err"],
    "Beat": ["BeatAck"],
    "Log": ["Ack", "Err"],
    "Checkpoint": ["Ack", "Err"],
    "Done": ["Ack", "Err"],
    "Fail": ["Ack", "Err"],
    "Release": ["Ack", "Err"],
    "Progress": ["Err"],
}
"""What the server answers; other frames have no answer, or only an `err` if they are invalid."""


def asyncapi_document() -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {}
    sent = _messages(frames.FRAMES, schemas)
    received = _messages(messages.MESSAGES, schemas)
    shown = _messages(feed.MESSAGES, schemas)
    schemas["Subscribe"] = feed.SUBSCRIBE.json_schema(ref_template=_SCHEMAS)
    answered = {f"worker{name}": _reply("worker", name, answers) for name, answers in _ANSWERS.items()}
    others = [name for name in sent if name not in _ANSWERS]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Infinitas over WebSocket",
            "version": version("infinitas"),
            "description": _DESCRIPTION,
        },
        "servers": {
            "local": {"host": "localhost:3000", "protocol": "ws"},
            "secure": {"host": "{host}", "protocol": "wss", "variables": {"host": {}}},
        },
        "channels": {
            "worker": _channel(f"{PREFIX}/worker", frames.PROTOCOL, [*sent, *received]),
            "feed": _channel(f"{PREFIX}/feed", feed.PROTOCOL, ["Subscribe", *shown]),
        },
        "operations": {
            "workerSends": _operation("send", "worker", others),
            **answered,
            "workerReceives": _operation("receive", "worker", received),
            "pageSubscribes": _reply("feed", "Subscribe", ["Subscribed", "FeedErr"]),
            "pageReceives": _operation("receive", "feed", shown),
        },
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "In the handshake, or as `token` in `identify` or `subscribe`. Scope: "
                    "`worker` or `worker:GLOB`; `read` for the feed.",
                }
            },
        },
        "x-close-codes": {str(code): text for code, text in sorted(close_codes.MEANINGS.items())},
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
        "description": f"Offer the subprotocol `{protocol}`.",
        "messages": {name: {"payload": {"$ref": _SCHEMAS.format(model=name)}} for name in names},
        "bindings": {
            "ws": {"headers": {"type": "object", "properties": {"Authorization": {"type": "string"}}}}
        },
    }


def _operation(action: str, channel: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": _named(channel, names),
    }


def _reply(channel: str, name: str, answers: list[str]) -> dict[str, Any]:
    reply = {"channel": {"$ref": f"#/channels/{channel}"}, "messages": _named(channel, answers)}
    return {**_operation("send", channel, [name]), "reply": reply}


def _named(channel: str, names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]


if __name__ == "__main__":
    print(orjson.dumps(asyncapi_document(), option=orjson.OPT_INDENT_2).decode())
