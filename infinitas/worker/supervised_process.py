"""One worker process under a supervisor: starts it, reads its reports, signals it."""

import asyncio
import os
import time
from collections.abc import Sequence

import orjson

from infinitas.worker.supervisor_pipe import VARIABLE

READ_BYTES = 65_536


class SupervisedProcess:
    """One numbered worker process. `start` may be called again after the process has ended."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.worker: str | None = None
        """The worker's id; None until its first report."""
        self.queues: list[str] = []
        self.reported_at = 0.0
        """Time of the last report, on the monotonic clock; 0 before the first one."""
        self.ready = asyncio.Event()
        self.retry = asyncio.Event()
        """Set to start again at once after a failed start."""
        self._process: asyncio.subprocess.Process | None = None
        self._command = command
        self._pipe: int | None = None
        self._unread = b""

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and read its reports.

        Raises:
            OSError: the operating system refused to start it.
        """
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        self.worker, self._unread = None, b""
        # The supervisor alone notifies systemd, which takes notices of the main process only.
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        try:
            # Its own process group: Ctrl-C reaches only the supervisor, which forwards it once.
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                pass_fds=(write,),
                env={**environment, VARIABLE: str(write)},
                start_new_session=True,
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._pipe = read
        asyncio.get_running_loop().add_reader(read, self._read_reports)

    async def wait(self) -> int:
        """Wait until the process has ended. Returns its exit code, negative for a signal."""
        assert self._process is not None
        code = await self._process.wait()
        try:
            self._read_reports()
        finally:
            if self._pipe is not None:
                asyncio.get_running_loop().remove_reader(self._pipe)
                os.close(self._pipe)
                self._pipe = None
        return code

    def signal(self, number: int) -> None:
        """Send a signal, if the process runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def _read_reports(self) -> None:
        try:
            data = os.read(self._pipe, READ_BYTES) if self._pipe is not None else b""
        except BlockingIOError:
            return
        if not data and self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            report = orjson.loads(line)
            self.worker, self.queues = report["worker"], report["queues"]
            self.reported_at = time.monotonic()
            self.ready.set()
