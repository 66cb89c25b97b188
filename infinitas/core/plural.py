"""A count with its noun, for messages."""


def counted(number: int, noun: str) -> str:
    """`1 slot`, `2 keys`, `1,200 entries`."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{number:,} {plural}"
