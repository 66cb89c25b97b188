"""Channels: where messages go, and how they fare."""

from collections.abc import Mapping

import orjson

from infinitas.archive.connection import Archive
from infinitas.archive.statements import fetch, statement
from infinitas.core.channel_config import ChannelConfig, read_channel
from infinitas.core.channel_records import ChannelFault, ChannelInfo
from infinitas.core.errors import BadArgs, ChannelOfFile, UnknownChannel

FAILING_AFTER = 3
FAILING_AFTER_S = 30.0
MOST_CHANNELS = 200


class Channels:
    """The channels of one archive. All methods raise ServerUnreachable."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def all(self) -> list[ChannelInfo]:
        """Every channel, by name."""
        return await self._select(None)

    async def find(self, name: str) -> ChannelInfo:
        """Raises UnknownChannel."""
        found = await self._select(name)
        if not found:
            raise _unknown(name)
        return found[0]

    async def add(self, name: str, config: ChannelConfig, actor: str) -> ChannelInfo:
        """Store a new channel. Raises BadArgs: the name is taken, or there are too many."""
        if len(await self.all()) >= MOST_CHANNELS:
            raise BadArgs(f"There are {MOST_CHANNELS} channels already.")
        if not await self._upsert(name, config, actor, replace=False):
            raise BadArgs(f"There is a channel {name!r} already; change it with PUT, or --replace.")
        return await self.find(name)

    async def change(self, name: str, config: ChannelConfig, actor: str) -> tuple[ChannelInfo, ChannelInfo]:
        """Replace a channel's values; `before` and after it. Secrets left out stay if the target does.

        Raises:
            UnknownChannel, ChannelOfFile.
        """
        before = await self.find(name)
        if not await self._upsert(name, config, actor, replace=True):
            raise _of_file(name)
        return before, await self.find(name)

    async def remove(self, name: str) -> ChannelInfo:
        """Remove it, and give up the messages that wait for it. Raises UnknownChannel, ChannelOfFile."""
        before = await self.find(name)
        async with self._archive.transaction() as connection:
            found = await (await connection.execute(statement("delete_channel"), {"name": name})).fetchone()
            if found is None:
                raise _of_file(name)
            await connection.execute(statement("give_up_notices"), {"name": name})
        return before

    async def publish(self, channels: Mapping[str, tuple[str, str, str]]) -> None:
        """Have those of a file listed, and no others of one: name → type, target, values as JSON."""
        async with self._archive.transaction() as connection:
            await connection.execute(statement("retract_channels"), {"names": list(channels)})
            for name, (type, target, shown) in channels.items():
                values = {"name": name, "type": type, "target": target, "shown": shown}
                await connection.execute(statement("publish_channel"), values)

    async def failing(self) -> list[ChannelFault]:
        """Channels whose messages don't arrive."""
        values = {"failures": FAILING_AFTER, "seconds": FAILING_AFTER_S}
        async with self._archive.transaction() as connection:
            return await fetch(connection, statement("select_failing_channels"), values, ChannelFault)

    async def _select(self, name: str | None) -> list[ChannelInfo]:
        async with self._archive.transaction() as connection:
            return await fetch(connection, statement("select_channels"), {"name": name}, ChannelInfo)

    async def _upsert(self, name: str, config: ChannelConfig, actor: str, *, replace: bool) -> bool:
        async with self._archive.transaction() as connection:
            rows = await connection.execute(statement("select_channel_config"), {"name": name})
            row = await rows.fetchone()
            if row is not None and row[0] is not None and replace:
                config = config.keeping(read_channel(name, orjson.loads(row[0])))
            values = {
                "name": name,
                "type": config.type,
                "target": config.target,
                "shown": orjson.dumps(config.shown).decode(),
                "config": orjson.dumps(config.stored).decode(),
                "actor": actor,
                "replace": replace,
            }
            rows = await connection.execute(statement("upsert_channel"), values)
            return await rows.fetchone() is not None


def _unknown(name: str) -> UnknownChannel:
    return UnknownChannel(f"There is no channel {name[:80]!r}. `infinitas channel ls` lists them.")


def _of_file(name: str) -> ChannelOfFile:
    return ChannelOfFile(f"The channel {name!r} is one of infinitas.toml; change it there.")
