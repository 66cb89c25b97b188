"""What a ping reports: its name in the address, and its body as log lines. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from infinitas.core.errors import BadArgs
from infinitas.core.text import clean

MOST_BYTES = 10_000
"""Of a body: its end, which is most likely to have the error."""
MOST_LINES = 500
MAX_LINE_CHARS = 4_000
MAX_FAILURE_CHARS = 1_000
HIGHEST_CODE = 255
_KINDS = {"": "ok", "start": "start", "fail": "fail", "log": "log"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PingReport:
    """`kind`: start, ok, fail or log; `failure`: the error of a run that failed; `result`: JSON text."""

    kind: str
    lines: Sequence[str] = ()
    failure: str = ""
    result: str = ""


def read_report(what: str, body: bytes, duration_s: float | None = None) -> PingReport:
    """The report of a ping whose address ends with `what`: '', start, fail, log or an exit code.

    Raises:
        BadArgs: it is none of them.
    """
    lines = body_lines(body)
    if what in _KINDS:
        kind, code = _KINDS[what], None
    elif what.isascii() and what.isdecimal() and len(what) <= 3 and int(what) <= HIGHEST_CODE:
        code = int(what)
        kind = "fail" if code else "ok"
    else:
        raise BadArgs(
            f"A ping ends with nothing, /start, /fail, /log or an exit code of 0 to 255, not {what[:40]!r}."
        )
    if kind != "ok":
        return PingReport(kind=kind, lines=lines, failure=_failure(code, lines) if kind == "fail" else "")
    facts = {"exit_code": code, "duration_s": duration_s}
    known = {name: value for name, value in facts.items() if value is not None}
    return PingReport(kind=kind, lines=lines, result=orjson.dumps(known).decode() if known else "")


def body_lines(body: bytes) -> list[str]:
    """The last part of a body as lines of text, without what a log line can't hold."""
    left_out = len(body) - MOST_BYTES
    text = clean(body[-MOST_BYTES:].decode(errors="replace"))
    lines = [line[:MAX_LINE_CHARS] for line in text.splitlines()]
    if len(lines) > MOST_LINES:
        return [f"… {len(lines) - MOST_LINES} lines are left out", *lines[-MOST_LINES:]]
    return [f"… {left_out:,} bytes are left out", *lines] if left_out > 0 else lines


def _failure(code: int | None, lines: Sequence[str]) -> str:
    """The error in one line: programs print it last."""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    what = "the run reported a failure" if code is None else f"exit code {code}"
    return f"{what}: {last}"[:MAX_FAILURE_CHARS] if last else what
