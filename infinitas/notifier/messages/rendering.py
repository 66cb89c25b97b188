"""Renders a notice in one form or another; data of any kind yields some message."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from infinitas.core.notice import Notice
from infinitas.runtime.logging import get_logger

_log = get_logger("notifier")
T = TypeVar("T")


def render(form: Callable[[Notice], T], notice: Notice) -> T:
    """`form(notice)`; if that raises, the form of the notice without its details."""
    try:
        return form(notice)
    except Exception:  # noqa: BLE001 - data of any form
        _log.exception("The notice %s can't be shown as it is; it is sent without its details.", notice.id)
    at = notice.at if isinstance(notice.at, datetime) and notice.at.tzinfo else datetime.now(UTC)
    return form(replace(notice, at=at, troubles=(), common=None, held_back={}))
