"""Notices as the notifier makes them, one for each reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notice import Notice, NoticeReason, Trouble

AT = datetime(2026, 11, 27, 14, 30, 5, tzinfo=UTC)


def incident(kind: IncidentKind = IncidentKind.FAILING, subject: str = "shop.invoices") -> Incident:
    return Incident(
        id=f"{kind}:{subject}:1764252000",
        kind=kind,
        subject=subject,
        task=subject,
        opened_at=AT - timedelta(hours=3, minutes=20, seconds=5),
        last_at=AT - timedelta(seconds=8),
        count=4,
        job="01kb2v7a9ssezq7pvwbrp3xwq2",
        worker="eu-3:4711",
        error="ConnectionError: crm.local:443 <refused> & closed\n  in connect()",
    )


def trouble(kind: IncidentKind = IncidentKind.FAILING, subject: str = "shop.invoices") -> Trouble:
    return Trouble(
        incident=incident(kind, subject),
        log_lines=("Reading 12 orders", "Connecting to crm.local:443", "Giving up: <b>refused</b>"),
        arguments='[[42], {"password": "***"}]',
        attempt=3,
        attempts=3,
        last_success_at=AT - timedelta(days=1, hours=2),
        next_slot_at=AT + timedelta(minutes=29, seconds=55),
        schedule="every 30 minutes",
        timezone="Europe/Copenhagen",
        owner="billing@example.com",
        runbook="https://wiki.example.com/invoices?a=1&b=2",
        link="https://cron.example.com/jobs/01kb2v7a9ssezq7pvwbrp3xwq2",
    )


def notice(reason: NoticeReason = NoticeReason.OPENED, *troubles: Trouble) -> Notice:
    return Notice(
        id="ntc_01kb2v7a9s",
        reason=reason,
        channel="ops",
        at=AT,
        troubles=troubles or (trouble(),),
        rule="shop.* failing → ops",
    )


def _recovered() -> Notice:
    found = trouble()
    closed = replace(found.incident, closed_at=AT, missed=6)
    return notice(NoticeReason.RECOVERED, replace(found, incident=closed))


def _grouped(number: int) -> Notice:
    many = [trouble(IncidentKind.FAILING, f"shop.task-{i:02}") for i in range(number)]
    return replace(notice(NoticeReason.OPENED, *many), common="all on worker eu-3")


ALL = {
    "opened": notice(),
    "bare": notice(
        NoticeReason.OPENED,
        Trouble(
            incident=replace(incident(IncidentKind.NO_WORKER), job=None, worker=None, error=None, count=1)
        ),
    ),
    "missed": notice(NoticeReason.OPENED, trouble(IncidentKind.MISSED)),
    "worker_lost": notice(
        NoticeReason.OPENED,
        Trouble(incident=replace(incident(IncidentKind.WORKER_LOST, "eu-3:4711"), task=None, job=None)),
    ),
    "reminder": notice(NoticeReason.REMINDER),
    "recovered": _recovered(),
    "flapping": notice(NoticeReason.FLAPPING),
    "grouped": _grouped(14),
    "mixed": notice(NoticeReason.OPENED, trouble(), trouble(IncidentKind.SLOW, "shop.crawl")),
    "large_group": replace(_grouped(20), held_back={"failing": 30}),
    "digest": replace(_grouped(3), reason=NoticeReason.DIGEST, held_back={"missed": 3, "no_worker": 1200}),
    "test": replace(notice(NoticeReason.TEST), troubles=(), rule=""),
}
