"""The slack channel: an incoming webhook of Slack, Mattermost, Rocket.Chat, or Discord (`…/slack`)."""

from infinitas.core.notice import Notice
from infinitas.notifier.channels.http_post import Poster
from infinitas.notifier.messages.chat import payload
from infinitas.notifier.messages.rendering import render


class SlackChannel:
    """Sends the short form. Twins can't be recognized by the receiver: the protocol has no id."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def send(self, notice: Notice) -> str:
        """See `Channel.send`."""
        return await self._poster.post(render(payload, notice), {})
