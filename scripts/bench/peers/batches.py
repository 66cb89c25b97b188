"""A number in parts."""

from collections.abc import Iterator


def batches(count: int, most: int = 500) -> Iterator[int]:
    """Sizes of at most `most` that make `count` together."""
    while count > 0:
        yield min(count, most)
        count -= most
