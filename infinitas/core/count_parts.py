"""Which parts of kept counts cover a window: as few as possible, and exactly to a quarter of an hour.

The archive counts ended jobs in parts of each of these lengths (migration 0013).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

SIZES_S = (900, 7_200, 43_200)
"""Each is a multiple of the one before."""


@dataclass(frozen=True, slots=True)
class CountParts:
    """The parts of one length that begin in `[first, after)`."""

    size_s: int
    first: datetime
    after: datetime


def parts_of(since: datetime, until: datetime, bucket_s: int | None = None) -> Sequence[CountParts]:
    """Covers `[since, until)`, each end rounded outwards to a quarter of an hour.

    Args:
        bucket_s: no part is in two buckets of this length, a multiple of 900; None: there are no buckets.
    """
    finest = SIZES_S[0]
    first, after = int(since.timestamp()) // finest * finest, -(-until.timestamp() // finest) * finest
    sizes = [size for size in SIZES_S if bucket_s is None or bucket_s % size == 0]
    return [
        CountParts(size, datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
        for size, start, end in _covering(sizes, first, int(after))
    ]


def _covering(sizes: Sequence[int], first: int, after: int) -> list[tuple[int, int, int]]:
    """The largest size covers the middle, the others what is left at both ends."""
    if first >= after or not sizes:
        return []
    *smaller, size = sizes
    start, end = -(-first // size) * size, after // size * size
    if start >= end:
        return _covering(smaller, first, after)
    return [*_covering(smaller, first, start), (size, start, end), *_covering(smaller, end, after)]
