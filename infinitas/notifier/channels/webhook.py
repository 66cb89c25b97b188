"""The webhook channel: JSON, signed as Standard Webhooks 1.0 has it (docs/channels.md)."""

import base64
import hmac
import time
from collections.abc import Callable

from infinitas.core.channel_config import Webhook, signing_keys
from infinitas.core.notice import Notice
from infinitas.notifier.channels.http_post import Poster
from infinitas.notifier.channels.sending import message_id
from infinitas.notifier.messages.payload import payload
from infinitas.notifier.messages.rendering import render


class WebhookChannel:
    """Sends every fact of a notice to a program."""

    def __init__(self, config: Webhook, poster: Poster, clock: Callable[[], float] = time.time) -> None:
        self._keys = signing_keys(config.secret.get_secret_value()) if config.secret else []
        self._poster = poster
        self._clock = clock

    async def send(self, notice: Notice) -> str:
        """See `Channel.send`."""
        body = render(payload, notice)
        id, timestamp = message_id(notice), str(int(self._clock()))
        headers = {"webhook-id": id, "webhook-timestamp": timestamp}
        if self._keys:
            headers["webhook-signature"] = " ".join(sign(key, id, timestamp, body) for key in self._keys)
        return await self._poster.post(body, headers)


def sign(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """One entry of `webhook-signature`."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
