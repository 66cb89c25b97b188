"""The verbs over incidents, mutes and rules in the archive."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infinitas.core.errors import BadArgs, ConfigError, UnknownIncident, UnknownMute, UnknownRule
from infinitas.core.incident import Announced, Incident, IncidentFilter
from infinitas.core.notify_rules import MOST_RULES, BadRule, Mute, MuteRequest, NotifyRule

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader


class ArchiveIncidents:
    """See `IncidentClient`: in the archive."""

    def __init__(self, archive: "Reader | None") -> None:
        self._archive = archive

    async def page(self, wanted: IncidentFilter, before: str | None, limit: int) -> list[Incident]:
        return await self._reader.incidents.page(wanted, before, limit)

    async def find(self, id: str) -> tuple[Incident, list[Announced]]:
        found = await self._reader.incidents.find(id)
        if found is None:
            raise UnknownIncident(f"There is no incident {id[:40]!r}. `infinitas incident ls` lists them.")
        return found, await self._reader.incidents.announced(id)

    async def acknowledge(self, id: str, actor: str, reason: str = "") -> Incident:
        await self._reader.incidents.acknowledge(id, actor)
        return (await self.find(id))[0]

    async def mutes(self, *, ended: bool = False) -> list[Mute]:
        return await self._reader.incidents.mutes(ended=ended)

    async def mute(self, request: MuteRequest, actor: str) -> Mute:
        if request.until <= datetime.now(UTC):
            raise BadArgs(
                f"A mute until {request.until:%Y-%m-%d %H:%M:%S} would be over: give a later moment."
            )
        return await self._reader.incidents.mute(request, actor)

    async def unmute(self, id: int, reason: str = "") -> Mute:
        found = await self._reader.incidents.unmute(id)
        if found is None:
            raise UnknownMute(f"There is no mute {id} in force. `infinitas incident mutes` lists them.")
        return found

    async def rules(self) -> list[NotifyRule]:
        return await self._reader.incidents.rules()

    async def listed_rules(self) -> list[tuple[str, NotifyRule]]:
        return [("api", rule) for rule in await self.rules()]

    async def put_rule(self, rule: NotifyRule, actor: str) -> None:
        known = {each.name for each in await self.rules()}
        if rule.name not in known and len(known) >= MOST_RULES:
            raise BadRule(f"There are {MOST_RULES} rules, and no more are allowed.")
        await self._reader.incidents.put_rule(rule, actor)

    async def remove_rule(self, name: str) -> None:
        if not await self._reader.incidents.remove_rule(name):
            raise UnknownRule(
                f"There is no rule {name[:80]!r} that was made at run time. `infinitas rule ls` lists all."
            )

    @property
    def _reader(self) -> "Reader":
        if self._archive is None:
            raise ConfigError("Incidents are stored in Postgres; set INFINITAS_POSTGRES_URL to have them.")
        return self._archive
