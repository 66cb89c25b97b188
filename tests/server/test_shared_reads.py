"""Equal requests share a reading, and none gets an answer that is older than itself."""

import asyncio

import pytest

from infinitas.core.errors import ServerUnreachable
from infinitas.server.shared_reads import SharedReads
from tests.support import aeventually


class Source:
    """Counts its readings; each returns what was stored when it began, once it is let go."""

    def __init__(self) -> None:
        self.value = self.readings = 0
        self.gate = asyncio.Event()
        self.fault: Exception | None = None

    async def read(self) -> int:
        self.readings += 1
        found, fault = self.value, self.fault
        await self.gate.wait()
        if fault is not None:
            raise fault
        return found


async def test_two_hundred_equal_requests_are_two_readings() -> None:
    source, reads = Source(), SharedReads()
    first = asyncio.create_task(reads.read("tasks", source.read))
    await aeventually(lambda: asyncio.sleep(0, source.readings == 1))
    source.value = 7
    later = [asyncio.create_task(reads.read("tasks", source.read)) for _ in range(200)]
    other = asyncio.create_task(reads.read("queues", source.read))
    await aeventually(lambda: asyncio.sleep(0, source.readings == 2))
    source.gate.set()
    assert await first == 0
    assert set(await asyncio.gather(*later)) == {7}, "what was stored before they came"
    assert await other == 7
    assert source.readings == 3
    source.value = 8
    assert await reads.read("tasks", source.read) == 8, "nothing is kept"


async def test_one_that_goes_away_takes_the_answer_from_no_other() -> None:
    source, reads = Source(), SharedReads()
    both = [asyncio.create_task(reads.read("tasks", source.read)) for _ in range(2)]
    await aeventually(lambda: asyncio.sleep(0, source.readings == 1))
    both[0].cancel()
    source.gate.set()
    assert await both[1] == 0


async def test_a_fault_reaches_all_that_wait_and_no_later_one() -> None:
    source, reads = Source(), SharedReads()
    source.fault = ServerUnreachable("gone")
    source.gate.set()
    found = await asyncio.gather(
        *(reads.read("tasks", source.read) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in found] == [ServerUnreachable] * 3
    source.fault = None
    with pytest.raises(ServerUnreachable):
        raise found[0]  # type: ignore[misc]
    assert await reads.read("tasks", source.read) == 0
