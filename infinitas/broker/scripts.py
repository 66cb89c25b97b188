"""Loads the Lua scripts. Each file names its keys and arguments, and gets them as locals.

A script's header says `-- keys: a b` and `-- args: x y`; callers pass them by name, so nobody
counts positions. The shared parts stand in front of each, and what a script has gathered is written
when it is over, also by an error.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files

SHARED = ("_shared", "_gathered", "_jobs", "_ends", "_schedules")
_END = ("if not ok then error(answer, 0) end", "return answer")
_HEADER = re.compile(r"^-- (keys|args): (.+)$", re.MULTILINE)


class Script:
    """One atomic edge. Call it with its queue's keys and named arguments."""

    def __init__(self, name: str, text: str, shared: str) -> None:
        header = dict(_HEADER.findall(text))
        self.name = name
        self.keys: list[str] = header["keys"].split()
        self.args: list[str] = header["args"].split()
        prelude = [
            *(f"local {key} = KEYS[{i}]" for i, key in enumerate(self.keys, 1)),
            *(f"local {arg} = ARGV[{i}]" for i, arg in enumerate(self.args, 1)),
        ]
        self.source = "\n".join(
            [*prelude, shared, "local ok, answer = pcall(function()", text, "end)", "write_gathered()", *_END]
        )
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@cache
def load_script(name: str, clock: str) -> Script:
    """The script of `lua/<name>.lua`, on the clock of `lua/<clock>.lua`."""
    folder = files("infinitas.broker") / "lua"
    shared = "\n".join((folder / f"{part}.lua").read_text() for part in (clock, *SHARED))
    return Script(name, (folder / f"{name}.lua").read_text(), shared)
