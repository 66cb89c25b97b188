"""The JSON of channels and deliveries."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json

from infinitas.core.channel_config import Email, Slack, Webhook
from infinitas.core.channel_records import ChannelInfo, Delivery
from infinitas.wire.values import Text

Config = Annotated[Webhook | Email | Slack, Field(discriminator="type")]
"""What the API takes. Not `apprise`: it may connect anywhere, so it belongs into infinitas.toml."""
STATE = ("state", "failures", "failing_since", "last_error", "last_sent_at", "retry_at", "waiting")
"""Fields that change by themselves."""


class NewChannelBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(min_length=1, max_length=63)]
    config: Config
    reason: Annotated[Text, Field(max_length=500)] | None = None


class ChannelBody(BaseModel):
    """Secrets that are left out stay as they are, unless the channel goes elsewhere."""

    model_config = ConfigDict(extra="forbid")

    config: Config
    reason: Annotated[Text, Field(max_length=500)] | None = None


class ChannelView(BaseModel):
    """A channel.

    `config` has `***` for secrets; `origin` is `file` (infinitas.toml) or `api`; `state` is `ok`, `failing`
    or `new`; `failures` counts failed tries since the last success; `waiting` messages are not sent yet.
    """

    name: str
    type: str
    origin: str
    state: str
    target: str
    config: dict[str, JsonValue]
    actor: str
    changed_at: datetime
    failures: int
    failing_since: datetime | None
    last_error: str | None
    last_sent_at: datetime | None
    retry_at: datetime | None
    waiting: int

    @classmethod
    def of(cls, info: ChannelInfo, /, **more: str | None) -> Self:
        fields = asdict(info)
        config = from_json(fields.pop("shown"))
        return cls.model_validate({**fields, "state": info.state, "config": config, **more})


class NewChannelView(ChannelView):
    """A new channel. `secret`: of a webhook that was given none; it is shown this once."""

    secret: str | None


class DeliveryView(BaseModel):
    """One try to send a message; `outcome` is `sent`, `failed` (tried again at `next_at`) or `given_up`."""

    id: int
    at: datetime
    channel: str
    notice: str
    reason: str
    title: str
    number: int
    outcome: str
    answer: str
    took_ms: int
    next_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls.model_validate(asdict(delivery))


class DeliveryPage(BaseModel):
    """`next` is the `before` of the next page; null on the last."""

    items: list[DeliveryView]
    next: int | None


class QueuedNotice(BaseModel):
    """A message that a notifier will send: its id, under which its deliveries are found."""

    notice: str
    channel: str
