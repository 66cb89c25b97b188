"""The apprise channel: about 170 services, by the package `apprise` (an extra).

It resolves names by itself, so private addresses can't be refused: such a channel is made in infinitas.toml
alone, never over the API (docs/decisions/030-channels.md).
"""

import asyncio
from typing import Any

from infinitas.core.channel_config import Apprise
from infinitas.core.errors import ConfigError
from infinitas.core.notice import Notice, NoticeReason
from infinitas.notifier.channels.sending import LONGEST_SEND_S, SendFailed
from infinitas.notifier.messages import short_text
from infinitas.notifier.messages.rendering import render


class AppriseChannel:
    """Sends the short form as plain text."""

    def __init__(self, config: Apprise, limit_s: float = LONGEST_SEND_S) -> None:
        self._config = config
        self._limit_s = limit_s
        self._service: Any = None

    async def send(self, notice: Notice) -> str:
        """See `Channel.send`. Raises ConfigError too: apprise is not installed, or has no such service."""
        # In a thread: the import takes a second.
        self._service = self._service or await asyncio.to_thread(_open, self._config)
        title, body = render(short_text.title, notice), render(short_text.body, notice)
        level = "success" if notice.reason == NoticeReason.RECOVERED else "failure"
        try:
            async with asyncio.timeout(self._limit_s):
                sent = await self._service.async_notify(
                    body=body, title=title, notify_type=level, body_format="text"
                )
        except TimeoutError:
            raise SendFailed(f"No answer within {self._limit_s:g} s.") from None
        except Exception as error:  # noqa: BLE001 - plugins of any service
            raise SendFailed(f"apprise failed ({type(error).__name__}).") from None
        if not sent:
            raise SendFailed("The service did not accept the message; the log of apprise has the reason.")
        return "accepted"


def _open(config: Apprise) -> Any:
    try:
        import apprise
    except ImportError:
        raise ConfigError(
            "A channel of type apprise needs that package: pip install 'infinitas[apprise]'."
        ) from None
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Infinitas", secure_logging=True))
    if not service.add(config.url.get_secret_value()):
        raise ConfigError(f"apprise can't use the URL {config.target}.")
    return service
