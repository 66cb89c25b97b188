"""Incidents, mutes and rules as JSON."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from infinitas.core.incident import Announced, Incident, IncidentKind
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.notify_rules import MAX_GLOB_CHARS, MOST_LISTED, MuteRequest, NotifyRule, read_rule
from infinitas.wire.values import Instant, Number, Text

Names = Annotated[list[Annotated[Text, Field(max_length=63)]], Field(max_length=MOST_LISTED)]
Kinds = Annotated[list[IncidentKind], Field(max_length=MOST_LISTED)]


class IncidentPage(BaseModel):
    """`next` is the `before` of the next page; null on the last."""

    items: list[Incident]
    next: str | None


class IncidentView(BaseModel):
    """An incident, and which channels were notified of it: when, by which rule, and what still waits."""

    incident: Incident
    announced: list[Announced]


class ReasonBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Text, Field(max_length=MAX_REASON_CHARS)] = ""


class MuteBody(BaseModel):
    """`tasks`: glob of names of tasks; without `kinds` all are meant."""

    model_config = ConfigDict(extra="forbid")

    tasks: Annotated[Text, Field(min_length=1, max_length=MAX_GLOB_CHARS)] = "*"
    kinds: Kinds = []
    until: Instant
    reason: Annotated[Text, Field(min_length=1, max_length=MAX_REASON_CHARS)]

    def to_record(self) -> MuteRequest:
        return MuteRequest(tasks=self.tasks, kinds=tuple(self.kinds), until=self.until, reason=self.reason)


class RuleBody(BaseModel):
    """See docs/notifier.md."""

    model_config = ConfigDict(extra="forbid")

    channels: Names
    tasks: Text = "*"
    tags: Names = []
    kinds: Kinds = []
    remind_every: Number = 14_400.0
    quiet: Text = ""
    timezone: Text = "UTC"
    urgent: Kinds = []

    def named(self, name: str) -> NotifyRule:
        """The rule. Raises BadRule, BadSchedule."""
        return read_rule(name, self.model_dump(include=set(RuleBody.model_fields)))


class RuleView(RuleBody):
    """`origin`: `file` for a rule of infinitas.toml, which no request changes."""

    name: str
    origin: Literal["file", "api"]

    @classmethod
    def of(cls, rule: NotifyRule, origin: str) -> Self:
        return cls.model_validate({**rule.values, "name": rule.name, "origin": origin})

    def to_record(self) -> NotifyRule:
        return self.named(self.name)
