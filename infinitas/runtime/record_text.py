"""Log records as text. Raises nothing but RecursionError, and leaves the record as it is."""

import logging

_plain = logging.Formatter()


def message_of(record: logging.LogRecord) -> str:
    """The record's message; one whose arguments don't fit is shown with them, side by side."""
    try:
        if isinstance(record.msg, dict) and not record.args and "event" in record.msg:
            return _event_text(record.msg)
        return str(record.getMessage())
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - objects of any program
        return f"{_shown(record.msg)} {_shown(record.args)} (can't be formatted: {type(error).__name__})"


def trace_of(record: logging.LogRecord) -> str:
    """The record's exception and stack, or ""."""
    try:
        parts = [record.exc_text or "", record.stack_info or ""]
        if not record.exc_text and record.exc_info and record.exc_info[0] is not None:
            # Not through `Formatter.format`: that would fix the traceback's form for handlers of the program.
            parts[0] = _plain.formatException(record.exc_info)
        return "\n".join(part for part in parts if part)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - objects of any program
        return f"(a traceback that can't be formatted: {type(error).__name__})"


def text_of(record: logging.LogRecord) -> str:
    """Message, exception and stack."""
    trace = trace_of(record)
    return f"{message_of(record)}\n{trace}" if trace else message_of(record)


def _event_text(event: dict[str, object]) -> str:
    """A record of structlog's ProcessorFormatter: the event, then its values."""
    known = {"event", "level", "logger", "timestamp"}
    values = [f"{name}={value!r}" for name, value in event.items() if name not in known]
    return " ".join([str(event["event"]), *values])


def _shown(value: object) -> str:
    try:
        return repr(value) if not isinstance(value, str) else value
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - objects of any program
        return f"<{type(value).__name__}>"
