"""The capacity of a remote worker: no more jobs than its channel has room for, and fewer after refusals."""

import asyncio

from infinitas.server.websocket.socket import Socket
from infinitas.worker.capacity import Capacity

CHANNEL_BYTES = 2 * 1024 * 1024
"""Of jobs that wait to be sent: what a claim may take, and from where on there is none."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
_CHANNEL, _REFUSALS = "channel", "refusals"


class ChannelCapacity(Capacity):
    """Shut while the channel is full, and for a while after the worker has given a job back."""

    def __init__(self, total: int, socket: Socket) -> None:
        super().__init__(total, changing=True)
        self._socket = socket
        self._largest = 1
        """Bytes of a job as it was sent, the largest of late."""
        self._pause_s = FIRST_PAUSE_S
        socket.on_sent = self._reopen_channel

    def reserve(self, wanted: int) -> int:
        room = (CHANNEL_BYTES - self._socket.waiting_bytes) // self._largest
        return super().reserve(min(wanted, max(room, 1)))

    def note_sent(self, size: int) -> None:
        """A job of `size` bytes waits to be sent."""
        self._largest = max(size, self._largest * 7 // 8, 1)
        if self._socket.waiting_bytes >= CHANNEL_BYTES:
            self.shut(_CHANNEL)

    def note_refusal(self) -> None:
        """The worker has given a job back: it gets no other at once, and waits longer each time."""
        if _REFUSALS not in self._shut:
            self.shut(_REFUSALS)
            asyncio.get_running_loop().call_later(self._pause_s, self.reopen, _REFUSALS)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def note_end(self) -> None:
        """The worker has ended a job."""
        self._pause_s = FIRST_PAUSE_S

    def _reopen_channel(self) -> None:
        if _CHANNEL in self._shut and self._socket.waiting_bytes < CHANNEL_BYTES // 2:
            self.reopen(_CHANNEL)
