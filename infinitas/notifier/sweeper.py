"""The sweeper: reminders, the end of flapping and of mutes, and what is too old to keep."""

import asyncio
import time
from datetime import datetime

from infinitas.archive.announcements import AnnouncementTable
from infinitas.archive.connection import Archive
from infinitas.archive.incidents import IncidentTable
from infinitas.core.incident_fold import CALM, IncidentFold
from infinitas.core.notice import NoticeReason
from infinitas.core.notify_rules import CODE_RULE, REMIND_EVERY_S, Announcement
from infinitas.notifier.announcer import Announcer

CHECK_EVERY_S = 5.0
PAGE = 500
CLEAN_EVERY_S = 600.0
NOTICES_KEPT_S = 30 * 86_400.0
INCIDENTS_KEPT_S = 400 * 86_400.0


class Sweeper:
    """Several may run: each step is a transaction under the lock of incidents."""

    def __init__(self, archive: Archive, announcer: Announcer, clean_every_s: float = CLEAN_EVERY_S) -> None:
        self._archive = archive
        self._announcer = announcer
        self._after = ""
        self._clean_every_s = clean_every_s
        self._cleaned = time.monotonic()

    async def run_once(self) -> bool:
        """Sweep, then rest. Returns whether there are news."""
        news = await self.sweep()
        await asyncio.sleep(CHECK_EVERY_S)
        return news

    async def sweep(self) -> bool:
        """One step of each. Returns whether there are news."""
        async with self._archive.transaction() as connection:
            incidents, announcements = IncidentTable(connection), AnnouncementTable(connection)
            await incidents.lock()
            now = await incidents.now()
            calm = await self._end_flapping(incidents, announcements, now)
            announced = await self._announce_rest(incidents, announcements, now)
            reminded = await self._remind(incidents, announcements, now)
            if time.monotonic() - self._cleaned >= self._clean_every_s:
                self._cleaned = time.monotonic()
                await announcements.delete_old(NOTICES_KEPT_S, INCIDENTS_KEPT_S, PAGE)
        return calm or announced or reminded

    async def _end_flapping(
        self, incidents: IncidentTable, announcements: AnnouncementTable, now: datetime
    ) -> bool:
        calm = await announcements.calm(now - CALM, PAGE)
        fold = IncidentFold(None, calm, {})
        for each in calm:
            fold.close(each, each.calm_since or now)
        await incidents.write(fold)
        await self._announcer.announce(incidents, fold, now)
        return bool(calm)

    async def _announce_rest(
        self, incidents: IncidentTable, announcements: AnnouncementTable, now: datetime
    ) -> bool:
        """Of incidents that were muted, or that a newer rule chooses."""
        unannounced = await announcements.unannounced(self._after, PAGE)
        self._after = unannounced[-1].id if len(unannounced) == PAGE else ""
        return await self._announcer.announce_again(incidents, unannounced, now)

    async def _remind(
        self, incidents: IncidentTable, announcements: AnnouncementTable, now: datetime
    ) -> bool:
        rules = {rule.name: rule for rule in await self._announcer.all_rules(incidents)}
        every = {name: rule.remind_every for name, rule in rules.items() if rule.remind_every}
        found = await announcements.to_remind({**every, CODE_RULE: REMIND_EVERY_S}, PAGE)
        mutes = await incidents.mutes() if found else []
        announcements_of = []
        for channel, name, incident in found:
            rule = rules.get(name)
            if any(mute.covers(incident, now) for mute in mutes) or (rule and channel not in rule.channels):
                continue
            not_before = rule.not_before(incident, now) if rule else None
            announcements_of.append(Announcement(incident.id, channel, name, not_before))
        await incidents.announce(announcements_of, NoticeReason.REMINDER)
        return bool(announcements_of)
