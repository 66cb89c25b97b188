"""Text of tasks, errors and logs, made harmless for a message: bounded, without what a display would obey."""

import re
import unicodedata

from infinitas.core.text import clean

MAX_LINE_CHARS = 500
MAX_BLOCK_CHARS = 8_000
CUT = "…"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks that reorder the text around them."""
_OBEYED = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb{_DIRECTIONS}\U000e0000-\U000e007f]")
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,40}[A-Za-z]")
_JOINER = "\u200d"


def line(text: object, most: int = MAX_LINE_CHARS) -> str:
    """One line of at most `most` characters; line breaks and tabs become spaces."""
    # Cut before it is searched: a text may be huge.
    found = " ".join(_text(text, 4 * most).split())
    return shorten(_visible(found), most)


def block(text: object, most: int = MAX_BLOCK_CHARS) -> str:
    """Lines, together at most `most` characters."""
    lines = _text(text, 2 * most).replace("\r\n", "\n").split("\n")
    return shorten("\n".join(_visible(each.replace("\t", "    ")).rstrip() for each in lines), most)


def last_lines(lines: list[str], most: int) -> list[str]:
    """The last of these lines that have at most `most` characters together."""
    kept: list[str] = []
    for each in reversed(lines):
        most -= len(each) + 1
        if most < 0:
            break
        kept.append(each)
    return kept[::-1]


def shorten(text: str, most: int) -> str:
    """`text`, or its beginning with `…`, cut between two characters as a reader sees them."""
    if len(text) <= most:
        return text
    end = max(most - 1, 0)
    while end > 0 and (_continues(text[end]) or text[end - 1] == _JOINER):
        end -= 1
    # A text of nothing but marks has no place to cut.
    return text[: end or max(most - 1, 0)].rstrip() + CUT


def _text(value: object, most: int) -> str:
    return _COLOURS.sub("", clean((value if isinstance(value, str) else str(value))[:most]))


def _visible(text: str) -> str:
    return _OBEYED.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


def _continues(character: str) -> bool:
    """Whether it belongs to the character before it: accents, variation selectors, skin tones."""
    return (
        unicodedata.category(character).startswith("M")
        or character == _JOINER
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
