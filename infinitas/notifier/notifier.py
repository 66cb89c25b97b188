"""The notifier process: a recorder of incidents for each queue, one composer and one sender for all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from infinitas.archive.channels import Channels
from infinitas.archive.connection import Archive
from infinitas.archive.migrate import Tables
from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.queue import QueueBroker
from infinitas.core.channel_records import ChannelFault
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.incident import IncidentKind
from infinitas.core.incident_fold import Occurrence
from infinitas.core.notice_groups import Limit
from infinitas.core.plural import counted
from infinitas.core.task_definition import parse_rate
from infinitas.monitor.archive_checks import ArchiveChecks
from infinitas.monitor.doctor import Doctor
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.monitor.load_checks import CheckLimits
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.monitor.presence import present
from infinitas.monitor.system_monitor import SystemMonitor
from infinitas.notifier.announcer import Announcer
from infinitas.notifier.channel_monitor import ChannelMonitor
from infinitas.notifier.checker import Checker
from infinitas.notifier.composer import Composer
from infinitas.notifier.desk import IncidentDesk
from infinitas.notifier.hooks import Hooks
from infinitas.notifier.incident_recorder import IncidentRecorder
from infinitas.notifier.pings.reporter import make_reporter
from infinitas.notifier.sender import Sender
from infinitas.notifier.sweeper import Sweeper
from infinitas.notifier.task_options import TaskOptions
from infinitas.notifier.troubles import Troubles
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.life import Life
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.queue_loops import run_for_queues
from infinitas.runtime.signals import StopSignal
from infinitas.tasks.plugins import Plugins

_log = get_logger("notifier")


async def run_notifier(
    settings: Settings, queues: Sequence[str] | None, stop: StopSignal, plugins: Plugins | None = None
) -> None:
    """Notify until `stop` is set. Postgres may be down, also at the start.

    Raises:
        ConfigError: no postgres_url is set, or that database can't be an archive.
        ServerUnreachable, UnsafeBroker: Redis can't be used, at the start only.
    """
    if settings.postgres_url is None:
        raise ConfigError(
            "The notifier stores incidents and messages in Postgres; without it no message is sent. "
            "Set INFINITAS_POSTGRES_URL, or postgres_url in infinitas.toml."
        )
    notifier = _Notifier(settings, settings.postgres_url, plugins, stop.life)
    try:
        await notifier.connection.check()
        with suppress(ServerUnreachable):  # The loops retry, and log it.
            await notifier.tables.make_ready()
        _log.info("Notifier runs.")
        async with present(notifier.connection, "notifier", stop.life):
            await asyncio.gather(
                run_for_queues(
                    queues, lambda: list_queues(notifier.connection), notifier.queue_loops, stop.requested
                ),
                run_loops(notifier.shared_loops(), stop.requested),
            )
        _log.info("Notifier has stopped.")
    finally:
        await notifier.close()


class _Notifier:
    """The loops, and the connections that they share."""

    def __init__(self, settings: Settings, url: str, plugins: Plugins | None, life: Life) -> None:
        self._settings = settings
        self._url = url
        self._plugins = plugins if plugins is not None and plugins.hear_incidents else None
        self.connection = Connection(settings.redis_url or DEFAULT_REDIS, "notifier")
        self._archives: list[Archive] = []
        self._shared = self._archive()
        self.tables = Tables(self._shared)
        self._options = TaskOptions(self.connection)
        has_hooks = self._plugins is not None
        self._announcer = Announcer(settings.notify, self._options, has_hooks=has_hooks)
        self._woken = asyncio.Event()
        self._checks = ArchiveChecks(url, settings.archive_max_gb)
        self._system = SystemMonitor(Doctor(self.connection, self._checks, settings), self.connection)
        self._life = life
        self._sender = Sender(self._archive(), settings.channels, settings.channel_networks)

    def queue_loops(self, queue: str) -> list[Loop]:
        connection, announcer = self.connection, self._announcer
        archive = self._archive()
        recorder = IncidentRecorder(connection, queue, archive, announcer, self._options)
        checker = Checker(connection, queue, archive, announcer, _check_limits(self._settings))
        pings = make_reporter(self._settings, connection, queue, self._archive())
        event_readers = EventReaderMonitor(Health(connection, queue), self._settings.events_max)
        return [
            self._waking(f"incident recorder {queue}", recorder.run_once),
            self._waking(f"checker {queue}", checker.run_once),
            Loop(f"pings {queue}", self._with_tables(pings.run_once)),
            # Also here, so that they run while neither scheduler nor archiver does.
            Loop(f"event readers {queue}", event_readers.run_once),
            Loop(f"overdue {queue}", OverdueMonitor(QueueBroker(connection, queue)).run_once),
        ]

    def shared_loops(self) -> list[Loop]:
        troubles = Troubles(self.connection, self._settings.page_url)
        composer = Composer(self._shared, troubles, _limit(self._settings), self._woken)
        sweeper = Sweeper(self._shared, self._announcer)
        sender = self._sender
        monitor = _channel_monitor(self._archive(), self._announcer, self._woken.set)
        found = [
            Loop("composer", self._with_tables(composer.run_once)),
            self._waking("sweeper", sweeper.run_once),
            Loop("sender", self._with_tables(sender.run_once)),
            Loop("channel monitor", self._with_tables(monitor.run_once)),
            Loop("system monitor", self._system.run_once),
        ]
        if self._plugins is not None:
            # A slow hook holds its connection.
            hooks = Hooks(self._archive(), self._plugins)
            found.append(Loop("hooks", self._with_tables(hooks.run_once), longest_pass_s=None))
        return found

    async def close(self) -> None:
        for archive in self._archives:
            await archive.close()
        await self._checks.close()
        await self.connection.close()

    def _archive(self) -> Archive:
        self._archives.append(Archive(self._url, "notifier"))
        return self._archives[-1]

    def _waking(self, name: str, step: Callable[[], Awaitable[bool]]) -> Loop:
        """A loop that wakes the composer when a step has news."""

        async def run_once() -> None:
            if await step():
                self._woken.set()

        return Loop(name, self._with_tables(run_once))

    def _with_tables(self, run_once: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Make the tables ready before `run_once`; in the loop, so that Postgres may start later."""

        async def run() -> None:
            await self.tables.make_ready()
            self._life.begin("notifier", lambda: f"{counted(self._sender.sent, 'message')} sent")
            try:
                await run_once()
            except ServerUnreachable:
                self.tables.check_again()
                raise

        return run


def _channel_monitor(archive: Archive, announcer: Announcer, wake: Callable[[], None]) -> ChannelMonitor:
    desk = IncidentDesk(archive, announcer)

    async def report(fault: ChannelFault) -> None:
        kind = IncidentKind.CHANNEL_FAILING
        await desk.report(Occurrence(kind=kind, subject=fault.channel, at=fault.since, error=fault.error))
        wake()

    async def recover(channel: str) -> None:
        await desk.recover(IncidentKind.CHANNEL_FAILING, channel)
        wake()

    return ChannelMonitor(Channels(archive), report, recover)


def _limit(settings: Settings) -> Limit:
    burst, period_ms = parse_rate(settings.notify_rate) or (1, 1)
    return Limit(burst, timedelta(milliseconds=period_ms), timedelta(seconds=settings.notify_group))


def _check_limits(settings: Settings) -> CheckLimits:
    return CheckLimits(
        backlog=timedelta(seconds=settings.backlog_after),
        slow_factor=settings.slow_factor,
        paused=timedelta(seconds=settings.paused_after),
    )
