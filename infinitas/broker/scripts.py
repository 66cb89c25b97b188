"""Loads the Lua scripts. Each file names its keys and arguments, and gets them as locals.

A script's header lists `-- keys: a b` and `-- args: x y`; callers pass them by name, not by position.
The shared parts that it names, `-- parts: jobs finish`, are put in front: only those, because Redis
creates their functions again at each run.

Every script begins with a shebang, so Redis refuses it before its first line or not at all: while it is
full, read-only, can't persist, or lacks replicas. `-- flags: allow-oom` lets an edge that frees memory
run on a full Redis; `-- flags: no-writes` lets one run wherever reads are answered. After an error,
gathered writes are not made (decision 017).
"""

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from infinitas.broker.keys import QUEUE_KEYS, QueueKeys

SHARED = ("_records", "_shared", "_summaries", "_batch")
_HEADER = re.compile(r"^-- (flags|parts|keys|args): (.+)$", re.MULTILINE)


class Script:
    """One atomic edge, with its source, the names of its keys and arguments, and its SHA-1."""

    def __init__(self, name: str, clock: str) -> None:
        text, header = _read(name), header_of(name)
        parts = [f"_{part}" for part in header.get("parts", "").split()]
        shared = "\n".join(map(_read, (clock, *SHARED, *parts)))
        self.name = name
        self.keys: list[str] = header["keys"].split()
        self.args: list[str] = header["args"].split()
        flags = header.get("flags")
        prelude = [
            f"#!lua flags={flags}" if flags else "#!lua",
            *(f"local {key} = KEYS[{i}]" for i, key in enumerate(self.keys, 1)),
            *(f"local {arg} = ARGV[{i}]" for i, arg in enumerate(self.args, 1)),
        ]
        body = (
            "local function run()",
            text,
            "end",
            "local answer = run()",
            "write_batch()",
            "return answer",
        )
        self.source = "\n".join([*prelude, shared, *body])
        self._keys: dict[str, tuple[str, ...]] = {}
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def on_first_run(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments of EVALSHA for EVAL, as Redis does not know the script: its argument `first` is 1."""
        if "first" not in self.args:
            return arguments
        place = 1 + len(self.keys) + self.args.index("first")
        return (*arguments[:place], 1, *arguments[place + 1 :])

    def keys_of(self, queue: QueueKeys) -> tuple[str, ...]:
        """Its keys on one queue."""
        if queue.queue not in self._keys:
            self._keys[queue.queue] = tuple(queue[key] for key in self.keys if key in QUEUE_KEYS)
        return self._keys[queue.queue]


@cache
def load_script(name: str, clock: str) -> Script:
    """The script of `lua/<name>.lua`, on the clock of `lua/<clock>.lua`."""
    return Script(name, clock)


def header_of(name: str) -> dict[str, str]:
    """The header of `lua/<name>.lua`: flags, parts, keys, args."""
    return dict(_HEADER.findall(_read(name)))


def _read(name: str) -> str:
    return (files("infinitas.broker") / "lua" / f"{name}.lua").read_text()
