"""The verbs over channels, as the server and the command line use them: on Postgres itself."""

import base64
import secrets
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr

from infinitas.core.channel_config import KEY_PREFIX, ChannelConfig, Webhook, check_channel_name
from infinitas.core.channel_records import ChannelInfo, Delivery
from infinitas.core.errors import ConfigError
from infinitas.core.notice import Notice, NoticeReason

if TYPE_CHECKING:
    from infinitas.archive.channels import Channels
    from infinitas.archive.connection import Archive
    from infinitas.archive.outbox import Outbox

KEY_BYTES = 32


class ChannelAccess:
    """Opened with the archive's URL, or None: then each verb raises ConfigError."""

    def __init__(self, postgres_url: str | None, role: str) -> None:
        self._url = postgres_url
        self._role = role
        self._archive: Archive | None = None

    async def all(self) -> list[ChannelInfo]:
        return await self._channels().all()

    async def find(self, name: str) -> ChannelInfo:
        """Raises UnknownChannel."""
        return await self._channels().find(name)

    async def add(self, name: str, config: ChannelConfig, actor: str) -> tuple[ChannelInfo, str | None]:
        """Store a new channel. Returns it, and the secret of a webhook that was given none.

        Raises:
            BadArgs: the name is taken or not allowed.
        """
        check_channel_name(name)
        made = None
        if isinstance(config, Webhook) and config.secret is None:
            made = KEY_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
            config = config.model_copy(update={"secret": SecretStr(made)})
        return await self._channels().add(name, config, actor), made

    async def change(self, name: str, config: ChannelConfig, actor: str) -> tuple[ChannelInfo, ChannelInfo]:
        """As `Channels.change`."""
        return await self._channels().change(name, config, actor)

    async def remove(self, name: str) -> ChannelInfo:
        """As `Channels.remove`."""
        return await self._channels().remove(name)

    async def test(self, name: str) -> str:
        """Have a notifier send a test. Returns the message's id. Raises UnknownChannel."""
        id = f"test_{uuid.uuid4().hex[:20]}"
        now = datetime.now(UTC)
        notice = Notice(id=id, reason=NoticeReason.TEST, channel=name, at=now, troubles=())
        await self._outbox().add_test(notice)
        return id

    async def deliveries(
        self, channel: str | None, notice: str | None, before: int | None, limit: int
    ) -> list[Delivery]:
        """As `Outbox.deliveries`. Those of a removed channel stay.

        Raises:
            UnknownChannel: there is no such channel, and no delivery of it.
        """
        found = list(await self._outbox().deliveries(channel, notice, before, limit))
        if not found and channel is not None:
            await self._channels().find(channel)
        return found

    async def replay(self, delivery: int) -> tuple[str, str]:
        """As `Outbox.replay`."""
        return await self._outbox().replay(delivery)

    async def close(self) -> None:
        if self._archive is not None:
            await self._archive.close()

    def _channels(self) -> "Channels":
        from infinitas.archive.channels import Channels

        return Channels(self._open())

    def _outbox(self) -> "Outbox":
        from infinitas.archive.outbox import Outbox

        return Outbox(self._open())

    def _open(self) -> "Archive":
        # Imported here: without the `postgres` extra everything else works.
        from infinitas.archive.connection import Archive

        if self._url is None:
            raise ConfigError("Channels are stored in Postgres; set INFINITAS_POSTGRES_URL to have them.")
        self._archive = self._archive or Archive(self._url, self._role)
        return self._archive
