"""What people read: every message whole, and what hostile or broken data does to it (nothing)."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notice import Notice, NoticeReason, Trouble
from infinitas.core.notice_json import notice_from_json, notice_to_json
from infinitas.notifier.messages import chat, mail, payload, short_text
from infinitas.notifier.messages.rendering import render
from infinitas.notifier.messages.safe_text import block, line, shorten
from tests.notifier import notices
from tests.notifier.conftest import Snapshot

FORMS: dict[str, Callable[[Notice], str]] = {
    "mail.txt": lambda notice: f"Subject: {mail.subject(notice)}\n\n{mail.text(notice)}",
    "mail.html": mail.html,
    "short.txt": lambda notice: f"{short_text.title(notice)}\n\n{short_text.body(notice)}\n",
    "chat.json": lambda notice: _pretty(chat.payload(notice)),
    "webhook.json": lambda notice: _pretty(payload.payload(notice)),
}
TAGS = {"html", "head", "meta", "body", "h2", "h3", "p", "table", "tr", "td", "b", "a", "ul", "li", "pre"}
EVIL = (
    "\x00\x1b[31mred\r\nBcc: evil@example.com\u202egnp.exe\u2066 <script>alert(1)</script> <!channel>"
    " @everyone"
    " `code` ```block``` [link](http://evil) <http://evil|click> &amp; *b* \ud800 \U0001f469‍\U0001f4bb"
)


def _pretty(body: bytes) -> str:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", notices.ALL)
def test_a_message_as_a_person_last_read_it(name: str, form: str, snapshot: Snapshot) -> None:
    snapshot(f"{name}.{form}", FORMS[form](notices.ALL[name]))


def test_a_notice_survives_the_outbox() -> None:
    for notice in notices.ALL.values():
        assert notice_from_json(notice_to_json(notice)) == notice
    with pytest.raises(ValueError, match="JSON"):
        notice_from_json("{")


def evil_notice(evil: str) -> Notice:
    incident = replace(notices.incident(), subject=evil, task=evil, error=evil, job=evil, worker=evil)
    trouble = replace(
        notices.trouble(),
        incident=replace(incident, acknowledged_by=evil),
        log_lines=(evil,) * 20,
        arguments=evil,
        schedule=evil,
        timezone=evil,
        owner=evil,
        runbook=evil,
    )
    group = [trouble] * 4
    return replace(notices.notice(NoticeReason.OPENED, *group), common=evil, rule=evil, channel=evil)


def evil_notices(evil: str) -> list[Notice]:
    many = evil_notice(evil)
    one = replace(many, troubles=many.troubles[:1], common=None)
    digest = replace(many, reason=NoticeReason.DIGEST, troubles=(), held_back={evil: 3})
    return [many, one, *(replace(one, reason=reason) for reason in NoticeReason), digest]


def harmless(text: str) -> None:
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]", text)
    text.encode()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        assert not {name for name, _ in attrs} - {"style", "href", "charset"}


def test_hostile_text_is_shown_and_nothing_more() -> None:
    for notice in evil_notices(EVIL):
        for form in FORMS.values():
            harmless(form(notice))
        assert "\n" not in mail.subject(notice)
        assert "\n" not in short_text.title(notice)
        tags = Tags()
        tags.feed(mail.html(notice))
        assert tags.found <= TAGS
        sent = json.loads(chat.payload(notice))
        for text in (sent["text"], sent["attachments"][0]["text"], sent["attachments"][0]["footer"]):
            assert "<!channel>" not in text
            assert "<http://evil" not in text
            outside = re.sub(r"`[^`]*`", "", text.replace("```", "`"))
            assert "@everyone" not in outside
            assert "[link](" not in outside
            assert text.count("`") % 2 == 0


def test_a_huge_text_makes_no_huge_message() -> None:
    for notice in evil_notices("x\u0301" * 500_000):
        assert len(mail.subject(notice)) <= 150
        assert len(mail.text(notice)) < 60_000
        assert len(mail.html(notice)) < 80_000
        assert len(short_text.body(notice)) <= 1_800
        assert len(chat.payload(notice)) < 12_000
        assert len(payload.payload(notice)) < 200_000
    many = notices.notice(NoticeReason.OPENED, *[notices.trouble()] * 5_000)
    assert len(mail.text(many)) < 60_000
    assert json.loads(payload.payload(many))["data"]["not_shown"] == 4_980


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_cut_is_between_characters(text: str, most: int) -> None:
    found = shorten(text, most)
    assert len(found) <= most
    assert found == text or text.startswith(found[:-1])
    harmless(line(text, most))
    harmless(block(text, most))
    assert "\n" not in line(text, most)


def test_a_character_of_several_parts_stays_whole() -> None:
    family = "\U0001f468‍\U0001f469‍\U0001f467"
    assert shorten(f"ab{family}cd", 5) == "ab…"
    assert shorten("abe\u0301f", 4) == "ab…"
    assert line(f"grüße {family} 你好 שלום") == f"grüße {family} 你好 שלום"


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


BROKEN: list[Notice] = [
    replace(notices.notice(), at=datetime(2026, 1, 1)),
    replace(notices.notice(), at=None),  # type: ignore[arg-type]
    replace(notices.notice(), troubles=(None,)),  # type: ignore[arg-type]
    replace(notices.notice(), troubles=None),  # type: ignore[arg-type]
    replace(notices.notice(), held_back={"failing": None}, reason=NoticeReason.DIGEST),  # type: ignore[dict-item]
    replace(notices.notice(), reason="new"),  # type: ignore[arg-type]
    notices.notice(NoticeReason.OPENED, replace(notices.trouble(), timezone="Mars/Base")),
    notices.notice(NoticeReason.OPENED, replace(notices.trouble(), timezone="../../etc/passwd")),
    notices.notice(
        NoticeReason.RECOVERED,
        Trouble(
            incident=Incident(
                id="i",
                kind="new_kind",  # type: ignore[arg-type]
                subject=None,  # type: ignore[arg-type]
                task=None,
                opened_at=datetime(1, 1, 1),
                last_at=datetime.max.replace(tzinfo=UTC),
                count=None,  # type: ignore[arg-type]
                error=7,  # type: ignore[arg-type]
            ),
            log_lines=(None, Unprintable()),  # type: ignore[arg-type]
            attempt="x",  # type: ignore[arg-type]
        ),
    ),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_data_costs_details_never_the_message(number: int) -> None:
    for form in FORMS.values():
        assert render(form, BROKEN[number])


def test_each_kind_has_its_own_headline() -> None:
    seen = {
        short_text.title(notices.notice(reason, notices.trouble(kind)))
        for kind in IncidentKind
        for reason in (NoticeReason.OPENED, NoticeReason.RECOVERED, NoticeReason.FLAPPING)
    }
    assert len(seen) >= 2 * len(IncidentKind) + len(IncidentKind) - 4
    assert not [title for title in seen if "_" in title]
