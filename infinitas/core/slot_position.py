"""Marks where a page of the list of schedules ends."""

from dataclasses import dataclass

from infinitas.core.codec import AFTER_LAST_MS, to_ms
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_text
from infinitas.core.schedule_records import ScheduleInfo

MAX_KEY_CHARS = 1_000
_WRONG = "That position was not returned by a list of schedules; take it from the page before."


@dataclass(frozen=True, slots=True, order=True)
class SlotPosition:
    """A position in the list of schedules, which goes from the earliest next slot to the latest.

    A slot that can't be read is the last.
    """

    slot_ms: int
    key: str

    @classmethod
    def of(cls, info: ScheduleInfo) -> "SlotPosition":
        return cls(AFTER_LAST_MS if info.next_slot is None else to_ms(info.next_slot), info.schedule.key)

    def to_text(self) -> str:
        """What a caller sends back to get the next page."""
        return f"{self.slot_ms}.{self.key}"

    @classmethod
    def from_text(cls, text: str) -> "SlotPosition":
        """Raises BadArgs."""
        slot, _, key = text.partition(".")
        if not (slot.isascii() and slot.isdecimal() and len(slot) <= len(str(AFTER_LAST_MS))):
            raise BadArgs(_WRONG)
        return cls(int(slot), check_text(key, "position", MAX_KEY_CHARS))
