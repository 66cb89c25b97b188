"""Secrets stay out of logs, pages and events."""

import re

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):([^@\s]+)@")
_PARAMETER = re.compile(r"(?i)(password|secret|token)=[^&\s]+")


def mask_url(text: str) -> str:
    """`text` with the passwords of any URLs in it replaced by `***`."""
    return _PARAMETER.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", text))
