"""The verbs over incidents, mutes and rules through a server."""

from pydantic import TypeAdapter

from infinitas.client.http import Http, quoted
from infinitas.core.incident import Announced, Incident, IncidentFilter
from infinitas.core.notify_rules import Mute, MuteRequest, NotifyRule
from infinitas.wire.incidents import IncidentPage, IncidentView, RuleView

_PAGE, _ONE = TypeAdapter(IncidentPage), TypeAdapter(IncidentView)
_MUTES, _MUTE, _RULES = TypeAdapter(list[Mute]), TypeAdapter(Mute), TypeAdapter(list[RuleView])


class HttpIncidents:
    """See `IncidentClient`: through a server, which knows the actor by the token."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def page(self, wanted: IncidentFilter, before: str | None, limit: int) -> list[Incident]:
        page = await self._http.fetch(
            _PAGE,
            "GET",
            "/incidents",
            open=wanted.open,
            task=wanted.task,
            kind=wanted.kind,
            before=before,
            limit=limit,
        )
        return page.items

    async def find(self, id: str) -> tuple[Incident, list[Announced]]:
        found = await self._http.fetch(_ONE, "GET", f"/incidents/{quoted(id)}")
        return found.incident, found.announced

    async def acknowledge(self, id: str, actor: str, reason: str = "") -> Incident:
        path = f"/incidents/{quoted(id)}/acknowledge"
        return (await self._http.fetch(_ONE, "POST", path, {"reason": reason})).incident

    async def mutes(self, *, ended: bool = False) -> list[Mute]:
        return await self._http.fetch(_MUTES, "GET", "/mutes", ended=ended)

    async def mute(self, request: MuteRequest, actor: str) -> Mute:
        body = {
            "tasks": request.tasks,
            "kinds": list(request.kinds),
            "until": request.until,
            "reason": request.reason,
        }
        return await self._http.fetch(_MUTE, "POST", "/mutes", body)

    async def unmute(self, id: int, reason: str = "") -> Mute:
        return await self._http.fetch(_MUTE, "POST", f"/mutes/{id}/end", {"reason": reason})

    async def rules(self) -> list[NotifyRule]:
        return [rule for origin, rule in await self.listed_rules() if origin == "api"]

    async def listed_rules(self) -> list[tuple[str, NotifyRule]]:
        found = await self._http.fetch(_RULES, "GET", "/notify-rules")
        return [(each.origin, each.to_record()) for each in found]

    async def put_rule(self, rule: NotifyRule, actor: str) -> None:
        await self._http.request("PUT", f"/notify-rules/{quoted(rule.name)}", rule.values)

    async def remove_rule(self, name: str) -> None:
        await self._http.request("DELETE", f"/notify-rules/{quoted(name)}")
