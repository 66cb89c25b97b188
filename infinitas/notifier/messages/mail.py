"""The long form of a notice: subject, text and HTML."""

from collections.abc import Iterator
from html import escape

from infinitas.core.notice import Notice, NoticeReason, Trouble
from infinitas.core.plural import counted
from infinitas.notifier.messages.facts import (
    cause,
    error_line,
    facts,
    headline,
    held_back,
    subject_of,
    when,
)
from infinitas.notifier.messages.safe_text import block, last_lines, shorten
from infinitas.notifier.messages.short_text import one_line

MAX_SUBJECT_CHARS = 150
MOST_LOG_LINES = 20
MOST_DETAILED = 3
"""Troubles of a group with all their facts; the others are a line each."""
MOST_LISTED = 100
MAX_LOG_CHARS = 8_000
_LABEL_WIDTH = 14
_TD = 'style="padding:2px 12px 2px 0;vertical-align:top"'
_PRE = 'style="background:#f4f4f4;color:#222;padding:8px;white-space:pre-wrap;word-break:break-word"'


def subject(notice: Notice) -> str:
    """`[Infinitas] …`, one line of at most 150 characters; of a new incident with its error."""
    found = f"[Infinitas] {headline(notice)}"
    if len(notice.troubles) == 1 and notice.reason == NoticeReason.OPENED:
        error = error_line(notice.troubles[0])
        found = f"{found}: {error}" if error else found
    return shorten(found, MAX_SUBJECT_CHARS)


def text(notice: Notice) -> str:
    """The message as plain text."""
    parts = [headline(notice), when(notice.at), ""]
    for trouble in _detailed(notice):
        if len(notice.troubles) > 1:
            parts += [f"── {one_line(trouble, notice)}"]
        parts += [f"{fact.name + ':':<{_LABEL_WIDTH}} {fact.value}" for fact in facts(trouble, notice)]
        if log := _log(trouble, notice):
            parts += ["", _log_title(log), *(f"  {each}" for each in log)]
        parts.append("")
    for listed in _listed(notice):
        parts += [*(f"- {each}" for each in listed), ""]
    return "\n".join([*parts, cause(notice), ""])


def html(notice: Notice) -> str:
    """The message as HTML: no script, no image, nothing from elsewhere."""
    return (
        '<!doctype html><html><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;font-size:14px">'
        f"<h2>{escape(headline(notice))}</h2><p>{escape(when(notice.at))}</p>"
        f'{"".join(_sections(notice))}<p style="color:#666">{escape(cause(notice))}</p></body></html>\n'
    )


def _sections(notice: Notice) -> Iterator[str]:
    for trouble in _detailed(notice):
        if len(notice.troubles) > 1:
            yield f"<h3>{escape(subject_of(trouble))}</h3>"
        rows = (
            f"<tr><td {_TD}><b>{escape(fact.name)}</b></td>"
            f"<td {_TD}>{_linked(fact.value) if fact.link else escape(fact.value)}</td></tr>"
            for fact in facts(trouble, notice)
        )
        yield f"<table>{''.join(rows)}</table>"
        if log := _log(trouble, notice):
            yield f"<p>{_log_title(log)}</p><pre {_PRE}>{escape(chr(10).join(log))}</pre>"
    for listed in _listed(notice):
        yield f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in listed)}</ul>"


def _detailed(notice: Notice) -> tuple[Trouble, ...]:
    return notice.troubles[: 0 if notice.reason == NoticeReason.DIGEST else MOST_DETAILED]


def _listed(notice: Notice) -> list[list[str]]:
    rest = notice.troubles[len(_detailed(notice)) :]
    lines = [one_line(trouble, notice) for trouble in rest[:MOST_LISTED]]
    if (more := len(rest) - MOST_LISTED) > 0:
        lines.append(f"and {more:,} more")
    lists = [lines, held_back(notice)]
    return [each for each in (lists[::-1] if notice.reason == NoticeReason.DIGEST else lists) if each]


def _log(trouble: Trouble, notice: Notice) -> list[str]:
    if notice.reason == NoticeReason.RECOVERED:
        return []
    lines = [block(each, 1_000) for each in trouble.log_lines[-MOST_LOG_LINES:]]
    return last_lines(lines, MAX_LOG_CHARS)


def _log_title(log: list[str]) -> str:
    return "Last log line:" if len(log) == 1 else f"Last {counted(len(log), 'log line')}:"


def _linked(url: str) -> str:
    return f'<a href="{escape(url)}">{escape(url)}</a>'
