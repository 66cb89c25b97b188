"""The JSON of Slack's incoming webhooks, which Mattermost, Rocket.Chat and Discord's /slack take too.

Those systems read the text as markup of their own: so text of tasks and errors stands in code, and its
mentions, links and backticks are broken.
"""

import re

import orjson

from infinitas.core.notice import Notice, NoticeReason
from infinitas.notifier.messages.facts import (
    MOST_TROUBLES,
    Fact,
    cause,
    facts,
    headline,
    held_back,
    when,
)
from infinitas.notifier.messages.safe_text import block, last_lines, shorten
from infinitas.notifier.messages.short_text import one_line

MAX_LOG_CHARS = 1_200
_COLOURS = {
    NoticeReason.RECOVERED: "#2e7d32",
    NoticeReason.TEST: "#1565c0",
    NoticeReason.DIGEST: "#ef6c00",
    NoticeReason.FLAPPING: "#ef6c00",
}
_RED = "#c62828"
_IN_CODE = frozenset({"Error", "Was", "Arguments"})
_MENTION = re.compile(r"@(?=\w)|(?<!\w)#(?=\w)")
_MARKUP = re.compile(r"([*_~`|\[\]])")
_BREAK = "\u200b"
"""A space of no width: ends what would be a mention, a link or bold text."""


def payload(notice: Notice) -> bytes:
    """The body of the request, of a few kB."""
    return orjson.dumps(
        {
            "text": f"*{plain(headline(notice))}*",
            "attachments": [
                {
                    "color": _COLOURS.get(notice.reason, _RED),
                    "fallback": plain(headline(notice)),
                    "text": _text(notice),
                    "footer": plain(f"{cause(notice)} {when(notice.at)}"),
                    "mrkdwn_in": ["text"],
                }
            ],
        }
    )


def plain(text: str) -> str:
    """Foreign text, in which nothing is markup, a link or a mention."""
    text = _MENTION.sub(lambda found: found[0] + _BREAK, text)
    return escaped(_MARKUP.sub(rf"{_BREAK}\1", text))


def code(text: str) -> str:
    """Foreign text of one line, as code."""
    return f"`{escaped(text.replace('`', 'ˋ'))}`" if text else ""


def code_block(text: str) -> str:
    return f"```\n{escaped(text.replace('`', 'ˋ'))}\n```"


def escaped(text: str) -> str:
    """As Slack has it: these three characters, and no others."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(notice: Notice) -> str:
    digest = notice.reason == NoticeReason.DIGEST
    if len(notice.troubles) == 1 and not digest:
        trouble = notice.troubles[0]
        found = facts(trouble, notice)
        lines = [_fact(fact) for fact in found if not fact.link]
        log = (
            [block(each, 300) for each in trouble.log_lines]
            if notice.reason != NoticeReason.RECOVERED
            else []
        )
        if kept := last_lines(log, MAX_LOG_CHARS):
            lines.append(code_block("\n".join(kept)))
        links = " · ".join(f"<{_url(fact.value)}|{fact.name}>" for fact in found if fact.link)
        return "\n".join([*lines, links] if links else lines)
    counts = [f"• {plain(each)}" for each in held_back(notice)]
    lines = [f"• {plain(one_line(trouble, notice))}" for trouble in notice.troubles[:MOST_TROUBLES]]
    if (more := len(notice.troubles) - MOST_TROUBLES) > 0:
        lines.append(f"… and {more:,} more")
    return "\n".join(counts + lines if digest else lines + counts)


def _fact(fact: Fact) -> str:
    value = shorten(fact.value, 400)
    return f"*{fact.name}:* {code(value) if fact.name in _IN_CODE else plain(value)}"


def _url(url: str) -> str:
    # What ends a link in Slack, percent-encoded.
    return escaped(url).replace("|", "%7C")
