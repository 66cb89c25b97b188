"""A notice as JSON, as the outbox and the delivery log store it."""

from pydantic import TypeAdapter

from infinitas.core.notice import Notice

_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)


def notice_to_json(notice: Notice) -> str:
    return _NOTICE.dump_json(notice).decode()


def notice_from_json(text: str) -> Notice:
    """Raises ValueError: it is no notice, or one of another version."""
    return _NOTICE.validate_json(text)
