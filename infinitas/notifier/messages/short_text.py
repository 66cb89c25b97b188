"""The short form of a notice, as plain text: for apprise, and wherever a message is a few lines."""

from infinitas.core.notice import Notice, NoticeReason, Trouble
from infinitas.notifier.messages.facts import (
    MOST_TROUBLES,
    cause,
    error_line,
    facts,
    headline,
    held_back,
    label_of,
    span,
    subject_of,
)
from infinitas.notifier.messages.safe_text import shorten

MAX_CHARS = 1_800
"""Of what chat systems accept in one message, Discord's 2,000 is the least."""
_SHOWN = ("Error", "Was", "Since", "Lasted", "Runs missed", "Attempt", "Last success", "Next run", "Owner")


def title(notice: Notice) -> str:
    return headline(notice)


def body(notice: Notice) -> str:
    """What follows the title; at most 1,800 characters."""
    parts: list[str] = []
    if len(notice.troubles) == 1 and notice.reason != NoticeReason.DIGEST:
        found = facts(notice.troubles[0], notice)
        parts += [f"{fact.name}: {shorten(fact.value, 300)}" for fact in found if fact.name in _SHOWN]
        parts += [fact.value for fact in found if fact.link]
    else:
        parts += held_back(notice) if notice.reason == NoticeReason.DIGEST else []
        parts += [one_line(trouble, notice) for trouble in notice.troubles[:MOST_TROUBLES]]
        if (more := len(notice.troubles) - MOST_TROUBLES) > 0:
            parts.append(f"… and {more:,} more")
        parts += held_back(notice) if notice.reason != NoticeReason.DIGEST else []
    why = cause(notice)
    return shorten("\n".join(parts), MAX_CHARS - len(why) - 1) + f"\n{why}"


def one_line(trouble: Trouble, notice: Notice) -> str:
    """A trouble of a group: name, kind, since when, first line of the error."""
    incident = trouble.incident
    lasted = span(incident.opened_at, incident.closed_at or notice.at)
    text = f"{subject_of(trouble)}: {label_of(incident.kind)} ({lasted})"
    error = error_line(trouble)
    return shorten(f"{text} · {error}" if error else text, 240)
