"""A channel that fails is reported once, and once that it works again."""

import psycopg

from infinitas.archive.channels import Channels
from infinitas.archive.connection import Archive
from infinitas.core.channel_config import read_channel
from infinitas.core.channel_records import ChannelFault
from infinitas.notifier.channel_monitor import ChannelMonitor


async def test_a_failing_channel_and_its_recovery_are_reported_once(postgres_url: str) -> None:
    archive = Archive(postgres_url, "test")
    channels = Channels(archive)
    reported: list[str] = []

    async def report(fault: ChannelFault) -> None:
        reported.append(f"{fault.channel} fails: {fault.error}")

    async def recover(name: str) -> None:
        reported.append(f"{name} is well")

    config = read_channel("x", {"type": "slack", "url": "https://example.com/"})
    for name in ("ops", "other"):
        await channels.add(name, config, "test")
    with psycopg.connect(postgres_url, autocommit=True) as db:

        def fail(name: str, failures: int, minutes: int = 0) -> None:
            db.execute(
                "UPDATE infinitas_channels SET failures = %s, last_error = 'Status 500.',"
                " failing_since = now() - make_interval(mins => %s) WHERE name = %s",
                (failures, minutes, name),
            )

        monitor = ChannelMonitor(channels, report, recover)
        fail("ops", 2)
        await monitor.check()
        assert reported == ["ops is well", "other is well"], "two failed tries are not enough"
        reported.clear()
        fail("ops", 3)
        fail("other", 1, minutes=2)
        await monitor.check()
        await monitor.check()
        assert reported == ["ops fails: Status 500.", "other fails: Status 500."]
        reported.clear()
        fail("ops", 0)
        await channels.remove("other")
        await monitor.check()
        await monitor.check()
        assert reported == ["ops is well", "other is well"]
    await archive.close()
