"""The text of an exception that other code has raised.

Such an exception may be huge, and its class may raise when it is formatted: nothing here raises, and every
text is bounded.
"""

import contextlib
import traceback
from pathlib import Path
from types import TracebackType

_PACKAGE = str(Path(__file__).parents[1])
MAX_ERROR_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000
MOST_EXCEPTIONS = 200
"""Of causes, contexts and members of groups, together."""
MAX_PIECE_CHARS = 4_000
"""Of one message in a traceback: a longer one would leave no room for the frames."""


def error_line(error: BaseException) -> str:
    """Class and message in one line, e.g. `ValueError: no such order`."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - whatever its class raises
        text = "its text can't be read"
    line = f"{_class_name(error)}: {text}" if text else _class_name(error)
    return _encodable(" ".join(line[:MAX_ERROR_CHARS].split()))


def describe(error: BaseException) -> tuple[str, str]:
    """An exception's own text, and its traceback from the first frame outside of this package on."""
    if _has_many(error):
        line = error_line(error)
        return line, f"{_frames(error)}\n{line}\n… with more than {MOST_EXCEPTIONS} other exceptions"
    try:
        found = traceback.TracebackException(type(error), error, _own_frames(error))
        text = "".join(found.format_exception_only()).strip()
        pieces = "".join(_shortened(piece) for piece in found.format())
        # The innermost frames matter most, so a long traceback loses its beginning.
        return _encodable(text[:MAX_ERROR_CHARS]), _encodable(pieces.rstrip()[-MAX_TRACEBACK_CHARS:])
    except BaseException as fault:  # noqa: BLE001 - whatever its class raises
        return error_line(error), f"{_frames(error)}\nIt can't be formatted: {error_line(fault)}"


def traceback_text(error: BaseException) -> str:
    """The traceback of an exception, for a log entry."""
    return describe(error)[1]


def _has_many(error: BaseException) -> bool:
    """Whether so many exceptions hang together that formatting all takes seconds: it is quadratic."""
    # Not by attribute, as below.
    links = [vars(BaseException)[name].__get__ for name in ("__cause__", "__context__")]
    seen, waiting = set[int](), [error]
    while waiting and len(seen) <= MOST_EXCEPTIONS:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            waiting += [linked for link in links if (linked := link(each)) is not None]
            if issubclass(type(each), BaseExceptionGroup):
                waiting += vars(BaseExceptionGroup)["exceptions"].__get__(each)[: MOST_EXCEPTIONS + 1]
    return len(seen) > MOST_EXCEPTIONS


def _class_name(error: BaseException) -> str:
    # Not by attribute: a metaclass may have its own `__name__`.
    name: str = vars(type)["__name__"].__get__(type(error))
    return name


def _own_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the processor's first frame on; all of it if there is none."""
    # Not by attribute: the class may have its own `__traceback__`.
    first: TracebackType | None = vars(BaseException)["__traceback__"].__get__(error)
    found = first
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        found = found.tb_next
    return found or first


def _frames(error: BaseException) -> str:
    """The frames alone, which no code of the exception's class can change."""
    lines: list[str] = []
    with contextlib.suppress(Exception):
        lines = traceback.format_tb(_own_frames(error))
    return _encodable("".join(lines).rstrip()[-MAX_TRACEBACK_CHARS:])


def _shortened(piece: str) -> str:
    if len(piece) <= MAX_PIECE_CHARS:
        return piece
    return f"{piece[:MAX_PIECE_CHARS]} … {len(piece) - MAX_PIECE_CHARS:,} characters dropped\n"


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
