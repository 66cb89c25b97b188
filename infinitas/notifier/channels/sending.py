"""What all channels share: the interface, the failure, and the id of a message."""

import hashlib
import re
from typing import Protocol

from infinitas.core.errors import InfinitasError
from infinitas.core.notice import Notice

LONGEST_SEND_S = 20.0
"""The limit of each attempt to send, whatever the other side does."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SendFailed(InfinitasError):
    """A message was not accepted; the text has no secret.

    Attributes:
        retry_after: seconds that the other side wants; None: it names none.
        final: no later attempt can succeed.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, final: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.final = final


class Channel(Protocol):
    """Sends notices. It may be called again with the same notice: the message has the same id then."""

    async def send(self, notice: Notice) -> str:
        """Returns what the other side answered, in a few characters. Raises SendFailed."""


def message_id(notice: Notice) -> str:
    """The id of a notice's message: of letters, digits, - and _ alone, the same each time."""
    if _PLAIN_ID.fullmatch(notice.id):
        return notice.id
    return f"msg_{hashlib.sha256(notice.id.encode(errors='replace')).hexdigest()[:32]}"
