"""Decides which channels are notified: applies rules and mutes, in the transaction of the change."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from infinitas.archive.incidents import IncidentTable
from infinitas.core.incident import Incident
from infinitas.core.incident_fold import IncidentFold
from infinitas.core.notice import NoticeReason
from infinitas.core.notify_rules import PLUGINS, Announcement, Mute, NotifyRule, announcements_of
from infinitas.core.task_definition import TaskDefinition
from infinitas.notifier.task_options import TaskOptions

WITHOUT_RULES = "every channel"


class Announcer:
    """Writes announcements; `composer` makes messages of them.

    Args:
        rules: of infinitas.toml; those that were made at run time come after them.
        has_hooks: plugins are notified too, whatever the rules are.
    """

    def __init__(self, rules: Sequence[NotifyRule], options: TaskOptions, *, has_hooks: bool = False) -> None:
        self._rules = tuple(rules)
        self._options = options
        self._has_hooks = has_hooks

    async def announce(self, table: IncidentTable, fold: IncidentFold, now: datetime) -> None:
        """Have channels notified of what the fold has changed."""
        news = [(fold.changed[each.incident], each.reason) for each in fold.news.values()]
        if not news:
            return
        mutes = await table.mutes()
        # One that was opened and closed in this transaction is announced as a recovery alone.
        opened = [each for each in news if each[0].id in fold.opened]
        await self._announce(table, opened, mutes, now)
        over = [each for each, _ in news if each.id not in fold.opened]
        await table.announce_recovery([each.id for each in over])
        await self._delay(table, over, now)
        await table.silence([each.id for each in over if any(mute.covers(each, now) for mute in mutes)])

    async def _delay(self, table: IncidentTable, over: Sequence[Incident], now: datetime) -> None:
        """Recoveries wait for the end of quiet hours, too."""
        for rule in await self.all_rules(table) if over else ():
            quiet = [each.id for each in over if rule.not_before(each, now) is not None]
            if quiet and (until := rule.hours and rule.hours.until(now)):
                await table.delay(quiet, rule.name, until)

    async def announce_again(
        self, table: IncidentTable, incidents: Iterable[Incident], now: datetime
    ) -> bool:
        """Have channels notified of open incidents of which none was. Returns whether there are any."""
        news = [(incident, NoticeReason.OPENED) for incident in incidents]
        return bool(news) and await self._announce(table, news, await table.mutes(), now)

    async def all_rules(self, table: IncidentTable) -> list[NotifyRule]:
        """Those of the file and those made at run time; without any, one for everything to every channel."""
        if rules := [*self._rules, *await table.rules()]:
            return rules
        channels = await table.channels()
        return [NotifyRule(name=WITHOUT_RULES, channels=channels)] if channels else []

    async def _announce(
        self,
        table: IncidentTable,
        news: Sequence[tuple[Incident, NoticeReason]],
        mutes: Sequence[Mute],
        now: datetime,
    ) -> bool:
        """Returns whether a channel is notified of something."""
        tasks = await self._options.of({each.task for each, _ in news if each.task})
        rules = await self.all_rules(table)
        notified = False
        for reason in dict.fromkeys(reason for _, reason in news):
            incidents = [incident for incident, other in news if other is reason]
            found = [
                each
                for incident in incidents
                for each in self._announcements(incident, tasks, rules, mutes, now)
            ]
            await table.announce(found, reason)
            notified |= bool(found)
        return notified

    def _announcements(
        self,
        incident: Incident,
        tasks: Mapping[str, TaskDefinition],
        rules: Sequence[NotifyRule],
        mutes: Sequence[Mute],
        now: datetime,
    ) -> list[Announcement]:
        found = announcements_of(incident, tasks.get(incident.task or ""), rules, mutes, now)
        if self._has_hooks:
            found.append(Announcement(incident.id, PLUGINS, PLUGINS, None))
        return found
