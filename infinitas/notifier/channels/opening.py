"""From a channel's values to the channel that sends."""

from infinitas.core.channel_config import Apprise, ChannelConfig, Email, Slack, Webhook
from infinitas.notifier.channels.addresses import Networks
from infinitas.notifier.channels.apprise import AppriseChannel
from infinitas.notifier.channels.email import EmailChannel
from infinitas.notifier.channels.http_post import Poster
from infinitas.notifier.channels.sending import Channel
from infinitas.notifier.channels.slack import SlackChannel
from infinitas.notifier.channels.webhook import WebhookChannel


def open_channel(config: ChannelConfig, networks: Networks) -> Channel:
    """The channel of these values. `networks`: private ones that it may connect to."""
    match config:
        case Webhook():
            return WebhookChannel(config, Poster(config.url.get_secret_value(), networks))
        case Slack():
            return SlackChannel(Poster(config.url.get_secret_value(), networks))
        case Email():
            return EmailChannel(config, networks)
        case Apprise():
            return AppriseChannel(config)
