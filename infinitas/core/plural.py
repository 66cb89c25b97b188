"""A count with its noun, for messages."""


def counted(number: int, noun: str) -> str:
    """`1 slot`, `2 slots`, `1,200 entries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"
